"""The tool loop: what it asks, runs, retries, records and tells."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    AttachmentRef,
    CallRetried,
    CheckpointDelivery,
    CheckpointKind,
    EffectError,
    EffectScope,
    ExecResponse,
    ExecutionSurfaceSync,
    FailTurn,
    FinishTurn,
    ImageBlock,
    InlineEffectHost,
    InvalidValueError,
    JsonValue,
    LlmAttachment,
    LlmCallError,
    LlmMessage,
    LlmRequest,
    LlmRole,
    LlmUsage,
    MemoryAttachmentStore,
    MemoryEffectJournal,
    PluginError,
    SwitchAgentFrame,
    TextBlock,
    TextDelta,
    ToolCallBlock,
    ToolCallEnded,
    ToolCallStarted,
    ToolFailure,
    ToolFailureClass,
    TrioClock,
    TurnCause,
    TurnStreamEvent,
    UsageCounted,
)
from lash_trio.abc import TurnEvents
from lash_trio.turns import (
    RetryPolicy,
    ScriptedReply,
    ToolContext,
    ToolLoop,
    Tools,
    TurnLimits,
    TurnStatus,
)
from tests.turns.support import (
    HELLO,
    TURN,
    Model,
    Waiting,
    calling,
    replaying,
    run,
    said,
)

DONE = ScriptedReply.says("done")


def adding() -> Tools:
    tools = Tools()

    @tools.tool()
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    return tools


async def test_a_turn_without_tools() -> None:
    model = Model(ScriptedReply.says("hi there"))
    result = await run(ToolLoop(provider=model, model="m", system_prompt="be kind"))
    assert (result.status, result.text) == (TurnStatus.COMPLETED, "hi there")
    assert said(result.messages) == ["assistant: hi there"]
    assert said(model.requests[0].messages) == ["system: be kind", "user: hello"]
    assert (model.requests[0].model, model.requests[0].session_id) == ("m", "s1")
    assert result.iterations == 1


async def test_a_turn_with_tools() -> None:
    model = Model(
        calling(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}), text="let me see"), DONE
    )
    result = await run(ToolLoop(provider=model, model="m", tools=adding()))
    assert result.status is TurnStatus.COMPLETED
    assert said(result.messages) == [
        "assistant: let me see",
        'assistant call_1: add {"a":1,"b":2}',
        'assistant call_2: add {"a":3,"b":4}',
        "result call_1: 3",
        "result call_2: 7",
        "assistant: done",
    ]
    assert [tool.name for tool in model.requests[0].tools] == ["add"]
    assert model.requests[1].messages == (HELLO, *result.messages[:2])


async def test_tool_calls_run_side_by_side_under_a_limit(autojump_clock: MockClock) -> None:
    waiting = Waiting()
    calls = [("wait", {"name": str(n), "seconds": 6 - n}) for n in range(5)]
    loop = ToolLoop(
        provider=Model(calling(*calls), DONE),
        model="m",
        tools=waiting.tools,
        limits=TurnLimits(max_concurrent_tools=2),
    )
    result = await run(loop)
    assert waiting.most_at_once == 2
    assert said(result.messages)[5:10] == [f"result call_{n + 1}: waited {n}" for n in range(5)]
    unlimited = Waiting()
    await run(ToolLoop(provider=Model(calling(*calls), DONE), model="m", tools=unlimited.tools))
    assert unlimited.most_at_once == 5


HOSTILE = [
    (ToolCallBlock(call_id="1", tool_name="rm", input_json="{}"), "there is no tool 'rm'"),
    (ToolCallBlock(call_id="1", tool_name="add", input_json="{"), "JSON"),
    (ToolCallBlock(call_id="1", tool_name="add", input_json="[NaN]"), "invalid_arguments"),
    (ToolCallBlock(call_id="1", tool_name="add", input_json="[" * 9999), "invalid_arguments"),
    (ToolCallBlock(call_id="1", tool_name="add", input_json=""), "a: Field required"),
    (ToolCallBlock(call_id="1", tool_name="add", input_json='"x"'), "invalid_arguments"),
    (
        ToolCallBlock(call_id="1", tool_name="add", input_json='{"a":1,"b":2,"a":3}'),
        "invalid_arguments",
    ),
]


@pytest.mark.parametrize(("block", "told"), HOSTILE)
async def test_a_bad_call_goes_back_to_the_model(block: ToolCallBlock, told: str) -> None:
    loop = ToolLoop(
        provider=Model(ScriptedReply(tool_calls=(block,)), DONE), model="m", tools=adding()
    )
    result = await run(loop, host=replaying(MemoryEffectJournal()))
    assert result.status is TurnStatus.COMPLETED
    line = said(result.messages)[1]
    assert line.startswith("error 1: ")
    assert told in line


async def test_call_ids_that_are_missing_or_double_are_replaced() -> None:
    blocks = tuple(
        ToolCallBlock(call_id=call_id, tool_name="add", input_json=f'{{"a":{n},"b":0}}')
        for n, call_id in enumerate(["x", "x", " ", ""])
    )
    loop = ToolLoop(
        provider=Model(ScriptedReply(tool_calls=blocks), DONE), model="m", tools=adding()
    )
    result = await run(loop, host=replaying(MemoryEffectJournal()))
    assert said(result.messages)[4:8] == [
        "result x: 0",
        "result call-1-2: 1",
        "result call-1-3: 2",
        "result call-1-4: 3",
    ]


async def test_the_iteration_limit() -> None:
    model = Model(script=lambda _: calling(("add", {"a": 1, "b": 1})))
    loop = ToolLoop(provider=model, model="m", tools=adding(), limits=TurnLimits(max_iterations=3))
    result = await run(loop)
    assert (result.status, result.iterations) == (TurnStatus.LIMIT, 3)
    assert result.reason == "the model was asked 3 times, which is the limit"
    assert model.answers == 3


async def test_the_token_limit() -> None:
    usage = LlmUsage(input_tokens=30, output_tokens=5, reasoning_tokens=2)
    reply = ScriptedReply(tool_calls=calling(("add", {"a": 1, "b": 1})).tool_calls, usage=usage)
    loop = ToolLoop(
        provider=Model(script=lambda _: reply),
        model="m",
        tools=adding(),
        limits=TurnLimits(max_tokens=70),
        usage_source="chat",
    )
    result = await run(loop)
    assert (result.status, result.iterations) == (TurnStatus.LIMIT, 2)
    assert result.usage == {"chat": LlmUsage(input_tokens=60, output_tokens=10, reasoning_tokens=4)}


async def test_the_time_limit_cuts_off_the_model(autojump_clock: MockClock) -> None:
    slow = ScriptedReply.says("one two three", seconds_per_word=10)
    loop = ToolLoop(
        provider=Model(slow), model="m", limits=TurnLimits(max_seconds=25), clock=TrioClock()
    )
    result = await run(loop)
    assert (result.status, trio.current_time()) == (TurnStatus.LIMIT, 25)
    assert result.reason == "the time of the turn was over before the model had answered"


async def test_the_time_limit_cuts_off_tools_and_counts_on_after_a_restart(
    autojump_clock: MockClock,
) -> None:
    journal, waiting = MemoryEffectJournal(), Waiting()
    loop = ToolLoop(
        provider=Model(calling(("wait", {"name": "a", "seconds": 100})), DONE),
        model="m",
        tools=waiting.tools,
        limits=TurnLimits(max_seconds=30),
        clock=TrioClock(),
    )
    with trio.move_on_after(20):
        await run(loop, host=replaying(journal))
    assert waiting.began == ["a"]
    await trio.sleep(5)
    result = await run(loop, host=replaying(journal))
    assert trio.current_time() == 30
    assert result.status is TurnStatus.LIMIT
    assert said(result.messages)[1] == (
        "error call_1: turn_time_limit: the time of the turn was over before the tool had ended"
    )
    assert (await run(loop, host=replaying(journal, replay_only=True))) == result


async def test_a_retryable_error_is_tried_again_after_growing_pauses(
    autojump_clock: MockClock,
) -> None:
    times: list[float] = []

    def script(_: LlmRequest) -> ScriptedReply:
        times.append(trio.current_time())
        return ScriptedReply.fails("busy", retryable=True) if len(times) < 5 else DONE

    send, receive = trio.open_memory_channel[TurnStreamEvent](100)
    loop = ToolLoop(
        provider=Model(script=script),
        model="m",
        retries=RetryPolicy(
            max_attempts=5, first_pause_seconds=2, factor=3, longest_pause_seconds=20
        ),
    )
    result = await run(loop, events=send)
    assert (result.status, result.text) == (TurnStatus.COMPLETED, "done")
    assert times == [0, 2, 8, 26, 46]
    error = LlmCallError(message="busy", retryable=True)
    send.close()
    assert [e async for e in receive if isinstance(e, CallRetried)] == [
        CallRetried(attempt=n, pause_seconds=pause, error=error)
        for n, pause in enumerate([2, 6, 18, 20], 1)
    ]


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (LlmCallError(message="no", retryable=False), [0]),
        (LlmCallError(message="busy", retryable=True), [0, 1, 3]),
        (LlmCallError(message="busy", retryable=True, retry_after_ms=5000), [0, 5, 10]),
        (LlmCallError(message="busy", retryable=True, retry_after_ms=10), [0, 1, 3]),
        (LlmCallError(message="busy", retryable=True, retry_after_ms=61_000), [0]),
    ],
)
async def test_when_a_call_is_given_up(
    error: LlmCallError, times: list[float], autojump_clock: MockClock
) -> None:
    made: list[float] = []

    def script(_: LlmRequest) -> ScriptedReply:
        made.append(trio.current_time())
        return ScriptedReply(error=error)

    loop = ToolLoop(provider=Model(script=script), model="m", retries=RetryPolicy(max_attempts=3))
    result = await run(loop)
    assert (result.status, result.error, result.reason) == (
        TurnStatus.FAILED,
        error,
        error.message,
    )
    assert made == times


async def test_a_pause_before_another_attempt_goes_on_after_a_restart(
    autojump_clock: MockClock,
) -> None:
    journal, made = MemoryEffectJournal(), list[float]()

    def script(_: LlmRequest) -> ScriptedReply:
        made.append(trio.current_time())
        return ScriptedReply.fails("busy", retryable=True) if len(made) == 1 else DONE

    loop = ToolLoop(
        provider=Model(script=script), model="m", retries=RetryPolicy(first_pause_seconds=10)
    )
    with trio.move_on_after(4):
        await run(loop, host=replaying(journal))
    assert (await run(loop, host=replaying(journal))).text == "done"
    assert made == [0, 10], "the failed attempt is recorded, and so is when the next is due"


async def test_a_pause_does_not_outlast_the_turn(autojump_clock: MockClock) -> None:
    loop = ToolLoop(
        provider=Model(ScriptedReply.fails("busy", retryable=True)),
        model="m",
        retries=RetryPolicy(first_pause_seconds=50),
        limits=TurnLimits(max_seconds=10),
        clock=TrioClock(),
    )
    result = await run(loop)
    assert (result.status, trio.current_time()) == (TurnStatus.LIMIT, 10)


async def test_a_turn_that_was_killed_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    """Cancelled from outside at every second: each model call that answered counts once."""
    journal, waiting = MemoryEffectJournal(), Waiting()
    model = Model(
        calling(("wait", {"name": "a", "seconds": 3}), ("wait", {"name": "b", "seconds": 5})),
        calling(("wait", {"name": "c", "seconds": 3})),
        ScriptedReply.says("all is done", seconds_per_word=2),
    )
    loop = ToolLoop(provider=model, model="m", tools=waiting.tools)
    for seconds in (2, 4, 6, 2, 4, 3):
        with trio.move_on_after(seconds):
            await run(loop, host=replaying(journal))
            pytest.fail("it should have been cut off")
    result = await run(loop, host=replaying(journal))
    assert (waiting.ended, model.answers) == (["a", "b", "c"], 3)
    assert Counter(waiting.began) == {"a": 2, "b": 3, "c": 3}
    uninterrupted = await run(ToolLoop(provider=model, model="m", tools=waiting.tools))
    assert result == uninterrupted
    answers = model.answers
    again = await run(loop, host=replaying(journal, replay_only=True))
    assert (again, model.answers) == (result, answers)


@pytest.mark.parametrize("seed", range(20))
async def test_tool_calls_replay_in_any_order_of_completion(
    seed: int, autojump_clock: MockClock
) -> None:
    journal, draw = MemoryEffectJournal(), random.Random(seed)
    tools, order = Tools(), list[str]()

    @tools.tool()
    async def work(name: str) -> str:
        await trio.sleep(draw.random())
        order.append(name)
        return name

    names = [f"n{number}" for number in range(8)]
    model = Model(calling(*[("work", {"name": name}) for name in names]), DONE)
    loop = ToolLoop(provider=model, model="m", tools=tools)
    with trio.move_on_after(0.5):
        await run(loop, host=replaying(journal))
    result = await run(loop, host=replaying(journal))
    assert sorted(order) == names, "each is completed once"
    assert said(result.messages)[8:16] == [f"result call_{n + 1}: n{n}" for n in range(8)]
    assert (await run(loop, host=replaying(journal, replay_only=True))) == result


async def test_a_cancelled_turn_says_so_in_its_transcript(autojump_clock: MockClock) -> None:
    waiting = Waiting()
    calls = [("wait", {"name": "a", "seconds": 1}), ("wait", {"name": "b", "seconds": 9})]
    loop = ToolLoop(provider=Model(calling(*calls), DONE), model="m", tools=waiting.tools)
    async with InlineEffectHost().scoped(TURN) as scope:
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                await trio.sleep(5)
                scope.cancel("the user pressed stop")

            nursery.start_soon(stop)
            result = await loop.run(scope, [HELLO])
    assert (result.status, trio.current_time()) == (TurnStatus.CANCELLED, 5)
    assert result.reason is not None
    assert "the user pressed stop" in result.reason
    lines = said(result.messages)
    assert lines[2] == "result call_1: waited a", "what was completed stays"
    assert lines[3].startswith("error call_2: ")
    assert "the user pressed stop" in lines[3]
    assert lines[4].startswith("system: The turn was cancelled: ")
    assert waiting.ended == ["a"]


async def test_a_turn_cancelled_while_the_model_speaks(autojump_clock: MockClock) -> None:
    model = Model(ScriptedReply.says("a b c d", seconds_per_word=5))
    async with InlineEffectHost().scoped(TURN) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_later, scope.cancel, 7)
            result = await ToolLoop(provider=model, model="m").run(scope, [HELLO])
    assert (result.status, trio.current_time(), model.answers) == (TurnStatus.CANCELLED, 7, 0)


async def _cancel_later(cancel: object, seconds: float) -> None:
    await trio.sleep(seconds)
    assert callable(cancel)
    cancel("stop")


async def test_a_cancellation_from_outside_passes_through_and_nothing_runs_on(
    autojump_clock: MockClock,
) -> None:
    waiting = Waiting()
    loop = ToolLoop(
        provider=Model(calling(("wait", {"name": "a", "seconds": 9})), DONE),
        model="m",
        tools=waiting.tools,
    )
    async with InlineEffectHost().scoped(TURN) as scope:
        with trio.move_on_after(3) as cut:
            await loop.run(scope, [HELLO])
        assert cut.cancelled_caught
        await trio.sleep(20)
    assert (waiting.began, waiting.ended) == (["a"], [])


async def test_checkpoints_bring_messages() -> None:
    asked: list[tuple[CheckpointKind, int]] = []

    async def checkpoints(
        kind: CheckpointKind, messages: Sequence[LlmMessage]
    ) -> CheckpointDelivery:
        asked.append((kind, len(messages)))
        match len(asked):
            case 1:
                return CheckpointDelivery(
                    messages=(LlmMessage.text(LlmRole.USER, "also this"),),
                    transient_messages=(LlmMessage.text(LlmRole.SYSTEM, "hurry"),),
                )
            case 2:
                return CheckpointDelivery(
                    turn_causes=(TurnCause(id="c", event_type="wake", text="it rang"),)
                )
            case _:
                return CheckpointDelivery()

    model = Model(calling(("add", {"a": 1, "b": 1})), ScriptedReply.says("so far"), DONE)
    loop = ToolLoop(provider=model, model="m", tools=adding(), checkpoints=checkpoints)
    result = await run(loop)
    assert asked == [
        (CheckpointKind.AFTER_WORK, 3),
        (CheckpointKind.BEFORE_COMPLETION, 5),
        (CheckpointKind.BEFORE_COMPLETION, 7),
    ]
    assert said(result.messages)[2:] == [
        "user: also this",
        "assistant: so far",
        "user: it rang",
        "assistant: done",
    ]
    assert said(model.requests[1].messages)[-2:] == ["user: also this", "system: hurry"]
    assert "system: hurry" not in said(model.requests[2].messages)


async def test_a_checkpoint_that_fails_ends_the_turn_with_its_error() -> None:
    async def checkpoints(
        kind: CheckpointKind, messages: Sequence[LlmMessage]
    ) -> CheckpointDelivery:
        raise PluginError("closed", "no more")

    with pytest.raises(EffectError, match="plugin: no more"):
        await run(ToolLoop(provider=Model(DONE), model="m", checkpoints=checkpoints))


async def test_the_surface_is_asked_before_each_call_and_recorded() -> None:
    journal, asked = MemoryEffectJournal(), list[int]()

    async def surface() -> ExecutionSurfaceSync | None:
        asked.append(1)
        return ExecutionSurfaceSync(system_prompt=f"v{len(asked)}") if len(asked) < 3 else None

    model = Model(calling(("add", {"a": 1, "b": 1})), calling(("add", {"a": 1, "b": 1})), DONE)
    loop = ToolLoop(provider=model, model="m", tools=adding(), surface=surface)
    result = await run(loop, host=replaying(journal))
    assert [said(request.messages)[0] for request in model.requests] == [
        "system: v1",
        "system: v2",
        "system: v2",
    ]
    assert model.requests[0].tools == (), "what the surface shows is what the model gets"
    assert (await run(loop, host=replaying(journal, replay_only=True))) == result
    assert len(asked) == 3


async def test_a_surface_that_fails_ends_the_turn_with_its_error() -> None:
    async def surface() -> ExecutionSurfaceSync | None:
        raise PluginError("closed", "no more")

    with pytest.raises(EffectError, match="no more"):
        await run(ToolLoop(provider=Model(DONE), model="m", surface=surface))


FAILURE = ToolFailure(
    failure_class=ToolFailureClass.PERMISSION_DENIED, code="no", message="not allowed"
)


@pytest.mark.parametrize(
    ("control", "status"),
    [
        (FinishTurn(value=[1]), TurnStatus.COMPLETED),
        (FailTurn(failure=FAILURE), TurnStatus.FAILED),
        (SwitchAgentFrame(frame_id="f2"), TurnStatus.COMPLETED),
    ],
)
async def test_a_tool_may_end_the_turn(
    control: FinishTurn | FailTurn | SwitchAgentFrame, status: TurnStatus
) -> None:
    tools = adding()

    @tools.tool()
    async def end() -> object:
        return control

    model = Model(calling(("add", {"a": 1, "b": 1}), ("end", {})), DONE)
    result = await run(ToolLoop(provider=model, model="m", tools=tools))
    assert (result.status, model.answers) == (status, 1)
    assert len(result.messages[1].blocks) == 2, "every call has its result"
    match control:
        case FinishTurn(value=value):
            assert result.value == value
        case FailTurn():
            assert (result.failure, result.reason) == (FAILURE, "not allowed")
        case SwitchAgentFrame():
            assert result.switch == control


async def test_what_happens_is_told_as_it_does(autojump_clock: MockClock) -> None:
    usage = LlmUsage(input_tokens=7)
    model = Model(
        calling(("add", {"a": 1, "b": 2}), ("rm", {})), ScriptedReply(text="so be it", usage=usage)
    )
    send, receive = trio.open_memory_channel[TurnStreamEvent](100)
    await run(ToolLoop(provider=model, model="m", tools=adding()), events=send)
    send.close()
    events = [event async for event in receive]
    assert [event.text for event in events if isinstance(event, TextDelta)] == [
        "so ",
        "be ",
        "it ",
    ]
    started = [event for event in events if isinstance(event, ToolCallStarted)]
    assert {(event.call_id, event.tool_name) for event in started} == {
        ("call_1", "add"),
        ("call_2", "rm"),
    }
    ended = {e.tool_name: e.is_error for e in events if isinstance(e, ToolCallEnded)}
    assert ended == {"add": False, "rm": True}
    assert events[-1] == UsageCounted(source="turn", usage=usage)


async def test_a_recorded_answer_is_not_told_again() -> None:
    journal = MemoryEffectJournal()
    loop = ToolLoop(provider=Model(ScriptedReply.says("a b")), model="m")
    await run(loop, host=replaying(journal))
    send, receive = trio.open_memory_channel[TurnStreamEvent](100)
    await run(loop, host=replaying(journal), events=send)
    send.close()
    assert [event async for event in receive] == []


async def test_attachments_are_stored_before_they_are_asked_about() -> None:
    store, model = MemoryAttachmentStore(), Model(DONE)
    loop = ToolLoop(provider=model, model="m", attachments=store)
    image = LlmMessage(
        role=LlmRole.USER, blocks=(TextBlock(text="what is it"), ImageBlock(attachment_idx=0))
    )
    async with InlineEffectHost().scoped(TURN) as scope:
        png = LlmAttachment(media_type="image/png", data=b"png")
        await loop.run(scope, [image], attachments=[png])
    (attachment,) = model.requests[0].attachments
    assert (attachment.data, attachment.media_type) == (b"png", "image/png")
    assert isinstance(attachment.reference, AttachmentRef)


async def test_attachments_need_a_store() -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        with pytest.raises(InvalidValueError, match="1 attachments and ToolLoop no attachment"):
            await ToolLoop(provider=Model(DONE), model="m").run(
                scope, [HELLO], attachments=[LlmAttachment(media_type="image/png", data=b"png")]
            )


async def test_a_missing_attachment_ends_the_turn_as_failed() -> None:
    loop = ToolLoop(provider=Model(DONE), model="m", attachments=MemoryAttachmentStore())
    reference = AttachmentRef(id="gone", media_type="image/png", byte_len=3)
    async with InlineEffectHost().scoped(TURN) as scope:
        result = await loop.run(
            scope,
            [HELLO],
            attachments=[LlmAttachment(media_type="image/png", reference=reference)],
        )
    assert result.status is TurnStatus.FAILED
    assert result.error is not None
    assert result.error.code == "attachment_resolution_failed"


async def test_a_tool_gets_the_same_idempotency_key_in_every_run(
    autojump_clock: MockClock,
) -> None:
    journal, keys = MemoryEffectJournal(), list[str]()
    tools = Tools()

    @tools.tool()
    async def pay(ctx: ToolContext, cents: int) -> str:
        keys.append(ctx.idempotency_key)
        await trio.sleep(5)
        return "paid"

    loop = ToolLoop(
        provider=Model(calling(("pay", {"cents": 1}), ("pay", {"cents": 1})), DONE),
        model="m",
        tools=tools,
    )
    with trio.move_on_after(2):
        await run(loop, host=replaying(journal))
    await run(loop, host=replaying(journal))
    assert len(keys) == 4
    assert sorted(keys[:2]) == sorted(keys[2:])
    assert keys[0] != keys[1]


async def test_two_turns_of_one_scope_do_not_meet() -> None:
    journal = MemoryEffectJournal()
    model = Model(script=lambda r: ScriptedReply.says(said(r.messages)[-1]))
    loop = ToolLoop(provider=model, model="m")

    async def both() -> list[str]:
        async with replaying(journal).scoped(EffectScope.queue_drain("s1", "d1")) as scope:
            one = await loop.run(scope, [HELLO])
            two = await loop.run(scope, [LlmMessage.text(LlmRole.USER, "again")])
            return [one.text, two.text]

    assert await both() == ["user: hello", "user: again"]
    assert await both() == ["user: hello", "user: again"]
    assert model.answers == 2


class Runner:
    """A code runner that calls tools by lines of ``name key=value``."""

    def __init__(self, error: str | None = None) -> None:
        self.codes: list[str] = []
        self._error = error

    async def run(self, code: str, *, tools, events: TurnEvents) -> ExecResponse:  # type: ignore[no-untyped-def]
        self.codes.append(code)
        if self._error is not None:
            return ExecResponse(observations=("before",), error=self._error)
        value: JsonValue = await tools["add"](a=1, b=int(code))
        return ExecResponse(observations=(f"added {value}",))


async def test_code_is_an_effect_of_its_own() -> None:
    journal, runner = MemoryEffectJournal(), Runner()
    model = Model(calling(("python", {"code": "41"})), DONE)
    loop = ToolLoop(provider=model, model="m", tools=adding(), code=runner)
    result = await run(loop, host=replaying(journal))
    assert said(result.messages)[1] == "result call_1: added 42"
    assert [tool.name for tool in model.requests[0].tools] == ["add", "python"]
    assert (await run(loop, host=replaying(journal, replay_only=True))) == result
    assert runner.codes == ["41"]


async def test_code_calls_tools_as_functions() -> None:
    tools, seen = Tools(), list[str]()

    @tools.tool()
    async def join(ctx: ToolContext, a: str, b: str = "-") -> str:
        return f"{a}{b}"

    class Calling:
        async def run(self, code: str, *, tools, events: TurnEvents) -> ExecResponse:  # type: ignore[no-untyped-def]
            function = tools["join"]
            seen.append(await function("x", "y"))
            seen.append(await function("x"))
            seen.append(await function("x", b="z"))
            for args, named in ((("x", "y", "z"), {}), (("x",), {"a": "y"}), ((), {})):
                with pytest.raises((TypeError, RuntimeError)) as refused:
                    await function(*args, **named)
                seen.append(str(refused.value))
            return ExecResponse()

    model = Model(calling(("python", {"code": ""})), DONE)
    await run(ToolLoop(provider=model, model="m", tools=tools, code=Calling()))
    assert seen[:3] == ["xy", "x-", "xz"]
    assert seen[3:5] == ["join() takes 2 arguments, got 3", "join() got 'a' twice"]
    assert "a: Field required" in seen[5]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"code": "1"}, "error call_1: code_failed: before\nZeroDivisionError"),
        ({"program": "1"}, 'error call_1: invalid_arguments: expected {"code": "..."}'),
    ],
)
async def test_code_that_fails(args: dict[str, JsonValue], told: str) -> None:
    model = Model(calling(("python", args)), DONE)
    result = await run(ToolLoop(provider=model, model="m", code=Runner("ZeroDivisionError")))
    assert said(result.messages)[1] == told


async def test_without_a_code_runner_python_is_a_tool_like_others() -> None:
    result = await run(
        ToolLoop(provider=Model(calling(("python", {"code": "1"})), DONE), model="m")
    )
    assert said(result.messages)[1] == (
        "error call_1: unknown_tool: there is no tool 'python'; the tools are none"
    )


async def test_a_tool_must_not_take_the_code_runners_name() -> None:
    tools = Tools()

    @tools.tool()
    async def python() -> None: ...

    with pytest.raises(InvalidValueError, match="'python' is the code runner's name"):
        await run(ToolLoop(provider=Model(DONE), model="m", tools=tools, code=Runner()))


async def test_a_changed_conversation_is_noticed() -> None:
    journal = MemoryEffectJournal()
    loop = ToolLoop(provider=Model(DONE), model="m")
    await run(loop, host=replaying(journal))
    with pytest.raises(EffectError) as mismatch:
        await run(
            loop,
            host=replaying(journal),
            messages=[LlmMessage.text(LlmRole.USER, "good-bye")],
        )
    assert mismatch.value.code == "effect_replay_mismatch"


async def test_a_script_without_a_reply_says_so() -> None:
    result = await run(ToolLoop(provider=Model(), model="m"))
    assert result.status is TurnStatus.FAILED
    assert result.reason == "the script has 0 replies, and this request asks for number 1"
