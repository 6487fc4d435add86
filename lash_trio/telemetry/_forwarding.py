"""A registry that passes every call on to another one: what a wrapper begins with."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager

from ..abc import ClaimablePage, LeaseRenewer, ProcessRegistry, Tell
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
    WaitKind,
    WaitState,
)


class ForwardingProcessRegistry(ProcessRegistry):
    """Does what another registry does, the optional parts of the port included.

    Args:
        registry: the other one.
    """

    def __init__(self, registry: ProcessRegistry) -> None:
        self._registry = registry

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of the other one."""
        return self._registry.durability_tier

    @property
    def drives_processes(self) -> bool:
        """Whether the other one does."""
        return self._registry.drives_processes

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        return await self._registry.register_process(registration, grant)

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        return await self._registry.get_process(process_id)

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        return await self._registry.list_processes(filter)

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self._registry.list_non_terminal()

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        return await self._registry.set_external_ref(process_id, external_ref)

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return await self._registry.append_event(process_id, request, fence)

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        return await self._registry.complete_process(process_id, await_output)

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        return await self._registry.events_after(process_id, after_sequence, limit)

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        return await self._registry.recent_events(process_id, limit)

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        return await self._registry.count_events_through(process_id, event_type, up_to_sequence)

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        return await self._registry.wake_events_after(process_id, after_sequence)

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await self._registry.ack_wake(process_id, sequence)

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        return await self._registry.wait_event_after(process_id, event_type, after_sequence)

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        return await self._registry.wait_event_nth(process_id, event_type, ordinal)

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        return await self._registry.wait_next_event(process_id, after_sequence)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        return await self._registry.await_process(process_id)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await self._registry.set_process_wait(process_id, wait, fence)

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await self._registry.clear_process_wait(process_id, fence)

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        return await self._registry.grant_handle(session_scope, process_id, descriptor)

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await self._registry.revoke_handle(session_scope, process_id)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await self._registry.transfer_handle_grants(from_scope, to_scope, process_ids)

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return await self._registry.list_handle_grants(session_scope)

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return await self._registry.list_live_handle_grants(session_scope)

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        return await self._registry.has_handle_grant(session_scope, process_id)

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        return await self._registry.handle_grants_for_process(process_id)

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        return await self._registry.delete_session_process_state(session_id)

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        return await self._registry.claim_process_lease(process_id, owner_id, lease_ttl_ms)

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        return await self._registry.renew_process_lease(lease, lease_ttl_ms)

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await self._registry.complete_process_lease(completion)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        return await self._registry.complete_leased_process(lease, request)

    def renew_leases(self, lease_ttl_ms: int) -> AbstractContextManager[LeaseRenewer] | None:
        return self._registry.renew_leases(lease_ttl_ms)

    def listen(self, tell: Tell) -> AbstractContextManager[None] | None:
        return self._registry.listen(tell)

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        return await self._registry.list_claimable(
            owner_id, skip, after=after, limit=limit, parked=parked
        )

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        return await self._registry.find_ready(waits)
