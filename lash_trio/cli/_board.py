"""What is known of the processes of a run, for the live view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio

from .. import RESUMED, ProcessEvent
from ._describe import describe

_STEP_NAMES = 3


class Row:
    """One process on the board."""

    def __init__(self, process_id: str, began_at: float) -> None:
        self.process_id = process_id
        self.began_at = began_at
        self.ended_at: float | None = None
        self.state = "runs"
        self.steps_done = 0
        self.steps_failed = 0
        self._running: Counter[str] = Counter()

    @property
    def steps_running(self) -> int:
        """How many of its steps run."""
        return self._running.total()

    @property
    def doing(self) -> str:
        """What it does now: its steps where some run, else its state."""
        if self.ended_at is not None or not self._running:
            return self.state
        names = sorted(self._running)
        more = "" if len(names) <= _STEP_NAMES else ", ..."
        return f"runs {', '.join(names[:_STEP_NAMES])}{more}"

    @property
    def steps(self) -> str:
        """Its steps in numbers."""
        counts = {
            "done": self.steps_done,
            "failed": self.steps_failed,
            "running": self.steps_running,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def step_began(self, name: str) -> None:
        """A step runs now."""
        self._running[name] += 1

    def step_ended(self, name: str, *, failed: bool) -> None:
        """A step runs no more."""
        self._running[name] -= 1
        self._running += Counter()  # forgets the names with nothing left
        if failed:
            self.steps_failed += 1
        else:
            self.steps_done += 1


class Board:
    """All processes that are followed, in the order in which they came.

    Args:
        clock: tells the seconds; trio's clock where none is given.
    """

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._began_at = 0.0
        self._rows: dict[str, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The processes."""
        return tuple(self._rows.values())

    @property
    def steps_done(self) -> int:
        """How many steps of all processes have been done."""
        return sum(row.steps_done for row in self._rows.values())

    @property
    def steps_running(self) -> int:
        """How many steps of all processes run."""
        return sum(row.steps_running for row in self._rows.values())

    def begin(self) -> None:
        """Count the seconds from now on."""
        self._began_at = self._clock()

    def seconds(self) -> float:
        """The seconds since the beginning."""
        return self._clock() - self._began_at

    def row(self, process_id: str) -> Row:
        """The row of a process, a new one if need be."""
        if process_id not in self._rows:
            self._rows[process_id] = Row(process_id, self.seconds())
        return self._rows[process_id]

    def event(self, event: ProcessEvent) -> None:
        """Take note of an event."""
        row = self.row(event.process_id)
        if event.event_type == RESUMED:
            row.state = "runs"
        elif event.event_type.startswith("process."):
            row.state = describe(event)
        if event.semantics.terminal is not None:
            row.ended_at = self.seconds()
