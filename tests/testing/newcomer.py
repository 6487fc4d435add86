"""A registry written from the port alone, as somebody new to the library would."""

import uuid
from collections.abc import Sequence

import attrs
import trio

from lash_trio.abc import Clock, ProcessRegistry
from lash_trio.kernel import END, EventWaiters, WaitSlot, any_event
from lash_trio.model import (
    CausalRef,
    DeclaredType,
    LeaseClaim,
    LeaseState,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessExternalRef,
    ProcessGrantEntry,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessRecord,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    ProcessStartGrant,
    RecordedEvent,
    SessionScope,
    WaitState,
    check_fence,
    check_limit,
    check_same_registration,
    claim_lease,
    delete_report,
    from_json,
    prepare_append,
    prepare_registration,
    release_lease,
    renew_lease,
    resumed_event,
    terminal_event,
    to_json,
    waiting_event,
)


@attrs.frozen
class Target:
    """What the append rules want to know of a process."""

    row: ProcessRecord

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def declared(self) -> dict[str, DeclaredType]:
        return {kind.name: DeclaredType(kind) for kind in self.row.event_types}

    @property
    def is_terminal(self) -> bool:
        return self.row.is_terminal

    @property
    def wake_target(self) -> SessionScope | None:
        return self.row.wake_target

    @property
    def caused_by(self) -> CausalRef | None:
        return self.row.provenance.caused_by


