"""Turns against a server: what the loop, the provider and the sandbox do together."""

from __future__ import annotations

import json
from itertools import pairwise

import trio
from trio.testing import MockClock

from lash_trio import (
    EffectScope,
    InlineEffectHost,
    LlmMessage,
    LlmRole,
    MemoryEffectJournal,
    ReplayingEffectHost,
    ReplayOptions,
    TrioClock,
)
from lash_trio.turns import RetryPolicy, ToolLoop, Tools, TurnResult, TurnStatus
from lash_trio.turns.code import CodeSandbox
from lash_trio.turns.openai import OpenAIErrorCode, OpenAIOptions

from .server import JSON, STREAM, Exchange, delta, events, finish, reply, usage
from .support import asking

TURN = EffectScope.turn("s1", "t1")
HELLO = LlmMessage.text(LlmRole.USER, "hello")


def call(name: str, **arguments: object) -> dict[str, object]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return delta(tool_calls=[{"index": 0, "id": f"{name}-1", "function": function}])


async def turn(loop: ToolLoop, host: ReplayingEffectHost | None = None) -> TurnResult:
    async with (host or InlineEffectHost()).scoped(TURN) as scope:
        return await loop.run(scope, [HELLO])


async def test_every_passing_failure_is_tried_again_after_its_pause(
    patient_clock: MockClock,
) -> None:
    asked_at: list[float] = []

    async def handler(exchange: Exchange) -> None:
        asked_at.append(trio.current_time())
        match len(asked_at):
            case 1:
                await exchange.answer("", JSON, 429, {"retry-after": "20"})
            case 2:
                await exchange.answer("oops", "text/plain", 500)
            case 3:
                await exchange.start(STREAM)
                await exchange.event(delta("half"))
            case 4:
                await exchange.hang()
            case _:
                await reply(delta("whole"), finish())(exchange)

    policy = RetryPolicy(max_attempts=9, first_pause_seconds=1, factor=2)
    async with asking(handler, OpenAIOptions(read_seconds=100)) as (provider, _):
        result = await turn(ToolLoop(provider=provider, model="m", retries=policy))
    assert (result.status, result.text) == (TurnStatus.COMPLETED, "whole")
    pauses = [round(after - before) for before, after in pairwise(asked_at)]
    # 429 says 20; then 2 and 4 by the policy; then 100 of silence and 8.
    assert pauses == [20, 2, 4, 108]


async def test_a_final_failure_is_not_tried_again() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("<html>", "text/html")

    async with asking(handler) as (provider, server):
        result = await turn(ToolLoop(provider=provider, model="m"))
        assert len(server.requests) == 1
    assert result.error is not None
    assert result.error.code == OpenAIErrorCode.UNEXPECTED_CONTENT_TYPE


async def test_code_of_the_model_calls_a_tool_and_nothing_is_asked_twice() -> None:
    tools = Tools()
    doubled: list[int] = []

    @tools.tool()
    async def double(x: int) -> int:
        """Twice a number."""
        await trio.lowlevel.checkpoint()
        doubled.append(x)
        return 2 * x

    async def handler(exchange: Exchange) -> None:
        if len(server.requests) == 1:
            chunks = [call("python", code="print('so')\ndouble(x=4) + 1"), finish("tool_calls")]
        else:
            chunks = [delta("It is 9."), finish(), usage(prompt_tokens=4, completion_tokens=2)]
        await exchange.answer(events(*chunks), STREAM)

    journal = MemoryEffectJournal()
    async with asking(handler) as (provider, server):
        loop = ToolLoop(provider=provider, model="m", tools=tools, code=CodeSandbox())
        first = await turn(loop, ReplayingEffectHost(journal, clock=TrioClock()))
        strict = ReplayOptions(replay_only=True)
        again = await turn(loop, ReplayingEffectHost(journal, strict, clock=TrioClock()))
        assert len(server.requests) == 2
        result = server.requests[1].json()["messages"]
    assert (first.status, first.text) == (TurnStatus.COMPLETED, "It is 9.")
    assert again.messages == first.messages
    assert doubled == [4]
    assert isinstance(result, list)
    assert result[-1]["role"] == "tool"
    assert result[-1]["tool_call_id"] == "python-1"
    assert "so" in result[-1]["content"]
    assert "9" in result[-1]["content"]
