"""The file: one writer with group commit, a reader beside it, news from others.

Whatever reaches SQLite runs as one function on a connection's own thread, so a
transaction costs one hop.  Functions that are waiting when the writer is free
share a transaction, each behind a savepoint of its own.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from types import TracebackType
from typing import Protocol, TypeVar, cast

import apsw
import apsw.aio
import attrs
import trio
from attrs.validators import ge, gt

from ...kernel import END, EventWaiters, any_event
from ...model import StoreError
from ._schema import migrate
from ._sql import SqlConnection

T = TypeVar("T")


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
        poll_seconds: how often it looks whether another program has written.
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


@attrs.frozen
class Appended:
    """An appended event: who waits for it is woken once it is committed."""

    process_id: str
    event_type: str
    ordinal: int
    sequence: int
    terminal: bool


class AsyncConnection(Protocol):
    """apsw's, as far as it is used."""

    async def async_run(self, call: Callable[..., T], /, *args: object) -> T: ...
    async def aclose(self) -> None: ...


@attrs.frozen
class _Connection:
    """A connection and the thread it lives in.

    apsw gives one object two faces: to the event loop its methods are async, to
    functions that run in its thread they are plain.

    Args:
        outside: for the event loop.
    """

    outside: AsyncConnection

    @property
    def inside(self) -> SqlConnection:
        """For functions in its thread."""
        return cast(SqlConnection, self.outside)

    async def call(self, function: Callable[[SqlConnection], T]) -> T:
        """Run a function in the thread."""
        # apsw would turn the caller's deadline into an error of its own; without one
        # trio's cancellation stays trio's.
        token = apsw.aio.deadline.set(math.inf)
        try:
            return await self.outside.async_run(function, self.inside)
        finally:
            apsw.aio.deadline.reset(token)


@attrs.define(eq=False)
class _Job:
    """A function that waits for its turn, and what came of it."""

    function: Callable[[SqlConnection, list[Appended]], None]
    done: trio.Event = attrs.field(factory=trio.Event)
    appended: list[Appended] = attrs.field(factory=list[Appended])
    error: Exception | None = None


