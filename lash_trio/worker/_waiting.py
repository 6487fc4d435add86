"""A dump of all that processes wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import attrs

from ..model import (
    EventWait,
    OperatorWait,
    ProcessEndWait,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
)


@attrs.frozen(kw_only=True)
class ProcessWaits:
    """What one process waits for.

    Args:
        process_id: which process.
        waits: one for each task or effect that waits, in the order of parking; the
            replay key of the effect is the ``key`` of its kind.
        is_loaded: whether the process is in memory; otherwise only this is.
    """

    process_id: str
    waits: tuple[WaitState, ...]
    is_loaded: bool


@attrs.frozen(kw_only=True)
class WaitingOn:
    """What the processes of a worker wait for; ``str()`` makes a text of it for people.

    Args:
        at_ms: when it was asked, in milliseconds since the epoch.
        processes: those that wait for something, ordered by id.
    """

    at_ms: int
    processes: tuple[ProcessWaits, ...]

    @staticmethod
    def of(
        at_ms: int,
        loaded: Mapping[str, Sequence[WaitState]],
        unloaded: Mapping[str, Sequence[WaitState]],
    ) -> WaitingOn:
        """From waits by process id."""
        processes = [
            ProcessWaits(process_id=process_id, waits=tuple(waits), is_loaded=is_loaded)
            for by_id, is_loaded in ((loaded, True), (unloaded, False))
            for process_id, waits in by_id.items()
            if waits
        ]
        return WaitingOn(
            at_ms=at_ms, processes=tuple(sorted(processes, key=lambda each: each.process_id))
        )

    def __str__(self) -> str:
        if not self.processes:
            return "no process waits"
        return "\n".join(line for process in self.processes for line in self._lines(process))

    def _lines(self, process: ProcessWaits) -> list[str]:
        place = "" if process.is_loaded else " (unloaded)"
        return [
            f"{process.process_id}{place}",
            *(
                f"    {_text(wait.kind, self.at_ms)}, since {_span(self.at_ms - wait.since_ms)}"
                for wait in process.waits
            ),
        ]


def _text(kind: WaitKind, at_ms: int) -> str:
    match kind:
        case SignalWait(name=name, ordinal=ordinal, due_at_ms=due):
            return f"signal {name} number {ordinal}{_until(due, at_ms)} [{kind.key}]"
        case EventWait(process_id=process_id, event_type=event_type, ordinal=n, due_at_ms=due):
            return f"event {event_type} number {n} of {process_id}{_until(due, at_ms)} [{kind.key}]"
        case SleepWait(due_at_ms=due):
            return f"sleep{_until(due, at_ms)} [{kind.key}]"
        case ProcessEndWait(process_id=process_id):
            return f"end of process {process_id} [{kind.key}]"
        case OperatorWait(code=code, message=message):
            return f"repair of its code ({code}: {message})"
        case _:
            return f"{kind.tag} [{kind.key}]"


def _until(due_at_ms: int | None, at_ms: int) -> str:
    return "" if due_at_ms is None else f", due in {_span(due_at_ms - at_ms)}"


def _span(ms: int) -> str:
    """A time that people can read: ``0:01:05``, or tenths of seconds below a minute."""
    ms = max(ms, 0)
    return f"{ms / 1000:.1f} s" if ms < 60_000 else str(timedelta(seconds=ms // 1000))
