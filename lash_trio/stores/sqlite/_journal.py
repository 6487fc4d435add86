"""The effect journal in a SQLite file."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType

import trio

from ...abc import Clock, EffectJournal, ScopeJournal
from ...kernel import SystemClock
from ...model import (
    DurabilityTier,
    EffectError,
    EffectErrorCode,
    EffectScope,
    JournalEntry,
    LeaseClaim,
    LeaseState,
    PluginError,
    ProcessLease,
    ProcessLeaseCompletion,
    canonical_json,
    check_fence,
    claim_lease,
    outcome_from_text,
    outcome_text,
    release_lease,
    to_json,
)
from ._database import Appended, SqliteDatabase
from ._leases import LEASE_COLUMNS, lease_state, lease_values
from ._renewal import LeaseRenewal
from ._sql import SqlConnection

_RELEASE_SECONDS = 5.0


class SqliteEffectJournal(EffectJournal, AbstractContextManager["SqliteEffectJournal"]):
    """Keeps what effects returned in a SQLite file, which other programs may share.

    Use it in a ``with`` block: inside it a thread renews the leases of open scopes.

    Args:
        database: the opened file.
        clock: tells the time of leases; the time of day where None.
        lease_ttl_ms: for how long the lease of a scope lasts; a thread renews it three
            times as often.
    """

    def __init__(
        self, database: SqliteDatabase, clock: Clock | None = None, *, lease_ttl_ms: int = 30_000
    ) -> None:
        self._database = database
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lease_ttl_ms = lease_ttl_ms
        self._renewal = LeaseRenewal(database.path, self._clock, lease_ttl_ms)

    def __enter__(self) -> SqliteEffectJournal:
        self._renewal.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._renewal.__exit__(exc_type, exc, traceback)

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        """The journal of a scope; see :meth:`lash_trio.abc.EffectJournal.open_scope`."""
        key = canonical_json(to_json(scope))
        claim = LeaseClaim(
            process_id=key,
            owner_id=owner_id,
            lease_ttl_ms=self._lease_ttl_ms,
            lease_token=uuid.uuid4().hex,
            now_ms=self._clock.now_ms(),
        )
        lease, entries = await self._database.write(
            lambda connection, _: _open(connection, scope, claim)
        )
        self._renewal.add(lease)
        try:
            yield _OpenScope(self._database, self._clock, scope, lease, entries)
        finally:
            self._renewal.remove(lease)
            with trio.move_on_after(_RELEASE_SECONDS, shield=True):
                await self._database.write(lambda connection, _: _release(connection, lease))


class _OpenScope(ScopeJournal):
    def __init__(
        self,
        database: SqliteDatabase,
        clock: Clock,
        scope: EffectScope,
        lease: ProcessLease,
        entries: Mapping[str, JournalEntry],
    ) -> None:
        self._database = database
        self._clock = clock
        self._scope = scope
        self._lease = lease
        self._entries = entries

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        def write(connection: SqlConnection, _: list[Appended]) -> JournalEntry:
            self._check_lease(connection, entry.replay_key)
            return _record(connection, self._lease.process_id, entry)

        return await self._database.write(write)

    def _check_lease(self, connection: SqlConnection, replay_key: str) -> None:
        try:
            check_fence(
                _state(connection, self._lease.process_id), self._lease, self._clock.now_ms()
            )
        except PluginError as error:
            raise EffectError(
                EffectErrorCode.SCOPE_LEASE_LOST,
                f"{self._lease.owner_id!r} no longer holds the {self._scope.tag} scope "
                f"{self._scope.id!r}, so the outcome of {replay_key!r} was not recorded; stop, "
                f"another owner goes on ({error.message})",
            ) from error


def _open(
    connection: SqlConnection, scope: EffectScope, claim: LeaseClaim
) -> tuple[ProcessLease, dict[str, JournalEntry]]:
    before = _state(connection, claim.process_id)
    # Unlike a process, a scope is not claimed again by its own owner: two openings
    # at once would both record.
    if before.lease is not None and before.lease.is_alive(claim.now_ms):
        raise EffectError(
            EffectErrorCode.SCOPE_LEASE_HELD,
            f"the {scope.tag} scope {scope.id!r} is open for {before.lease.owner_id!r} for another "
            f"{before.lease.expires_at_epoch_ms - claim.now_ms} ms unless it is renewed, so "
            f"{claim.owner_id!r} cannot open it",
        )
    state, lease = claim_lease(before, claim)
    _store(connection, state, claim.process_id)
    rows = connection.execute(
        "SELECT replay_key, envelope, outcome, due_at_ms, recorded_at_ms FROM journal"
        " WHERE scope = ?",
        (claim.process_id,),
    )
    return lease, {row[0]: _entry(*row) for row in rows}


def _record(connection: SqlConnection, key: str, entry: JournalEntry) -> JournalEntry:
    connection.execute(
        "INSERT OR IGNORE INTO journal"
        " (scope, replay_key, envelope, outcome, due_at_ms, recorded_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            key,
            entry.replay_key,
            entry.envelope,
            None if entry.outcome is None else outcome_text(entry.outcome),
            entry.due_at_ms,
            entry.recorded_at_ms,
        ),
    )
    if connection.changes():
        return entry
    # The first entry stays; one that has only a due time is completed.
    if entry.outcome is not None:
        connection.execute(
            "UPDATE journal SET outcome = ?, recorded_at_ms = ?"
            " WHERE scope = ? AND replay_key = ? AND outcome IS NULL",
            (outcome_text(entry.outcome), entry.recorded_at_ms, key, entry.replay_key),
        )
    ((envelope, outcome, due_at_ms, recorded_at_ms),) = connection.execute(
        "SELECT envelope, outcome, due_at_ms, recorded_at_ms FROM journal"
        " WHERE scope = ? AND replay_key = ?",
        (key, entry.replay_key),
    )
    return _entry(entry.replay_key, envelope, outcome, due_at_ms, recorded_at_ms)


def _entry(
    replay_key: str, envelope: str, outcome: str | None, due_at_ms: int | None, recorded_at_ms: int
) -> JournalEntry:
    return JournalEntry(
        replay_key=replay_key,
        envelope=envelope,
        outcome=None if outcome is None else outcome_from_text(outcome),
        due_at_ms=due_at_ms,
        recorded_at_ms=recorded_at_ms,
    )


def _state(connection: SqlConnection, key: str) -> LeaseState:
    for row in connection.execute(
        f"SELECT {LEASE_COLUMNS} FROM scope_leases WHERE scope = ?", (key,)
    ):
        return lease_state(key, *row)
    return LeaseState()


def _store(connection: SqlConnection, state: LeaseState, key: str) -> None:
    connection.execute(
        f"INSERT OR REPLACE INTO scope_leases (scope, {LEASE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        (key, *lease_values(state)),
    )


def _release(connection: SqlConnection, lease: ProcessLease) -> None:
    state = _state(connection, lease.process_id)
    released = release_lease(state, ProcessLeaseCompletion.of(lease))
    if released is not state:
        _store(connection, released, lease.process_id)
