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
    StoreError,
    TransferProcesses,
)

_WRITE_SECONDS = 30.0


async def run_process_command(
    registry: ProcessRegistry, command: ProcessCommand
) -> ProcessEffectOutcome:
    """Run a command of the process plane.

    A command that changes state is all or nothing under cancellation: either not
    begun, or finished; it is waited for no longer than half a minute.

    Raises:
        StoreError: the registry did not answer in that time.
        EffectError: what the registry refused; ``runtime_effect_process_task_join``,
            with the cause, where it raised anything else.

    Always a checkpoint.
    """
    try:
        if not command.changes_state:
            return await _read(registry, command)
        await trio.lowlevel.checkpoint_if_cancelled()
        return await _shielded(command, _write(registry, command))
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
        StoreError: the registry took the request and does not answer any more.

    Always a checkpoint.
    """
    await registry.append_event(
        process_id, ProcessEventAppendRequest.cancel_requested(process_id, reason)
    )
    record: ProcessRecord | None = None
    # The request is in the log: who asked must hear that.
    with trio.move_on_after(_WRITE_SECONDS, shield=True) as patience:
        record = await registry.get_process(process_id)
    if patience.cancelled_caught:
        raise StoreError(
            f"process {process_id!r} was asked to end, but the registry did not return its row "
            f"within {_WRITE_SECONDS:g} s"
        )
    if record is None:
        raise PluginError(
            PluginReason.UNKNOWN_PROCESS,
            f"process {process_id!r} was removed while it was cancelled",
        )
    return record


async def _shielded(
    command: ProcessCommand, write: Awaitable[ProcessEffectOutcome]
) -> ProcessEffectOutcome:
    with trio.move_on_after(_WRITE_SECONDS, shield=True):
        return await write
    # Cut off, a registry's write has not begun or has finished.  Which of the two, who
    # asks again finds out: every command that changes state is the same again.
    raise StoreError(
        f"the registry did not answer the process command {command.tag!r} "
        f"({command.effect_id}) within {_WRITE_SECONDS:g} s, so it is not known whether it took "
        "effect; ask again, which changes nothing if it did"
    )


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
