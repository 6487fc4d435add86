"""Steps that read."""

from __future__ import annotations

import attrs

from ...abc import ProcessRegistry
from ...model import ProcessListFilter, ProcessStatusFilter
from ._model import ModelRegistry
from ._step import CallStep, LeaseTable
from ._vocabulary import SESSIONS


@attrs.frozen(repr=False)
class ReadEvents(CallStep):
    """Read a part of a log."""

    process: str
    after: int = 0
    limit: int | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.events_after(self.process, self.after, self.limit)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        events = [e for e in model.process(self.process).events if e.number > self.after]
        return tuple(events if self.limit is None else events[: self.limit])


@attrs.frozen(repr=False)
class ReadRecent(CallStep):
    """Read the end of a log."""

    process: str
    limit: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.recent_events(self.process, self.limit)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        events = model.process(self.process).events
        return tuple(events[-self.limit :] if self.limit else ())


@attrs.frozen(repr=False)
class CountEvents(CallStep):
    """Count the events of a type up to a number."""

    process: str
    type: str
    through: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.count_events_through(self.process, self.type, self.through)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        events = model.process(self.process).of_type(self.type)
        return sum(event.number <= self.through for event in events)


@attrs.frozen(repr=False)
class ReadWakes(CallStep):
    """Read the wakes that nobody has acknowledged."""

    process: str
    after: int = 0

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.wake_events_after(self.process, self.after)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.wakes_after(self.process, self.after)


@attrs.frozen(repr=False)
class ListAll(CallStep):
    """List processes by status and by whether they wait."""

    status: str = "any"
    waiting: bool | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        status = ProcessStatusFilter(self.status)
        return await registry.list_processes(ProcessListFilter(status=status, waiting=self.waiting))

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return tuple(
            row
            for _, row in sorted((name, p.row) for name, p in model.processes.items())
            if self.status in ("any", "running" if row.end is None else row.end[0])
            and self.waiting in (None, row.wait is not None)
        )


@attrs.frozen(repr=False)
class ListSeen(CallStep):
    """List what a session sees."""

    scope: str
    live: bool = False

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        listed = registry.list_live_handle_grants if self.live else registry.list_handle_grants
        return await listed(SESSIONS[self.scope])

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.seen_by(self.scope, self.live)


@attrs.frozen(repr=False)
class GetRow(CallStep):
    """Read the row of a process, which may not be there."""

    process: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.get_process(self.process)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        known = model.processes.get(self.process)
        return None if known is None else known.row


@attrs.frozen(repr=False)
class ListNonTerminal(CallStep):
    """List what has not ended."""

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.list_non_terminal()

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        rows = [process.row for _, process in sorted(model.processes.items())]
        return tuple(row for row in rows if row.end is None)


@attrs.frozen(repr=False)
class IsSeen(CallStep):
    """Ask whether a session sees a process."""

    scope: str
    process: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.has_handle_grant(SESSIONS[self.scope], self.process)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return (self.scope, model.process(self.process).name) in model.grants


@attrs.frozen(repr=False)
class ListSeers(CallStep):
    """List who sees a process."""

    process: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.handle_grants_for_process(self.process)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.seers_of(self.process)
