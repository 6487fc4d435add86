"""Scopes, their leases and what is recorded of them, as functions on a connection."""

from __future__ import annotations

import attrs

from ...model import (
    EffectError,
    EffectErrorCode,
    EffectScope,
    JournalEntry,
    LeaseClaim,
    LeaseState,
    PluginError,
    ProcessLease,
    ProcessLeaseCompletion,
    ScopeLeaseHeldError,
    canonical_json,
    check_fence,
    claim_lease,
    outcome_from_text,
    outcome_text,
    release_lease,
    to_json,
)
from ._leases import LEASE_COLUMNS, lease_state, lease_values
from ._sql import SqlConnection

_ENTRY_COLUMNS = "replay_key, envelope, outcome, due_at_ms, recorded_at_ms"
# One statement checks the lease and writes, since it is what every effect pays for.
_RECORD = (
    f"INSERT OR IGNORE INTO journal (scope, {_ENTRY_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE EXISTS (SELECT 1 FROM scope_leases WHERE number = ?1 AND lease_token = ?7"
    " AND fencing_token = ?8 AND expires_at_ms > ?9)"
)


@attrs.frozen(kw_only=True)
class OpenedScope:
    """A scope while somebody holds its lease.

    Args:
        scope: which.
        number: that of its row.
        lease: who holds it; its ``process_id`` is the scope's :func:`scope_key`.
    """

    scope: EffectScope
    number: int
    lease: ProcessLease


def scope_key(scope: EffectScope) -> str:
    """What names a scope in the tables."""
    return canonical_json(to_json(scope))


def open_scope(
    connection: SqlConnection, scope: EffectScope, claim: LeaseClaim
) -> tuple[OpenedScope, dict[str, JournalEntry]]:
    """Claim a scope, and load what is recorded of it.

    Raises:
        ScopeLeaseHeldError: another opening is alive.
    """
    key = claim.process_id
    connection.execute("INSERT OR IGNORE INTO scope_leases (scope) VALUES (?)", (key,))
    ((number, *columns),) = connection.execute(
        f"SELECT number, {LEASE_COLUMNS} FROM scope_leases WHERE scope = ?", (key,)
    )
    before = lease_state(key, *columns)
    # Unlike a process, a scope is not claimed again by its own owner: two openings
    # at once would both record.
    if before.lease is not None and before.lease.is_alive(claim.now_ms):
        left_ms = before.lease.expires_at_epoch_ms - claim.now_ms
        raise ScopeLeaseHeldError(
            f"the {scope.tag} scope {scope.id!r} is open for {before.lease.owner_id!r} for another "
            f"{left_ms} ms unless it is renewed, so {claim.owner_id!r} cannot open it",
            left_ms,
        )
    state, lease = claim_lease(before, claim)
    _store(connection, number, state)
    return OpenedScope(scope=scope, number=number, lease=lease), _load(connection, number)


def release(connection: SqlConnection, opened: OpenedScope) -> None:
    """Give the lease of an opening back, if it still is its own."""
    state = _state(connection, opened.number, opened.lease.process_id)
    released = release_lease(state, ProcessLeaseCompletion.of(opened.lease))
    if released is not state:
        _store(connection, opened.number, released)


def record(
    connection: SqlConnection, opened: OpenedScope, entry: JournalEntry, now_ms: int
) -> JournalEntry:
    """Write an entry under the lease; see :meth:`lash_trio.abc.ScopeJournal.record`.

    Raises:
        EffectError: code ``effect_scope_lease_lost``.
    """
    lease = opened.lease
    outcome = entry.outcome_json
    if outcome is None and entry.outcome is not None:
        outcome = outcome_text(entry.outcome)
    connection.execute(
        _RECORD,
        (
            opened.number,
            entry.replay_key,
            entry.envelope,
            outcome,
            entry.due_at_ms,
            entry.recorded_at_ms,
            lease.lease_token,
            lease.fencing_token,
            now_ms,
        ),
    )
    if connection.changes():
        return entry
    _check_lease(connection, opened, entry.replay_key, now_ms)
    # The first entry stays; one that has only a due time is completed.
    if outcome is not None:
        connection.execute(
            "UPDATE journal SET outcome = ?, recorded_at_ms = ?"
            " WHERE scope = ? AND replay_key = ? AND outcome IS NULL",
            (outcome, entry.recorded_at_ms, opened.number, entry.replay_key),
        )
    (row,) = connection.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM journal WHERE scope = ? AND replay_key = ?",
        (opened.number, entry.replay_key),
    )
    return _entry(*row)


def entries_of(connection: SqlConnection, scope: EffectScope) -> dict[str, JournalEntry]:
    """What is recorded of a scope, in the order of recording."""
    for (number,) in connection.execute(
        "SELECT number FROM scope_leases WHERE scope = ?", (scope_key(scope),)
    ):
        return _load(connection, number)
    return {}


def lease_of(connection: SqlConnection, scope: EffectScope) -> ProcessLease | None:
    """The lease of a scope, if it was not given back; its ``process_id`` is the scope's id."""
    for row in connection.execute(
        f"SELECT {LEASE_COLUMNS} FROM scope_leases WHERE scope = ?", (scope_key(scope),)
    ):
        return lease_state(scope.id, *row).lease
    return None


def _load(connection: SqlConnection, number: int) -> dict[str, JournalEntry]:
    rows = connection.execute(
        f"SELECT {_ENTRY_COLUMNS} FROM journal WHERE scope = ? ORDER BY number", (number,)
    )
    return {row[0]: _entry(*row) for row in rows}


def _entry(
    replay_key: str, envelope: str, outcome: str | None, due_at_ms: int | None, recorded_at_ms: int
) -> JournalEntry:
    return JournalEntry(
        replay_key=replay_key,
        envelope=envelope,
        outcome=None if outcome is None else outcome_from_text(outcome),
        due_at_ms=due_at_ms,
        recorded_at_ms=recorded_at_ms,
        outcome_json=outcome,
    )


def _check_lease(
    connection: SqlConnection, opened: OpenedScope, replay_key: str, now_ms: int
) -> None:
    lease = opened.lease
    try:
        check_fence(_state(connection, opened.number, lease.process_id), lease, now_ms)
    except PluginError as error:
        raise EffectError(
            EffectErrorCode.SCOPE_LEASE_LOST,
            f"{lease.owner_id!r} no longer holds the {opened.scope.tag} scope "
            f"{opened.scope.id!r}, so the outcome of {replay_key!r} was not recorded; stop, "
            f"another owner goes on ({error.message})",
        ) from error


def _state(connection: SqlConnection, number: int, key: str) -> LeaseState:
    for row in connection.execute(
        f"SELECT {LEASE_COLUMNS} FROM scope_leases WHERE number = ?", (number,)
    ):
        return lease_state(key, *row)
    return LeaseState()


def _store(connection: SqlConnection, number: int, state: LeaseState) -> None:
    connection.execute(
        f"UPDATE scope_leases SET ({LEASE_COLUMNS}) = (?, ?, ?, ?, ?) WHERE number = ?",
        (*lease_values(state), number),
    )
