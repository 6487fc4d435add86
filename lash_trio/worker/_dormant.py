"""Processes that nobody runs while what they wait for is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import trio

from ..abc import Clock
from ..model import (
    CANCEL_REQUESTED,
    RESUMED,
    WAITING,
    EventWait,
    OperatorWait,
    ProcessEndWait,
    ProcessRecord,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
)
from ._pokes import Pokes

_Slot = tuple[str, str, int]
"""An event as a registry tells of it: process, type, ordinal; ``("", 0)`` is an end."""

_CHANGES = frozenset({"", WAITING, RESUMED})
"""Types that say that somebody else runs the process, or that it has ended."""


class Dormant:
    """What unloaded processes wait for, with no task for any of them.

    It pokes the worker when one has to be looked at: its event has come, its time, or
    somebody has done something with it.  Between :meth:`add` and the look at the
    registry that has to follow it, events are told already, so none falls between.

    Args:
        pokes: of the worker.
        clock: that times are told by.
    """

    def __init__(self, pokes: Pokes, clock: Clock) -> None:
        self._pokes = pokes
        self._clock = clock
        self._waits: dict[str, tuple[WaitState, ...]] = {}
        # One process in most cases, so no set is made for it.
        self._slots: dict[_Slot, str | set[str]] = {}

    def __contains__(self, process_id: object) -> bool:
        return process_id in self._waits

    def __len__(self) -> int:
        return len(self._waits)

    def __iter__(self) -> Iterator[tuple[str, tuple[WaitState, ...]]]:
        return iter(self._waits.items())

    def waits_of(self, process_id: str) -> tuple[WaitState, ...]:
        """What a process waits for; nothing where it is not dormant."""
        return self._waits.get(process_id, ())

    def add(self, process_id: str, waits: Sequence[WaitState]) -> None:
        """Leave a process to what it waits for."""
        self.remove(process_id)
        self._waits[process_id] = tuple(waits)
        for wait in waits:
            slot = _slot(process_id, wait.kind)
            if slot is not None:
                self._wait_for(slot, process_id)
        self._set_alarm(process_id)

    def remove(self, process_id: str) -> None:
        """Forget a process: it is driven, or is no longer what it was."""
        for wait in self._waits.pop(process_id, ()):
            slot = _slot(process_id, wait.kind)
            if slot is not None:
                self._leave(slot, process_id)
        self._pokes.not_at(process_id)

    def tell(self, process_id: str, event_type: str, ordinal: int) -> None:
        """Hear of an event."""
        waiting = self._slots.get((process_id, event_type, ordinal), ())
        for each in (waiting,) if isinstance(waiting, str) else tuple(waiting):
            self._wake(each)
        if process_id in self._waits:
            if event_type == CANCEL_REQUESTED:
                self._wake(process_id)
            elif event_type in _CHANGES:
                # It may be as late as to tell of what this worker itself has written.
                self._pokes.poke(process_id)

    def still_holds(self, record: ProcessRecord) -> bool:
        """Whether a row is what it was when it became dormant, and not due."""
        waits = self._waits.get(record.id, ())
        shown = record.wait
        now_ms = self._clock.now_ms()
        if shown is None or any(is_due(wait, now_ms) for wait in waits):
            return False
        if not any(w.kind == shown.kind and w.since_ms == shown.since_ms for w in waits):
            return False
        self._set_alarm(record.id)
        return True

    def _wake(self, process_id: str) -> None:
        self.remove(process_id)
        self._pokes.poke(process_id)

    def _set_alarm(self, process_id: str) -> None:
        dues = [due_at_ms(wait.kind) for wait in self._waits[process_id]]
        times = [due for due in dues if due is not None]
        if times:
            left_ms = min(times) - self._clock.now_ms()
            self._pokes.at(process_id, trio.current_time() + max(left_ms, 0) / 1000)

    def _wait_for(self, slot: _Slot, process_id: str) -> None:
        others = self._slots.get(slot)
        if others is None:
            self._slots[slot] = process_id
        elif isinstance(others, str):
            self._slots[slot] = {others, process_id}
        else:
            others.add(process_id)

    def _leave(self, slot: _Slot, process_id: str) -> None:
        others = self._slots.get(slot)
        if isinstance(others, set):
            others.discard(process_id)
            if others:
                return
        self._slots.pop(slot, None)


def due_at_ms(kind: WaitKind) -> int | None:
    """When a wait is over at the latest, in milliseconds since the epoch; None for never."""
    match kind:
        case SleepWait(due_at_ms=due) | SignalWait(due_at_ms=due) | EventWait(due_at_ms=due):
            return due
        case _:
            return None


def is_due(wait: WaitState, now_ms: int) -> bool:
    """Whether the time of a wait has come."""
    due = due_at_ms(wait.kind)
    return due is not None and due <= now_ms


def is_known(kind: WaitKind) -> bool:
    """Whether the index can tell when a wait is over."""
    return isinstance(kind, SleepWait | SignalWait | EventWait | ProcessEndWait | OperatorWait)


def _slot(process_id: str, kind: WaitKind) -> _Slot | None:
    match kind:
        case SignalWait(event_type=event_type, ordinal=ordinal):
            return process_id, event_type, ordinal
        case EventWait(process_id=other, event_type=event_type, ordinal=ordinal):
            return other, event_type, ordinal
        case ProcessEndWait(process_id=other):
            return other, "", 0
        case _:
            return None
