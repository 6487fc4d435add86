"""The registry of processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import attrs

from ..model import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    DurabilityTier,
    EventWait,
    ProcessAwaitOutput,
    ProcessEndWait,
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
    SignalWait,
    WaitKind,
    WaitState,
)

Tell: TypeAlias = Callable[[str, str, int], None]
"""Is told of an event: the process, the type, its ordinal among those of the type.

An empty type stands for the end of the process.
"""


@attrs.frozen(kw_only=True)
class ClaimablePage:
    """Some of the rows that a worker could claim.

    Args:
        records: the rows, ordered by id.
        next_after: where the next page begins; None where this was the last one.
        next_expiry_ms: in how many milliseconds the next lease of another owner ends
            unless it is renewed; None where the registry cannot tell, or none is held.
        held: leases of other owners, in the last page: the hundred or so that end first.
            The rows that they are of are not among the records, in no page.
    """

    records: tuple[ProcessRecord, ...]
    next_after: str | None = None
    next_expiry_ms: int | None = None
    held: tuple[ProcessLease, ...] = ()


class LeaseRenewer(ABC):
    """Renews leases on its own, whatever the event loop is busy with."""

    @abstractmethod
    def add(self, lease: ProcessLease, on_lost: Callable[[str], None]) -> None:
        """Keep a lease alive.

        Args:
            lease: was claimed just now.
            on_lost: called in the event loop, with the reason, when it is lost.

        Not a checkpoint.
        """

    @abstractmethod
    def remove(self, lease: ProcessLease) -> None:
        """Leave a lease to itself; who was to be told of its loss is not.  Not a checkpoint."""


class ProcessRegistry(ABC):
    """Durable rows of processes, each with a log of numbered events.

    All methods raise :class:`~lash_trio.PluginError` where the registry refuses and
    :class:`~lash_trio.StoreError` where its store fails.  All are checkpoints.  A
    method that writes either has not begun or has finished when it is cancelled.
    A registry serves one trio run at a time.
    """

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long what is registered lasts."""
        return DurabilityTier.INLINE

    @property
    def drives_processes(self) -> bool:
        """Whether what keeps the processes runs them too, as an engine does.

        A worker on such a registry leaves all rows alone, and waits to be drained.
        """
        return False

    @abstractmethod
    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        """Add a process, with a grant if there is one; the same registration again is no change.

        Raises:
            PluginError: ``invalid_registration``, ``registration_conflict``.
        """

    @abstractmethod
    async def get_process(self, process_id: str) -> ProcessRecord | None:
        """The row of a process, or None."""

    @abstractmethod
    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        """The processes that pass a filter, ordered by id."""

    @abstractmethod
    async def list_non_terminal(self) -> list[ProcessRecord]:
        """The processes that have not ended, ordered by id: the worker's work list."""

    @abstractmethod
    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        """Note which work outside stands for the process."""

    @abstractmethod
    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        """Append an event.

        Args:
            process_id: whose log.
            request: the event; a known replay key returns the first event.
            fence: the lease that the writer must still hold, if it writes as owner.

        Raises:
            PluginError: ``unknown_process``, ``process_lease_lost``, and those of
                the append rules.
        """

    @abstractmethod
    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        """End a process that nobody runs here, for example an external one."""

    @abstractmethod
    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        """Events with a number above ``after_sequence``, in order; the first ``limit`` of them."""

    @abstractmethod
    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        """The last ``limit`` events, in order."""

    @abstractmethod
    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        """How many events of a type have a number of at most ``up_to_sequence``."""

    @abstractmethod
    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        """Wake events with a number above ``after_sequence`` that nobody has acknowledged."""

    @abstractmethod
    async def ack_wake(self, process_id: str, sequence: int) -> None:
        """Acknowledge a wake event; again, or for a number that is none, is no change."""

    @abstractmethod
    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        """Wait for the first event of a type with a number above ``after_sequence``."""

    @abstractmethod
    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        """Wait for the event of a type that is number ``ordinal`` (from 1) of that type."""

    @abstractmethod
    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        """Wait for the event with the number after ``after_sequence``, of whatever type."""

    @abstractmethod
    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        """Wait for the end of a process."""

    @abstractmethod
    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note what the process waits for, and append ``process.waiting``.

        The same wait again is no change.
        """

    @abstractmethod
    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note that it waits no longer, and append ``process.resumed`` if it did."""

    @abstractmethod
    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        """Make a process visible to a session scope, or change how it is shown there."""

    @abstractmethod
    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        """Make it invisible there; again is no change."""

    @abstractmethod
    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        """Move grants, all or none.

        Raises:
            PluginError: ``unknown_grant``, where ``from_scope`` does not see one of them.
        """

    @abstractmethod
    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        """What a session scope sees, ordered by process id."""

    @abstractmethod
    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        """What it sees of processes that have not ended."""

    @abstractmethod
    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        """Whether it sees a process."""

    @abstractmethod
    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        """Who sees a process, ordered by scope id."""

    @abstractmethod
    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        """Revoke all grants of a session and its frames; no process is cancelled."""

    @abstractmethod
    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        """Become the one owner of a process; every claim raises the fencing token.

        Raises:
            PluginError: ``unknown_process``, ``process_terminal``, and
                ``process_lease_held`` while another owner's lease is alive.
        """

    @abstractmethod
    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        """Keep a lease for longer.

        Raises:
            PluginError: ``process_lease_lost``, where it is not the live one.
        """

    @abstractmethod
    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        """Give a lease back; a stale token does nothing."""

    @abstractmethod
    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        """Append a terminal event and give the lease back, in one transaction.

        Raises:
            PluginError: ``process_lease_lost``: nothing was written.
        """

    # What follows spares a worker work.  A registry may leave it as it is.

    def renew_leases(self, lease_ttl_ms: int) -> AbstractContextManager[LeaseRenewer] | None:
        """What keeps leases of processes alive while the event loop is busy.

        Args:
            lease_ttl_ms: the time to live that they are claimed and renewed with.

        Returns:
            A context manager, for the time that a worker works; None where the worker
            has to renew each lease by itself.
        """
        return None

    def listen(self, tell: Tell) -> AbstractContextManager[None] | None:
        """Be told of every event that is appended, by whomever, from the entry of a block on.

        A hint, after the event is there to be read: it may come late and more than
        once, but it comes.

        Returns:
            A context manager; None where the registry cannot do it.  A worker then
            keeps all its processes in memory.
        """
        return None

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        """Processes that have not ended, less those that cannot be claimed now.

        Args:
            owner_id: who wants to claim.
            skip: ids that are of no interest; asked from any thread.
            after: the id where the page before ended.
            limit: how many rows there may be in a page; rows whose time has come may
                be as many again.
            parked: whether rows are listed too whose rerunnable processes do nothing but
                wait, for an event that is not there or a time that has not come, and
                rows that no worker runs.  With False a registry may leave them out.

        A registry that leaves this as it is gives all rows in one page, those included
        that others hold.
        """
        records = await self.list_non_terminal()
        return ClaimablePage(records=tuple(r for r in records if r.id not in skip))

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        """Which processes have been asked to end, or have one of the things they wait for.

        Args:
            waits: what each waits for, by process id.  Times are the caller's to watch.

        Returns:
            Ids of processes.  One that is gone, or waits for a process that is, is among
            them: its run finds out.
        """
        ready: set[str] = set()
        for process_id, kinds in waits.items():
            if await self._has_event(process_id, CANCEL_REQUESTED, 1):
                ready.add(process_id)
            for kind in kinds:
                if process_id not in ready and await self._is_ready(process_id, kind):
                    ready.add(process_id)
        return ready

    async def _is_ready(self, process_id: str, kind: WaitKind) -> bool:
        match kind:
            case SignalWait(event_type=event_type, ordinal=ordinal):
                return await self._has_event(process_id, event_type, ordinal)
            case EventWait(process_id=other, event_type=event_type, ordinal=ordinal):
                return await self._has_event(other, event_type, ordinal)
            case ProcessEndWait(process_id=other):
                record = await self.get_process(other)
                return record is None or record.is_terminal
            case _:
                return False

    async def _has_event(self, process_id: str, event_type: str, ordinal: int) -> bool:
        if await self.get_process(process_id) is None:
            return True
        count = await self.count_events_through(process_id, event_type, MAX_SEQUENCE)
        return count >= ordinal
