"""Processes as workflows of Restate that have a row and a log in a registry."""

from __future__ import annotations

import logging

import attrs
import trio

from ...abc import Clock
from ...model import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    EffectError,
    EffectErrorCode,
    EffectScope,
    FunctionInput,
    OperatorWait,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessRecord,
    Replay,
    WaitState,
    WireError,
    dumps,
    loads,
)
from ._attempt import Attempt
from ._bodies import AskedCancel, AskedSignal, AskedStart, event_bytes, refused, returned
from ._controller import Execution, RestateEffectHost, current_execution
from ._ending import BrokeOff, Ending, NeedsRepair, Returned
from ._keys import process_of
from ._log_waits import LogWays
from ._parking import ParkingRegistry
from ._process import unstartable
from ._program import ProcessProgram, RunningProcess
from ._running import CANCEL_PROMISE, ending_of, run_until_cancelled, was_lost
from ._vm import VmFault

_logger = logging.getLogger("lash_trio.engines.restate")

_ROW = "row"
_START_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.05


@attrs.frozen(kw_only=True)
class _Row:
    """What an invocation has found when it began.

    Args:
        record: the row.
        cancelled: whether the process was to be cancelled before it began.
        reason: why.
    """

    record: ProcessRecord
    cancelled: bool = False
    reason: str | None = None


