"""Leases: one owner of a process at a time, and how a stale one is known.

Source: ``ProcessLease`` around the seed; fencing tokens as in Kleppmann, "How to
do distributed locking" (2016).
"""

from __future__ import annotations

import attrs

from ._errors import LeaseHeldError, PluginError, PluginReason
from ._json import shown

PROCESS_LEASE_SCHEMA_VERSION = 1


@attrs.frozen(kw_only=True)
class ProcessLease:
    """The right to run a process until a time.

    Args:
        schema_version: of this class on the wire.
        process_id: the process.
        owner_id: who may run it.
        lease_token: names this very claim.
        fencing_token: grows with every claim of the process.
        claimed_at_epoch_ms: when it was claimed.
        expires_at_epoch_ms: when it ends unless it is renewed.
    """

    schema_version: int = PROCESS_LEASE_SCHEMA_VERSION
    process_id: str
    owner_id: str
    lease_token: str
    fencing_token: int
    claimed_at_epoch_ms: int
    expires_at_epoch_ms: int

    def is_alive(self, now_ms: int) -> bool:
        """Whether it still holds at a time."""
        return now_ms < self.expires_at_epoch_ms


@attrs.frozen(kw_only=True)
class ProcessLeaseCompletion:
    """Gives a lease back."""

    process_id: str
    lease_token: str

    @staticmethod
    def of(lease: ProcessLease) -> ProcessLeaseCompletion:
        """The completion of this lease."""
        return ProcessLeaseCompletion(process_id=lease.process_id, lease_token=lease.lease_token)


@attrs.frozen(kw_only=True)
class LeaseClaim:
    """Who asks for a process, at what time, for how long.

    ``lease_token`` must be new; the rules draw no chance of their own.
    """

    process_id: str
    owner_id: str
    lease_ttl_ms: int
    lease_token: str
    now_ms: int


@attrs.frozen(kw_only=True)
class LeaseState:
    """What a registry keeps of a process's leases: the last token and the holder."""

    fencing_token: int = 0
    lease: ProcessLease | None = None


def claim_lease(state: LeaseState, claim: LeaseClaim) -> tuple[LeaseState, ProcessLease]:
    """The state after a claim, and the lease.

    Raises:
        LeaseHeldError: another owner's lease is alive.
        PluginError: reason ``invalid_lease`` for a blank owner or a time to live below 1 ms.
    """
    check_lease_ttl(claim.lease_ttl_ms)
    if not claim.owner_id.strip():
        raise PluginError(
            PluginReason.INVALID_LEASE,
            f"a lease of process {claim.process_id!r} needs an owner id that is not blank",
        )
    held = state.lease
    if held is not None and held.owner_id != claim.owner_id and held.is_alive(claim.now_ms):
        left_ms = held.expires_at_epoch_ms - claim.now_ms
        raise LeaseHeldError(
            f"process {claim.process_id!r} is leased to {held.owner_id!r} for another "
            f"{left_ms} ms; {claim.owner_id!r} may claim it then",
            left_ms,
        )
    lease = ProcessLease(
        process_id=claim.process_id,
        owner_id=claim.owner_id,
        lease_token=claim.lease_token,
        fencing_token=state.fencing_token + 1,
        claimed_at_epoch_ms=claim.now_ms,
        expires_at_epoch_ms=claim.now_ms + claim.lease_ttl_ms,
    )
    return LeaseState(fencing_token=lease.fencing_token, lease=lease), lease


def renew_lease(
    state: LeaseState, lease: ProcessLease, lease_ttl_ms: int, now_ms: int
) -> tuple[LeaseState, ProcessLease]:
    """The state after a renewal, and the lease with its new end.

    Raises:
        PluginError: reason ``process_lease_lost`` where the lease is not the live one.
    """
    check_lease_ttl(lease_ttl_ms)
    held = check_fence(state, lease, now_ms)
    renewed = attrs.evolve(held, expires_at_epoch_ms=now_ms + lease_ttl_ms)
    return attrs.evolve(state, lease=renewed), renewed


def release_lease(state: LeaseState, completion: ProcessLeaseCompletion) -> LeaseState:
    """The state after a completion; the same state where its token is stale."""
    if state.lease is None or state.lease.lease_token != completion.lease_token:
        return state
    return attrs.evolve(state, lease=None)


def check_fence(state: LeaseState, lease: ProcessLease, now_ms: int) -> ProcessLease:
    """Refuse what a stale owner wants to write.

    Returns:
        The live lease, as the registry keeps it.

    Raises:
        PluginError: reason ``process_lease_lost`` where the lease has expired, was
            released, or another claim has followed it.
    """
    held = state.lease
    if (
        held is not None
        and held.lease_token == lease.lease_token
        and held.fencing_token == lease.fencing_token
        and held.is_alive(now_ms)
    ):
        return held
    if held is None:
        now_is = "nobody holds it now"
    elif held.lease_token == lease.lease_token:
        now_is = f"it expired {now_ms - held.expires_at_epoch_ms} ms ago"
    else:
        now_is = f"{held.owner_id!r} holds it under token {held.fencing_token}"
    raise PluginError(
        PluginReason.LEASE_LOST,
        f"{lease.owner_id!r} no longer holds the lease of process {lease.process_id!r} "
        f"(token {lease.fencing_token}): {now_is}; stop running it and write nothing",
    )


def check_lease_ttl(lease_ttl_ms: int) -> None:
    """Refuse a time to live that is no whole number of milliseconds, or below one.

    Raises:
        PluginError: reason ``invalid_lease``.
    """
    if type(lease_ttl_ms) is not int or lease_ttl_ms < 1:
        raise PluginError(
            PluginReason.INVALID_LEASE,
            "a lease lives for a whole number of milliseconds, at least 1; "
            f"got {shown(lease_ttl_ms)}",
        )
