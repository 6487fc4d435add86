"""The registry of processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..model import (
    DurabilityTier,
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
)


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
