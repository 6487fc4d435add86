"""Strategies for what sessions see of processes, and for leases."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    LeaseClaim,
    LeaseState,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessSessionDeleteReport,
    ProcessStartGrant,
    SessionScope,
)
from ._strategies_values import COUNTS, IDS, POSITIVE, TEXTS, TIMES_MS, Table, optional, tuples_of

SESSION_SCOPES: SearchStrategy[SessionScope] = st.builds(
    SessionScope, session_id=IDS, agent_frame_id=optional(IDS)
)
DESCRIPTORS: SearchStrategy[ProcessHandleDescriptor] = st.builds(
    ProcessHandleDescriptor, kind=optional(TEXTS), label=optional(TEXTS)
)
HANDLE_GRANTS: SearchStrategy[ProcessHandleGrant] = st.builds(
    ProcessHandleGrant, session_scope=SESSION_SCOPES, process_id=IDS, descriptor=DESCRIPTORS
)
START_GRANTS: SearchStrategy[ProcessStartGrant] = st.builds(
    ProcessStartGrant, session_scope=SESSION_SCOPES, descriptor=DESCRIPTORS
)
DELETE_REPORTS: SearchStrategy[ProcessSessionDeleteReport] = st.builds(
    ProcessSessionDeleteReport,
    session_id=IDS,
    revoked_handle_count=COUNTS,
    revoked_process_ids=tuples_of(IDS),
    orphaned_process_ids=tuples_of(IDS),
    preserved_process_ids=tuples_of(IDS),
)


@st.composite
def _leases(draw: st.DrawFn) -> ProcessLease:
    claimed_at_ms = draw(TIMES_MS)
    return ProcessLease(
        process_id=draw(IDS),
        owner_id=draw(IDS),
        lease_token=draw(IDS),
        fencing_token=draw(POSITIVE),
        claimed_at_epoch_ms=claimed_at_ms,
        expires_at_epoch_ms=claimed_at_ms + draw(st.integers(1, 2**40)),
    )


LEASES: SearchStrategy[ProcessLease] = _leases()
_LEASE_STATES: SearchStrategy[LeaseState] = st.builds(
    LeaseState, fencing_token=COUNTS
) | LEASES.map(lambda lease: LeaseState(fencing_token=lease.fencing_token, lease=lease))

TABLE: Table = {
    SessionScope: SESSION_SCOPES,
    ProcessHandleDescriptor: DESCRIPTORS,
    ProcessHandleGrant: HANDLE_GRANTS,
    ProcessStartGrant: START_GRANTS,
    ProcessSessionDeleteReport: DELETE_REPORTS,
    ProcessLease: LEASES,
    ProcessLeaseCompletion: LEASES.map(ProcessLeaseCompletion.of),
    LeaseClaim: st.builds(
        LeaseClaim,
        process_id=IDS,
        owner_id=IDS,
        lease_ttl_ms=POSITIVE,
        lease_token=IDS,
        now_ms=TIMES_MS,
    ),
    LeaseState: _LEASE_STATES,
}
