"""Who asks the worker to look, at what, and when."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush

import trio


class Pokes:
    """Requests to look for work: at some processes, or at all of them, now or at a time."""

    def __init__(self) -> None:
        self._process_ids: dict[str, None] = {}
        self._at_all = False
        self._poked = trio.Event()
        self._alarms: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def poke(self, process_id: str | None) -> None:
        """Ask to look at a process; at all of them where None."""
        if process_id is None:
            self._at_all = True
        else:
            self._process_ids[process_id] = None
        self._poked.set()

    def at(self, process_id: str, time: float) -> None:
        """Ask to look at a process at a time of trio's clock, in place of the last such time."""
        self._alarms[process_id] = time
        heappush(self._heap, (time, process_id))
        if len(self._heap) > 2 * len(self._alarms) + 64:
            self._heap = [(when, each) for each, when in self._alarms.items()]
            heapify(self._heap)
        if self._heap[0][1] == process_id:
            # Who waits for a later time has to think again.
            self._poked.set()

    def not_at(self, process_id: str) -> None:
        """Forget at which time to look at a process."""
        self._alarms.pop(process_id, None)

    def clear(self) -> None:
        """Forget that a look at all processes is asked for: it is taken now."""
        self._at_all = False
        if not self._process_ids:
            self._poked = trio.Event()

    def take(self) -> tuple[str, ...]:
        """The processes to look at now, in the order of asking.  Not a checkpoint."""
        self._take_due()
        process_ids = tuple(self._process_ids)
        self._process_ids = {}
        return process_ids

    async def wait(self) -> tuple[str, ...] | None:
        """Wait for one.

        Returns:
            The processes to look at, in the order of asking; None for all of them.

        Always a checkpoint.
        """
        while True:
            with trio.move_on_at(self._next_time()):
                await self._poked.wait()
            if self._at_all:
                return None
            process_ids = self.take()
            self._poked = trio.Event()
            if process_ids:
                return process_ids

    def _next_time(self) -> float:
        while self._heap and self._alarms.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def _take_due(self) -> None:
        now = trio.current_time()
        while self._next_time() <= now:
            _, process_id = heappop(self._heap)
            del self._alarms[process_id]
            self._process_ids[process_id] = None
