"""One file with everything in it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from ...abc import Clock
from ...kernel import ReplayingEffectHost, ReplayOptions, SystemClock
from ...model import InvalidValueError
from ._artifacts import SqliteArtifactStore
from ._attachments import SqliteAttachmentStore
from ._database import SqliteDatabase, SqliteOptions
from ._journal import SqliteEffectJournal
from ._registry import SqliteProcessRegistry
from ._vacuum import VacuumReport, vacuum


@attrs.frozen(kw_only=True)
class SqliteStores:
    """What a file holds: processes, recorded outcomes, attachments, artifacts.

    Args:
        database: the file itself.
        clock: tells the time of events and leases.
        registry: its processes.
        journal: its recorded outcomes.
        attachments: its attachments.
        artifacts: its artifacts.
    """

    database: SqliteDatabase
    clock: Clock
    registry: SqliteProcessRegistry
    journal: SqliteEffectJournal
    attachments: SqliteAttachmentStore
    artifacts: SqliteArtifactStore

    def host(
        self, options: ReplayOptions | None = None, *, owner_id: str | None = None
    ) -> ReplayingEffectHost:
        """A host that records and replays in this file."""
        return ReplayingEffectHost(self.journal, options, owner_id=owner_id)

    async def vacuum(self, *, older_than_ms: int) -> VacuumReport:
        """Delete processes that ended long ago, with their events, grants, outcomes and leases.

        A process goes whole, in one transaction, and each transaction is short, so
        that others can write in between.  It stays while anybody holds a lease of it
        and while the process that started it still runs.  The room in the file is used
        again; the file does not shrink.

        Args:
            older_than_ms: how long ago the last event of a process that has ended must
                be, in milliseconds.

        Returns:
            What was deleted.

        Raises:
            InvalidValueError: ``older_than_ms`` is negative.
            StoreError: a transaction failed; what others deleted stays deleted.

        Always a checkpoint.  Cancelled, it stops between two transactions.
        """
        if older_than_ms < 0:
            raise InvalidValueError(f"an age is zero or more milliseconds, got {older_than_ms}")
        return await vacuum(self.database, self.clock.now_ms(), older_than_ms)

    async def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of the file, as it is at one moment, while others read and write it.

        Args:
            path: of the copy; there must be no file yet.

        Raises:
            StoreError: there is a file already, or it could not be written.

        Always a checkpoint.  It goes on to its end when it is cancelled.
        """
        await self.database.copy_to(os.fspath(path))


@asynccontextmanager
async def open_sqlite(
    path: str | os.PathLike[str], options: SqliteOptions | None = None
) -> AsyncGenerator[SqliteStores]:
    """Open a file for the length of an ``async with`` block.

    Args:
        path: of the file; made if it is not there.
        options: how it is used.

    Raises:
        StoreError: the path is no database that this version can use.
    """
    clock = SystemClock()
    chosen = SqliteOptions() if options is None else options
    async with SqliteDatabase(path, chosen) as database:
        with SqliteEffectJournal(database, clock, lease_ttl_ms=chosen.lease_ttl_ms) as journal:
            yield SqliteStores(
                database=database,
                clock=clock,
                registry=SqliteProcessRegistry(database, clock),
                journal=journal,
                attachments=SqliteAttachmentStore(database),
                artifacts=SqliteArtifactStore(database),
            )
