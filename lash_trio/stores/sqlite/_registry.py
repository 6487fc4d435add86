"""The process registry in a SQLite file."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

import trio

from ...abc import Clock
from ...kernel import END, SystemClock, any_event
from ...model import (
    DurabilityTier,
    LeaseClaim,
    LeaseState,
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
    check_limit,
    check_ownable,
    check_same_registration,
    claim_lease,
    dumps,
    prepare_registration,
    release_lease,
    renew_lease,
    resumed_event,
    terminal_event,
    waiting_event,
)
from . import _grants, _processes
from ._claimable import WorkerSide, show_wait
from ._database import SqliteDatabase
from ._leases import LEASE_COLUMNS, lease_values
from ._sql import SqlConnection, SqlValue
from ._writer import Appended

T = TypeVar("T")


class SqliteProcessRegistry(WorkerSide):
    """A process registry in a SQLite file, which other programs may share.

    Args:
        database: the opened file.
        clock: tells the time of events and leases; the time of day where None.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        super().__init__(database, SystemClock() if clock is None else clock)

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @property
    def tasks_waiting(self) -> int:
        """How many tasks of this program are parked in waits."""
        return self._database.waiters.tasks_waiting

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        prepared = prepare_registration(registration)
        now_ms = self._clock.now_ms()

        def register(connection: SqlConnection, _: list[Appended]) -> ProcessRecord:
            row = _processes.find(connection, registration.id)
            if row is None:
                _processes.insert(connection, prepared, now_ms)
                row = _processes.get(connection, registration.id)
            else:
                check_same_registration(row.record, prepared)
            if grant is not None:
                _grants.put(
                    connection,
                    row.number,
                    ProcessHandleGrant(
                        session_scope=grant.session_scope,
                        process_id=row.id,
                        descriptor=grant.descriptor,
                    ),
                )
            return row.record

        return await self._database.write(register)

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        def read(connection: SqlConnection) -> ProcessRecord | None:
            row = _processes.find(connection, process_id)
            return None if row is None else row.record

        return await self._database.read(read)

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        return await self._list(filter, None, -1)

    async def list_page(
        self, filter: ProcessListFilter, *, after: str | None = None, limit: int = 100
    ) -> list[ProcessRecord]:
        """Some of the processes that pass a filter, ordered by id.

        Args:
            filter: which.
            after: the id of the last one of the page before; from the beginning where None.
            limit: how many at most.

        Always a checkpoint.
        """
        return await self._list(filter, after, _processes.bounded(check_limit(limit)))

    async def _list(
        self, filter: ProcessListFilter, after: str | None, most: int
    ) -> list[ProcessRecord]:
        where, values = _processes.condition(filter)
        if after is not None:
            where, values = f"id > ? AND {where}", [after, *values]
        where = f"{where} ORDER BY id LIMIT ?"
        return await self._database.read(
            lambda connection: [
                row.record for row in _processes.rows(connection, where, *values, most)
            ]
        )

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self.list_processes(ProcessListFilter())

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        now_ms = self._clock.now_ms()

        def write(connection: SqlConnection, _: list[Appended]) -> ProcessRecord:
            row = _processes.get(connection, process_id)
            _processes.update(connection, row.number, "external_ref", dumps(external_ref))
            _processes.update(connection, row.number, "updated_at_ms", now_ms)
            return _processes.get(connection, process_id).record

        return await self._database.write(write)

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        def write(connection: SqlConnection, appended: list[Appended]) -> ProcessEventAppendResult:
            row = _processes.get(connection, process_id)
            prepared = _processes.append(
                connection, appended, row, request, self._clock.now_ms(), fence
            )
            return ProcessEventAppendResult(
                event=prepared.event,
                wake_delivery=prepared.wake_delivery,
                replayed=prepared.replayed,
            )

        return await self._database.write(write)

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        request = terminal_event(process_id, await_output)

        def write(connection: SqlConnection, appended: list[Appended]) -> ProcessRecord:
            row = _processes.get(connection, process_id)
            _processes.append(connection, appended, row, request, self._clock.now_ms())
            return _processes.get(connection, process_id).record

        return await self._database.write(write)

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        most = -1 if limit is None else _processes.bounded(check_limit(limit))
        return await self._database.read(
            lambda connection: _processes.events(
                connection,
                process_id,
                "sequence > ? ORDER BY sequence LIMIT ?",
                after_sequence,
                most,
            )
        )

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        most = _processes.bounded(check_limit(limit))
        found = await self._database.read(
            lambda connection: _processes.events(
                connection, process_id, "true ORDER BY sequence DESC LIMIT ?", most
            )
        )
        return found[::-1]

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        return await self._database.read(
            lambda connection: _processes.count(
                connection,
                _processes.number_of(connection, process_id),
                event_type,
                up_to_sequence,
            )
        )

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        return await self._database.read(
            lambda connection: _processes.events(
                connection,
                process_id,
                "wake = 1 AND sequence > ? ORDER BY sequence",
                after_sequence,
            )
        )

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        def write(connection: SqlConnection, _: list[Appended]) -> None:
            number = _processes.number_of(connection, process_id)
            # 2 is a wake that was acknowledged.
            connection.execute(
                "UPDATE events SET wake = 2 WHERE process = ? AND sequence = ? AND wake = 1",
                (number, sequence),
            )

        await self._database.write(write)

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        # The first event after a number is mostly the one with the next ordinal; not
        # where the log has yet to reach the number, so that more have to go by.
        ordinal = await self.count_events_through(process_id, event_type, after_sequence)
        while True:
            ordinal += 1
            event = await self.wait_event_nth(process_id, event_type, ordinal)
            if event.sequence > after_sequence:
                return event

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        await trio.lowlevel.checkpoint_if_cancelled()

        def check(connection: SqlConnection) -> None:
            row = _processes.get(connection, process_id)
            check_event_wait(process_id, row.declared, event_type, ordinal)

        return await self._wait_event(
            process_id,
            (event_type, ordinal),
            check,
            "type = ? AND ordinal = ?",
            event_type,
            _processes.bounded(ordinal),
        )

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        sequence = max(after_sequence, 0) + 1
        return await self._wait_event(
            process_id, any_event(sequence), None, "sequence = ?", _processes.bounded(sequence)
        )

    async def _wait_event(
        self,
        process_id: str,
        slot: tuple[str, int],
        check: Callable[[SqlConnection], None] | None,
        where: str,
        *values: SqlValue,
    ) -> ProcessEvent:
        def read(connection: SqlConnection) -> list[ProcessEvent]:
            # In the same hop: most who wait look once.
            if check is not None:
                check(connection)
            return _processes.events(connection, process_id, where, *values)

        async def look() -> ProcessEvent | None:
            found = await self._database.read(read)
            return found[0] if found else None

        return await self._database.waiters.wait(process_id, slot, look)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        async def look() -> ProcessAwaitOutput | None:
            row = await self._database.read(
                lambda connection: _processes.get(connection, process_id)
            )
            return row.status.await_output

        return await self._database.waiters.wait(process_id, END, look)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await self._change_wait(
            process_id, fence, wait, lambda record: waiting_event(record, wait)
        )

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await self._change_wait(process_id, fence, None, resumed_event)

    async def _change_wait(
        self,
        process_id: str,
        fence: ProcessLease | None,
        wait: WaitState | None,
        event_for: Callable[[ProcessRecord], ProcessEventAppendRequest | None],
    ) -> ProcessRecord:
        def write(connection: SqlConnection, appended: list[Appended]) -> ProcessRecord:
            row = _processes.get(connection, process_id)
            request = event_for(row.record)
            if request is not None:
                now_ms = self._clock.now_ms()
                _processes.append(connection, appended, row, request, now_ms, fence)
                show_wait(connection, row, wait)
                row = _processes.get(connection, process_id)
            return row.record

        return await self._database.write(write)

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        grant = ProcessHandleGrant(
            session_scope=session_scope, process_id=process_id, descriptor=descriptor
        )

        def write(connection: SqlConnection, _: list[Appended]) -> ProcessHandleGrant:
            _grants.put(connection, _processes.number_of(connection, process_id), grant)
            return grant

        return await self._database.write(write)

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        def write(connection: SqlConnection, _: list[Appended]) -> None:
            number = _processes.number_of(connection, process_id)
            _grants.remove(connection, session_scope, number)

        await self._database.write(write)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        def write(connection: SqlConnection, _: list[Appended]) -> None:
            _grants.transfer(connection, from_scope, to_scope, process_ids)

        await self._database.write(write)

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        def read(connection: SqlConnection) -> list[ProcessGrantEntry]:
            return [
                ProcessGrantEntry(
                    grant=grant, record=_processes.get(connection, grant.process_id).record
                )
                for grant in _grants.of_scope(connection, session_scope)
            ]

        return await self._database.read(read)

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        entries = await self.list_handle_grants(session_scope)
        return [entry for entry in entries if not entry.record.is_terminal]

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        return any(
            grant.session_scope.id == session_scope.id
            for grant in await self.handle_grants_for_process(process_id)
        )

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        return await self._database.read(
            lambda connection: _grants.of_process(
                connection, _processes.number_of(connection, process_id)
            )
        )

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        return await self._database.write(
            lambda connection, _: _grants.revoke_session(connection, session_id)
        )

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        lease_token = uuid.uuid4().hex

        def claim(row: _processes.Row, now_ms: int) -> tuple[LeaseState, ProcessLease]:
            check_ownable(process_id, row.status)
            return claim_lease(
                row.lease,
                LeaseClaim(
                    process_id=process_id,
                    owner_id=owner_id,
                    lease_ttl_ms=lease_ttl_ms,
                    lease_token=lease_token,
                    now_ms=now_ms,
                ),
            )

        return await self._change_lease(process_id, claim)

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        return await self._change_lease(
            lease.process_id,
            lambda row, now_ms: renew_lease(row.lease, lease, lease_ttl_ms, now_ms),
        )

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await self._change_lease(
            completion.process_id, lambda row, _: (release_lease(row.lease, completion), None)
        )

    async def lease_of(self, process_id: str) -> ProcessLease | None:
        """The lease of a process, expired or not; None where nobody holds it.

        Raises:
            PluginError: ``unknown_process``.

        Always a checkpoint.
        """
        row = await self._database.read(lambda connection: _processes.get(connection, process_id))
        return row.lease.lease

    async def times_claimed(self, process_id: str) -> int:
        """How often a process has been claimed: its fencing token, that of the last lease.

        Raises:
            PluginError: ``unknown_process``.

        Always a checkpoint.
        """
        row = await self._database.read(lambda connection: _processes.get(connection, process_id))
        return row.lease.fencing_token

    async def list_leases(self) -> list[ProcessLease]:
        """The leases that were claimed and not given back, expired ones included, by process id.

        Always a checkpoint.
        """
        return await self._database.read(_processes.held_leases)

    async def _change_lease(
        self,
        process_id: str,
        change: Callable[[_processes.Row, int], tuple[LeaseState, T]],
    ) -> T:
        def write(connection: SqlConnection, _: list[Appended]) -> T:
            row = _processes.get(connection, process_id)
            state, result = change(row, self._clock.now_ms())
            _store_lease(connection, row, state)
            return result

        return await self._database.write(write)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        def write(connection: SqlConnection, appended: list[Appended]) -> ProcessRecord:
            row = _processes.get(connection, lease.process_id)
            _processes.append(connection, appended, row, request, self._clock.now_ms(), lease)
            completion = ProcessLeaseCompletion.of(lease)
            _store_lease(connection, row, release_lease(row.lease, completion))
            return _processes.get(connection, lease.process_id).record

        return await self._database.write(write)


def _store_lease(connection: SqlConnection, row: _processes.Row, state: LeaseState) -> None:
    if state is not row.lease:
        connection.execute(
            f"UPDATE processes SET ({LEASE_COLUMNS}) = (?, ?, ?, ?, ?) WHERE number = ?",
            (*lease_values(state), row.number),
        )
