"""One file with everything in it."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from ...abc import Clock
from ...kernel import ReplayingEffectHost, ReplayOptions, SystemClock
from ...model import InvalidValueError
from ._access import SqliteAccess
from ._artifacts import SqliteArtifactStore
from ._attachments import SqliteAttachmentStore
from ._database import SqliteDatabase, SqliteOptions
from ._journal import SqliteEffectJournal
from ._registry import SqliteProcessRegistry
from ._vacuum import vacuum_processes
from ._vacuum_attachments import vacuum_attachments
from ._vacuum_report import VacuumReport
from ._vacuum_turns import vacuum_turns


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
        return ReplayingEffectHost(self.journal, options, owner_id=owner_id, clock=self.clock)

    async def vacuum(
        self, *, older_than_ms: int, turns: bool = False, attachments: bool = False
    ) -> VacuumReport:
        """Delete processes that ended long ago, with their events, grants, outcomes and leases.

        A process goes whole, in one transaction, and each transaction is short, so
        that others can write in between.  It stays while anybody holds a lease of it
        and while the process that started it still runs.  The room in the file is used
        again; the file does not shrink.

        Args:
            older_than_ms: how long ago the last event of a process that has ended must
                be, in milliseconds; likewise for what follows.
            turns: whether to delete what is recorded of scopes that belong to no process
                as well: turns, queue drains, session deletes, runtime operations.  One
                stays while anybody has it open.  A turn that had not ended and is taken
                up again runs from its beginning, and so do its effects.
            attachments: whether to delete attachments and artifacts as well whose names
                are nowhere in what is left: in no row, event, grant or recorded effect.
                What refers to them elsewhere, in another file or in memory, is not seen.
                One that is put again counts as new.

        Returns:
            What was deleted.

        Raises:
            InvalidValueError: ``older_than_ms`` is negative.
            StoreError: a transaction failed; what others deleted stays deleted.

        Always a checkpoint.  Cancelled, it stops between two transactions.
        """
        if older_than_ms < 0:
            raise InvalidValueError(f"an age is zero or more milliseconds, got {older_than_ms}")
        now_ms = self.clock.now_ms()
        before_ms = now_ms - older_than_ms + 1
        report = await vacuum_processes(self.database, now_ms, before_ms)
        if turns:
            report += await vacuum_turns(self.database, now_ms, before_ms)
        if attachments:
            # The last: what referred to them may have gone just now.
            report += await vacuum_attachments(self.database, before_ms)
        return report

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
    path: str | os.PathLike[str],
    options: SqliteOptions | None = None,
    *,
    clock: Clock | None = None,
    access: SqliteAccess | None = None,
) -> AsyncGenerator[SqliteStores]:
    """Open a file for the length of an ``async with`` block.

    Args:
        path: of the file; made if it is not there.
        options: how it is used.
        clock: tells the time of events and leases, also in other threads; the time of
            day where None.
        access: how SQLite is reached; in threads where None.

    Raises:
        StoreError: the path is no database that this version can use.
    """
    time = SystemClock() if clock is None else clock
    chosen = SqliteOptions() if options is None else options
    async with SqliteDatabase(path, chosen, access) as database:
        with SqliteEffectJournal(database, time, lease_ttl_ms=chosen.lease_ttl_ms) as journal:
            yield SqliteStores(
                database=database,
                clock=time,
                registry=SqliteProcessRegistry(database, time),
                journal=journal,
                attachments=SqliteAttachmentStore(database, time),
                artifacts=SqliteArtifactStore(database, time),
            )
