"""The effect journal in a SQLite file."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from types import TracebackType

import trio

from ...abc import Clock, EffectJournal, ScopeJournal
from ...kernel import SystemClock
from ...model import (
    DurabilityTier,
    EffectScope,
    JournalEntry,
    LeaseClaim,
    ProcessLease,
    StoreError,
)
from . import _scopes
from ._database import SqliteDatabase
from ._renewal import LeaseTable, RenewalOptions
from ._sql import SqlConnection

_logger = logging.getLogger("lash_trio.sqlite")

_RELEASE_SECONDS = 5.0
_RELEASE_PAUSES_SECONDS = (0.0, 0.1)


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
        self._exits = ExitStack()

    def __enter__(self) -> SqliteEffectJournal:
        options = RenewalOptions(
            path=self._database.path,
            clock=self._clock,
            lease_ttl_ms=self._lease_ttl_ms,
            table=LeaseTable.SCOPES,
        )
        self._renewer = self._exits.enter_context(self._database.renew_leases(options))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        """The journal of a scope; see :meth:`lash_trio.abc.EffectJournal.open_scope`."""
        claim = LeaseClaim(
            process_id=_scopes.scope_key(scope),
            owner_id=owner_id,
            lease_ttl_ms=self._lease_ttl_ms,
            lease_token=uuid.uuid4().hex,
            now_ms=self._clock.now_ms(),
        )
        opened, entries = await self._database.write(
            lambda connection, _: _scopes.open_scope(connection, scope, claim)
        )
        self._renewer.add(opened.lease, _nobody)
        try:
            yield _OpenScope(self._database, self._clock, opened, entries)
        finally:
            self._renewer.remove(opened.lease)
            with trio.move_on_after(_RELEASE_SECONDS, shield=True):
                await self._release(opened)

    async def _release(self, opened: _scopes.OpenedScope) -> None:
        # All outcomes are recorded; a lease that stays only keeps others waiting for a while.
        for pause in (*_RELEASE_PAUSES_SECONDS, None):
            try:
                await self._database.write(
                    lambda connection, _: _scopes.release(connection, opened)
                )
                return
            except StoreError as error:
                if pause is None:
                    _logger.warning(
                        "the lease of the %s scope %s could not be given back and ends in %d ms: %s",
                        opened.scope.tag,
                        opened.scope.id,
                        self._lease_ttl_ms,
                        error,
                    )
                else:
                    await trio.sleep(pause)

    async def entries_of(self, scope: EffectScope) -> list[JournalEntry]:
        """What is recorded of a scope, in the order of recording; its lease is not needed.

        Raises:
            StoreError: the file could not be read.

        Always a checkpoint.
        """
        return await self._database.read(
            lambda connection: list(_scopes.entries_of(connection, scope).values())
        )

    async def lease_of(self, scope: EffectScope) -> ProcessLease | None:
        """The lease of a scope's last opening, expired or not; None where it was given back.

        Its ``process_id`` is the scope's id.

        Raises:
            StoreError: the file could not be read.

        Always a checkpoint.
        """
        return await self._database.read(lambda connection: _scopes.lease_of(connection, scope))


def _nobody(_: str) -> None:
    """Who is told of a loss: the next write finds it out."""


class _OpenScope(ScopeJournal):
    def __init__(
        self,
        database: SqliteDatabase,
        clock: Clock,
        opened: _scopes.OpenedScope,
        entries: Mapping[str, JournalEntry],
    ) -> None:
        self._database = database
        self._clock = clock
        self._opened = opened
        self._entries = entries

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        return await self._database.write(self._recording(entry))

    async def record_shielded(self, entry: JournalEntry) -> JournalEntry:
        return await self._database.write_shielded(self._recording(entry))

    def _recording(self, entry: JournalEntry) -> Callable[[SqlConnection, object], JournalEntry]:
        # The time of the write, not of the call: it may have waited for its turn.
        return lambda connection, _: _scopes.record(
            connection, self._opened, entry, self._clock.now_ms()
        )
