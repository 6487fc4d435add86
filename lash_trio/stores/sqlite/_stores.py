"""One file with everything in it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from ...kernel import ReplayingEffectHost, ReplayOptions, SystemClock
from ._attachments import SqliteAttachmentStore
from ._database import SqliteDatabase, SqliteOptions
from ._journal import SqliteEffectJournal
from ._registry import SqliteProcessRegistry


@attrs.frozen(kw_only=True)
class SqliteStores:
    """What a file holds: processes, recorded outcomes, attachments.

    Args:
        database: the file itself.
        registry: its processes.
        journal: its recorded outcomes.
        attachments: its attachments.
    """

    database: SqliteDatabase
    registry: SqliteProcessRegistry
    journal: SqliteEffectJournal
    attachments: SqliteAttachmentStore

    def host(
        self, options: ReplayOptions | None = None, *, owner_id: str | None = None
    ) -> ReplayingEffectHost:
        """A host that records and replays in this file."""
        return ReplayingEffectHost(self.journal, options, owner_id=owner_id)


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
                registry=SqliteProcessRegistry(database, clock),
                journal=journal,
                attachments=SqliteAttachmentStore(database),
            )
