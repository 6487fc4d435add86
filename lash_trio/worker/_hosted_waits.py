"""Waits of a process that an engine runs: the engine parks it, and the row says so."""

from __future__ import annotations

from functools import partial

import trio

from ..abc import Clock, LocalExecution, ProcessRegistry
from ..kernel import ScopedEffectController, ShownWait, WriteWait
from ..model import EffectEnvelope, EffectError, JsonObject, WaitState
from ._parking import Wait, Waits
from ._slots import Activity


class HostedWaits(Waits):
    """The waits of one running process, parked by an engine.

    The engine parks a task and writes the row in one go.  That a wait is over is written
    while the process goes on already; all that it writes into its log itself comes after.

    Args:
        registry: keeps the row.
        process_id: whose waits.
        activity: which tasks of the process are active.
        clock: tells since when it waits.
    """

    def __init__(
        self, registry: ProcessRegistry, process_id: str, activity: Activity, clock: Clock
    ) -> None:
        super().__init__(registry, process_id, _no_fence, activity, clock)
        self._attended: tuple[trio.Nursery, ScopedEffectController] | None = None
        self._is_stale = False

    def attend(
        self, nursery: trio.Nursery, scope: ScopedEffectController, *, is_rerun: bool
    ) -> None:
        """Begin to keep the row.

        Args:
            nursery: in which the row is written; the process runs inside it.
            scope: of the process.
            is_rerun: whether the row may show what an earlier run waited for.
        """
        self._attended = nursery, scope
        if is_rerun:
            self._write_soon()

    async def settled(self) -> None:
        """Wait until the row shows what the process waits for.  Always a checkpoint.

        Raises:
            EffectError: it could not be written.
        """
        async with self._showing:
            if self._attended is not None:
                await self._write_if_stale(self._attended[1])

    def _executor(self, scope: ScopedEffectController, number: int, wait: Wait) -> LocalExecution:
        return ShownWait(wait.inner, partial(self._park_by, scope, number, wait))

    async def _park_by(
        self,
        scope: ScopedEffectController,
        number: int,
        wait: Wait,
        envelope: EffectEnvelope,
        write: WriteWait,
    ) -> JsonObject | None:
        kind = wait.kind(envelope)
        async with self._showing:
            await self._write_if_stale(scope)
            self._parked[number] = WaitState(kind=kind, since_ms=self._clock.now_ms())
            self._activity.task_parked()
            found = await write(self._latest(scope))
            if found is not None:
                del self._parked[number]
                await self._activity.task_resumed()
        return found

    async def _show_resumed(self, scope: ScopedEffectController) -> None:
        self._write_soon()

    def _write_soon(self) -> None:
        self._is_stale = True
        if self._attended is not None:
            self._attended[0].start_soon(self._settle)

    async def _settle(self) -> None:
        try:
            await self.settled()
        except EffectError as error:
            # Who writes into the log next tries again, and hears of it.
            self._log_not_shown(error)

    async def _write_if_stale(self, scope: ScopedEffectController) -> None:
        if self._is_stale:
            await self._write(scope)
            self._is_stale = False


def _no_fence() -> None:
    """The engine fences its runs itself."""
