"""A registry for contexts of processes whose endpoint has none: it refuses.

What a context does without one (steps, sleeps, its own signals) goes through effects and
never comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import trio

from ...abc import ProcessRegistry
from ...model import (
    DurabilityTier,
    EffectError,
    EffectErrorCode,
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


class RefusingProcessRegistry(ProcessRegistry):
    """Refuses everything, with ``runtime_effect_local_executor_unavailable``."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable: what is not done at all is not lost either."""
        return DurabilityTier.DURABLE

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await _refuse("register_process")

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await _refuse("get_process")

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        await _refuse("list_processes")

    async def list_non_terminal(self) -> list[ProcessRecord]:
        await _refuse("list_non_terminal")

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        await _refuse("set_external_ref")

    async def append_event(
        self, process_id: str, request: ProcessEventAppendRequest, fence: ProcessLease | None = None
    ) -> ProcessEventAppendResult:
        await _refuse("append_event")

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await _refuse("complete_process")

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        await _refuse("events_after")

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        await _refuse("recent_events")

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        await _refuse("count_events_through")

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        await _refuse("wake_events_after")

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await _refuse("ack_wake")

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        await _refuse("wait_event_after")

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        await _refuse("wait_event_nth")

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        await _refuse("wait_next_event")

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        await _refuse("await_process")

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await _refuse("set_process_wait")

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await _refuse("clear_process_wait")

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        await _refuse("grant_handle")

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await _refuse("revoke_handle")

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await _refuse("transfer_handle_grants")

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        await _refuse("list_handle_grants")

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        await _refuse("list_live_handle_grants")

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        await _refuse("has_handle_grant")

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        await _refuse("handle_grants_for_process")

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        await _refuse("delete_session_process_state")

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        await _refuse("claim_process_lease")

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        await _refuse("renew_process_lease")

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await _refuse("complete_process_lease")

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await _refuse("complete_leased_process")


async def _refuse(what: str) -> NoReturn:
    await trio.lowlevel.checkpoint()
    raise EffectError(
        EffectErrorCode.EXECUTOR_UNAVAILABLE,
        f"a process on Restate was asked for {what}(), which needs a registry of processes, and "
        "this engine has none yet; it offers steps, sleeps, nurseries, and the process's own "
        "signals",
    )