class NewcomerRegistry(ProcessRegistry):
    """Tables as in a database, one look-up after the other, nothing clever."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: dict[str, ProcessRecord] = {}
        self.events: list[ProcessEvent] = []
        self.keys: dict[tuple[str, str], RecordedEvent] = {}
        self.acknowledged: set[tuple[str, int]] = set()
        self.grants: list[ProcessHandleGrant] = []
        self.leases: dict[str, LeaseState] = {}
        self.waiters = EventWaiters()

    # What the methods have in common.

    def row(self, process_id: str) -> ProcessRecord:
        if process_id not in self.rows:
            raise PluginError(PluginReason.UNKNOWN_PROCESS, f"no process {process_id!r}")
        return self.rows[process_id]

    def log(self, process_id: str) -> list[ProcessEvent]:
        return [event for event in self.events if event.process_id == self.row(process_id).id]

    def nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent | None:
        same = [event for event in self.log(process_id) if event.event_type == event_type]
        return same[ordinal - 1] if len(same) >= ordinal else None

    def sees(self, scope: SessionScope, process_id: str) -> list[ProcessHandleGrant]:
        return [
            grant
            for grant in self.grants
            if grant.session_scope == scope and grant.process_id == process_id
        ]

    def append(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None,
        wait: WaitState | None = None,
    ) -> ProcessEventAppendResult:
        row, now_ms = self.row(process_id), self.clock.now_ms()
        if fence is not None:
            check_fence(self.leases.get(process_id, LeaseState()), fence, now_ms)
        key = (process_id, "" if request.replay is None else request.replay.key)
        sequence = len(self.log(process_id)) + 1
        prepared = prepare_append(Target(row), request, self.keys.get(key), sequence, now_ms)
        result = ProcessEventAppendResult(
            event=prepared.event,
            wake_delivery=prepared.wake_delivery,
            replayed=prepared.replayed,
        )
        if prepared.replayed:
            return result
        self.events.append(prepared.event)
        if prepared.content_hash is not None:
            self.keys[key] = RecordedEvent(content_hash=prepared.content_hash, event=prepared.event)
        row = attrs.evolve(row, updated_at_ms=now_ms)
        if prepared.status is not None:
            row = attrs.evolve(row, status=prepared.status, wait=None)
        self.rows[process_id] = row
        same = [e for e in self.log(process_id) if e.event_type == request.event_type]
        self.waiters.notify_event(prepared.event, len(same))
        if prepared.status is not None:
            self.waiters.notify(process_id, END)
        return result

    # Rows.

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        prepared = prepare_registration(registration)
        known = self.rows.get(registration.id)
        if known is None:
            self.rows[registration.id] = prepared.record(self.clock.now_ms())
        else:
            check_same_registration(known, prepared)
        if grant is not None:
            self.grant(grant.session_scope, registration.id, grant.descriptor)
        return self.rows[registration.id]

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await trio.lowlevel.checkpoint()
        return self.rows.get(process_id)

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        await trio.lowlevel.checkpoint()
        return [self.rows[i] for i in sorted(self.rows) if filter.matches(self.rows[i])]

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self.list_processes(ProcessListFilter())

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        copied = from_json(ProcessExternalRef, to_json(external_ref))
        self.rows[process_id] = attrs.evolve(self.row(process_id), external_ref=copied)
        return self.rows[process_id]

    # Events.

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        await trio.lowlevel.checkpoint()
        return self.append(process_id, request, fence)

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        self.append(process_id, terminal_event(process_id, await_output), None)
        return self.rows[process_id]

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        later = [event for event in self.log(process_id) if event.sequence > after_sequence]
        return later if limit is None else later[: check_limit(limit)]

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        log = self.log(process_id)
        return log[max(len(log) - check_limit(limit), 0) :]

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        await trio.lowlevel.checkpoint()
        return sum(
            event.event_type == event_type and event.sequence <= up_to_sequence
            for event in self.log(process_id)
        )

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        return [
            event
            for event in self.log(process_id)
            if event.semantics.wake is not None
            and event.sequence > after_sequence
            and (process_id, event.sequence) not in self.acknowledged
        ]

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await trio.lowlevel.checkpoint()
        if sequence <= len(self.log(process_id)):
            self.acknowledged.add((process_id, sequence))

    # Waits.

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        ordinal = 1
        while True:
            event = await self.wait_event_nth(process_id, event_type, ordinal)
            if event.sequence > after_sequence:
                return event
            ordinal += 1

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        if ordinal < 1:
            raise PluginError(PluginReason.INVALID_ORDINAL, f"no ordinal {ordinal}")
        if event_type not in {kind.name for kind in self.row(process_id).event_types}:
            raise PluginError(PluginReason.UNDECLARED_EVENT_TYPE, f"no type {event_type!r}")

        async def look() -> ProcessEvent | None:
            return self.nth(process_id, event_type, ordinal)

        return await self.waiters.wait(process_id, self.slot(event_type, ordinal), look)

    def slot(self, event_type: str, ordinal: int) -> WaitSlot:
        return (event_type, ordinal)

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        self.row(process_id)

        async def look() -> ProcessEvent | None:
            return next(iter(self.log(process_id)[after_sequence:]), None)

        return await self.waiters.wait(process_id, any_event(after_sequence + 1), look)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        self.row(process_id)

        async def look() -> ProcessAwaitOutput | None:
            return self.rows[process_id].status.await_output

        return await self.waiters.wait(process_id, END, look)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        request = waiting_event(self.row(process_id), wait)
        if request is not None:
            self.append(process_id, request, fence)
            self.rows[process_id] = attrs.evolve(self.rows[process_id], wait=wait)
        return self.rows[process_id]

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        request = resumed_event(self.row(process_id))
        if request is not None:
            self.append(process_id, request, fence)
            self.rows[process_id] = attrs.evolve(self.rows[process_id], wait=None)
        return self.rows[process_id]

    # Grants.

    def grant(
        self, scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        grant = ProcessHandleGrant(
            session_scope=scope, process_id=self.row(process_id).id, descriptor=descriptor
        )
        self.revoke(scope, process_id)
        self.grants.append(grant)
        return grant

    def revoke(self, scope: SessionScope, process_id: str) -> None:
        for grant in self.sees(scope, self.row(process_id).id):
            self.grants.remove(grant)

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        await trio.lowlevel.checkpoint()
        return self.grant(session_scope, process_id, descriptor)

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self.revoke(session_scope, process_id)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        for process_id in process_ids:
            self.check_sees(from_scope, process_id)
        for process_id in dict.fromkeys(process_ids):
            self.move(from_scope, to_scope, process_id)

    def check_sees(self, scope: SessionScope, process_id: str) -> None:
        if not self.sees(scope, process_id):
            raise PluginError(PluginReason.UNKNOWN_GRANT, f"{scope.id} sees no {process_id!r}")

    def move(self, source: SessionScope, target: SessionScope, process_id: str) -> None:
        self.check_sees(source, process_id)
        (grant,) = self.sees(source, process_id)
        self.revoke(source, process_id)
        self.grant(target, process_id, grant.descriptor)

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        await trio.lowlevel.checkpoint()
        seen = [grant for grant in self.grants if grant.session_scope == session_scope]
        return [
            ProcessGrantEntry(grant=grant, record=self.rows[grant.process_id])
            for grant in sorted(seen, key=lambda grant: grant.process_id)
        ]

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        entries = await self.list_handle_grants(session_scope)
        return [entry for entry in entries if not entry.record.is_terminal]

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        return bool(self.sees(session_scope, self.row(process_id).id))

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        await trio.lowlevel.checkpoint()
        grants = [g for g in self.grants if g.process_id == self.row(process_id).id]
        return sorted(grants, key=lambda grant: grant.session_scope.id)

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        await trio.lowlevel.checkpoint()
        revoked = [g for g in self.grants if g.session_scope.session_id == session_id]
        self.grants = [g for g in self.grants if g not in revoked]
        return delete_report(
            session_id,
            revoked,
            still_granted={grant.process_id for grant in self.grants},
            running={row.id for row in self.rows.values() if not row.is_terminal},
        )

    # Leases.

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        await trio.lowlevel.checkpoint()
        if self.row(process_id).is_terminal:
            raise PluginError(PluginReason.PROCESS_TERMINAL, f"{process_id!r} has ended")
        claim = LeaseClaim(
            process_id=process_id,
            owner_id=owner_id,
            lease_ttl_ms=lease_ttl_ms,
            lease_token=str(uuid.uuid4()),
            now_ms=self.clock.now_ms(),
        )
        state = self.leases.get(process_id, LeaseState())
        self.leases[process_id], lease = claim_lease(state, claim)
        return lease

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        await trio.lowlevel.checkpoint()
        state = self.leases.get(self.row(lease.process_id).id, LeaseState())
        now_ms = self.clock.now_ms()
        self.leases[lease.process_id], renewed = renew_lease(state, lease, lease_ttl_ms, now_ms)
        return renewed

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await trio.lowlevel.checkpoint()
        self.release(completion)

    def release(self, completion: ProcessLeaseCompletion) -> None:
        state = self.leases.get(self.row(completion.process_id).id, LeaseState())
        self.leases[completion.process_id] = release_lease(state, completion)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        self.append(lease.process_id, request, lease)
        self.release(ProcessLeaseCompletion.of(lease))
        return self.rows[lease.process_id]


class HastyRegistry(NewcomerRegistry):
    """The same in a hurry, with three bugs."""

    def nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent | None:
        log = self.log(process_id)
        # Bug: counts the events of all types.
        return log[ordinal - 1] if len(log) >= ordinal else None

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        for process_id in dict.fromkeys(process_ids):
            # Bug: has moved some when it finds that it cannot move all.
            self.move(from_scope, to_scope, process_id)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        # Bug: does not ask whether the lease is still the owner's.
        self.append(lease.process_id, request, None)
        self.release(ProcessLeaseCompletion.of(lease))
        return self.rows[lease.process_id]