@attrs.frozen
class LoggedProcessHandlers:
    """The handlers of the workflow.

    Args:
        program: what there is to run.
        host: opens the effect scopes of the processes.
        registry: keeps the rows and logs.
        clock: tells since when a process waits for a repair.
    """

    program: ProcessProgram
    host: RestateEffectHost
    registry: ParkingRegistry
    clock: Clock

    async def run(self, attempt: Attempt) -> Ending:
        """Run the process to its end, which is in its log then."""
        try:
            attempt.adopt_record()
        except VmFault as error:
            return BrokeOff(error)
        if attempt.recorded_output is not None:
            return Returned(attempt.recorded_output)
        try:
            process_id = self._process_id(attempt)
            with attempt.working():
                row = await self._row(attempt, process_id)
                if row.record.is_terminal:
                    # It ended before it began, or Restate has forgotten that it has run.
                    return ending_of(await self.registry.await_process(process_id))
        except WireError as error:
            return refused(error)
        except EffectError as error:
            return unstartable(error) if isinstance(error, PluginError) else _unready(error)
        ending = await self._run(attempt, row)
        if isinstance(ending, NeedsRepair):
            await self._show_fault(process_id, ending.error)
        return ending

    async def _run(self, attempt: Attempt, row: _Row) -> Ending:
        process_id = row.record.id
        async with trio.open_nursery() as nursery:
            ways = LogWays(
                attempt=attempt, process_id=process_id, registry=self.registry, nursery=nursery
            )
            token = current_execution.set(
                Execution(attempt=attempt, process_id=process_id, ways=ways)
            )
            try:
                async with self.host.scoped(EffectScope.process(process_id)) as scope:
                    try:
                        process = self.program.open(
                            row.record, scope, self.registry, is_rerun=attempt.is_repeat
                        )
                    except PluginError as error:
                        return unstartable(error)
                    output = await self._output(attempt, row, process)
            finally:
                current_execution.reset(token)
            if isinstance(output, ProcessAwaitOutput):
                try:
                    with attempt.working():
                        output = await process.end(output, ways.started)
                        await ways.forget_all()
                except EffectError as error:
                    # The registry did not answer: another attempt writes the end.
                    output = error
            nursery.cancel_scope.cancel("the process has ended")
        return ending_of(output)

    async def _output(
        self, attempt: Attempt, row: _Row, process: RunningProcess
    ) -> ProcessAwaitOutput | Exception:
        process_id = row.record.id

        async def note_cancel(reason: str) -> None:
            try:
                await self._request_cancel(process_id, reason)
            except EffectError as error:
                _logger.warning("a cancel of process %s is not in its log: %s", process_id, error)

        if attempt.noted(_ROW) is None:
            # Only now: an attempt that could not begin has decided nothing.
            await attempt.note(_ROW, dumps(row).encode(), wait=False)
        if row.cancelled:
            # It never began, so there is nothing that it would have to clean up.
            return ProcessAwaitOutput.cancelled(row.reason or "cancelled; no reason was given")
        if await was_lost(attempt, row.record):
            return process.abandoned()
        return await run_until_cancelled(attempt, process, note_cancel)

    async def signal(self, attempt: Attempt) -> Ending:
        """Append a signal to the log; answers with its ordinal and its number there."""
        try:
            asked = AskedSignal.of(attempt.input.body)
            process_id = self._process_id(attempt)
            # The call may be made more than once, and is one signal.
            signal_id = asked.signal_id or attempt.input.invocation_id
            appended = await self._append(
                process_id,
                ProcessEventAppendRequest(
                    event_type=asked.event_type,
                    payload=asked.payload,
                    replay=Replay(key=f"signal:{asked.name}:{signal_id}"),
                ),
            )
        except (PluginError, WireError) as error:
            return refused(error)
        ordinal = await self._ordinal(process_id, appended.event)
        return returned({"ordinal": ordinal, "sequence": appended.event.sequence})

    async def cancel(self, attempt: Attempt) -> Ending:
        """Ask the process to end as cancelled; the first reason stays.

        The registry calls this when its log has the first request; then what is appended
        here is there already.
        """
        try:
            asked = AskedCancel.of(attempt.input.body)
            process_id = self._process_id(attempt)
            appended = await self._request_cancel(process_id, asked.reason)
        except (PluginError, WireError) as error:
            return refused(error)
        is_first = await self._ordinal(process_id, appended.event) == 1
        if is_first:
            value = event_bytes({"reason": asked.reason})
            await attempt.complete_promise(CANCEL_PROMISE, value)
        return returned({"is_first": is_first and not appended.replayed})

    def _process_id(self, attempt: Attempt) -> str:
        key = process_of(attempt.input.key)
        if key.keys.namespace != self.registry.namespace:
            raise PluginError(
                PluginReason.UNKNOWN_PROCESS,
                f"the process {key.process_id!r} is of the namespace {key.keys.namespace!r}, and "
                f"this endpoint runs those of {self.registry.namespace!r}; register one "
                "endpoint for each namespace at a server of its own",
            )
        return key.process_id

    async def _row(self, attempt: Attempt, process_id: str) -> _Row:
        """The row as the first attempt found it; one that is not there is made."""
        noted = attempt.noted(_ROW)
        if noted is not None:
            return loads(_Row, noted.decode())
        start = AskedStart.of(attempt.input.body)
        record = await self.registry.get_process(process_id)
        if record is None:
            registration = self.program.registration(process_id, start.definition, start.args)
            row = _Row(record=await self.registry.register_process(registration))
        else:
            row = await self._found(record, start)
        return row

    async def _found(self, record: ProcessRecord, start: AskedStart) -> _Row:
        """A row that somebody else has registered; it has to be what was asked for."""
        match record.input:
            case FunctionInput(name=start.definition, args=start.args):
                pass
            case _:
                raise PluginError(
                    PluginReason.REGISTRATION_CONFLICT,
                    f"process {record.id!r} is registered with other work than the definition "
                    f"{start.definition!r} with these arguments; use another id",
                )
        if not await self.registry.count_events_through(record.id, CANCEL_REQUESTED, MAX_SEQUENCE):
            return _Row(record=record)
        event = await self.registry.wait_event_nth(record.id, CANCEL_REQUESTED, 1)
        reason = event.payload.get("reason") if isinstance(event.payload, dict) else None
        return _Row(
            record=record, cancelled=True, reason=reason if isinstance(reason, str) else None
        )

    async def _append(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendResult:
        """Append; a process that is about to be started may take a moment."""
        with trio.move_on_after(_START_SECONDS):
            while True:
                try:
                    return await self.registry.append_event(process_id, request)
                except PluginError as error:
                    if error.reason != PluginReason.UNKNOWN_PROCESS:
                        raise
                await trio.sleep(_LOOK_AGAIN_SECONDS)
        return await self.registry.append_event(process_id, request)

    async def _request_cancel(
        self, process_id: str, reason: str | None
    ) -> ProcessEventAppendResult:
        request = ProcessEventAppendRequest.cancel_requested(process_id, reason)
        return await self._append(process_id, request)

    async def _ordinal(self, process_id: str, event: ProcessEvent) -> int:
        return await self.registry.count_events_through(
            process_id, event.event_type, event.sequence
        )

    async def _show_fault(self, process_id: str, fault: EffectError) -> None:
        """Have the row show what somebody has to repair."""
        kind = OperatorWait(code=fault.code, message=fault.message)
        wait = WaitState(kind=kind, since_ms=self.clock.now_ms(), sole=True)
        try:
            await self.registry.set_process_wait(process_id, wait)
        except EffectError as error:
            _logger.warning(
                "the row of process %s does not show that its code needs a repair: %s",
                process_id,
                error,
            )


def _unready(error: EffectError) -> Ending:
    """How an attempt ends whose row could not be had."""
    if error.code == EffectErrorCode.INVALID_VALUE:
        return refused(error)
    return BrokeOff(error)
