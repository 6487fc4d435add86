"""Running slots: how many processes run at once.

A process holds a slot while at least one of its tasks does something; one whose
tasks all wait (for a time, an event, a process, each other) holds none.  What it
does without a slot is to wait for one, or to unwind, which waits for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

import trio

Grant: TypeAlias = Callable[[], None]


class RunningSlots:
    """The slots of a worker; first come, first served.

    Args:
        limit: how many processes may run at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._queue: dict[Grant, None] = {}
        self._idle = trio.Event()
        self._idle.set()

    @property
    def taken(self) -> int:
        """How many are taken; more than the limit while processes unwind."""
        return self._taken

    @property
    def has_free(self) -> bool:
        """Whether one can be had without waiting."""
        return self._taken < self._limit

    @property
    def queued(self) -> int:
        """How many processes wait for one."""
        return len(self._queue)

    async def wait_idle(self) -> None:
        """Wait until no slot is taken.  Always a checkpoint."""
        await self._idle.wait()
        while self._taken:
            await self._idle.wait()

    def ask(self, grant: Grant) -> None:
        """Take a slot for somebody: ``grant`` is called when it is theirs, maybe at once."""
        if self._taken < self._limit:
            self.take_now()
            grant()
        else:
            self._queue[grant] = None

    def withdraw(self, grant: Grant) -> None:
        """Take somebody out of the queue."""
        del self._queue[grant]

    def take_now(self) -> None:
        """Take a slot whether there is one or not: unwinding does not wait."""
        self._taken += 1
        if self._idle.is_set():
            self._idle = trio.Event()

    def give_back(self) -> None:
        """Give a slot back; it goes to the first in the queue."""
        if self._queue and self._taken <= self._limit:
            grant = next(iter(self._queue))
            del self._queue[grant]
            grant()
            return
        self._taken -= 1
        if self._taken == 0:
            self._idle.set()


class _Place(Enum):
    OUTSIDE = auto()
    QUEUED = auto()
    HELD = auto()


class Activity:
    """Which tasks of one process are active, and so whether it needs a slot.

    It begins without a task; :meth:`task_resumed` makes the first one active.

    Args:
        slots: the worker's.
    """

    def __init__(self, slots: RunningSlots) -> None:
        self._slots = slots
        self._active = 0
        self._place = _Place.OUTSIDE
        self._granted = trio.Event()
        self._hurries = False
        self._changed: Callable[[], None] | None = None

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call somebody whenever the last task parks, and the first goes on."""
        self._changed = changed

    @property
    def is_parked(self) -> bool:
        """Whether all tasks wait for something else than a slot."""
        return self._active == 0

    @property
    def holds_slot(self) -> bool:
        """Whether the process has a running slot."""
        return self._place is _Place.HELD

    def task_started(self) -> None:
        """A task began; another one, active, has started it."""
        self._active += 1

    def task_parked(self) -> None:
        """A task ended or waits."""
        self._active -= 1
        if self._active == 0:
            self._leave()
            self._tell()

    async def task_resumed(self) -> None:
        """A task has what it waited for; wait for a slot if the process has none.

        Where the wait for the slot is cancelled the task counts as active all the
        same, since its unwinding cannot wait.

        A checkpoint only where it waits.
        """
        self._active += 1
        self._tell_of_first()
        if self._place is _Place.OUTSIDE:
            self._ask()
        if self._place is _Place.QUEUED:
            try:
                await self._granted.wait()
            except trio.Cancelled:
                self._insist()
                raise

    def task_unwinds(self) -> None:
        """A wait was cut short by an exception: the task is active, slot or not."""
        self._active += 1
        self._tell_of_first()
        self._insist()

    def hurry(self) -> None:
        """Queue for no slot from now on: the process was asked to end."""
        self._hurries = True
        if self._place is _Place.QUEUED:
            self._insist()

    def end(self) -> None:
        """No task is left."""
        self._active = 0
        self._leave()

    def _tell_of_first(self) -> None:
        if self._active == 1:
            self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _ask(self) -> None:
        if self._hurries:
            self._insist()
            return
        self._place = _Place.QUEUED
        self._granted = trio.Event()
        self._slots.ask(self._grant)

    def _grant(self) -> None:
        self._place = _Place.HELD
        self._granted.set()

    def _insist(self) -> None:
        """Have a slot now, whether there is one or not."""
        if self._place is _Place.QUEUED:
            self._slots.withdraw(self._grant)
        if self._place is not _Place.HELD:
            self._slots.take_now()
            self._grant()

    def _leave(self) -> None:
        place, self._place = self._place, _Place.OUTSIDE
        if place is _Place.HELD:
            self._slots.give_back()
        elif place is _Place.QUEUED:
            self._slots.withdraw(self._grant)
