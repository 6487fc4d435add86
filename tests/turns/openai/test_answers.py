"""Answers that come, streamed and whole."""

import json

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    LlmRequest,
    LlmTerminalReason,
    LlmUsage,
    ReasoningBlock,
    ReasoningDelta,
    TextBlock,
    TextDelta,
    ToolCallBlock,
    TurnStreamEvent,
)
from lash_trio.turns.openai import OpenAIOptions

from .server import STREAM, Exchange, delta, finish, reply, usage
from .support import HELLO, KEY, Watch, ask, asking


async def test_text_is_told_as_it_comes_and_counted() -> None:
    counts = usage(
        prompt_tokens=5,
        completion_tokens=7,
        prompt_tokens_details={"cached_tokens": 2},
        completion_tokens_details={"reasoning_tokens": 3},
    )
    watch = Watch()
    async with asking(
        reply(delta(role="assistant", content=""), delta("Hel"), delta("lo"), finish(), counts)
    ) as (provider, server):
        response = await provider.complete(HELLO, watch)
    assert watch.events == [TextDelta(text="Hel"), TextDelta(text="lo")]
    assert response.full_text == "Hello"
    assert response.parts == (TextBlock(text="Hello"),)
    assert response.terminal_reason is LlmTerminalReason.STOP
    assert response.usage == LlmUsage(
        input_tokens=5, output_tokens=7, cached_input_tokens=2, reasoning_tokens=3
    )
    assert response.provider_usage == counts["usage"]
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json() == {
        "model": "m1",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_text_is_told_before_the_response_has_ended() -> None:
    told = trio.Event()

    class Tell:
        async def send(self, event: TurnStreamEvent) -> None:
            await trio.lowlevel.checkpoint()
            told.set()

    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        await exchange.event(delta("first"))
        await told.wait()
        await exchange.event(finish())
        await exchange.finish()

    with trio.fail_after(5):
        async with asking(handler) as (provider, _):
            assert (await provider.complete(HELLO, Tell())).full_text == "first"


async def test_tool_calls_are_put_together_from_their_pieces() -> None:
    response = await ask(
        reply(
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"x":'}}]),
            delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g"}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}]),
            finish("tool_calls"),
        )
    )
    assert response.parts == (
        ToolCallBlock(call_id="a", tool_name="f", input_json='{"x":1}'),
        ToolCallBlock(call_id="b", tool_name="g", input_json="{}"),
    )
    assert response.terminal_reason is LlmTerminalReason.TOOL_USE


async def test_calls_that_a_server_numbers_alike_are_told_apart_by_their_ids() -> None:
    response = await ask(
        reply(
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f"}}]),
            delta(tool_calls=[{"index": 0, "id": "b", "function": {"name": "f"}}]),
            finish(),
        )
    )
    assert [part.call_id for part in response.parts if isinstance(part, ToolCallBlock)] == [
        "a",
        "b",
    ]
    # This server says "stop" where it means the calls.
    assert response.terminal_reason is LlmTerminalReason.TOOL_USE


async def test_calls_without_ids_and_numbers_get_ids_of_their_own() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g"}}]
    response = await ask(reply(delta(tool_calls=calls), finish("tool_calls")))
    blocks = [part for part in response.parts if isinstance(part, ToolCallBlock)]
    assert [block.tool_name for block in blocks] == ["f", "g"]
    assert blocks[0].call_id != blocks[1].call_id


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_told_and_kept_apart_from_the_text(field: str) -> None:
    watch = Watch()
    async with asking(reply(delta(**{field: "hm"}), delta("yes"), finish())) as (provider, _):
        response = await provider.complete(HELLO, watch)
    assert watch.events == [ReasoningDelta(text="hm"), TextDelta(text="yes")]
    assert response.full_text == "yes"
    assert response.parts == (ReasoningBlock(text="hm"), TextBlock(text="yes"))


async def test_a_refusal_is_text_with_a_diagnostic() -> None:
    response = await ask(reply(delta(refusal="I will not."), finish()))
    assert response.full_text == "I will not."
    assert response.terminal_diagnostic == "the model refused"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", LlmTerminalReason.STOP),
        ("length", LlmTerminalReason.OUTPUT_LIMIT),
        ("content_filter", LlmTerminalReason.CONTENT_FILTER),
        ("tool_calls", LlmTerminalReason.TOOL_USE),
        ("eaten_by_a_dog", LlmTerminalReason.UNKNOWN),
    ],
)
async def test_why_the_model_stopped(said: str, reason: LlmTerminalReason) -> None:
    response = await ask(reply(delta("x"), finish(said)))
    assert response.terminal_reason is reason
    assert response.full_text == "x"
    assert (said in (response.terminal_diagnostic or "")) == (reason is LlmTerminalReason.UNKNOWN)


