"""Running slots: how many processes run at once.

A process holds a slot while at least one of its tasks does something; one whose
tasks all wait (for a time, an event, a process, each other) holds none.
"""

from __future__ import annotations

import trio


class RunningSlots:
    """The slots of a worker.

    Args:
        limit: how many processes may run at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self._idle = trio.Event()
        self._idle.set()

    @property
    def taken(self) -> int:
        """How many are taken; more than the limit while cancelled processes unwind."""
        return self._taken

    @property
    def are_free(self) -> bool:
        """Whether a process could begin to run now."""
        return self._taken < self._limit and not self._waiting

    async def wait_idle(self) -> None:
        """Wait until no slot is taken."""
        await self._idle.wait()

    async def take(self) -> None:
        """Wait for a slot and take it; first come, first served."""
        if not self.are_free:
            await self._waiting.park()
            # The slot was handed over by give_back, which left it taken.
            return
        self.take_now()

    def take_now(self) -> None:
        """Take a slot whether there is one or not: unwinding does not wait."""
        self._taken += 1
        if self._idle.is_set():
            self._idle = trio.Event()

    def give_back(self) -> None:
        """Give a slot back."""
        if self._waiting and self._taken <= self._limit:
            self._waiting.unpark()
            return
        self._taken -= 1
        if self._taken == 0:
            self._idle.set()


class Activity:
    """Which tasks of one process are active, and so whether it holds a slot.

    Args:
        slots: the worker's.  The process has taken one, for its first task.
    """

    def __init__(self, slots: RunningSlots) -> None:
        self._slots = slots
        self._active = 1
        self._resuming = trio.Lock()

    @property
    def is_parked(self) -> bool:
        """Whether all tasks wait."""
        return self._active == 0

    def task_started(self) -> None:
        """A task began; another one, active, has started it."""
        self._active += 1

    def task_parked(self) -> None:
        """A task ended or waits."""
        self._active -= 1
        if self._active == 0:
            self._slots.give_back()

    async def task_resumed(self) -> None:
        """A task has what it waited for; wait for a slot if the process has none.

        Where the wait for the slot is cancelled the task counts as active all the
        same, since its unwinding cannot wait.
        """
        try:
            async with self._resuming:
                if self._active == 0:
                    await self._slots.take()
                    self._active += 1
                    return
        except trio.Cancelled:
            self.task_unwinds()
            raise
        self._active += 1

    def task_unwinds(self) -> None:
        """A wait was cut short by an exception: the task is active, slot or not."""
        if self._active == 0:
            self._slots.take_now()
        self._active += 1
