"""Process commands on a registry."""

from __future__ import annotations

from collections.abc import Awaitable

import trio

from ..abc import ProcessRegistry
from ..model import (
    AwaitProcess,
    CancelProcess,
    DeleteSession,
    EffectError,
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
    ProcessListMode,
    ProcessRecord,
    ProcessSignalled,
    ProcessStarted,
    SessionDeleted,
    SignalProcess,
    StartProcess,
    TransferProcesses,
)


async def run_process_command(
    registry: ProcessRegistry, command: ProcessCommand
) -> ProcessEffectOutcome:
    """Run a command of the process plane.

    A command that changes state is all or nothing under cancellation: either not
    begun, or finished.

    Raises:
        EffectError: what the registry refused; ``runtime_effect_process_task_join``,
            with the cause, where it raised anything else.

    Always a checkpoint.
    """
    try:
        if not command.changes_state:
            return await _read(registry, command)
        await trio.lowlevel.checkpoint_if_cancelled()
        return await _shielded(_write(registry, command))
    except EffectError:
        raise
    except Exception as error:
        # A registry is somebody else's code: whatever it raises that is no refusal
        # must reach the caller as an error that can be recorded.
        raise EffectError(
            EffectErrorCode.PROCESS_TASK_JOIN,
            f"the registry raised {type(error).__name__} in the process command "
            f"{command.tag!r} ({command.effect_id}): {error}",
        ) from error


async def request_process_cancel(
    registry: ProcessRegistry, process_id: str, reason: str | None
) -> ProcessRecord:
    """Append the durable request that a process end as cancelled; return its row.

    Under cancellation it is all or nothing: either not begun, or finished.

    Raises:
        PluginError: ``unknown_process``.

    Always a checkpoint.
    """
    await registry.append_event(
        process_id, ProcessEventAppendRequest.cancel_requested(process_id, reason)
    )
    record: ProcessRecord | None = None
    # The request is in the log: who asked must hear that.
    with trio.CancelScope(shield=True):
        record = await registry.get_process(process_id)
    if record is None:
        raise PluginError(
            PluginReason.UNKNOWN_PROCESS,
            f"process {process_id!r} was removed while it was cancelled",
        )
    return record


async def _shielded(write: Awaitable[ProcessEffectOutcome]) -> ProcessEffectOutcome:
    with trio.CancelScope(shield=True):
        return await write
    raise AssertionError("nobody else has this cancel scope, so nobody can cancel it")


async def _read(registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
    match command:
        case ListProcesses(session_scope=scope, mode=ProcessListMode.LIVE):
            return ProcessesListed(entries=tuple(await registry.list_live_handle_grants(scope)))
        case ListProcesses(session_scope=scope):
            return ProcessesListed(entries=tuple(await registry.list_handle_grants(scope)))
        case AwaitProcess(process_id=process_id):
            return ProcessAwaited(output=await registry.await_process(process_id))
        case _:
            raise TypeError(f"unknown process command {command!r}")


async def _write(registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
    match command:
        case StartProcess(registration=registration, grant=grant):
            return ProcessStarted(record=await registry.register_process(registration, grant))
        case TransferProcesses(from_scope=source, to_scope=target, process_ids=process_ids):
            await registry.transfer_handle_grants(source, target, process_ids)
            return ProcessesTransferred()
        case DeleteSession(session_id=session_id):
            report = await registry.delete_session_process_state(session_id)
            return SessionDeleted(report=report)
        case CancelProcess(process_id=process_id, reason=reason):
            record = await request_process_cancel(registry, process_id, reason)
            return ProcessCancelRequested(record=record)
        case SignalProcess(process_id=process_id, request=request):
            appended = await registry.append_event(process_id, request)
            return ProcessSignalled(event=appended.event)
        case _:
            raise TypeError(f"unknown process command {command!r}")
