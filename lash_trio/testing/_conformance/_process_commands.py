"""Rules of process commands at the effect boundary."""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel import LocalExecutor
from ...model import (
    CANCEL_REQUESTED,
    AwaitProcess,
    CancelProcess,
    DeleteSession,
    DurabilityTier,
    EffectErrorCode,
    ListProcesses,
    PluginError,
    PluginReason,
    ProcessAwaited,
    ProcessCancelRequested,
    ProcessCommand,
    ProcessEffectOutcome,
    ProcessesListed,
    ProcessesTransferred,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessGrantEntry,
    ProcessLease,
    ProcessListMode,
    ProcessOutcome,
    ProcessSessionDeleteReport,
    ProcessSignalled,
    ProcessStarted,
    ProcessStartGrant,
    SessionDeleted,
    SessionScope,
    SignalProcess,
    StartProcess,
    TransferProcesses,
    terminal_event,
)
from ...stores.memory import MemoryProcessRegistry
from ._calls import cancelled_at_step
from ._host_bench import ControllerBench, controller_check, process
from ._registry_bench import (
    DESCRIPTOR,
    DONE,
    ELSEWHERE,
    PLAIN,
    SESSION,
    SIGNAL,
    named,
    signal,
)
from ._rules import expect, expect_error, expect_that

_STEPS = 8
"""After how many steps of the scheduler a command is cancelled at the latest."""
_GRANT = ProcessStartGrant(session_scope=SESSION, descriptor=DESCRIPTOR)


async def _run(bench: ControllerBench, key: str, command: ProcessCommand) -> ProcessEffectOutcome:
    executor = LocalExecutor.process_control(bench.registry)
    outcome = await bench.controller.execute_effect(process(key, command), executor)
    return outcome.expect(ProcessOutcome).result


async def _seen(bench: ControllerBench, *process_ids: str) -> None:
    for process_id in process_ids:
        await bench.registry.register_process(named(process_id), _GRANT)


def _ids(outcome: ProcessEffectOutcome) -> Sequence[str]:
    if not isinstance(outcome, ProcessesListed):
        raise AssertionError(f"expected a list of processes, got {outcome!r}")
    return [entry.record.id for entry in outcome.entries]


@controller_check
async def a_start_registers_and_no_more(bench: ControllerBench) -> None:
    """Starting a process registers its row and its grant, and runs nothing."""
    outcome = await _run(bench, "k", StartProcess(registration=PLAIN, grant=_GRANT))
    row = await bench.registry.get_process("p1")
    expect("what came of it", outcome, None if row is None else ProcessStarted(record=row))
    expect("its log", await bench.registry.events_after("p1", 0), [])
    expect("whether it is seen", await bench.registry.has_handle_grant(SESSION, "p1"), True)
    lease = await bench.registry.claim_process_lease("p1", "a worker", 1_000)
    expect("the owner of the process", lease.owner_id, "a worker")


@controller_check
async def a_list_is_what_the_session_sees(bench: ControllerBench) -> None:
    """Listing returns the live grants of the session scope, or all, with their rows."""
    await _seen(bench, "p1", "p2")
    await bench.registry.append_event("p2", terminal_event("p2", DONE))
    everything = await _run(
        bench, "k1", ListProcesses(session_scope=SESSION, mode=ProcessListMode.ALL)
    )
    live = await _run(bench, "k2", ListProcesses(session_scope=SESSION))
    expect("all processes", _ids(everything), ["p1", "p2"])
    expect("the live processes", _ids(live), ["p1"])


@controller_check
async def a_transfer_moves_what_is_seen(bench: ControllerBench) -> None:
    """Transferring moves the grants of the named processes."""
    await _seen(bench, "p1")
    command = TransferProcesses(from_scope=SESSION, to_scope=ELSEWHERE, process_ids=("p1",))
    expect("what came of it", await _run(bench, "k", command), ProcessesTransferred())
    sees = [await bench.registry.has_handle_grant(s, "p1") for s in (SESSION, ELSEWHERE)]
    expect("whether source and target see it", sees, [False, True])


@controller_check
async def a_deletion_returns_its_report(bench: ControllerBench) -> None:
    """Deleting a session revokes its grants and returns the report."""
    await _seen(bench, "p1")
    report = ProcessSessionDeleteReport(
        session_id="s1",
        revoked_handle_count=1,
        revoked_process_ids=("p1",),
        orphaned_process_ids=("p1",),
    )
    outcome = await _run(bench, "k", DeleteSession(session_id="s1"))
    expect("what came of it", outcome, SessionDeleted(report=report))
    expect("whether it is seen", await bench.registry.has_handle_grant(SESSION, "p1"), False)


@controller_check
async def an_end_is_awaited(bench: ControllerBench) -> None:
    """Awaiting a process waits for its end and returns its output."""
    await _seen(bench, "p1")
    async with bench.calls() as calls:
        call = calls.start(_run, bench, "k", AwaitProcess(process_id="p1"))
        await calls.parked("awaiting a running process", call)
        await bench.registry.append_event("p1", terminal_event("p1", DONE))
        outcome = await calls.served("awaiting an ended process", call)
    expect("what came of it", outcome, ProcessAwaited(output=DONE))


