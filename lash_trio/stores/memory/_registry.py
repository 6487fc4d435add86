"""The process registry in memory.

Every method does its work in one synchronous stretch between two checkpoints,
so each is a transaction by construction.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import deepcopy

import attrs
import trio

from ...abc import Clock, ProcessRegistry, Tell
from ...kernel import END, EventWaiters, TrioClock, WaitSlot, any_event
from ...model import (
    LeaseClaim,
    PreparedAppend,
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
    SessionScope,
    WaitState,
    check_event_wait,
    check_fence,
    check_limit,
    check_ownable,
    check_same_registration,
    claim_lease,
    delete_report,
    prepare_append,
    prepare_registration,
    release_lease,
    renew_lease,
    resumed_event,
    terminal_event,
    unknown_process,
    waiting_event,
)
from ._grants import GrantTable
from ._log import ProcessLog


@attrs.frozen(kw_only=True)
class MemoryRegistryStatistics:
    """What a memory registry holds.

    Args:
        processes: registered processes.
        running_processes: those that have not ended.
        events: events in all logs.
        grants: grants of all scopes.
        leases: leases that were claimed and not given back, expired ones included.
        tasks_waiting: tasks parked in waits.
    """

    processes: int
    running_processes: int
    events: int
    grants: int
    leases: int
    tasks_waiting: int


class MemoryProcessRegistry(ProcessRegistry):
    """A process registry that lives and dies with this operating-system process.

    Args:
        clock: tells the time of events and leases; where None, the time of day moved
            on by trio's clock, so that leases expire in virtual time under a mock clock.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = TrioClock() if clock is None else clock
        self._logs: dict[str, ProcessLog] = {}
        self._running: dict[str, ProcessLog] = {}
        self._grants = GrantTable()
        self._waiters = EventWaiters()

    def statistics(self) -> MemoryRegistryStatistics:
        """What it holds now.  Not a checkpoint."""
        logs = self._logs.values()
        return MemoryRegistryStatistics(
            processes=len(self._logs),
            running_processes=len(self._running),
            events=sum(len(log.events) for log in logs),
            grants=len(self._grants),
            leases=sum(log.lease.lease is not None for log in logs),
            tasks_waiting=self._waiters.tasks_waiting,
        )

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        prepared = prepare_registration(registration)
        log = self._logs.get(registration.id)
        if log is None:
            log = ProcessLog(prepared.record(self._clock.now_ms()))
            self._logs[log.id] = self._running[log.id] = log
        else:
            check_same_registration(log.record, prepared)
        if grant is not None:
            self._grants.grant(grant.session_scope, log.id, grant.descriptor)
        return log.record

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await trio.lowlevel.checkpoint()
        log = self._logs.get(process_id)
        return None if log is None else log.record

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        await trio.lowlevel.checkpoint()
        records = [log.record for _, log in sorted(self._logs.items())]
        return [record for record in records if filter.matches(record)]

    async def list_non_terminal(self) -> list[ProcessRecord]:
        await trio.lowlevel.checkpoint()
        return [log.record for _, log in sorted(self._running.items())]

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        log.replace_record(
            attrs.evolve(
                log.record,
                external_ref=deepcopy(external_ref),
                updated_at_ms=self._clock.now_ms(),
            )
        )
        return log.record

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        await trio.lowlevel.checkpoint_if_cancelled()
        prepared = self._append(self._log(process_id), request, fence)
        # The event is in the log: from here on nothing may take its append back.
        await trio.lowlevel.cancel_shielded_checkpoint()
        return ProcessEventAppendResult(
            event=prepared.event,
            wake_delivery=prepared.wake_delivery,
            replayed=prepared.replayed,
        )

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        self._append(log, terminal_event(process_id, await_output))
        return log.record

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        start = max(after_sequence, 0)
        stop = None if limit is None else start + check_limit(limit)
        return self._log(process_id).events[start:stop]

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        events = self._log(process_id).events
        return events[max(len(events) - check_limit(limit), 0) :]

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        await trio.lowlevel.checkpoint()
        return self._log(process_id).count_through(event_type, up_to_sequence)

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        await trio.lowlevel.checkpoint()
        wakes = self._log(process_id).wakes
        return [event for event in wakes.values() if event.sequence > after_sequence]

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await trio.lowlevel.checkpoint()
        self._log(process_id).wakes.pop(sequence, None)

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        # The first event after a number is mostly the one with the next ordinal; not
        # where the log has yet to reach the number, so that more have to go by.
        ordinal = self._log(process_id).count_through(event_type, after_sequence)
        while True:
            ordinal += 1
            event = await self.wait_event_nth(process_id, event_type, ordinal)
            if event.sequence > after_sequence:
                return event

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        log = self._log(process_id)
        check_event_wait(process_id, log.declared, event_type, ordinal)
        slot = (event_type, ordinal)
        return await self._waiters.wait(process_id, slot, _nth, log, slot)

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        log = self._log(process_id)
        sequence = max(after_sequence, 0) + 1
        return await self._waiters.wait(process_id, any_event(sequence), _numbered, log, sequence)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        log = self._log(process_id)
        return await self._waiters.wait(process_id, END, _output, log)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        request = waiting_event(log.record, wait)
        if request is not None:
            self._append(log, request, fence)
            log.set_wait(wait)
        return log.record

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        request = resumed_event(log.record)
        if request is not None:
            self._append(log, request, fence)
            log.set_wait(None)
        return log.record

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        await trio.lowlevel.checkpoint()
        return self._grants.grant(session_scope, self._log(process_id).id, descriptor)

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self._grants.revoke(session_scope, self._log(process_id).id)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        self._grants.transfer(from_scope, to_scope, process_ids)

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        await trio.lowlevel.checkpoint()
        return [
            ProcessGrantEntry(grant=grant, record=self._log(grant.process_id).record)
            for grant in self._grants.of_scope(session_scope)
        ]

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        entries = await self.list_handle_grants(session_scope)
        return [entry for entry in entries if not entry.record.is_terminal]

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self._grants.has(session_scope, self._log(process_id).id)

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        await trio.lowlevel.checkpoint()
        return self._grants.of_process(self._log(process_id).id)

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        await trio.lowlevel.checkpoint()
        revoked = self._grants.revoke_session(session_id)
        process_ids = {grant.process_id for grant in revoked}
        return delete_report(
            session_id,
            revoked,
            still_granted={i for i in process_ids if self._grants.of_process(i)},
            running=process_ids & self._running.keys(),
        )

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        check_ownable(process_id, log.record.status)
        claim = LeaseClaim(
            process_id=process_id,
            owner_id=owner_id,
            lease_ttl_ms=lease_ttl_ms,
            lease_token=uuid.uuid4().hex,
            now_ms=self._clock.now_ms(),
        )
        log.lease, lease = claim_lease(log.lease, claim)
        return lease

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        await trio.lowlevel.checkpoint()
        log = self._log(lease.process_id)
        log.lease, renewed = renew_lease(log.lease, lease, lease_ttl_ms, self._clock.now_ms())
        return renewed

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await trio.lowlevel.checkpoint()
        log = self._log(completion.process_id)
        log.lease = release_lease(log.lease, completion)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(lease.process_id)
        self._append(log, request, lease)
        log.lease = release_lease(log.lease, ProcessLeaseCompletion.of(lease))
        return log.record

    def listen(self, tell: Tell) -> AbstractContextManager[None]:
        """Be told of every event; see :meth:`lash_trio.abc.ProcessRegistry.listen`."""
        return self._waiters.listen(tell)

    def _log(self, process_id: str) -> ProcessLog:
        log = self._logs.get(process_id)
        if log is None:
            raise unknown_process(process_id)
        return log

    def _append(
        self,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> PreparedAppend:
        now_ms = self._clock.now_ms()
        if fence is not None:
            check_fence(log.lease, fence, now_ms)
        prepared = prepare_append(log, request, log.recorded(request), log.next_sequence, now_ms)
        if not prepared.replayed:
            ordinal = log.write(prepared)
            self._waiters.notify_event(prepared.event, ordinal)
            if prepared.status is not None:
                del self._running[log.id]
                self._waiters.notify(log.id, END)
        return prepared


async def _nth(log: ProcessLog, slot: WaitSlot) -> ProcessEvent | None:
    return log.nth(*slot)


async def _numbered(log: ProcessLog, sequence: int) -> ProcessEvent | None:
    return log.events[sequence - 1] if sequence < log.next_sequence else None


async def _output(log: ProcessLog) -> ProcessAwaitOutput | None:
    return log.record.status.await_output
