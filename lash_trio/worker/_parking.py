"""Waits of a process: written down before they park, and off the running slots."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from itertools import count

import attrs
import trio

from ..abc import Clock, LocalExecution, ProcessRegistry
from ..kernel import LocalExecutor, ScopedEffectController
from ..model import (
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    ProcessLease,
    ScopeState,
    WaitKind,
    WaitState,
)
from ._lease import fenced, log_ids
from ._slots import Activity

_logger = logging.getLogger("lash_trio.worker")

_FACET_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Wait:
    """An effect that waits.

    Args:
        kind: makes what the row shows, from the envelope as it is run: with what is
            left of its time.  Asked for only where the process parks, as it refuses
            ordinals that the executor has the better words for.
        envelope: the effect.
        inner: how to wait.
        is_there: looks whether there is nothing to wait for; then nothing is
            written about it.
    """

    kind: Callable[[EffectEnvelope], WaitKind]
    envelope: EffectEnvelope
    inner: LocalExecution
    is_there: Callable[[], Awaitable[bool]]


class Waits:
    """The waits of one running process.

    The row shows one wait at a time: the one that parked last among those that
    still wait.

    Args:
        registry: keeps the row.
        process_id: whose waits.
        fence: the lease under which the process runs; a getter, since it is renewed.
            It gives None where an engine fences its runs itself.
        activity: which tasks of the process are active.
        clock: tells since when it waits.
    """

    def __init__(
        self,
        registry: ProcessRegistry,
        process_id: str,
        fence: Callable[[], ProcessLease | None],
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._on_shown: Callable[[], None] = _nothing
        self._registry = registry
        self._process_id = process_id
        self._fence = fence
        self._activity = activity
        self._clock = clock
        self._parked: dict[int, WaitState] = {}
        self._numbers = count()
        self._showing = trio.Lock()

    @property
    def parked(self) -> tuple[WaitState, ...]:
        """What its tasks wait for, in the order in which they parked."""
        return tuple(self._parked.values())

    @property
    def is_showing(self) -> bool:
        """Whether the row is being written just now."""
        return self._showing.locked()

    def on_shown(self, shown: Callable[[], None]) -> None:
        """Call somebody whenever the row shows that a task has parked."""
        self._on_shown = shown

    def are_all_that_runs(self, scope: ScopedEffectController) -> bool:
        """Whether the process does nothing but wait: no task is active, no other effect runs."""
        return self._activity.is_parked and scope.effects_running == len(self._parked)

    async def execute(self, scope: ScopedEffectController, wait: Wait) -> EffectOutcome:
        """Run an effect that waits; the task is parked while it does.

        The effect has ended when it has its outcome.  Waiting for a slot, and taking
        the wait off the row, come after it, so that neither can cost the outcome.

        Raises:
            EffectError: that of the effect, or of the row that could not be written.
        """
        number = next(self._numbers)
        was_parked = False
        try:
            outcome = await scope.execute_effect(wait.envelope, self._executor(scope, number, wait))
            was_parked = self._parked.pop(number, None) is not None
            if was_parked:
                await self._activity.task_resumed()
                await self._show_resumed(scope)
        except BaseException:
            if self._parked.pop(number, None) is not None:
                was_parked = True
                self._activity.task_unwinds()
            # A process that is stopped from outside still waits, as far as its row
            # goes; one whose wait was cut short from inside does not.
            if was_parked and scope.state is not ScopeState.CLOSING:
                await self._show_while_unwinding(scope)
            raise
        return outcome

    async def settled(self) -> None:
        """Wait until the row shows what the process waits for.  Always a checkpoint."""
        async with self._showing:
            pass

    def _executor(self, scope: ScopedEffectController, number: int, wait: Wait) -> LocalExecution:
        async def run(envelope: EffectEnvelope) -> EffectOutcome:
            if not await wait.is_there():
                await self._park(scope, number, wait.kind(envelope))
            return await wait.inner.execute(envelope)

        return LocalExecutor.call(run)

    async def _park(self, scope: ScopedEffectController, number: int, kind: WaitKind) -> None:
        self._parked[number] = WaitState(kind=kind, since_ms=self._clock.now_ms())
        self._activity.task_parked()
        await self._show(scope)
        self._on_shown()

    async def _show(self, scope: ScopedEffectController) -> None:
        """Make the row show what the process waits for now."""
        # One at a time, and what to show is decided inside: of two writes that
        # overtook each other the older might stay.
        async with self._showing:
            await self._write(scope)

    async def _show_resumed(self, scope: ScopedEffectController) -> None:
        await self._show(scope)

    async def _write(self, scope: ScopedEffectController) -> None:
        if self._parked:
            latest = self._latest(scope)
            await fenced(self._registry.set_process_wait(self._process_id, latest, self._fence()))
        else:
            await fenced(self._registry.clear_process_wait(self._process_id, self._fence()))

    def _latest(self, scope: ScopedEffectController) -> WaitState:
        latest = next(reversed(self._parked.values()))
        if self.are_all_that_runs(scope) and len(self._parked) == 1:
            latest = attrs.evolve(latest, sole=True)
        return latest

    async def _show_while_unwinding(self, scope: ScopedEffectController) -> None:
        with trio.move_on_after(_FACET_SECONDS, shield=True):
            try:
                await self._show(scope)
            except EffectError as error:
                # What unwinds must not be replaced: it may be trio.Cancelled.
                self._log_not_shown(error)

    def _log_not_shown(self, error: EffectError) -> None:
        fence = self._fence()
        _logger.warning(
            "the row of process %s does not show that a wait is over: %s",
            self._process_id,
            error,
            extra={"process_id": self._process_id} if fence is None else log_ids(fence),
        )


def _nothing() -> None:
    """Who is called before somebody asks to be."""
