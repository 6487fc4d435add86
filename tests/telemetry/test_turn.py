"""The trace of a model turn with tool calls."""

from __future__ import annotations

import json
import math

import pytest
import trio
from opentelemetry.trace import StatusCode
from trio.testing import MockClock

from lash_trio import (
    CompletedToolCall,
    EffectCommand,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    InlineEffectHost,
    LlmMessage,
    LlmRequestSpec,
    LlmRole,
    LocalExecutor,
    MemoryAttachmentStore,
    MemoryEffectJournal,
    PreparedToolCall,
    ReplayingEffectHost,
    ToolCallEffectOutcome,
    ToolCallOutput,
    ToolSuccess,
    TrioClock,
)
from lash_trio.kernel import effect_envelope
from lash_trio.telemetry import TracedEffectHost, TracedProvider
from lash_trio.turns import ScriptedProvider, ScriptedReply, ToolLoop, Tools
from tests.telemetry.support import Recorder, tree

HELLO = LlmMessage.text(LlmRole.USER, "hello")
SCRIPT = (
    ScriptedReply.calls(
        ("add", {"a": 1, "b": 2}), ("fail", {"why": "a secret"}), ("absent", {}), text="let me see"
    ),
    ScriptedReply.says("done"),
)


def tools() -> Tools:
    made = Tools()

    @made.tool()
    async def add(a: int, b: int) -> int:
        """Add."""
        await trio.sleep(1)
        return a + b

    @made.tool()
    async def fail(why: str) -> None:
        """Fail."""
        await trio.sleep(2)
        raise ValueError(why)

    return made


async def run(recorder: Recorder, journal: MemoryEffectJournal) -> None:
    telemetry = recorder.telemetry
    host = TracedEffectHost(ReplayingEffectHost(journal, clock=TrioClock()), telemetry)
    provider = TracedProvider(ScriptedProvider(SCRIPT), telemetry)
    loop = ToolLoop(provider=provider, model="m-1", tools=tools())
    async with host.scoped(EffectScope.turn("s1", "t1")) as scope:
        assert (await loop.run(scope, [HELLO])).text == "done"


async def test_a_turn_and_its_replay(autojump_clock: MockClock) -> None:
    recorder, journal = Recorder(), MemoryEffectJournal()
    await run(recorder, journal)
    (turn,) = recorder.trees()
    asking = tree("effect llm_call", "chat m-1")
    calling = [tree("effect tool_call", f"execute_tool {n}") for n in ("absent", "add", "fail")]
    first, *calls, after, second, before = turn.below
    assert (turn.name, first, second) == ("scope turn", asking, asking)
    # The calls run side by side, and which begins first is trio's to choose.
    assert sorted(calls, key=repr) == calling
    assert after == before == tree("effect checkpoint")
    recorder.clear()

    await run(recorder, journal)
    (turn,) = recorder.trees()
    names = [below.name for below in turn.below]
    assert names == [
        "effect llm_call",
        *["effect tool_call"] * 3,
        "effect checkpoint",
        "effect llm_call",
        "effect checkpoint",
    ]
    assert all(below.below == () for below in turn.below), "no model and no tool was called"
    for span in recorder.spans:
        if span.name != "scope turn":
            assert (span.attributes or {})["lash_trio.effect.replayed"] is True


async def test_tool_calls_say_what_the_conventions_want(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    await run(recorder, MemoryEffectJournal())
    assert recorder.about("execute_tool add") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.type": "function",
        "lash_trio.outcome": "ok",
    }
    failed = recorder.span("execute_tool fail")
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["lash_trio.outcome"] == "error"
    assert (failed.attributes or {})["error.type"]
    # That a tool failed is an outcome of the effect, and no failure of it.
    for span in recorder.named("effect tool_call"):
        assert (span.attributes or {})["lash_trio.outcome"] == "ok"
    assert "secret" not in "".join(span.to_json() for span in recorder.spans)
    ran = (("effect.kind", "tool_call"), ("effect.replayed", False), ("outcome", "ok"))
    assert recorder.counts("lash_trio.effect.duration")[ran] == 3
    assert recorder.metric("lash_trio.effect.duration")[ran] == pytest.approx(3.0)


async def test_arguments_and_results_where_asked_for(autojump_clock: MockClock) -> None:
    recorder = Recorder(record_content=True)
    await run(recorder, MemoryEffectJournal())
    about = recorder.about("execute_tool add")
    assert json.loads(str(about["gen_ai.tool.call.arguments"])) == {"a": 1, "b": 2}
    assert json.loads(str(about["gen_ai.tool.call.result"])) == 3
    description = recorder.span("execute_tool fail").status.description
    assert description is not None
    assert "a secret" in description


async def test_what_is_no_json_does_not_break_the_call_that_is_watched() -> None:
    recorder = Recorder(record_content=True)
    host = TracedEffectHost(InlineEffectHost(), recorder.telemetry)
    call = PreparedToolCall(call_id="c1", tool_name="t", args={"x": math.nan})
    output = ToolCallOutput(outcome=ToolSuccess(value=math.inf))
    completed = CompletedToolCall(call_id="c1", tool_name="t", args=None, output=output)

    async def run_tool(_: EffectEnvelope) -> EffectOutcome:
        return ToolCallEffectOutcome(result=completed)

    turn = EffectScope.turn("s1", "t1")
    envelope = effect_envelope(turn, "call", EffectCommand.tool_call(call))
    async with host.scoped(turn) as scope:
        await scope.execute_effect(envelope, LocalExecutor.call(run_tool))
    about = recorder.about("execute_tool t")
    assert about["gen_ai.tool.call.arguments"] == "<no JSON: invalid_json>"
    assert about["gen_ai.tool.call.result"] == "<no JSON: invalid_json>"


async def test_a_call_outside_of_turns_says_what_its_tokens_are_counted_under() -> None:
    recorder = Recorder()
    host = TracedEffectHost(InlineEffectHost(), recorder.telemetry)
    provider = TracedProvider(ScriptedProvider([ScriptedReply.says("hi")]), recorder.telemetry)
    operation = EffectScope.runtime_operation("title")
    request = LlmRequestSpec(model="m-1", messages=(HELLO,))
    envelope = effect_envelope(operation, "ask", EffectCommand.direct(request, "titles"))
    async with host.scoped(operation) as scope:
        executor = LocalExecutor.direct(provider, MemoryAttachmentStore())
        await scope.execute_effect(envelope, executor)
    assert recorder.trees() == [tree("scope runtime_operation", tree("effect direct", "chat m-1"))]
    assert recorder.about("effect direct")["lash_trio.usage_source"] == "titles"


async def test_a_turn_that_is_cancelled_in_a_tool(autojump_clock: MockClock) -> None:
    recorder = Recorder()
    with trio.move_on_after(1.5):
        await run(recorder, MemoryEffectJournal())
    assert recorder.about("execute_tool add")["lash_trio.outcome"] == "ok"
    assert recorder.about("execute_tool fail")["lash_trio.outcome"] == "cancelled"
    assert recorder.about("scope turn")["lash_trio.outcome"] == "cancelled"
    assert recorder.spans[-1].name == "scope turn"
