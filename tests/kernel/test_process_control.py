"""Commands of the process plane: all or nothing, and what a registry's errors become."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    CANCEL_REQUESTED,
    AwaitProcess,
    CancelProcess,
    DeleteSession,
    EffectError,
    InlineEffectHost,
    ListProcesses,
    PluginError,
    ProcessAwaited,
    ProcessAwaitOutput,
    ProcessCancelRequested,
    ProcessCommand,
    ProcessesListed,
    ProcessesTransferred,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessGrantEntry,
    ProcessHandleDescriptor,
    ProcessLease,
    ProcessListMode,
    ProcessOutcome,
    ProcessRecord,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    ProcessSignalled,
    ProcessStarted,
    ProcessStartGrant,
    SessionDeleted,
    SessionScope,
    SignalProcess,
    StartProcess,
    StoreError,
    TransferProcesses,
    request_process_cancel,
)
from lash_trio.kernel import run_process_command
from tests.kernel.support import TURN, Registry, code_of, process, ready, registration

S1 = SessionScope(session_id="s1")
S2 = SessionScope(session_id="s2")

START = StartProcess(registration=registration("p2"), grant=ProcessStartGrant(session_scope=S1))
TRANSFER = TransferProcesses(from_scope=S1, to_scope=S2, process_ids=("p1",))
DELETE = DeleteSession(session_id="s1")
CANCEL = CancelProcess(process_id="p1", reason="enough")
SIGNAL = SignalProcess(process_id="p1", signal_name="ready", signal_id="1", request=ready("go"))
LIST_LIVE = ListProcesses(session_scope=S1)
LIST_ALL = ListProcesses(session_scope=S1, mode=ProcessListMode.ALL)
AWAIT = AwaitProcess(process_id="p1")
WRITES: dict[str, ProcessCommand] = {
    "start": START,
    "transfer": TRANSFER,
    "delete": DELETE,
    "cancel": CANCEL,
    "signal": SIGNAL,
}
READS: dict[str, ProcessCommand] = {"list": LIST_LIVE, "list all": LIST_ALL, "await": AWAIT}


async def grant(registry: Registry) -> None:
    await registry.grant_handle(S1, "p1", ProcessHandleDescriptor())


# What each command does.


async def test_start_and_list(registry: Registry) -> None:
    await grant(registry)
    started = await run_process_command(registry, START)
    assert isinstance(started, ProcessStarted)
    assert started.record.id == "p2"
    await registry.complete_process("p1", ProcessAwaitOutput.success(None))
    live = await run_process_command(registry, LIST_LIVE)
    listed = await run_process_command(registry, LIST_ALL)
    assert isinstance(live, ProcessesListed)
    assert isinstance(listed, ProcessesListed)
    assert [entry.record.id for entry in live.entries] == ["p2"]
    assert [entry.record.id for entry in listed.entries] == ["p1", "p2"]


async def test_transfer_and_delete(registry: Registry) -> None:
    await grant(registry)
    assert await run_process_command(registry, TRANSFER) == ProcessesTransferred()
    assert not await registry.has_handle_grant(S1, "p1")
    assert await registry.has_handle_grant(S2, "p1")
    deleted = await run_process_command(registry, DeleteSession(session_id="s2"))
    assert isinstance(deleted, SessionDeleted)
    assert deleted.report.orphaned_process_ids == ("p1",)
    assert not await registry.has_handle_grant(S2, "p1")


async def test_cancel_appends_a_durable_request(registry: Registry) -> None:
    cancelled = await run_process_command(registry, CANCEL)
    assert isinstance(cancelled, ProcessCancelRequested)
    # It has been asked to end; it has not ended.
    assert not cancelled.record.is_terminal
    (event,) = await registry.events_after("p1", 0)
    assert event.event_type == CANCEL_REQUESTED
    assert event.payload == {"reason": "enough"}
    await run_process_command(registry, CANCEL)
    assert len(await registry.events_after("p1", 0)) == 1


async def test_signal_and_await(registry: Registry) -> None:
    signalled = await run_process_command(registry, SIGNAL)
    assert isinstance(signalled, ProcessSignalled)
    assert (signalled.event.sequence, signalled.event.payload) == (1, "go")
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await wait_all_tasks_blocked()
            await registry.complete_process("p1", ProcessAwaitOutput.success("done"))

        nursery.start_soon(end)
        awaited = await run_process_command(registry, AWAIT)
    assert awaited == ProcessAwaited(output=ProcessAwaitOutput.success("done"))


async def test_a_command_that_is_none_is_told(registry: Registry) -> None:
    class Unheard(ProcessCommand):
        tag = "unheard"

    with pytest.raises(EffectError) as caught:
        await run_process_command(registry, Unheard())
    assert caught.value.code == "runtime_effect_process_task_join"
    assert isinstance(caught.value.__cause__, TypeError)


# All or nothing.


class SlowRegistry(Registry):
    """Yields to the scheduler, and to cancellations, around every write."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await pause()
        record = await super().register_process(registration, grant)
        await pause()
        return record

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        await pause()
        appended = await super().append_event(process_id, request, fence)
        await pause()
        return appended

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await pause()
        return await super().get_process(process_id)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await pause()
        await super().transfer_handle_grants(from_scope, to_scope, process_ids)
        await pause()

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        await pause()
        report = await super().delete_session_process_state(session_id)
        await pause()
        return report


