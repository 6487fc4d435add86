"""The file: one writer with group commit, a reader beside it, news from others."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import TypeVar, cast

import apsw
import attrs
import trio
from attrs.validators import ge, gt

from ...abc import LeaseRenewer
from ...kernel import END, EventWaiters, any_event
from ...model import StoreError
from ._access import Opening, SqliteAccess
from ._errors import store_error
from ._renewal import RenewalOptions
from ._schema import check_application, migrate
from ._sql import SqlConnection
from ._threads import ThreadAccess
from ._watch import FileChanges, Watching, look_when_changed
from ._writer import Appended, Job, WriterOptions

T = TypeVar("T")

_logger = logging.getLogger("lash_trio.sqlite")

_MOST_NEWS = 1000
_SKIP_SECONDS = 1.0


class Synchronous(StrEnum):
    """When a commit returns; see SQLite's ``PRAGMA synchronous``."""

    FULL = "FULL"
    """When it is on the disk."""
    NORMAL = "NORMAL"
    """When it survives a crash of the program; a power cut may take the last ones back."""


@attrs.frozen(kw_only=True)
class SqliteOptions:
    """How a file is used.

    Args:
        synchronous: when a commit returns.
        busy_timeout_seconds: how long a write waits for other programs' writes.
        max_batch: how many functions may share a transaction.
        poll_seconds: how often it looks whether another program has written; ten
            times as rarely where the system tells of it, see :class:`Watching`.
        vfs: the name of a registered SQLite VFS to use; the system's where None.
        lease_ttl_ms: for how long the lease of an opened scope lasts; a thread renews
            it three times as often.
    """

    synchronous: Synchronous = Synchronous.FULL
    busy_timeout_seconds: float = attrs.field(default=10.0, validator=ge(0))
    max_batch: int = attrs.field(default=256, validator=ge(1))
    poll_seconds: float = attrs.field(default=0.05, validator=gt(0))
    vfs: str | None = None
    lease_ttl_ms: int = attrs.field(default=30_000, validator=ge(3))


