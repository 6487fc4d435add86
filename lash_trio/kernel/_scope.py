"""Opened effect scopes.

A scope owns a nursery, and so all effects that are started in it.  Its state is
a table (:data:`~lash_trio.model.SCOPE_TRANSITIONS`); this module feeds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from types import TracebackType
from typing import NoReturn, TypeVarTuple

import trio

from ..abc import EffectController, LocalExecution, ProcessRegistry, ScopedEffects
from ..model import (
    SCOPE_TRANSITIONS,
    AwaitEventOutcome,
    DurabilityTier,
    DurableStepOutcome,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    JsonValue,
    ProcessCommand,
    ProcessEffectOutcome,
    ProcessOutcome,
    ScopeSignal,
    ScopeState,
    WaitTimedOut,
)
from ._cancellation import (
    carries_cancellation,
    is_about_to_be_told,
    is_cancellation,
    is_unwinding,
)
from ._effect import EffectRun, StartedEffect, scope_closed_error
from ._effects import EventToAwait, await_event_effect, process_effect, sleep_effect, step_effect
from ._nursery import EffectNurseryManager
from ._paths import TaskPath, TaskPaths

ArgsT = TypeVarTuple("ArgsT")

_REFUSING = (ScopeState.CLOSING, ScopeState.CLOSED)


class ScopedEffectController(ScopedEffects):
    """An effect scope as an async context manager that owns a nursery.

    Leaving the block normally waits for the effects that were started; leaving it
    by an exception cancels them, and the exception leaves as it is, in no group.

    Args:
        controller: runs the effects; opened with the scope and closed after it.
        scope: whose effects they are.

    Raises:
        EffectError: code ``missing_effect_scope_id``, where an id of the scope is blank.

    Source: ``ScopedEffectController`` of the seed.
    """

    def __init__(
        self, controller: AbstractAsyncContextManager[EffectController], scope: EffectScope
    ) -> None:
        scope.validate()
        self._scope = scope
        self._paths = TaskPaths()
        # Entering the block opens it.
        self._state = ScopeState.CLOSED
        self._cancel_reason: str | None = None
        self._runs: dict[EffectRun, None] = {}
        self._new_run: Callable[[EffectEnvelope, str], EffectRun] = EffectRun
        self._leaving = False
        self._runs_ended = trio.Event()
        self._watch: trio.lowlevel.Task | None = None
        self._controller_manager = controller
        self._exits: AsyncExitStack | None = None
        self._close_requested: trio.Event | None = None
        self._closed = trio.Event()

    @staticmethod
    def shared(controller: EffectController, scope: EffectScope) -> ScopedEffectController:
        """A scope on a controller that needs no opening and is shared with other scopes.

        Raises:
            EffectError: code ``missing_effect_scope_id``.
        """
        return ScopedEffectController(nullcontext(controller), scope)

    def __repr__(self) -> str:
        return f"<{self._scope.tag} scope {self._scope.id!r} {self._state.name.lower()}>"

    @property
    def effect_scope(self) -> EffectScope:
        """The identity of the scope."""
        return self._scope

    @property
    def state(self) -> ScopeState:
        """Where the scope is in its life."""
        return self._state

    @property
    def effects_running(self) -> int:
        """How many of its effects have begun and not ended."""
        return len(self._runs)

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of its controller; known once the scope is open."""
        return self._controller.durability_tier

    @property
    def requires_durable_attachment_store(self) -> bool:
        """That of its controller; known once the scope is open."""
        return self._controller.requires_durable_attachment_store

    async def __aenter__(self) -> ScopedEffectController:
        if self._exits is not None:
            raise RuntimeError(
                f"the scope {self._scope.id!r} was entered before, and a scope serves one "
                "block; ask the host for another"
            )
        self._exits = AsyncExitStack()
        await trio.lowlevel.checkpoint_if_cancelled()
        async with AsyncExitStack() as exits:
            exits.callback(self._closed.set)
            self._controller = await exits.enter_async_context(self._controller_manager)
            # Strict: what leaves it is a group then, whatever trio.run() was told.
            self._nursery_manager = trio.open_nursery(strict_exception_groups=True)
            self._nursery = await self._nursery_manager.__aenter__()
            exits.push_async_exit(self._end_effects)
            watching = trio.Event()
            self._nursery.start_soon(self._watch_outer_cancellation, watching)
            self._paths.own_root()
            self._state = ScopeState.OPEN
            # The watch must stand before the block begins.  That takes one step of the
            # scheduler; a cancellation that comes in between is seen by the watch.
            with trio.CancelScope(shield=True):
                await watching.wait()
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        # Ends the effects, then closes the controller.
        exits, self._exits = self._exits, AsyncExitStack()
        return None if exits is None else await exits.__aexit__(exc_type, exc, traceback)

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run an effect in the caller's task.

        Args:
            envelope: what is asked for.
            local_executor: how to do it here.

        Raises:
            EffectError: the effect's own failure; ``effect_scope_closed``; or, after
                :meth:`cancel`, the code for a cancelled effect of its kind.

        Always a checkpoint.
        """
        if self._state in _REFUSING:
            await self._refuse(envelope)
        run = self._admit(envelope)
        try:
            return await run.execute(self._controller, local_executor)
        finally:
            self._ended(run)

    def start_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> StartedEffect:
        """Start an effect in the scope's nursery.

        Returns:
            The handle; its failure reaches who asks it for the result, and nobody else.

        Raises:
            EffectError: code ``effect_scope_closed``.

        Not a checkpoint.
        """
        if self._state in _REFUSING:
            return self._refuse_to_start(envelope)
        run = self._admit(envelope)
        handle = StartedEffect(run, self._scope.id)
        self._nursery.start_soon(
            self._run_started, run, handle, local_executor, name=f"effect {envelope.effect_id}"
        )
        return handle

    def cancel(self, reason: str | None = None) -> None:
        """Ask all effects to end as cancelled; those asked for from now on fail at once.

        The block goes on: it is the block that decides what a cancelled effect means.

        Args:
            reason: goes into the text of the errors; the first reason stays.

        Not a checkpoint.
        """
        is_first = self._state is ScopeState.OPEN
        self._advance(ScopeSignal.CANCEL_REQUESTED)
        if is_first:
            self._cancel_reason = reason
            for run in tuple(self._runs):
                run.cancel(reason)

    async def aclose(self) -> None:
        """Wait until no effect runs any more, and refuse all from then on.

        This is what leaving a block does, for a scope of ``scoped_in``.

        Raises:
            RuntimeError: where the scope is a block's; leave the block instead.

        Always a checkpoint.
        """
        if self._close_requested is None:
            raise RuntimeError(
                f"the scope {self._scope.id!r} belongs to a block and is closed by leaving it; "
                "aclose() is for scopes of scoped_in()"
            )
        self._close_requested.set()
        await self._closed.wait()

    async def wait_close_requested(self) -> None:
        """Wait until somebody calls :meth:`aclose`.  Always a checkpoint."""
        if self._close_requested is None:
            self._close_requested = trio.Event()
        # Who waits here keeps the scope open for others, and asks for no effects.
        self._paths.lend_root()
        await self._close_requested.wait()

    async def sleep(self, seconds: float, name: str = "sleep") -> None:
        """Sleep, as an effect under a structural replay key.

        Args:
            seconds: for how long; rounded up to whole milliseconds.
            name: tells this sleep from others of the task.

        Raises:
            EffectError: ``runtime_effect_sleep_cancelled``, ``effect_scope_closed``,
                ``effect_path_shared``.
        """
        await self.execute_effect(*sleep_effect(self._scope, self.path.next(name), seconds))

    async def step(
        self,
        name: str,
        function: Callable[[*ArgsT], Awaitable[JsonValue]],
        *args: *ArgsT,
    ) -> JsonValue:
        """Run an async function as a durable step under a structural replay key.

        Args:
            name: of the step; tells it from others of the task.
            function: returns plain JSON data.
            args: plain JSON data too, since they are part of the envelope; give a
                function what is not JSON with :func:`functools.partial`.

        Returns:
            What the function returned, as it comes back from the wire.

        Raises:
            StepError: the function raised; the original is the cause.
            WireError: code ``invalid_json``, an argument or the value is not JSON.
            EffectError: ``runtime_effect_cancelled``, ``effect_scope_closed``,
                ``effect_path_shared``.
        """
        outcome = await self.execute_effect(
            *step_effect(self._scope, self.path.next(name), name, function, *args)
        )
        return outcome.expect(DurableStepOutcome).value

    async def await_event(
        self,
        registry: ProcessRegistry,
        process_id: str,
        event_type: str,
        ordinal: int,
        timeout_seconds: float | None = None,
    ) -> JsonValue:
        """Wait for an event of a process, under a structural replay key.

        Args:
            registry: where the process is.
            process_id: whose event.
            event_type: of which type.
            ordinal: which one of that type, from 1.
            timeout_seconds: for how long; for ever where None.

        Returns:
            The payload.

        Raises:
            WaitTimedOut: it did not come in time.
            EffectError: ``runtime_effect_await_event_cancelled``,
                ``runtime_effect_await_event_invalid_ordinal``, ``effect_scope_closed``,
                ``effect_path_shared``.
        """
        awaited = EventToAwait(
            registry=registry,
            process_id=process_id,
            event_type=event_type,
            ordinal=ordinal,
            timeout_seconds=timeout_seconds,
        )
        outcome = await self.execute_effect(
            *await_event_effect(self._scope, self.path.next(f"await:{event_type}"), awaited)
        )
        awaited_outcome = outcome.expect(AwaitEventOutcome)
        if awaited_outcome.timed_out:
            raise WaitTimedOut(
                f"event {event_type!r} number {ordinal} of process {process_id!r} "
                f"did not come within {timeout_seconds} s"
            )
        return awaited_outcome.payload

    async def process(
        self, registry: ProcessRegistry, command: ProcessCommand
    ) -> ProcessEffectOutcome:
        """Run a command of the process plane, under a structural replay key.

        Raises:
            EffectError: what the registry refused, ``runtime_effect_cancelled``,
                ``effect_scope_closed``, ``effect_path_shared``.
        """
        key = self.path.next(command.effect_id)
        outcome = await self.execute_effect(*process_effect(self._scope, key, registry, command))
        return outcome.expect(ProcessOutcome).result

    def open_nursery(self) -> EffectNurseryManager:
        """A nursery whose children have replay keys of their own.

        Use it as ``async with scope.open_nursery() as nursery:``; it does what trio's
        nursery does, and errors leave it in groups as they leave trio's.
        """
        return EffectNurseryManager(self._paths)

    @property
    def path(self) -> TaskPath:
        """The path of the current task in this scope.

        Raises:
            EffectError: code ``effect_path_shared``.
        """
        return self._paths.current()

    def run_effects_as(self, new_run: Callable[[EffectEnvelope, str], EffectRun]) -> None:
        """Run the effects to come as runs of another class, which see how each one ends.

        Args:
            new_run: makes the run of an effect, from its envelope and the scope's id:
                a subclass of :class:`~lash_trio.kernel.EffectRun`, or what makes one.

        Not a checkpoint.
        """
        self._new_run = new_run

    def _admit(self, envelope: EffectEnvelope) -> EffectRun:
        run = self._new_run(envelope, self._scope.id)
        if self._state is ScopeState.CANCELLED:
            run.cancel(self._cancel_reason)
        self._runs[run] = None
        return run

    async def _refuse(self, envelope: EffectEnvelope) -> NoReturn:
        if is_unwinding():
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            # Whom the cancellation has not reached yet must hear of it as such.
            await trio.lowlevel.checkpoint()
        raise scope_closed_error(self._scope.id, envelope)

    def _refuse_to_start(self, envelope: EffectEnvelope) -> StartedEffect:
        if self._state is ScopeState.CLOSED or not is_about_to_be_told():
            raise scope_closed_error(self._scope.id, envelope)
        # As in a nursery that is being cancelled: it starts, and does nothing.
        handle = StartedEffect(EffectRun(envelope, self._scope.id), self._scope.id)
        handle.never_begin()
        return handle

    async def _run_started(
        self, run: EffectRun, handle: StartedEffect, local_executor: LocalExecution
    ) -> None:
        try:
            await handle.run(self._controller, local_executor)
        finally:
            self._ended(run)

    def _ended(self, run: EffectRun) -> None:
        del self._runs[run]
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        """Refuse effects once the block is left and the last one has ended."""
        if self._leaving and not self._runs:
            self._advance(ScopeSignal.BLOCK_LEFT)
            self._runs_ended.set()
            self._stop_watch()

    async def _end_effects(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Leave the nursery, and see that nothing else of the scope runs on."""
        self._leaving = True
        if exc is None:
            self._close_if_idle()
        else:
            self._advance(ScopeSignal.BLOCK_LEFT)
            self._nursery.cancel_scope.cancel("the block of the scope was left by an exception")
        try:
            absorbed = await self._leave_nursery(exc)
        finally:
            self._advance(ScopeSignal.BLOCK_LEFT)
            is_cut_short = bool(self._runs)
            await self._end_runs_of_other_tasks()
            self._advance(ScopeSignal.EFFECTS_ENDED)
        if is_cut_short and exc is None:
            # Leaving was waiting for them when a cancellation from outside came.
            await trio.lowlevel.checkpoint_if_cancelled()
        return absorbed

    async def _leave_nursery(self, exc: BaseException | None) -> bool:
        """Wait for the nursery; returns and raises as ``__aexit__`` of the scope does.

        The nursery is shown a cancellation, which may be its own, but no other
        exception of the block: it would wrap it.
        """
        shown = exc if carries_cancellation(exc) else None
        try:
            absorbed = await self._nursery_manager.__aexit__(
                None if shown is None else type(shown), shown, None
            )
        except BaseExceptionGroup as group:
            # Effects keep their failures, so this is a cancellation from outside; or
            # what no effect can keep, such as a KeyboardInterrupt.
            others = [e for e in group.exceptions if e is not exc and not is_cancellation(e)]
            if exc is not None and not others:
                return False
            if exc is not None and shown is None:
                raise BaseExceptionGroup(group.message, [exc, *others]) from None
            raise
        return shown is not None and bool(absorbed)

    async def _end_runs_of_other_tasks(self) -> None:
        """End effects that tasks outside the nursery still execute in a left scope."""
        if self._runs:
            for run in tuple(self._runs):
                run.abandon()
            # They have been cancelled, so this lasts as long as they unwind.
            with trio.CancelScope(shield=True):
                await self._runs_ended.wait()

    async def _watch_outer_cancellation(self, watching: trio.Event) -> None:
        """Park until a cancellation from outside reaches the nursery, and note it.

        The abort function runs inside the very call that cancels, before any task
        of the scope gets to see the cancellation; so a ``finally`` block of the
        scope that asks for an effect finds the scope closing.
        """

        def on_cancel(_: Callable[[], None]) -> trio.lowlevel.Abort:
            self._advance(ScopeSignal.OUTER_CANCELLATION)
            self._stop_watch()
            # The watch just ends: like trio's nursery, a scope is never the source of
            # a Cancelled when nothing in it was cut short.
            return trio.lowlevel.Abort.FAILED

        self._watch = trio.lowlevel.current_task()
        watching.set()
        await trio.lowlevel.wait_task_rescheduled(on_cancel)

    def _stop_watch(self) -> None:
        if self._watch is not None:
            watch, self._watch = self._watch, None
            trio.lowlevel.reschedule(watch)

    def _advance(self, signal: ScopeSignal) -> None:
        self._state = SCOPE_TRANSITIONS[self._state, signal]