async def pause() -> None:
    for _ in range(3):
        await trio.lowlevel.checkpoint()


async def state_of(registry: Registry) -> object:
    """All that a write can change."""
    return (
        await registry.events_after("p1", 0),
        await Registry.get_process(registry, "p2") is not None,
        await registry.list_handle_grants(S1),
        await registry.list_handle_grants(S2),
    )


async def slow_registry() -> SlowRegistry:
    registry = SlowRegistry(clock=FixedClock())
    await registry.register_process(registration())
    await grant(registry)
    return registry


class FixedClock:
    def now_ms(self) -> int:
        return 1_000


@pytest.mark.parametrize("requested", [True, False], ids=["scope.cancel", "outer"])
@pytest.mark.parametrize("name", list(WRITES))
async def test_a_write_is_all_or_nothing(name: str, requested: bool) -> None:
    untouched = await state_of(await slow_registry())
    finished_one = await slow_registry()
    await run_process_command(finished_one, WRITES[name])
    finished = await state_of(finished_one)
    assert finished != untouched

    endings: list[str] = []
    for steps in range(40):
        registry = await slow_registry()
        ending = await cancelled_after(steps, registry, WRITES[name], requested)
        state = await state_of(registry)
        if ending == "finished":
            assert state == finished, steps
        else:
            assert state == untouched, steps
        endings.append(ending)
    # Once it has begun it always finishes.
    assert endings == sorted(endings)
    assert set(endings) == {"cancelled", "finished"}


async def cancelled_after(
    steps: int, registry: Registry, command: ProcessCommand, requested: bool
) -> str:
    """Run a command and cancel it after so many steps of the scheduler."""
    with trio.CancelScope() as outer:
        async with InlineEffectHost().scoped(TURN) as scope, trio.open_nursery() as nursery:

            async def cancel() -> None:
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                if requested:
                    scope.cancel("enough")
                else:
                    outer.cancel()

            if steps:
                nursery.start_soon(cancel)
            else:
                await cancel()
            try:
                outcome = await scope.execute_effect(*process(registry, command))
            except EffectError as error:
                return {"runtime_effect_cancelled": "cancelled"}.get(error.code, error.code)
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    # Cancelled is as good as not begun; nothing goes on behind it.
                    await pause()
                raise
            assert isinstance(outcome, ProcessOutcome)
            return "finished"
    assert outer.cancelled_caught
    return "cancelled"


async def test_a_request_to_cancel_is_all_or_nothing() -> None:
    for steps in range(20):
        registry = await slow_registry()
        finished = False
        with trio.CancelScope() as cancel_scope:
            async with trio.open_nursery() as nursery:

                async def cancel(
                    steps: int = steps, cancel_scope: trio.CancelScope = cancel_scope
                ) -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    cancel_scope.cancel()

                nursery.start_soon(cancel)
                # Its two calls belong together, behind the one that is not begun.
                await request_process_cancel(AtomicAppends(registry), "p1", "enough")
                finished = True
        assert bool(await registry.events_after("p1", 0)) == finished


