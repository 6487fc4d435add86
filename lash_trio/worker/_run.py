"""One run of one process under a lease."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import attrs
import trio

from ..abc import Clock, EffectHost, ProcessRegistry
from ..kernel import ScopedEffectController
from ..model import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    EffectError,
    EffectScope,
    FunctionInput,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessRecord,
    RerunDisposition,
    WireError,
    copy_json,
    signal_name_of,
    terminal_event,
)
from ._context import ContextParts, ProcessContext
from ._definitions import ProcessDefinition, ProcessDefinitions
from ._parking import Waits
from ._slots import Activity, RunningSlots

_logger = logging.getLogger("lash_trio.worker")

_WRITE_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class RunEnvironment:
    """What all runs of a worker share."""

    registry: ProcessRegistry
    host: EffectHost
    definitions: ProcessDefinitions
    slots: RunningSlots
    clock: Clock
    cancel_grace_seconds: float
    poke: Callable[[], None]


class ProcessRun:
    """Drives one process to its end, or until it is stopped from outside.

    Args:
        environment: what it shares with other runs; it has taken a slot for this one.
        record: the row, as read after the lease was claimed.
        lease: under which it runs.
    """

    def __init__(
        self, environment: RunEnvironment, record: ProcessRecord, lease: ProcessLease
    ) -> None:
        self._env = environment
        self._record = record
        self.lease = lease
        self._activity = Activity(environment.slots)
        self._outside = trio.CancelScope()
        self._lease_gone = False
        self._cancel_reason: str | None = None
        self._cancel_requested = False

    @property
    def process_id(self) -> str:
        """Whose run."""
        return self._record.id

    @property
    def is_parked(self) -> bool:
        """Whether all its tasks wait."""
        return self._activity.is_parked

    def stop(self, why: str) -> None:
        """Cancel it from outside: it writes nothing and can be driven again."""
        self._outside.cancel(why)

    def lose_lease(self) -> None:
        """Stop it because another owner may run the process now."""
        self._lease_gone = True
        self.stop("the lease was lost")

    async def run(self) -> None:
        """Run it.  Only ``trio.Cancelled`` from outside the worker leaves."""
        try:
            with self._outside:
                request = await self._drive()
                # Worked out and not written yet: too good to lose to a cancellation.
                with trio.move_on_after(_WRITE_SECONDS, shield=True):
                    await self._env.registry.complete_leased_process(self.lease, request)
                    self._lease_gone = True
        except EffectError as error:
            # The row could not be written: it stays as it is, and is driven again.
            _logger.warning("process %s could not be ended: %s", self.process_id, error)
        except Exception:
            # A fault of a host or registry; it must not stop the other processes.
            _logger.exception("process %s could not be driven", self.process_id)
        finally:
            if not self._activity.is_parked:
                self._activity.task_parked()
            if not self._lease_gone:
                await self._release()

    async def _release(self) -> None:
        with trio.move_on_after(_WRITE_SECONDS, shield=True):
            try:
                await self._env.registry.complete_process_lease(
                    ProcessLeaseCompletion.of(self.lease)
                )
            except EffectError as error:
                _logger.warning(
                    "the lease of process %s was not given back and will expire: %s",
                    self.process_id,
                    error,
                )

    async def _drive(self) -> ProcessEventAppendRequest:
        definition = self._env.definitions.get(_input(self._record).name)
        if definition.rerun is RerunDisposition.OWNER_BOUND and self.lease.fencing_token > 1:
            abandoned = ProcessAwaitOutput.failure(
                "process_abandoned",
                f"its owner is gone, and {definition.name!r} is {definition.rerun}: "
                "no other owner may run it again",
            )
            return terminal_event(self.process_id, abandoned)
        async with self._env.host.scoped(EffectScope.process(self.process_id)) as scope:
            if not isinstance(scope, ScopedEffectController):
                raise TypeError(f"a host must open a ScopedEffectController, got {scope!r}")
            context = self._context(scope)
            output = await self._run_function(definition, context)
        await self._cancel_children(context, output)
        return terminal_event(self.process_id, output, await self._notes(definition, context))

    def _context(self, scope: ScopedEffectController) -> ProcessContext:
        env = self._env
        waits = Waits(
            env.registry, self.process_id, lambda: self.lease, self._activity, env.clock
        )
        return ProcessContext(
            ContextParts(
                scope=scope,
                registry=env.registry,
                record=self._record,
                lease=lambda: self.lease,
                definitions=env.definitions,
                waits=waits,
                activity=self._activity,
                clock=env.clock,
                poke=env.poke,
            )
        )

    async def _run_function(
        self, definition: ProcessDefinition, context: ProcessContext
    ) -> ProcessAwaitOutput:
        count = await self._env.registry.count_events_through(
            self.process_id, CANCEL_REQUESTED, MAX_SEQUENCE
        )
        body = trio.CancelScope()
        if count:
            await self._cancel(context.scope)
            if self.lease.fencing_token == 1:
                # It never began, so there is nothing that it would have to clean up.
                return self._cancelled(None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_cancel, context.scope, body)
            output = await self._call(definition, context, body)
            nursery.cancel_scope.cancel("the function of the process has ended")
        return output

    async def _call(
        self, definition: ProcessDefinition, context: ProcessContext, body: trio.CancelScope
    ) -> ProcessAwaitOutput:
        try:
            with body:
                args = _input(self._record).args
                definition.check_arguments(args)
                value = await definition.function(context, **args)
                if self._cancel_requested:
                    return self._cancelled(_as_json(value))
                return ProcessAwaitOutput.success(copy_json(value))
        except Exception as error:
            # Whatever an author's function raises is how its process ends.
            if self._cancel_requested:
                return self._cancelled({"error": f"{type(error).__name__}: {error}"})
            if isinstance(error, PluginError) and error.reason == PluginReason.LEASE_LOST:
                self.lose_lease()
                await trio.lowlevel.checkpoint()
            return _failure(definition, error)
        return self._cancelled(None)

    async def _watch_cancel(self, scope: ScopedEffectController, body: trio.CancelScope) -> None:
        await self._env.registry.wait_event_nth(self.process_id, CANCEL_REQUESTED, 1)
        await self._cancel(scope)
        # Effects have ended with typed errors; what awaits something that is no
        # effect would never notice, so after a grace it is cancelled as well.
        await trio.sleep(self._env.cancel_grace_seconds)
        body.cancel("the process did not end within its grace after a cancel request")

    async def _cancel(self, scope: ScopedEffectController) -> None:
        event = await self._env.registry.wait_event_nth(self.process_id, CANCEL_REQUESTED, 1)
        reason = event.payload.get("reason") if isinstance(event.payload, dict) else None
        self._cancel_requested = True
        self._cancel_reason = reason if isinstance(reason, str) else None
        scope.cancel(self._cancel_reason)

    def _cancelled(self, raw: JsonValue) -> ProcessAwaitOutput:
        return ProcessAwaitOutput.cancelled(
            self._cancel_reason or "cancelled; no reason was given", raw
        )

    async def _cancel_children(self, context: ProcessContext, output: ProcessAwaitOutput) -> None:
        if output.tag == "success":
            return
        for child_id in context.children:
            request = ProcessEventAppendRequest.cancel_requested(
                child_id, f"its parent {self.process_id!r} ended as {output.terminal_state}"
            )
            await self._env.registry.append_event(child_id, request)
        self._env.poke()

    async def _notes(
        self, definition: ProcessDefinition, context: ProcessContext
    ) -> dict[str, JsonValue]:
        """What the terminal event says beside the output: signals that nobody waited for."""
        unconsumed: dict[str, JsonValue] = {}
        for event_type in definition.event_types:
            signal = signal_name_of(event_type.name)
            if signal is None:
                continue
            count = await self._env.registry.count_events_through(
                self.process_id, event_type.name, MAX_SEQUENCE
            )
            left = count - context.signals_consumed.get(event_type.name, 0)
            if left > 0:
                unconsumed[signal] = left
        if not unconsumed:
            return {}
        _logger.warning(
            "process %s ended with signals that it never waited for: %s",
            self.process_id,
            unconsumed,
        )
        return {"unconsumed_signals": unconsumed}


def _input(record: ProcessRecord) -> FunctionInput:
    if not isinstance(record.input, FunctionInput):
        raise TypeError(f"a worker runs function inputs, got {record.input.tag!r}")
    return record.input


def _as_json(value: object) -> JsonValue:
    try:
        return copy_json(value)
    except WireError:
        return repr(value)


def _failure(definition: ProcessDefinition, error: Exception) -> ProcessAwaitOutput:
    code = error.code if isinstance(error, EffectError) else "process_failed"
    message = error.message if isinstance(error, EffectError) else str(error)
    if isinstance(error, WireError):
        message = f"process {definition.name!r}: {message}"
    return ProcessAwaitOutput.failure(
        code,
        message or type(error).__name__,
        raw={
            "exception": type(error).__name__,
            "traceback": "".join(traceback.format_exception(error)),
        },
    )
