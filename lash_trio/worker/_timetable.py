"""When a worker looks at all there is, and at how much of it."""

from __future__ import annotations

import math

import attrs
import trio

_LOOKING_SHARE = 10
_EVERYTHING_SHARE = 100


@attrs.define
class _Cost:
    """How long a look takes."""

    usual: float = 0.0
    last: float = 0.0

    def add(self, seconds: float) -> None:
        # The quicker of two looks: what a first one has to load does not come again.
        self.usual, self.last = min(seconds, self.last), seconds


class Timetable:
    """When to look, and whether at rows too that only wait.

    Looking takes a tenth of the time at most, and looking at what only waits a
    hundredth: a worker is told when that goes on, so this is for what it has not heard.

    Args:
        poll_seconds: how often to look, where that is cheap.

    Attributes:
        poll_seconds: how often to look now.
        is_always_everything: whether nobody tells the worker when what waits goes on.
    """

    def __init__(self, poll_seconds: float) -> None:
        self.is_always_everything: bool = False
        self._asked_seconds = poll_seconds
        self.poll_seconds: float = poll_seconds
        self._some = _Cost()
        self._everything = _Cost()
        self._everything_at = -math.inf
        # When another owner's lease ends: what it has left behind may be parked.
        self._expiry_at = math.inf

    def is_everything_due(self) -> bool:
        """Whether to look at all rows."""
        next_time = min(self._everything_at, self._expiry_at)
        return self.is_always_everything or next_time <= trio.current_time()

    def look_at_everything(self) -> None:
        """See to it that the next look is at all rows."""
        self._everything_at = -math.inf

    def after_failure(self) -> float:
        """When to look again, on trio's clock, if the registry could not be looked at."""
        return trio.current_time() + self._asked_seconds

    def after_look(self, seconds: float, everything: bool, expiry: float | None) -> float:
        """When to look again, on trio's clock.

        Args:
            seconds: how long the look took.
            everything: whether it was at all rows.
            expiry: when the next lease of another owner ends, on trio's clock.
        """
        now = trio.current_time()
        if everything and not self.is_always_everything:
            self._everything.add(seconds)
            self._everything_at = now + _EVERYTHING_SHARE * self._everything.usual
            seconds = min(seconds, self._some.last)
        self._some.add(seconds)
        self.poll_seconds = max(self._asked_seconds, _LOOKING_SHARE * self._some.usual)
        self._expiry_at = math.inf if expiry is None else expiry
        return min(now + self.poll_seconds, self._expiry_at)