def AtomicAppends(registry: SlowRegistry) -> SlowRegistry:  # noqa: N802
    """A registry whose appends are all or nothing, as the port demands."""

    async def append_event(
        process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendResult:
        await pause()
        return await Registry.append_event(registry, process_id, request)

    registry.append_event = append_event  # type: ignore[method-assign, assignment]
    return registry


@pytest.mark.parametrize("name", list(READS))
async def test_a_read_is_cancelled(name: str) -> None:
    class Stuck(Registry):
        async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
            await trio.sleep_forever()
            raise AssertionError("unreachable")

    registry = Stuck()
    await registry.register_process(registration())
    async with InlineEffectHost().scoped(TURN) as scope:
        handle = scope.start_effect(*process(registry, READS[name]))
        await wait_all_tasks_blocked()
        handle.cancel()
        assert await code_of(handle.result()) == "runtime_effect_cancelled"
    assert registry.statistics().tasks_waiting == 0


# What a registry never answers.


@pytest.mark.parametrize("name", list(WRITES))
async def test_a_write_that_hangs_is_given_up(name: str, autojump_clock: MockClock) -> None:
    class Stuck(Registry):
        async def hang(self, *_: object, **__: object) -> object:
            await trio.sleep_forever()
            raise AssertionError("unreachable")

    registry = Stuck()
    await registry.register_process(registration())
    for method in (
        "register_process",
        "append_event",
        "transfer_handle_grants",
        "delete_session_process_state",
    ):
        setattr(registry, method, registry.hang)
    # Not even a cancellation from outside cuts it short: it may have taken effect.
    with trio.move_on_after(1), pytest.raises(StoreError) as given_up:
        await run_process_command(registry, WRITES[name])
    assert trio.current_time() == 30
    assert given_up.value.code == "runtime_store"
    assert "within 30 s, so it is not known whether it took effect" in given_up.value.message


async def test_a_cancel_request_does_not_wait_for_its_row_for_ever(
    autojump_clock: MockClock,
) -> None:
    class Forgetful(Registry):
        async def get_process(self, process_id: str) -> ProcessRecord | None:
            await trio.sleep_forever()
            raise AssertionError("unreachable")

    registry = Forgetful()
    await registry.register_process(registration())
    with pytest.raises(StoreError, match="was asked to end"):
        await request_process_cancel(registry, "p1", "enough")
    assert await registry.count_events_through("p1", "process.cancel_requested", 10) == 1


# What a registry raises.


class FailingRegistry(Registry):
    """Raises the same, whatever it is asked."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()

        async def fail(*_: object, **__: object) -> object:
            await trio.lowlevel.checkpoint()
            raise error

        for name, _ in inspect.getmembers(Registry, inspect.iscoroutinefunction):
            setattr(self, name, fail)


ALL = [*WRITES.items(), *READS.items()]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
async def test_an_unexpected_error_is_chained(name: str, command: ProcessCommand) -> None:
    error = KeyError("lost")
    with pytest.raises(EffectError) as caught:
        await run_process_command(FailingRegistry(error), command)
    assert caught.value.code == "runtime_effect_process_task_join"
    assert caught.value.__cause__ is error
    assert caught.value.message == (
        f"the registry raised KeyError in the process command {command.tag!r} "
        f"({command.effect_id}): 'lost'"
    )


REFUSALS = [
    (PluginError("unknown_process", "there is none"), "plugin"),
    (StoreError("the disk is full"), "runtime_store"),
    (EffectError("mine", "a code of its own"), "mine"),
]


@pytest.mark.parametrize(("error", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
@pytest.mark.parametrize("command", [SIGNAL, LIST_LIVE], ids=["signal", "list"])
async def test_a_refusal_passes_as_it_is(
    command: ProcessCommand, error: EffectError, code: str
) -> None:
    with pytest.raises(EffectError) as caught:
        await run_process_command(FailingRegistry(error), command)
    assert caught.value is error
    assert caught.value.code == code


async def test_a_group_of_a_registry_is_chained() -> None:
    group = ExceptionGroup("of a nursery", [KeyError()])
    with pytest.raises(EffectError) as caught:
        await run_process_command(FailingRegistry(group), SIGNAL)
    assert caught.value.code == "runtime_effect_process_task_join"
    assert caught.value.__cause__ is group


@pytest.mark.parametrize("command", [SIGNAL, LIST_LIVE], ids=["signal", "list"])
async def test_the_end_of_the_program_passes(command: ProcessCommand) -> None:
    with pytest.raises(KeyboardInterrupt):
        await run_process_command(FailingRegistry(KeyboardInterrupt()), command)


Refused = Callable[[Registry], Awaitable[object]]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda r: run_process_command(r, CancelProcess(process_id="p9")), "unknown_process"),
        (lambda r: request_process_cancel(r, "p9", None), "unknown_process"),
        (lambda r: run_process_command(r, AwaitProcess(process_id="p9")), "unknown_process"),
        (lambda r: run_process_command(r, TRANSFER), "unknown_grant"),
    ],
    ids=["cancel", "request", "await", "transfer"],
)
async def test_what_the_registry_refuses(refused: Refused, reason: str, registry: Registry) -> None:
    with pytest.raises(PluginError) as caught:
        await refused(registry)
    assert caught.value.code == "plugin"
    assert caught.value.reason == reason


async def test_a_process_that_is_gone_when_its_row_is_read(registry: Registry) -> None:
    async def get_process(process_id: str) -> None:
        await trio.lowlevel.checkpoint()

    registry.get_process = get_process  # type: ignore[method-assign]
    with pytest.raises(PluginError, match="was removed while it was cancelled"):
        await request_process_cancel(registry, "p1", None)
