"""What holds at every moment, whatever the program did.

The model implies all of it.  Said on its own, it is easier to read where it breaks,
and does not depend on the model's being right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

from ...abc import ProcessRegistry
from ._model import ModelRegistry
from ._step import CallStep
from ._steps_reads import CountEvents, ListAll, ListNonTerminal, ReadEvents
from ._views import Event, Row


@runtime_checkable
class ReportsStatistics(Protocol):
    """A registry that tells how much it holds."""

    def statistics(self) -> object:
        """An object with some of the attributes of ``MemoryRegistryStatistics``."""
        ...


@runtime_checkable
class ReportsWaiting(Protocol):
    """A registry that tells how many tasks are parked in its waits, and no more."""

    @property
    def tasks_waiting(self) -> int:
        """How many tasks are parked."""
        ...


def broken_invariant(now: Sequence[tuple[CallStep, object]]) -> str | None:
    """What does not hold in what was read after a step, or None.

    Args:
        now: reads, and the views of what came; refusals are left to the model.
    """
    rows: dict[str, Row] = {}
    running: set[str] = set()
    for step, came in now:
        match step, came:
            case ListAll(), tuple():
                rows = {row.process: row for row in cast("tuple[Row, ...]", came)}
            case ListNonTerminal(), tuple():
                running = {row.process for row in cast("tuple[Row, ...]", came)}
            case _:
                pass
    ended = {name for name, row in rows.items() if row.end is not None}
    if running != rows.keys() - ended:
        return f"expected the work list to be all but {sorted(ended)}, got {sorted(running)}"
    logs: dict[str, tuple[Event, ...]] = {}
    for step, came in now:
        if isinstance(step, ReadEvents) and isinstance(came, tuple):
            logs[step.process] = cast("tuple[Event, ...]", came)
    for name, events in logs.items():
        fault = _log_fault(name, events, rows.get(name))
        if fault is not None:
            return fault
    return _count_fault(now, logs)


def _log_fault(name: str, events: Sequence[Event], row: Row | None) -> str | None:
    numbers = [event.number for event in events]
    if numbers != list(range(1, len(events) + 1)):
        return f"expected the events of {name} to be numbered without gaps, got {numbers}"
    ends = [event for event in events if event.end is not None]
    if len(ends) > 1:
        return f"expected {name} to end once, got the ends {ends!r}"
    end = ends[0].end if ends else None
    if row is None or row.end != end:
        return f"expected the row of {name} to say {end!r}, as its log does; got {row!r}"
    if row.end is not None and row.wait is not None:
        return f"expected nothing to be awaited by {name}, which has ended; got {row.wait!r}"
    return None


def _count_fault(
    now: Sequence[tuple[CallStep, object]], logs: Mapping[str, Sequence[Event]]
) -> str | None:
    for step, came in now:
        if isinstance(step, CountEvents) and step.process in logs:
            events = logs[step.process]
            count = sum(e.type == step.type and e.number <= step.through for e in events)
            if came != count:
                return f"expected {step!r} to count {count}, as the log does; got {came!r}"
    return None


def leak(registry: ProcessRegistry, model: ModelRegistry, waiting: int) -> str | None:
    """What a registry holds that it should not, or has forgotten, or None.

    Args:
        registry: only what it tells is looked at.
        model: what there is.
        waiting: how many tasks wait.
    """
    held: object = registry
    if isinstance(registry, ReportsStatistics):
        held = registry.statistics()
    elif not isinstance(registry, ReportsWaiting):
        return None
    processes = model.processes.values()
    there = {
        "tasks_waiting": waiting,
        "processes": len(processes),
        "running_processes": sum(process.end is None for process in processes),
        "events": sum(len(process.events) for process in processes),
        "grants": len(model.grants),
        "leases": sum(process.lease is not None for process in processes),
    }
    for name, expected in there.items():
        # A registry of somebody else's may tell less.
        came: object = getattr(held, name, expected)
        if came != expected:
            return f"expected the registry to hold {expected} {name}, got {came}"
    return None
