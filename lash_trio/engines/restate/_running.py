"""Running a process's function until it ends or is asked to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ...model import (
    CANCEL_REQUESTED,
    EffectError,
    EffectErrorCode,
    FunctionInput,
    ProcessAwaitOutput,
    ProcessRecord,
    RerunDisposition,
    dumps,
)
from ._attempt import Attempt
from ._ending import BrokeOff, Ending, NeedsRepair, Returned
from ._program import RunningProcess
from ._ways import event_payload

CANCEL_PROMISE = f"{CANCEL_REQUESTED}:1"
"""The promise that has a value once the process is asked to end."""

_BEGUN = "begun"
_THROUGH_RESTATE = "the invocation was cancelled through Restate"
_REPAIRS = frozenset(
    {
        EffectErrorCode.REPLAY_MISMATCH,
        EffectErrorCode.REPLAY_MISSING,
        EffectErrorCode.PATH_SHARED,
    }
)


async def was_lost(attempt: Attempt, record: ProcessRecord) -> bool:
    """Whether an earlier attempt has run a process that may not be run again.

    If none has, it is recorded that this one does, and this one does not end for want of
    events: there would be nobody to go on.

    Args:
        attempt: at its invocation.
        record: the row of the process.
    """
    match record.input:
        case FunctionInput(rerun=RerunDisposition.OWNER_BOUND):
            if attempt.noted(_BEGUN) is not None:
                return True
            attempt.stay()
            await attempt.note(_BEGUN, b"")
        case _:
            pass
    return False


async def run_until_cancelled(
    attempt: Attempt,
    process: RunningProcess,
    note_cancel: Callable[[str], Awaitable[None]] | None = None,
) -> ProcessAwaitOutput | Exception:
    """Run a process, and cancel it when it is asked to end.

    Args:
        attempt: at its invocation.
        process: the run.
        note_cancel: is told of a cancel through Restate, with the reason.

    Returns:
        How it ended, or what stands in the way of this attempt.
    """

    async def watch_requests() -> None:
        process.cancel(_reason(await attempt.promise(CANCEL_PROMISE, is_watch=True)))

    async def watch_restate() -> None:
        await attempt.cancelled.wait()
        process.cancel(_THROUGH_RESTATE)
        if note_cancel is not None:
            await note_cancel(_THROUGH_RESTATE)

    requested = attempt.promised(CANCEL_PROMISE)
    if requested is not None:
        # Before it begins: what is recorded is replayed then, whatever runs first.
        process.cancel(_reason(requested))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_requests)
        nursery.start_soon(watch_restate)
        try:
            output: ProcessAwaitOutput | Exception = await process.run()
        except Exception as error:  # noqa: BLE001
            # Not in the nursery's group: it stands in the way of this attempt alone.
            output = error
        nursery.cancel_scope.cancel("the process has ended")
    return output


def _reason(requested: bytes) -> str | None:
    payload = event_payload(requested)
    reason = payload.get("reason") if isinstance(payload, dict) else None
    return reason if isinstance(reason, str) else None


def ending_of(output: ProcessAwaitOutput | Exception) -> Ending:
    """How an attempt ends after a run."""
    if isinstance(output, ProcessAwaitOutput):
        return Returned(dumps(output).encode())
    if isinstance(output, EffectError) and output.code in _REPAIRS:
        return NeedsRepair(output)
    return BrokeOff(output)