async def test_an_answer_in_one_piece_is_an_answer() -> None:
    message = {
        "role": "assistant",
        "content": "whole",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
    }
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }

    async def handler(exchange: Exchange) -> None:
        await exchange.answer(json.dumps(body), headers={"x-request-id": "req-7"})

    watch = Watch()
    async with asking(handler, OpenAIOptions(stream=False)) as (provider, server):
        response = await provider.complete(HELLO, watch)
    assert "stream" not in server.requests[0].json()
    assert watch.events == [TextDelta(text="whole")]
    assert response.parts[1] == ToolCallBlock(call_id="a", tool_name="f", input_json="{}")
    assert response.usage == LlmUsage(input_tokens=1, output_tokens=2)
    assert response.http_summary == "status 200, request req-7"


async def test_comments_other_fields_and_empty_events_are_no_chunks() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(f"{STREAM}; charset=latin-1")
        await exchange.send(": keep-alive\r\n\r\nevent: x\nid: 1\nretry: 5\n\ndata:\n\n")
        await exchange.send('event: ping\ndata: {"type": "ping"}\n\nevent: chunk\n')
        await exchange.event(delta("ä"))
        await exchange.send('data: {"choices":\ndata: null, "usage": null}\n\n')
        await exchange.event(finish())
        await exchange.finish()

    assert (await ask(handler)).full_text == "ä"


async def test_only_the_first_choice_counts() -> None:
    second = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}
    assert (await ask(reply(second, delta("one"), finish()))).full_text == "one"


async def test_what_breaks_after_the_end_costs_no_answer() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        await exchange.event(delta("paid"))
        await exchange.event(finish())
        # And the connection ends in the middle of the response.

    assert (await ask(handler)).full_text == "paid"


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    async with asking(reply(delta("x"), finish())) as (provider, server):
        for _ in range(3):
            await provider.complete(HELLO, Watch())
        assert server.accepted == 1


async def test_a_server_that_never_ends_its_stream_does_not_keep_the_answer(
    patient_clock: MockClock,
) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        await exchange.event(delta("x"))
        await exchange.event(finish())
        await exchange.send("data: [DONE]\n\n")
        await exchange.hang()

    async with asking(handler) as (provider, server):
        begun = trio.current_time()
        assert (await provider.complete(HELLO, Watch())).full_text == "x"
        assert trio.current_time() - begun < 1
        await server.wait_closed()


async def test_a_slow_reader_slows_the_reading_of_the_response() -> None:
    sent = 0
    chunk = delta("x" * 60_000)

    async def handler(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.start(STREAM)
        for _ in range(300):
            await exchange.event(chunk)
            sent += 1
        await exchange.event(finish())
        await exchange.finish()

    class Slow:
        def __init__(self) -> None:
            self.go = trio.Event()

        async def send(self, event: TurnStreamEvent) -> None:
            await self.go.wait()

    slow = Slow()
    async with asking(handler) as (provider, _), trio.open_nursery() as nursery:
        nursery.start_soon(provider.complete, HELLO, slow)
        await wait_all_tasks_blocked(0.05)
        # 18 MB were to come; what is under way is what the sockets hold.
        assert 0 < sent < 250
        slow.go.set()
    assert sent == 300


async def test_calls_run_side_by_side() -> None:
    both = trio.Event()

    async def handler(exchange: Exchange) -> None:
        if server.open == 2:
            both.set()
        with trio.fail_after(5):
            await both.wait()
        await reply(delta("x"), finish())(exchange)

    async with asking(handler) as (provider, server), trio.open_nursery() as nursery:
        nursery.start_soon(provider.complete, HELLO, Watch())
        nursery.start_soon(provider.complete, HELLO, Watch())


async def test_the_request_is_kept_where_that_is_wanted_without_its_bytes() -> None:
    options = OpenAIOptions(keep_request_body=True, extra_body={"seed": 3})
    async with asking(reply(delta("x"), finish()), options) as (provider, server):
        response = await provider.complete(LlmRequest(model="m2", messages=()), Watch())
    assert response.request_body is not None
    assert json.loads(response.request_body) == server.requests[0].json()
    assert server.requests[0].json()["seed"] == 3
    assert (await ask(reply(delta("x"), finish()))).request_body is None
