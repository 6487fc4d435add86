"""The steps of a program: one call of a registry each, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from ...abc import ProcessRegistry
from ...model import (
    JsonValue,
    ProcessExternalRef,
    ProcessHandleDescriptor,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessStartGrant,
    ProcessStatusFilter,
)
from ._meaning import OUTPUTS as OUTPUTS_ON_WIRE
from ._model import Asked, Fence, ModelRegistry
from ._vocabulary import OUTPUTS, PROCESSES, REGISTRATIONS, SESSIONS, WAITS, append_request

FORGED = -1
"""The fencing token that stands in the model for a lease that nobody ever claimed."""


class LeaseTable:
    """The leases that a program has claimed, by the number of the claim."""

    def __init__(self) -> None:
        self.claimed: list[ProcessLease] = []

    def get(self, number: int) -> ProcessLease:
        """A lease; numbers beyond the last begin again, and some lease is always there."""
        if self.claimed:
            return self.claimed[number % len(self.claimed)]
        return ProcessLease(
            process_id=PROCESSES[number % len(PROCESSES)],
            owner_id="w1",
            lease_token="never claimed",
            fencing_token=1,
            claimed_at_epoch_ms=0,
            expires_at_epoch_ms=2**53,
        )

    def optional(self, number: int | None) -> ProcessLease | None:
        """The lease of a number, or None where there is none."""
        return None if number is None else self.get(number)

    def fence(self, number: int) -> Fence:
        """A lease as the model knows it."""
        lease = self.get(number)
        known = any(lease is claimed for claimed in self.claimed)
        return Fence(lease.process_id, lease.fencing_token if known else FORGED)

    def optional_fence(self, number: int | None) -> Fence | None:
        """The lease of a number as the model knows it, or None where there is none."""
        return None if number is None else self.fence(number)


@attrs.frozen
class CallStep:
    """One call of a registry."""

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        """Make the call."""
        raise NotImplementedError

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        """Do the same to the model; what it returns is what must be seen.

        Raises:
            Refused: the registry has to refuse it.
        """
        raise NotImplementedError


@attrs.frozen
class Register(CallStep):
    """Register a process in one of some ways, perhaps with a grant."""

    process: str
    how: str = "plain"
    grant: str | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        grant = None
        if self.grant is not None:
            descriptor = ProcessHandleDescriptor(label="start")
            grant = ProcessStartGrant(session_scope=SESSIONS[self.grant], descriptor=descriptor)
        return await registry.register_process(REGISTRATIONS[self.how](self.process), grant)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        grant = None if self.grant is None else (self.grant, "start")
        return model.register(self.process, self.how, grant)


@attrs.frozen
class Append(CallStep):
    """Append an event, perhaps under a replay key, perhaps fenced by a lease."""

    process: str
    type: str
    payload: JsonValue = None
    key: str | None = None
    fence: int | None = None
    wake: str | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        asked = append_request(self.type, self.payload, self.key, self.wake)
        return await registry.append_event(self.process, asked, _own(self.process, self.fence, leases))

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        asked = Asked(self.type, self.payload, self.key, self.wake)
        return model.append(self.process, asked, _own_fence(self.process, self.fence, leases))


@attrs.frozen
class Complete(CallStep):
    """End a process that nobody runs."""

    process: str
    how: str = "success"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.complete_process(self.process, OUTPUTS[self.how])

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.complete(self.process, *OUTPUTS_ON_WIRE[self.how])


@attrs.frozen
class SetExternalRef(CallStep):
    """Note which work outside stands for a process."""

    process: str
    reference: str = "job-1"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        reference = ProcessExternalRef(backend="outside", id=self.reference)
        return await registry.set_external_ref(self.process, reference)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.set_external(self.process, self.reference)


@attrs.frozen
class SetWait(CallStep):
    """Note what a process waits for."""

    process: str
    wait: str = "w1"
    fence: int | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        fence = _own(self.process, self.fence, leases)
        return await registry.set_process_wait(self.process, WAITS[self.wait], fence)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.set_wait(self.process, self.wait, _own_fence(self.process, self.fence, leases))


@attrs.frozen
class ClearWait(CallStep):
    """Note that it waits no longer."""

    process: str
    fence: int | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.clear_process_wait(self.process, _own(self.process, self.fence, leases))

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.clear_wait(self.process, _own_fence(self.process, self.fence, leases))


@attrs.frozen
class AckWake(CallStep):
    """Acknowledge a wake event."""

    process: str
    number: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.ack_wake(self.process, self.number)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.acknowledge(self.process, self.number)


@attrs.frozen
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


@attrs.frozen
class ReadRecent(CallStep):
    """Read the end of a log."""

    process: str
    limit: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.recent_events(self.process, self.limit)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        events = model.process(self.process).events
        return tuple(events[-self.limit :] if self.limit else ())


@attrs.frozen
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


@attrs.frozen
class ReadWakes(CallStep):
    """Read the wakes that nobody has acknowledged."""

    process: str
    after: int = 0

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.wake_events_after(self.process, self.after)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.wakes_after(self.process, self.after)


@attrs.frozen
class ListAll(CallStep):
    """List processes by status and by whether they wait."""

    status: str = "any"
    waiting: bool | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        status = ProcessStatusFilter(self.status)
        return await registry.list_processes(
            ProcessListFilter(status=status, waiting=self.waiting)
        )

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return tuple(
            row
            for _, row in sorted((name, p.row) for name, p in model.processes.items())
            if self.status in ("any", "running" if row.end is None else row.end[0])
            and self.waiting in (None, row.wait is not None)
        )


@attrs.frozen
class GrantHandle(CallStep):
    """Make a process visible to a session."""

    scope: str
    process: str
    label: str = "a job"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        descriptor = ProcessHandleDescriptor(label=self.label)
        return await registry.grant_handle(SESSIONS[self.scope], self.process, descriptor)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.grant(self.scope, self.process, self.label)


@attrs.frozen
class RevokeHandle(CallStep):
    """Make it invisible there."""

    scope: str
    process: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.revoke_handle(SESSIONS[self.scope], self.process)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.revoke(self.scope, self.process)


@attrs.frozen
class TransferHandles(CallStep):
    """Move grants between sessions, all or none."""

    source: str
    target: str
    processes: tuple[str, ...]

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.transfer_handle_grants(
            SESSIONS[self.source], SESSIONS[self.target], self.processes
        )
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.transfer(self.source, self.target, self.processes)


@attrs.frozen
class ListSeen(CallStep):
    """List what a session sees."""

    scope: str
    live: bool = False

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        listed = registry.list_live_handle_grants if self.live else registry.list_handle_grants
        return await listed(SESSIONS[self.scope])

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.seen_by(self.scope, self.live)


@attrs.frozen
class DeleteSession(CallStep):
    """Revoke all that a session sees."""

    session: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.delete_session_process_state(self.session)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.delete_session(self.session)


@attrs.frozen
class Claim(CallStep):
    """Claim the lease of a process."""

    process: str
    owner: str = "w1"
    ttl_ms: int = 1_000

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.claim_process_lease(self.process, self.owner, self.ttl_ms)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.claim(self.process, self.owner, self.ttl_ms)


@attrs.frozen
class Renew(CallStep):
    """Renew a lease; stale ones are lost."""

    lease: int
    ttl_ms: int = 1_000

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.renew_process_lease(leases.get(self.lease), self.ttl_ms)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.renew(leases.fence(self.lease), self.ttl_ms)


@attrs.frozen
class Release(CallStep):
    """Give a lease back, stale or not."""

    lease: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        completion = ProcessLeaseCompletion.of(leases.get(self.lease))
        await registry.complete_process_lease(completion)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.release(leases.fence(self.lease))


@attrs.frozen
class CompleteLeased(CallStep):
    """Write the end of a process and give its lease back, at once."""

    lease: int
    type: str = "process.completed"
    payload: JsonValue = attrs.field(factory=lambda: {"await_output": {"type": "success", "value": 7}})
    key: str = "end"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        asked = append_request(self.type, self.payload, self.key)
        return await registry.complete_leased_process(leases.get(self.lease), asked)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        asked = Asked(self.type, self.payload, self.key)
        return model.complete_leased(leases.fence(self.lease), asked)


def _own(process: str, fence: int | None, leases: LeaseTable) -> ProcessLease | None:
    """The lease to write under: of the process that is written, as every writer's is."""
    lease = leases.optional(fence)
    if lease is None or lease.process_id == process:
        return lease
    return attrs.evolve(lease, process_id=process)


def _own_fence(process: str, fence: int | None, leases: LeaseTable) -> Fence | None:
    known = leases.optional_fence(fence)
    if known is None or known.process == process:
        return known
    return Fence(process, FORGED)


Reader: TypeAlias = Callable[[ModelRegistry, LeaseTable], object]
