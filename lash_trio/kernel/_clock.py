"""Clocks for what is written down."""

from __future__ import annotations

import time

import trio


class SystemClock:
    """The time of day of this machine, never running backwards."""

    def __init__(self) -> None:
        self._last_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        self._last_ms = max(self._last_ms, time.time_ns() // 1_000_000)
        return self._last_ms


# When trio's clock was zero, in milliseconds since the epoch: one answer for all
# clocks of a run, since they would disagree once virtual time has passed.
# Whole milliseconds, so that under a mock clock times differ by the same number
# in every run.
_ZERO_MS = trio.lowlevel.RunVar[int]("lash_trio_zero_ms")


class TrioClock:
    """The time of day when a trio run first asked, moved on by trio's clock.

    Under a mock clock leases and due times then pass in virtual time.  All clocks
    of a run agree.  In another run it starts from the time of day again, and still
    never runs backwards.
    """

    def __init__(self) -> None:
        self._clock: trio.abc.Clock | None = None
        self._offset_ms = 0
        self._last_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        clock = trio.lowlevel.current_clock()
        elapsed_ms = clock.current_time() * 1000
        if clock is not self._clock:
            # Clocks of different runs count from different beginnings.
            self._clock = clock
            now_ms = max(time.time() * 1000, self._last_ms)
            self._offset_ms = _ZERO_MS.get(round(now_ms - elapsed_ms))
            _ZERO_MS.set(self._offset_ms)
        self._last_ms = max(self._last_ms, self._offset_ms + int(elapsed_ms))
        return self._last_ms
