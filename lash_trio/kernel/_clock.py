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


class TrioClock:
    """The time of day at first use, moved on by trio's clock.

    Under a mock clock leases and due times then pass in virtual time.
    """

    def __init__(self) -> None:
        self._offset_ms: float | None = None

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        elapsed_ms = trio.current_time() * 1000
        if self._offset_ms is None:
            self._offset_ms = time.time() * 1000 - elapsed_ms
        return int(self._offset_ms + elapsed_ms)
