"""Which parked processes leave the memory, and when."""

from __future__ import annotations

import math
from itertools import islice

import trio

from ._run import ProcessRun

_TRY_AGAIN_SECONDS = 1.0


class Unloading:
    """The parked processes of a worker that could be unloaded, in the order in which they parked.

    Args:
        most: how many may stay.
        after_seconds: for how long one may stay; infinite for as long as there is room.
    """

    def __init__(self, most: int, after_seconds: float) -> None:
        self._most = most
        self._after_seconds = after_seconds
        self._parked: dict[ProcessRun, float] = {}
        self._changed = trio.Event()

    def add(self, run: ProcessRun) -> None:
        """Note that a process has parked."""
        self._parked[run] = trio.current_time()
        self.check()

    def remove(self, run: ProcessRun) -> None:
        """Note that it goes on, or is gone."""
        self._parked.pop(run, None)

    def check(self) -> None:
        """See whether there is something to unload: a process has parked, or its row says so now."""
        is_first = len(self._parked) == 1 and self._after_seconds < math.inf
        if is_first or len(self._parked) > self._most:
            self._changed.set()

    async def keep_up(
        self, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Unload what is too much or too old, until the scope that it starts with is cancelled."""
        not_before = -math.inf
        with trio.CancelScope() as scope:
            task_status.started(scope)
            while True:
                first = next(iter(self._parked.values()), math.inf)
                with trio.move_on_at(max(first + self._after_seconds, not_before)):
                    await self._changed.wait()
                self._changed = trio.Event()
                self._unload_surplus()
                self._unload_old()
                # One that is old and cannot be unloaded has its turn a little later.
                not_before = trio.current_time() + _TRY_AGAIN_SECONDS

    def _unload_surplus(self) -> None:
        surplus = len(self._parked) - self._most
        # One whose row is not written yet has its turn when it is.
        able = (run for run in tuple(self._parked) if run.can_unload)
        for run in islice(able, max(surplus, 0)):
            self._unload(run)

    def _unload_old(self) -> None:
        parked_before = trio.current_time() - self._after_seconds
        for run, parked_at in tuple(self._parked.items()):
            if parked_at > parked_before:
                break
            if run.can_unload:
                self._unload(run)

    def _unload(self, run: ProcessRun) -> None:
        del self._parked[run]
        run.unload()
