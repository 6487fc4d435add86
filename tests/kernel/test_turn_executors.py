"""The turn and direct executors: which effects they serve, and what they hand on."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    SLEPT,
    AttachmentCreateMeta,
    AttachmentRef,
    CheckpointDelivery,
    CheckpointKind,
    CheckpointOutcome,
    CompletedToolCall,
    DirectOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    Err,
    ExecCodeOutcome,
    ExecResponse,
    ExecutionSurfaceSync,
    Invocation,
    InvocationScope,
    LlmAttachmentSpec,
    LlmCallError,
    LlmCallOutcome,
    LlmMessage,
    LlmRequest,
    LlmRequestSpec,
    LlmResponse,
    LlmRole,
    LocalExecutor,
    MemoryAttachmentStore,
    Ok,
    PluginError,
    PreparedToolCall,
    ProviderError,
    SyncExecutionSurfaceOutcome,
    TextDelta,
    ToolCallEffectOutcome,
    ToolCallOutput,
    ToolHostEvent,
    ToolSuccess,
    TurnStreamEvent,
)
from lash_trio.abc import Provider, TurnDriver, TurnEvents, TurnMachine

HELLO = LlmMessage.text(LlmRole.USER, "hello")
SPEC = LlmRequestSpec(model="m", messages=(HELLO,))
ANSWER = LlmResponse(full_text="hi")
CALL = PreparedToolCall(call_id="c1", tool_name="add", args={"a": 1})
COMPLETED = CompletedToolCall(
    call_id="c1",
    tool_name="add",
    args={"a": 1},
    output=ToolCallOutput(outcome=ToolSuccess(value=2)),
)
HOST_EVENT = ToolHostEvent(source_type="t", source_key="k", occurrence_id="o", idempotency_key="i")


class Machine(TurnMachine):
    @property
    def protocol_iteration(self) -> int:
        return 3

    @property
    def message_sequence(self) -> Sequence[LlmMessage]:
        return (HELLO,)


class Driver(TurnDriver):
    """Remembers what it was handed; fails where it is told to."""

    def __init__(self, error: EffectError | None = None, has_results: bool = True) -> None:
        self.seen: list[object] = []
        self._error = error
        self._has_results = has_results

    async def run_llm_call(
        self,
        request: LlmRequest,
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> tuple[Ok[LlmResponse] | Err[LlmCallError], bool]:
        self.seen = [request, protocol_iteration, invocation.effect_id]
        await events.send(TextDelta(text="hi"))
        return Ok(ANSWER), True

    async def run_tool_calls(
        self, calls: Sequence[tuple[PreparedToolCall, Invocation]], events: TurnEvents
    ) -> tuple[Sequence[CompletedToolCall], Sequence[ToolHostEvent]]:
        self.seen = [[(call, invocation.effect_id) for call, invocation in calls]]
        return ([COMPLETED], [HOST_EVENT]) if self._has_results else ([], [])

    async def run_exec_code(
        self,
        code: str,
        messages: Sequence[LlmMessage],
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> Ok[ExecResponse] | Err[str]:
        self.seen = [code, messages, protocol_iteration, invocation.effect_id]
        return Ok(ExecResponse(observations=("1",)))

    async def run_checkpoint(
        self, machine: TurnMachine, checkpoint: CheckpointKind, events: TurnEvents
    ) -> CheckpointDelivery:
        self.seen = [machine, checkpoint]
        if self._error is not None:
            raise self._error
        return CheckpointDelivery(messages=(HELLO,))

    async def refresh_execution_surface(
        self, machine: TurnMachine, update_machine_config: bool
    ) -> ExecutionSurfaceSync | None:
        self.seen = [machine, update_machine_config]
        if self._error is not None:
            raise self._error
        return ExecutionSurfaceSync(system_prompt="p")


def envelope(command: EffectCommand) -> EffectEnvelope:
    where = InvocationScope(session_id="s", turn_id="t")
    return EffectEnvelope(
        invocation=Invocation.effect(where, "e1", command.kind, "k1"), command=command
    )


async def in_turn(driver: Driver, command: EffectCommand, machine: TurnMachine) -> EffectOutcome:
    return await LocalExecutor.turn(driver, machine).execute(envelope(command))


async def test_a_model_call_goes_to_the_driver_and_is_told_in_pieces() -> None:
    driver = Driver()
    send, receive = trio.open_memory_channel[TurnStreamEvent](1)
    executor = LocalExecutor.turn(driver, Machine(), send)
    outcome = await executor.execute(envelope(EffectCommand.llm_call(SPEC)))
    assert outcome == LlmCallOutcome(result=Ok(ANSWER), text_streamed=True)
    assert driver.seen == [LlmRequest(model="m", messages=(HELLO,)), 3, "e1"]
    assert receive.receive_nowait() == TextDelta(text="hi")


async def test_a_model_call_carries_references_and_no_bytes() -> None:
    driver = Driver()
    reference = AttachmentRef(id="a1", media_type="image/png", byte_len=3)
    spec = LlmRequestSpec(
        model="m", messages=(HELLO,), attachments=(LlmAttachmentSpec(reference=reference),)
    )
    await in_turn(driver, EffectCommand.llm_call(spec), Machine())
    request = driver.seen[0]
    assert isinstance(request, LlmRequest)
    (attachment,) = request.attachments
    assert (attachment.reference, attachment.data) == (reference, b"")


async def test_a_tool_call_goes_to_the_driver() -> None:
    driver = Driver()
    outcome = await in_turn(driver, EffectCommand.tool_call(CALL), Machine())
    assert outcome == ToolCallEffectOutcome(result=COMPLETED, host_events=(HOST_EVENT,))
    assert driver.seen == [[(CALL, "e1")]]


async def test_a_tool_call_without_a_result_is_an_error() -> None:
    with pytest.raises(EffectError, match="no result for the call 'c1' of tool 'add'") as error:
        await in_turn(Driver(has_results=False), EffectCommand.tool_call(CALL), Machine())
    assert error.value.code == "tool_result_missing"


async def test_code_goes_to_the_driver() -> None:
    driver = Driver()
    outcome = await in_turn(driver, EffectCommand.exec_code("1"), Machine())
    assert outcome == ExecCodeOutcome(result=Ok(ExecResponse(observations=("1",))))
    assert driver.seen == ["1", (HELLO,), 3, "e1"]


async def test_a_checkpoint_goes_to_the_driver() -> None:
    driver, machine = Driver(), Machine()
    outcome = await in_turn(driver, EffectCommand.checkpoint(CheckpointKind.AFTER_WORK), machine)
    assert outcome == CheckpointOutcome(result=Ok(CheckpointDelivery(messages=(HELLO,))))
    assert driver.seen == [machine, CheckpointKind.AFTER_WORK]


async def test_what_is_wrong_at_a_checkpoint_is_its_result() -> None:
    driver = Driver(PluginError("closed", "no more"))
    kind = CheckpointKind.BEFORE_COMPLETION
    outcome = await in_turn(driver, EffectCommand.checkpoint(kind), Machine())
    assert isinstance(outcome, CheckpointOutcome)
    assert isinstance(outcome.result, Err)
    assert (outcome.result.error.code, outcome.result.error.message) == ("plugin", "no more")


@pytest.mark.parametrize("update", [True, False])
async def test_a_surface_sync_goes_to_the_driver(update: bool) -> None:
    driver, machine = Driver(), Machine()
    outcome = await in_turn(driver, EffectCommand.sync_execution_surface(update), machine)
    surface = ExecutionSurfaceSync(system_prompt="p")
    assert outcome == SyncExecutionSurfaceOutcome(result=Ok(surface))
    assert driver.seen == [machine, update]


async def test_what_is_wrong_with_a_surface_is_text() -> None:
    driver = Driver(PluginError("closed", "no more"))
    outcome = await in_turn(driver, EffectCommand.sync_execution_surface(True), Machine())
    assert outcome == SyncExecutionSurfaceOutcome(result=Err("plugin: no more"))


async def test_both_sleep(autojump_clock: MockClock) -> None:
    assert await in_turn(Driver(), EffectCommand.sleep(2000), Machine()) == SLEPT
    assert trio.current_time() == 2
    direct = LocalExecutor.direct(Answering(), MemoryAttachmentStore())
    assert await direct.execute(envelope(EffectCommand.sleep(3000))) == SLEPT
    assert trio.current_time() == 5


@pytest.mark.parametrize(
    "command",
    [
        EffectCommand.direct(SPEC, "title"),
        EffectCommand.await_event("k"),
        EffectCommand.durable_step("s"),
    ],
)
async def test_the_turn_executor_refuses_other_effects(command: EffectCommand) -> None:
    with pytest.raises(EffectError, match=f"the turn executor serves .* got the {command.kind}"):
        await in_turn(Driver(), command, Machine())


@pytest.mark.parametrize(
    "command",
    [EffectCommand.llm_call(SPEC), EffectCommand.tool_call(CALL), EffectCommand.exec_code("1")],
)
async def test_the_direct_executor_refuses_other_effects(command: EffectCommand) -> None:
    executor = LocalExecutor.direct(Answering(), MemoryAttachmentStore())
    with pytest.raises(EffectError, match="the direct executor serves direct and sleep") as error:
        await executor.execute(envelope(command))
    assert error.value.code == "runtime_effect_local_executor_mismatch"


@pytest.mark.parametrize("kind", ["turn", "direct"])
async def test_they_serve_one_effect_and_no_process_command(kind: str) -> None:
    def executor() -> LocalExecutor:
        if kind == "turn":
            return LocalExecutor.turn(Driver(), Machine())
        return LocalExecutor.direct(Answering(), MemoryAttachmentStore())

    one = executor()
    await one.execute(envelope(EffectCommand.sleep(0)))
    with pytest.raises(EffectError, match="has been used") as used:
        await one.execute(envelope(EffectCommand.sleep(0)))
    assert used.value.code == "runtime_effect_local_executor_consumed"
    with pytest.raises(EffectError, match=f"got the {kind} executor") as unavailable:
        executor().into_process()
    assert unavailable.value.code == "runtime_effect_local_executor_unavailable"


class Answering(Provider):
    def __init__(self, error: LlmCallError | None = None) -> None:
        self.requests: list[LlmRequest] = []
        self._error = error

    @property
    def name(self) -> str:
        return "answering"

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        self.requests.append(request)
        await events.send(TextDelta(text="hi"))
        if self._error is not None:
            raise ProviderError(self._error)
        return ANSWER


async def test_a_direct_call_gets_the_bytes_of_its_attachments() -> None:
    store, provider = MemoryAttachmentStore(), Answering()
    reference = await store.put(b"png", AttachmentCreateMeta(media_type="image/png"))
    spec = LlmRequestSpec(
        model="m", messages=(HELLO,), attachments=(LlmAttachmentSpec(reference=reference),)
    )
    send, receive = trio.open_memory_channel[TurnStreamEvent](1)
    executor = LocalExecutor.direct(provider, store, send)
    outcome = await executor.execute(envelope(EffectCommand.direct(spec, "title")))
    assert outcome == DirectOutcome(result=Ok(ANSWER))
    (attachment,) = provider.requests[0].attachments
    assert (attachment.data, attachment.media_type) == (b"png", "image/png")
    assert receive.receive_nowait() == TextDelta(text="hi")


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (AttachmentRef(id="gone", media_type="image/png", byte_len=3), "gone"),
        (AttachmentRef(id="there", media_type="image/png", byte_len=4), "should have 4 bytes"),
        (AttachmentRef(id="there", media_type="text/html", byte_len=3), "'text/html', which no"),
    ],
)
async def test_an_attachment_that_is_not_what_it_should_be(
    reference: AttachmentRef, why: str
) -> None:
    store, provider = MemoryAttachmentStore(), Answering()
    stored = await store.put(b"png", AttachmentCreateMeta(media_type="image/png"))
    if reference.id == "there":
        reference = attrs.evolve(reference, id=stored.id)
    spec = LlmRequestSpec(
        model="m", messages=(HELLO,), attachments=(LlmAttachmentSpec(reference=reference),)
    )
    executor = LocalExecutor.direct(provider, store)
    outcome = await executor.execute(envelope(EffectCommand.direct(spec, "title")))
    assert isinstance(outcome, DirectOutcome)
    assert isinstance(outcome.result, Err)
    error = outcome.result.error
    assert (error.code, error.retryable) == ("attachment_resolution_failed", False)
    assert why in error.message
    assert provider.requests == [], "the provider is not asked"


async def test_the_error_of_a_provider_is_the_result_of_a_direct_call() -> None:
    error = LlmCallError(message="busy", retryable=True, code="429", retry_after_ms=2000)
    executor = LocalExecutor.direct(Answering(error), MemoryAttachmentStore())
    outcome = await executor.execute(envelope(EffectCommand.direct(SPEC, "title")))
    assert outcome == DirectOutcome(result=Err(error))


async def test_a_slow_reader_slows_a_turn_and_a_gone_one_does_not_break_it(
    autojump_clock: MockClock,
) -> None:
    class Talkative(Answering):
        async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
            for number in range(5):
                await events.send(TextDelta(text=str(number)))
            return ANSWER

    send, receive = trio.open_memory_channel[TurnStreamEvent](0)

    async def read_two() -> None:
        async with receive:
            for number in range(2):
                await trio.sleep(10)
                assert await receive.receive() == TextDelta(text=str(number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_two)
        executor = LocalExecutor.direct(Talkative(), MemoryAttachmentStore(), send)
        outcome = await executor.execute(envelope(EffectCommand.direct(SPEC, "title")))
        assert trio.current_time() == 20
    assert outcome == DirectOutcome(result=Ok(ANSWER))
