"""One run of one process under a lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

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
    OperatorWait,
    ProcessAwaitOutput,
    ProcessCausalRef,
    ProcessLease,
    ProcessListFilter,
    ProcessRecord,
    ProcessSuccess,
    RerunDisposition,
    StoreError,
    WaitState,
    copy_json,
    terminal_event,
)
from ._context import ContextParts, ProcessContext
from ._definitions import ProcessDefinition, ProcessDefinitions
from ._dormant import is_due
from ._faults import breaks_off, fault_to_repair, sole_fault
from ._lease import LeaseKeeper, give_back, log_ids
from ._output import (
    abandoned_output,
    as_json,
    cancelled_output,
    error_text,
    failure_output,
    parent_has_ended,
)
from ._parking import Waits
from ._slots import Activity
from ._unheard import unheard_signals

_logger = logging.getLogger("lash_trio.worker")

_WRITE_SECONDS = 5.0
_SOON_MS = 1000


@attrs.frozen(kw_only=True)
class RunEnvironment:
    """What all runs of a worker share."""

    registry: ProcessRegistry
    host: EffectHost
    definitions: ProcessDefinitions
    clock: Clock
    cancel_grace_seconds: float
    poke: Callable[[str], None]


class ProcessRun:
    """Drives one process to its end, or until it is stopped from outside.

    Args:
        environment: what it shares with other runs.
        record: the row, as read after the lease was claimed.
        keeper: of the lease under which it runs.
        activity: of the process; it has a running slot.

    Attributes:
        fault: why it broke off, where it was neither ended nor stopped.
        left_waiting: what the process waits for when nobody runs it any more: it was
            unloaded, or needs a repair.
    """

    def __init__(
        self,
        environment: RunEnvironment,
        record: ProcessRecord,
        keeper: LeaseKeeper,
        activity: Activity,
    ) -> None:
        self._env = environment
        self._registry = environment.registry
        self._record = record
        self._keeper = keeper
        self._activity = activity
        self._outside = trio.CancelScope()
        self._keeping = trio.CancelScope()
        self._has_ended = False
        self._cancel_requested = False
        self._cancel_reason: str | None = None
        self._scope: ScopedEffectController | None = None
        self._waits = Waits(
            environment.registry, record.id, self._lease, activity, environment.clock
        )
        self.fault: Exception | None = None
        self.left_waiting: tuple[WaitState, ...] = ()

    @property
    def process_id(self) -> str:
        """Whose run."""
        return self._record.id

    @property
    def activity(self) -> Activity:
        """Which of its tasks are active."""
        return self._activity

    @property
    def record(self) -> ProcessRecord:
        """The row, as it was when the run began."""
        return self._record

    @property
    def waits(self) -> Waits:
        """What it waits for."""
        return self._waits

    @property
    def is_stopped(self) -> bool:
        """Whether it was cancelled from outside."""
        return self._outside.cancel_called

    @property
    def can_unload(self) -> bool:
        """Whether it does nothing but wait, not for a moment only, and its row says for what."""
        soon_ms = self._env.clock.now_ms() + _SOON_MS
        return (
            self._scope is not None
            and not self.is_stopped
            and not self._cancel_requested
            and not self._waits.is_showing
            and self._waits.are_all_that_runs(self._scope)
            and bool(self._waits.parked)
            and not any(is_due(wait, soon_ms) for wait in self._waits.parked)
        )

    def stop(self, why: str) -> None:
        """Cancel it from outside: it writes nothing and can be driven again."""
        self.left_waiting = ()
        self._outside.cancel(why)

    def unload(self) -> None:
        """Stop it, and leave the process to what it waits for."""
        self.left_waiting = self._waits.parked
        self._outside.cancel("it waits, and is unloaded")

    async def run(self) -> None:
        """Run it.  Only ``trio.Cancelled`` from outside the worker leaves."""
        try:
            with self._outside:
                await self._drive()
        except Exception as error:  # noqa: BLE001
            # A fault of a host or registry; it must not stop the other processes.
            if self._outside.cancel_called or not await self._park_for_operator(error):
                self._break_off(error, self._outside.cancel_called)
        except BaseExceptionGroup as group:
            # Stopped from outside, while tasks of the function failed at cleaning up.
            faults, others = group.split(Exception)
            if faults is not None:
                self._break_off(faults, was_stopped=True)
            if others is not None:
                raise others from None
        finally:
            self._keeper.leave()
            self._activity.end()
            if self._has_ended:
                self.left_waiting = ()
            else:
                await give_back(self._registry, self._lease())

    async def _drive(self) -> None:
        async with trio.open_nursery() as nursery:
            if not self._keeper.is_kept_elsewhere(self._lose_lease):
                nursery.start_soon(self._keep_lease)
            definition = self._env.definitions.get(_input(self._record).name)
            if definition.rerun is RerunDisposition.OWNER_BOUND and self._is_rerun:
                await self._end(definition, None, abandoned_output(definition.name))
            else:
                if self._record.wait is not None:
                    # Its last run was stopped while it waited; this one begins anew.
                    await self._registry.clear_process_wait(self.process_id, self._lease())
                async with self._env.host.scoped(EffectScope.process(self.process_id)) as scope:
                    if not isinstance(scope, ScopedEffectController):
                        raise TypeError(f"a host must open a ScopedEffectController, got {scope!r}")
                    context = self._context(scope)
                    output = await self._run_function(nursery, definition, context)
                await self._end(definition, context, output)
            nursery.cancel_scope.cancel("the process has ended")

    @property
    def _is_rerun(self) -> bool:
        return self._lease().fencing_token > 1

    def _lease(self) -> ProcessLease:
        return self._keeper.lease

    def _context(self, scope: ScopedEffectController) -> ProcessContext:
        env = self._env
        self._scope = scope
        return ProcessContext(
            ContextParts(
                scope=scope,
                registry=env.registry,
                record=self._record,
                lease=self._lease,
                definitions=env.definitions,
                waits=self._waits,
                activity=self._activity,
                clock=env.clock,
                poke=env.poke,
            )
        )

    async def _run_function(
        self, nursery: trio.Nursery, definition: ProcessDefinition, context: ProcessContext
    ) -> ProcessAwaitOutput:
        if await self._registry.count_events_through(
            self.process_id, CANCEL_REQUESTED, MAX_SEQUENCE
        ):
            await self._cancel(context.scope)
            if not self._is_rerun:
                # It never began, so there is nothing that it would have to clean up.
                return cancelled_output(self._cancel_reason)
        body = trio.CancelScope()
        nursery.start_soon(self._watch_cancel, context.scope, body)
        return await self._call(definition, context, body)

    async def _call(
        self, definition: ProcessDefinition, context: ProcessContext, body: trio.CancelScope
    ) -> ProcessAwaitOutput:
        try:
            with body:
                args = _input(self._record).args
                definition.check_arguments(args)
                value = await definition.function(context, **args)
                if self._cancel_requested:
                    return cancelled_output(self._cancel_reason, as_json(value))
                return ProcessAwaitOutput.success(copy_json(value))
        except Exception as error:
            # What cleaning up raised while it was stopped is not how the process ends,
            # nor is what stands in the way of this run alone.
            await trio.lowlevel.checkpoint_if_cancelled()
            if breaks_off(error, self._env.host.durability_tier):
                raise
            # Whatever else an author's function raises is.
            if self._cancel_requested:
                return cancelled_output(self._cancel_reason, {"error": error_text(error)})
            return failure_output(definition.name, error)
        return cancelled_output(self._cancel_reason)

    async def _keep_lease(self) -> None:
        with self._keeping:
            self._lose_lease(await self._keeper.keep())

    def _lose_lease(self, why: str) -> None:
        self._log(logging.WARNING, "process %s is stopped here: %s", why)
        self.stop("the lease was lost")

    async def _watch_cancel(self, scope: ScopedEffectController, body: trio.CancelScope) -> None:
        await self._cancel(scope)
        # Effects have ended with typed errors; what awaits something that is no
        # effect would never notice, so after a grace it is cancelled as well.
        await trio.sleep(self._env.cancel_grace_seconds)
        body.cancel("the process did not end within its grace after a cancel request")

    async def _cancel(self, scope: ScopedEffectController) -> None:
        event = await self._registry.wait_event_nth(self.process_id, CANCEL_REQUESTED, 1)
        reason = event.payload.get("reason") if isinstance(event.payload, dict) else None
        self._cancel_requested = True
        self._cancel_reason = reason if isinstance(reason, str) else None
        self._activity.hurry()
        scope.cancel(self._cancel_reason)

    async def _end(
        self,
        definition: ProcessDefinition,
        context: ProcessContext | None,
        output: ProcessAwaitOutput,
    ) -> None:
        """Write the end, and give the lease back in the same transaction."""
        # Worked out and not written yet: too good to lose to a cancellation.
        with trio.move_on_after(_WRITE_SECONDS, shield=True):
            if not isinstance(output, ProcessSuccess):
                await self._cancel_children(() if context is None else context.children, output)
            notes = await self._notes(definition, context)
            request = terminal_event(self.process_id, output, notes)
            # Which gives the lease back; a renewal would take that for a loss.
            self._keeper.leave()
            self._keeping.cancel("the end of the process is being written")
            await self._registry.complete_leased_process(self._lease(), request)
            self._has_ended = True
        if not self._has_ended:
            raise StoreError(
                f"the end of process {self.process_id!r} could not be written within "
                f"{_WRITE_SECONDS:g} s"
            )

    async def _cancel_children(
        self, started_here: Iterable[str], output: ProcessAwaitOutput
    ) -> None:
        # The children's logs are not fenced by this lease, so it is looked at first.
        await self._keeper.renew()
        children = dict.fromkeys(started_here)
        if self._is_rerun:
            # What an earlier run started, this one may not have come to.
            mine = ProcessCausalRef(process_id=self.process_id)
            for record in await self._registry.list_processes(ProcessListFilter()):
                if record.provenance.caused_by == mine:
                    children[record.id] = None
        for child_id in children:
            request = parent_has_ended(child_id, self.process_id, output)
            await self._registry.append_event(child_id, request)

    async def _notes(
        self, definition: ProcessDefinition, context: ProcessContext | None
    ) -> dict[str, JsonValue]:
        """What the terminal event says beside the output: signals that nobody waited for."""
        consumed = {} if context is None else context.signals_consumed
        unheard = await unheard_signals(self._registry, self.process_id, definition, consumed)
        if not unheard:
            return {}
        self._log(
            logging.WARNING, "process %s ended with signals that it never waited for: %s", unheard
        )
        return {"unconsumed_signals": unheard}

    async def _park_for_operator(self, error: Exception) -> bool:
        """Show in the row what somebody has to repair; False where that is nothing."""
        fault = fault_to_repair(error, self._env.host.durability_tier)
        if fault is None:
            return False
        kind = OperatorWait(code=fault.code, message=fault.message)
        wait = WaitState(kind=kind, since_ms=self._env.clock.now_ms(), sole=True)
        with trio.move_on_after(_WRITE_SECONDS, shield=True):
            try:
                await self._registry.set_process_wait(self.process_id, wait, self._lease())
            except EffectError as refusal:
                self._log(
                    logging.WARNING,
                    "the row of process %s does not show that its code needs a repair: %s",
                    refusal,
                )
            else:
                self.left_waiting = (wait,)
                self._log(logging.ERROR, "process %s waits until its code is repaired: %s", fault)
        return bool(self.left_waiting)

    def _break_off(self, error: Exception, was_stopped: bool) -> None:
        fault = sole_fault(error)
        if was_stopped:
            self._log(logging.INFO, "process %s raised while it was stopped: %r", fault)
            return
        self.fault = fault
        self._log(
            logging.WARNING,
            "process %s broke off and will be driven again: %s",
            fault,
            # A refusal says all there is to say; of a bug one wants to know where.
            cause=None if isinstance(fault, EffectError) else error,
        )

    def _log(
        self, level: int, text: str, about: object, cause: BaseException | None = None
    ) -> None:
        _logger.log(
            level, text, self.process_id, about, exc_info=cause, extra=log_ids(self._lease())
        )


def _input(record: ProcessRecord) -> FunctionInput:
    if not isinstance(record.input, FunctionInput):
        raise TypeError(f"a worker runs function inputs, got {record.input.tag!r}")
    return record.input