@controller_check
async def a_cancel_is_a_request(bench: ControllerBench) -> None:
    """Cancelling a process appends one ``process.cancel_requested`` with the reason, and ends nothing."""
    await _seen(bench, "p1")
    command = CancelProcess(process_id="p1", reason="not needed")
    for key in ("k1", "k2"):
        outcome = await _run(bench, key, command)
        row = await bench.registry.get_process("p1")
        expected = None if row is None else ProcessCancelRequested(record=row)
        expect("what came of it", outcome, expected)
    log = await bench.registry.events_after("p1", 0)
    events = [(event.event_type, event.payload) for event in log]
    expect("the log", events, [(CANCEL_REQUESTED, {"reason": "not needed"})])
    running = await bench.registry.list_non_terminal()
    expect("what has not ended", [row.id for row in running], ["p1"])


@controller_check
async def a_signal_is_an_event(bench: ControllerBench) -> None:
    """Signalling a process appends the event and returns it."""
    await _seen(bench, "p1")
    command = SignalProcess(
        process_id="p1", signal_name="ready", signal_id="1", request=signal(1, "k")
    )
    outcome = await _run(bench, "k", command)
    (event,) = await bench.registry.events_after("p1", 0)
    expect("what came of it", outcome, ProcessSignalled(event=event))
    expect("the type of the event", event.event_type, SIGNAL)


@controller_check
async def a_refusal_is_a_plugin_error(bench: ControllerBench) -> None:
    """What the registry refuses ends the effect with the code ``plugin`` and the registry's reason."""
    cancel = CancelProcess(process_id="nobody")
    error = await expect_error(
        "cancelling 'nobody'", EffectErrorCode.PLUGIN, _run(bench, "k", cancel)
    )
    reason = error.reason if isinstance(error, PluginError) else None
    expect("the reason", reason, str(PluginReason.UNKNOWN_PROCESS))


class _StrangeRegistry(MemoryProcessRegistry):
    """Says that it is durable, since a durable controller takes no other."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return DurabilityTier.DURABLE


class _BrokenRegistry(_StrangeRegistry):
    """Raises what no registry should."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        raise ZeroDivisionError("out of tea")

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        raise ZeroDivisionError("out of tea")


class _SteppingRegistry(_StrangeRegistry):
    """Transfers grants one by one, and so half of them where it is cancelled in between."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        for process_id in process_ids:
            await super().transfer_handle_grants(from_scope, to_scope, [process_id])


@controller_check
async def a_broken_registry_is_told(bench: ControllerBench) -> None:
    """An unexpected exception of a registry ends the effect with an error that names it as its cause."""
    broken = _BrokenRegistry()
    await broken.register_process(PLAIN)
    commands = (
        CancelProcess(process_id="p1"),
        ListProcesses(session_scope=SESSION, mode=ProcessListMode.ALL),
    )
    for number, command in enumerate(commands):
        executor = LocalExecutor.process_control(broken)
        running = bench.controller.execute_effect(process(f"k{number}", command), executor)
        what = f"a {command.tag} command on a broken registry"
        error = await expect_error(what, EffectErrorCode.PROCESS_TASK_JOIN, running)
        cause = type(error.__cause__).__name__
        expect("the cause of the error", cause, "ZeroDivisionError")
        expect_that("out of tea" in str(error), f"expected 'out of tea' in the text, got {error}")


@controller_check
async def a_cancelled_command_is_all_or_nothing(bench: ControllerBench) -> None:
    """A command that changes state and is cancelled has not begun, or has finished."""
    ids = ("p1", "p2", "p3")
    command = TransferProcesses(from_scope=SESSION, to_scope=ELSEWHERE, process_ids=ids)
    for number in range(_STEPS):
        registry = _SteppingRegistry()
        for process_id in ids:
            await registry.register_process(named(process_id), _GRANT)
        executor = LocalExecutor.process_control(registry)
        asked = process(f"k{number}", command)
        async with bench.calls() as calls:
            call = calls.start(bench.controller.execute_effect, asked, executor)
            with cancelled_at_step(call, number):
                await calls.ended("a cancelled transfer", call)
            if not call.cancelled:
                call.result()
        moved = [entry.record.id for entry in await registry.list_handle_grants(ELSEWHERE)]
        expect_that(
            moved == list(ids) or (not moved and call.cancelled),
            f"expected a transfer cancelled in step {number} to move all of {ids} or, cancelled, "
            f"none, got {moved} and {call!r}",
        )


CHECKS = (
    a_start_registers_and_no_more,
    a_list_is_what_the_session_sees,
    a_transfer_moves_what_is_seen,
    a_deletion_returns_its_report,
    an_end_is_awaited,
    a_cancel_is_a_request,
    a_signal_is_an_event,
    a_refusal_is_a_plugin_error,
    a_broken_registry_is_told,
    a_cancelled_command_is_all_or_nothing,
)