class SqliteDatabase(AbstractAsyncContextManager["SqliteDatabase"]):
    """A file of lash_trio's, open for the length of an ``async with`` block.

    Args:
        path: of the file; made if it is not there.
        options: how it is used.
        access: how SQLite is reached; in threads where None.

    Raises:
        StoreError: on entry, where the path is no database that this version can use.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        options: SqliteOptions | None = None,
        access: SqliteAccess | None = None,
    ) -> None:
        self.path: str = os.fspath(path)
        self._access: SqliteAccess = ThreadAccess() if access is None else access
        self.waiters: EventWaiters = EventWaiters()
        self._options = SqliteOptions() if options is None else options
        self._nursery_manager = trio.open_nursery()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._exits = ExitStack()
        self._position = 0
        self._seen: int | None = None
        self._skipped_at = -math.inf
        self._watching = Watching.POLL
        self._is_open = False

    async def __aenter__(self) -> SqliteDatabase:
        try:
            await self._open_connections()
            self._position = await self._read(_last_position)
            # Once it is read, the file that every commit writes to is there.
            changes = self._exits.enter_context(self._access.file_changes(f"{self.path}-wal"))
        except BaseException:
            await self._close_connections()
            raise
        self._watching = Watching.POLL if changes is None else Watching.NOTIFICATION
        self._nursery = await self._nursery_manager.__aenter__()
        self._nursery.start_soon(self._watch, changes, name="lash_trio sqlite watch")
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._nursery.cancel_scope.cancel("the database is closed")
        try:
            await self._nursery_manager.__aexit__(None, None, None)
        finally:
            with trio.CancelScope(shield=True):
                # What others have begun to write is theirs; it is bounded.
                await self._writer.wait_idle()
            self._exits.close()
            await self._close_connections()

    @property
    def watching(self) -> Watching:
        """How it learns that another program has written the file; known once it is open."""
        return self._watching

    async def write(self, function: Callable[[SqlConnection, list[Appended]], T]) -> T:
        """Run a function in a transaction, which may be shared with others'.

        Args:
            function: gets the writing connection, and a list for what it appended.

        Returns:
            What the function returned, once it is committed.

        Raises:
            StoreError: the transaction failed; nothing of it was written.
            EffectError: the function refused; nothing of it was written.

        Always a checkpoint.  Cancelled before it begins it does nothing; once it is
        the writer's it is waited for, and a result that is there is returned.
        """
        self._check_open()
        return await self._writer.write(function)

    async def write_shielded(self, function: Callable[[SqlConnection, list[Appended]], T]) -> T:
        """The same though the caller is cancelled: it begins, and is waited for.

        Always a schedule point, never a cancel point.
        """
        self._check_open()
        return await self._writer.write(function, shielded=True)

    async def read(self, function: Callable[[SqlConnection], T]) -> T:
        """Run a function on the reading connection, beside the writer.

        Raises:
            StoreError: the file could not be read.

        Always a checkpoint.
        """
        self._check_open()
        return await self._read(function)

    def renew_leases(self, options: RenewalOptions) -> AbstractContextManager[LeaseRenewer]:
        """Renew leases in the file, for the length of a block."""
        self._check_open()
        return self._access.renew_leases(options, self._nursery)

    async def copy_to(self, path: str) -> None:
        """Write a copy of the file; see :meth:`SqliteStores.backup`."""
        self._check_open()
        if await trio.Path(path).exists():
            raise StoreError(f"there is a file {path!r} already; give the copy another name")

        def copy() -> None:
            # A connection of its own: reads and writes here go on meanwhile.
            connection = cast(SqlConnection, apsw.Connection(self.path, vfs=self._options.vfs))
            try:
                connection.execute("VACUUM INTO ?", (path,))
            finally:
                connection.close()

        try:
            await trio.to_thread.run_sync(copy)
        except apsw.Error as error:
            raise store_error(path, error, self._options.busy_timeout_seconds) from error

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError(f"{self.path!r} is closed; use it inside its block")

    async def _read(self, function: Callable[[SqlConnection], T]) -> T:
        try:
            return await self._reader.call(function)
        except apsw.Error as error:
            raise self._store_error(error) from error

    async def _open_connections(self) -> None:
        options = WriterOptions(
            max_batch=self._options.max_batch,
            store_error=self._store_error,
            committed=self._committed,
        )
        try:
            self._writer = await self._access.open_writer(
                self._opening(self._set_up_writer), options
            )
            self._closers.append(self._writer.aclose)
            self._reader = await self._access.open_reader(self._opening(self._set_up_reader))
            self._closers.append(self._reader.aclose)
        except apsw.Error as error:
            raise self._store_error(error) from error

    def _opening(self, set_up: Callable[[SqlConnection], None]) -> Opening:
        return Opening(path=self.path, vfs=self._options.vfs, set_up=set_up)

    def _set_up_writer(self, connection: SqlConnection) -> None:
        connection.set_busy_timeout(int(self._options.busy_timeout_seconds * 1000))
        if connection.readonly("main"):
            raise StoreError(
                f"{self.path!r} is read-only for this program, which has to write it; change its "
                "permissions, or give another file"
            )
        check_application(connection, self.path)
        # Before anything opens a transaction: the mode cannot change inside one.
        if connection.pragma("journal_mode", "wal") != "wal":
            raise StoreError(
                f"{self.path!r} is where SQLite cannot keep a write-ahead log, which several "
                "programs share in memory; give a file on a disk of this machine"
            )
        connection.pragma("synchronous", str(self._options.synchronous))
        connection.pragma("foreign_keys", True)
        migrate(connection, self.path)

    def _set_up_reader(self, connection: SqlConnection) -> None:
        connection.set_busy_timeout(int(self._options.busy_timeout_seconds * 1000))
        connection.pragma("query_only", True)

    async def _close_connections(self) -> None:
        with trio.CancelScope(shield=True):
            # Closing is bounded: both threads have at most one function at work.
            for close in self._closers:
                try:
                    await close()
                except apsw.Error as error:
                    # Closing tidies up: what was committed is in the file's -wal already.
                    _logger.warning("%r was closed untidily: %s", self.path, error)
        self._closers.clear()

    def _committed(self, batch: Sequence[Job]) -> None:
        for job in batch:
            if job.appended:
                self._wake(job.appended)
                for event in job.appended:
                    # Others may have appended in between; then the next look sees both.
                    if event.position == self._position + 1:
                        self._position = event.position

    def _wake(self, appended: Sequence[Appended]) -> None:
        for event in appended:
            self.waiters.notify(event.process_id, (event.event_type, event.ordinal))
            self.waiters.notify(event.process_id, any_event(event.sequence))
            if event.terminal:
                self.waiters.notify(event.process_id, END)

    async def _watch(self, changes: FileChanges | None) -> None:
        await look_when_changed(changes, self._options.poll_seconds, self._look_for_news)

    async def _look_for_news(self) -> None:
        """Wake who waits here for what other programs append."""
        try:
            if self.waiters.is_idle:
                await self._skip_news()
            else:
                await self._tell_news()
        except StoreError as error:
            # It may be better the next time, and whoever reads or writes is told himself.
            _logger.warning("what others have written could not be looked at: %s", error)

    async def _skip_news(self) -> None:
        """Keep up while nobody waits, so that there is little to read when somebody does."""
        if trio.current_time() < self._skipped_at + _SKIP_SECONDS:
            return
        # Who comes to wait during this looks for himself, behind it.
        position = await self._read(_last_position)
        self._position = max(self._position, position)
        self._skipped_at = trio.current_time()

    async def _tell_news(self) -> None:
        seen = self._seen
        is_last = False
        while not is_last:
            look = await self._read(partial(_look, seen=seen, position=self._position))
            self._wake(look.news)
            # What was committed here meanwhile may be further on.
            self._position = max(self._position, look.position)
            self._seen = look.version
            is_last = len(look.news) < _MOST_NEWS

    def _store_error(self, error: apsw.Error) -> StoreError:
        return store_error(self.path, error, self._options.busy_timeout_seconds)


def _last_position(connection: SqlConnection) -> int:
    ((position,),) = connection.execute("SELECT coalesce(max(position), 0) FROM events")
    return int(position)


@attrs.frozen
class _Look:
    """What a look has found.

    Args:
        version: changes whenever anybody has written.
        position: of the last of them.
        news: the first events since the look before.
    """

    version: int
    position: int
    news: list[Appended]


def _look(connection: SqlConnection, seen: int | None, position: int) -> _Look:
    version = int(connection.pragma("data_version"))
    if version == seen:
        return _Look(version, position, [])
    rows = connection.execute(
        "SELECT e.position, p.id, e.type, e.ordinal, e.sequence, p.state <> 'running'"
        " FROM events e JOIN processes p ON p.number = e.process"
        " WHERE e.position > ? ORDER BY e.position LIMIT ?",
        (position, _MOST_NEWS),
    ).fetchall()
    news = [Appended(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]
    return _Look(version, news[-1].position if news else position, news)
