"""Waits of a process: written down before they park, and off the running slots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ..abc import Clock, LocalExecution, ProcessRegistry
from ..kernel import LocalExecutor, ScopedEffectController
from ..model import (
    EffectEnvelope,
    EffectOutcome,
    ProcessLease,
    ScopeState,
    WaitKind,
    WaitState,
)
from ._slots import Activity

_FACET_SECONDS = 5.0


class Waits:
    """The waits of one running process.

    The row shows one wait at a time: the one that parked last among those that
    still wait.

    Args:
        registry: keeps the row.
        process_id: whose waits.
        fence: the lease under which the process runs; a getter, since it is renewed.
        activity: which tasks of the process are active.
        clock: tells since when it waits.
    """

    def __init__(
        self,
        registry: ProcessRegistry,
        process_id: str,
        fence: Callable[[], ProcessLease],
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._process_id = process_id
        self._fence = fence
        self._activity = activity
        self._clock = clock
        self._open: dict[int, WaitState] = {}
        self._opened = 0

    def parking(
        self, scope: ScopedEffectController, kind: WaitKind, inner: LocalExecution
    ) -> LocalExecutor:
        """An executor that parks the task while ``inner`` waits."""

        async def run(envelope: EffectEnvelope) -> EffectOutcome:
            return await self._parked(scope, kind, lambda: inner.execute(envelope))

        return LocalExecutor.call(run)

    async def _parked(
        self,
        scope: ScopedEffectController,
        kind: WaitKind,
        wait: Callable[[], Awaitable[EffectOutcome]],
    ) -> EffectOutcome:
        state = WaitState(kind=kind, since_ms=self._clock.now_ms())
        await self._registry.set_process_wait(self._process_id, state, self._fence())
        self._opened += 1
        number = self._opened
        self._open[number] = state
        self._activity.task_parked()
        try:
            outcome = await wait()
        except BaseException:
            self._activity.task_unwinds()
            del self._open[number]
            # A process that is stopped from outside still waits, as far as its row
            # goes; one whose wait was cut short from inside does not.
            if scope.state is not ScopeState.CLOSING:
                with trio.move_on_after(_FACET_SECONDS, shield=True):
                    await self._show_wait()
            raise
        del self._open[number]
        await self._activity.task_resumed()
        await self._show_wait()
        return outcome

    async def _show_wait(self) -> None:
        if self._open:
            latest = self._open[max(self._open)]
            await self._registry.set_process_wait(self._process_id, latest, self._fence())
        else:
            await self._registry.clear_process_wait(self._process_id, self._fence())