class SqliteDatabase(AbstractAsyncContextManager["SqliteDatabase"]):
    """A file of lash_trio's, open for the length of an ``async with`` block.

    Args:
        path: of the file; made if it is not there.
        options: how it is used.

    Raises:
        StoreError: on entry, where the path is no database that this version can use.
    """

    def __init__(self, path: str | os.PathLike[str], options: SqliteOptions | None = None) -> None:
        self.path: str = os.fspath(path)
        self.waiters: EventWaiters = EventWaiters()
        self._options = SqliteOptions() if options is None else options
        self._send, self._receive = trio.open_memory_channel[_Job](math.inf)
        self._nursery_manager = trio.open_nursery()
        self._connections: list[_Connection] = []
        self._position = 0
        self._is_open = False

    async def __aenter__(self) -> SqliteDatabase:
        try:
            self._writer = await self._connect(self._set_up_writer)
            self._reader = await self._connect(self._set_up_reader)
            self._position = await self._call(self._reader, _last_position)
        except BaseException:
            await self._close_connections()
            raise
        self._nursery = await self._nursery_manager.__aenter__()
        self._nursery.start_soon(self._write_forever, name="lash_trio sqlite writer")
        self._nursery.start_soon(self._watch, name="lash_trio sqlite watch")
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
            await self._close_connections()

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
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        results: list[T] = []

        def run(connection: SqlConnection, appended: list[Appended]) -> None:
            results.append(function(connection, appended))

        job = _Job(run)
        self._send.send_nowait(job)
        with trio.CancelScope(shield=True):
            await job.done.wait()
        if job.error is not None:
            raise job.error
        return results[-1]

    async def read(self, function: Callable[[SqlConnection], T]) -> T:
        """Run a function on the reading connection, beside the writer.

        Raises:
            StoreError: the file could not be read.

        Always a checkpoint.
        """
        self._check_open()
        return await self._call(self._reader, function)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError(f"{self.path!r} is closed; use it inside its block")

    async def _call(self, connection: _Connection, function: Callable[[SqlConnection], T]) -> T:
        try:
            return await connection.call(function)
        except apsw.Error as error:
            raise self._store_error(error) from error

    async def _connect(self, set_up: Callable[[SqlConnection], None]) -> _Connection:
        try:
            connection = _Connection(
                cast(
                    AsyncConnection,
                    await apsw.Connection.as_async(self.path, vfs=self._options.vfs),
                )
            )
        except apsw.Error as error:
            raise self._store_error(error) from error
        self._connections.append(connection)
        await self._call(connection, set_up)
        return connection

    def _set_up_writer(self, connection: SqlConnection) -> None:
        connection.set_busy_timeout(int(self._options.busy_timeout_seconds * 1000))
        if connection.readonly("main"):
            raise StoreError(
                f"{self.path!r} is read-only for this program, which has to write it; change its "
                "permissions, or give another file"
            )
        # Before anything opens a transaction: the mode cannot change inside one.
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", str(self._options.synchronous))
        connection.pragma("foreign_keys", True)
        migrate(connection, self.path)

    def _set_up_reader(self, connection: SqlConnection) -> None:
        connection.set_busy_timeout(int(self._options.busy_timeout_seconds * 1000))
        connection.pragma("query_only", True)

    async def _close_connections(self) -> None:
        with trio.CancelScope(shield=True):
            # Closing is bounded: both threads have at most one function at work.
            for connection in self._connections:
                await connection.outside.aclose()
        self._connections.clear()

    async def _write_forever(self) -> None:
        while True:
            batch = [await self._receive.receive()]
            while len(batch) < self._options.max_batch:
                try:
                    batch.append(self._receive.receive_nowait())
                except trio.WouldBlock:
                    break
            with trio.CancelScope(shield=True):
                await self._run_batch(batch)

    async def _run_batch(self, batch: list[_Job]) -> None:
        try:
            await self._call(self._writer, lambda connection: _transact(connection, batch))
        except StoreError as error:
            for job in batch:
                job.error = error
        for job in batch:
            if job.error is None:
                self._notify(job.appended)
            job.done.set()

    def _notify(self, appended: list[Appended]) -> None:
        for event in appended:
            self.waiters.notify(event.process_id, (event.event_type, event.ordinal))
            self.waiters.notify(event.process_id, any_event(event.sequence))
            if event.terminal:
                self.waiters.notify(event.process_id, END)

    async def _watch(self) -> None:
        """Wake who waits here for what other programs append."""
        seen = None
        while True:
            await trio.sleep(self._options.poll_seconds)
            if self.waiters.tasks_waiting == 0:
                continue
            version = await self.read(lambda connection: connection.pragma("data_version"))
            if version != seen:
                seen = version
                self._position, news = await self.read(
                    lambda connection: _events_since(connection, self._position)
                )
                self._notify(news)

    def _store_error(self, error: apsw.Error) -> StoreError:
        if isinstance(error, apsw.BusyError):
            return StoreError(
                f"{self.path!r} was written by others for more than "
                f"{self._options.busy_timeout_seconds} s, so this write gave up: {error}"
            )
        return StoreError(
            f"SQLite could not work on {self.path!r}: {type(error).__name__}: {error}"
        )


def _transact(connection: SqlConnection, batch: list[_Job]) -> None:
    """Run a batch as one transaction; one whose function refuses does not stop the others."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in batch:
            _run_job(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_job(connection: SqlConnection, job: _Job) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.function(connection, job.appended)
    except apsw.Error:
        # The file, not the function: the whole transaction is at stake.
        raise
    except Exception as error:  # noqa: BLE001
        # Whatever the function raises belongs to who asked for it.
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _last_position(connection: SqlConnection) -> int:
    ((position,),) = connection.execute("SELECT coalesce(max(position), 0) FROM events")
    return int(position)


def _events_since(connection: SqlConnection, position: int) -> tuple[int, list[Appended]]:
    rows = connection.execute(
        "SELECT e.position, p.id, e.type, e.ordinal, e.sequence, p.state <> 'running'"
        " FROM events e JOIN processes p ON p.number = e.process"
        " WHERE e.position > ? ORDER BY e.position",
        (position,),
    ).fetchall()
    appended = [Appended(row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]
    return (rows[-1][0] if rows else position), appended
