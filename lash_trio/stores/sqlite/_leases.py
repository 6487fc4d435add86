"""Leases, as columns of the tables that have them."""

from __future__ import annotations

from ...model import LeaseState, ProcessLease
from ._sql import SqlValue

LEASE_COLUMNS = "fencing_token, owner_id, lease_token, claimed_at_ms, expires_at_ms"
"""Of ``processes`` and ``scope_leases``; all but the first are null where nobody holds it."""


def lease_state(
    name: str,
    fencing_token: int,
    owner_id: str | None,
    lease_token: str | None,
    claimed_at_ms: int | None,
    expires_at_ms: int | None,
) -> LeaseState:
    """What the columns say of the lease of ``name``."""
    if owner_id is None or lease_token is None or claimed_at_ms is None or expires_at_ms is None:
        return LeaseState(fencing_token=fencing_token)
    lease = ProcessLease(
        process_id=name,
        owner_id=owner_id,
        lease_token=lease_token,
        fencing_token=fencing_token,
        claimed_at_epoch_ms=claimed_at_ms,
        expires_at_epoch_ms=expires_at_ms,
    )
    return LeaseState(fencing_token=fencing_token, lease=lease)


def lease_values(state: LeaseState) -> tuple[SqlValue, ...]:
    """The columns of a lease."""
    lease = state.lease
    if lease is None:
        return (state.fencing_token, None, None, None, None)
    return (
        state.fencing_token,
        lease.owner_id,
        lease.lease_token,
        lease.claimed_at_epoch_ms,
        lease.expires_at_epoch_ms,
    )
