"""SQLite in the event loop, without threads: for tests in virtual time.

A mock clock jumps when all tasks wait, also for a thread, and so is far ahead when the
thread is done.  Here each function runs whole where it was asked for, between two
checkpoints, and nothing else runs meanwhile.  Nothing is left to chance but the order
of tasks, and whoever seeds that can repeat a run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import TypeVar, cast

import apsw
import trio

from ...abc import LeaseRenewer
from ...model import StoreError
from ._access import BatchWriter, Opening, Reader, SqliteAccess
from ._renewal import KeptLeases, RenewalOptions
from ._sql import SqlConnection
from ._watch import FileChanges
from ._writer import Appended, Job, WriterOptions, run_batch

T = TypeVar("T")


class CrashPoint(StrEnum):
    """Where in a transaction a program is killed."""

    BEFORE_COMMIT = "before_commit"
    """It has written, and nothing of it is committed."""
    AFTER_COMMIT = "after_commit"
    """It is committed, and nobody has heard of it."""


class InlineAccess(SqliteAccess):
    """Runs what reaches SQLite in the event loop, and can be killed as a program is.

    Events of other programs are seen by polling.  Backups still take a thread.

    Args:
        before: awaited before each call and each renewal, so that all of them can be
            held up; in a shielded write it is shielded as well.

    Attributes:
        crashed: set once it has crashed.
    """

    def __init__(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        self.crashed: trio.Event = trio.Event()
        self._before = before
        self._crash_point: CrashPoint | None = None
        self._connections: list[SqlConnection] = []
        self._renewals: list[KeptLeases] = []

    def crash(self) -> None:
        """Leave the file as a program does that is killed: without a checkpoint of its log.

        Sets ``crashed``.  Whoever asks for something from then on gets a
        :class:`~lash_trio.StoreError`; cancel all that used it.  Not a checkpoint.
        """
        self.crashed.set()
        # These first: who closes a file as its last one puts its log into it.
        for leases in self._renewals:
            leases.close()
        for connection in self._connections:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close()
        self._connections.clear()

    def crash_in_next_write(self, point: CrashPoint) -> None:
        """Crash in the middle of the next transaction.  Not a checkpoint.

        Args:
            point: where.
        """
        self._crash_point = point

    async def open_reader(self, opening: Opening) -> Reader:
        """A connection that is called where it is asked."""
        return _InlineReader(self, await self._connect(opening))

    async def open_writer(self, opening: Opening, options: WriterOptions) -> BatchWriter:
        """A connection that commits at once what is written in one step of the scheduler."""
        return _InlineWriter(self, await self._connect(opening), options)

    def file_changes(self, path: str) -> AbstractContextManager[FileChanges | None]:
        """None: the system tells in its own time."""
        return nullcontext()

    @contextmanager
    def renew_leases(
        self, options: RenewalOptions, nursery: trio.Nursery
    ) -> Generator[LeaseRenewer]:
        """In a task, which a busy event loop keeps waiting."""
        leases = KeptLeases(options, trio.current_time, _call_at_once)
        renewing = trio.CancelScope()
        self._renewals.append(leases)
        nursery.start_soon(self._renew, leases, renewing)
        try:
            yield leases
        finally:
            renewing.cancel("the leases are left alone")
            self._renewals.remove(leases)
            leases.close()

    async def let_through(self) -> None:
        """Wait until a call may be made.

        Raises:
            StoreError: the program has been killed.
        """
        if self._before is not None:
            await self._before()
        self.check_alive()

    def check_alive(self) -> None:
        """Refuse to go on after a crash.

        Raises:
            StoreError: the program has been killed.
        """
        if self.crashed.is_set():
            raise StoreError("this program has been killed; open the file again")

    def commit(self, connection: SqlConnection, run: Callable[[], None]) -> bool:
        """Run a transaction, and crash where that was asked for.

        Returns:
            Whether there is anybody left to hear of it.
        """
        if self.crashed.is_set():
            return False
        if self._crash_point is CrashPoint.BEFORE_COMMIT:
            connection.set_commit_hook(_refuse_to_commit)
        run()
        if self._crash_point is not None:
            self.crash()
        return not self.crashed.is_set()

    async def disconnect(self, connection: SqlConnection) -> None:
        """Close a connection, unless a crash has."""
        await trio.lowlevel.checkpoint()
        if connection in self._connections:
            self._connections.remove(connection)
            connection.close()

    async def _connect(self, opening: Opening) -> SqlConnection:
        await trio.lowlevel.checkpoint()
        await self.let_through()
        connection = opening.connect()
        self._connections.append(connection)
        return connection

    async def _renew(self, leases: KeptLeases, renewing: trio.CancelScope) -> None:
        pause = leases.pause
        with renewing:
            while not self.crashed.is_set():
                await trio.sleep(pause)
                if self._before is not None:
                    await self._before()
                if not self.crashed.is_set():
                    pause = leases.renew_all()


class _InlineReader:
    def __init__(self, access: InlineAccess, connection: SqlConnection) -> None:
        self._access = access
        self._connection = connection

    async def call(self, function: Callable[[SqlConnection], T]) -> T:
        await trio.lowlevel.checkpoint()
        await self._access.let_through()
        result = function(self._connection)
        await trio.lowlevel.checkpoint()
        return result

    async def aclose(self) -> None:
        await self._access.disconnect(self._connection)


class _InlineWriter:
    def __init__(
        self, access: InlineAccess, connection: SqlConnection, options: WriterOptions
    ) -> None:
        self._access = access
        self._connection = connection
        self._options = options
        self._gathered: list[Job] = []
        self._writing = 0
        self._idle = trio.Event()

    async def write(
        self, function: Callable[[SqlConnection, list[Appended]], T], *, shielded: bool = False
    ) -> T:
        if not shielded:
            await trio.lowlevel.checkpoint_if_cancelled()
        with self._unfinished():
            with trio.CancelScope(shield=shielded):
                await self._access.let_through()
            return await self._write(function)

    async def _write(self, function: Callable[[SqlConnection, list[Appended]], T]) -> T:
        job = Job(function, trio.lowlevel.current_task())
        self._gathered.append(job)
        # Who else writes in this step is in the same transaction, as with a thread.
        await trio.lowlevel.cancel_shielded_checkpoint()
        if not job.done:
            self._write_gathered()
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    async def wait_idle(self) -> None:
        while self._writing:
            await self._idle.wait()

    async def aclose(self) -> None:
        await self._access.disconnect(self._connection)

    @contextmanager
    def _unfinished(self) -> Generator[None]:
        if self._writing == 0:
            self._idle = trio.Event()
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            if self._writing == 0:
                self._idle.set()

    def _write_gathered(self) -> None:
        batch = self._gathered[: self._options.max_batch]
        del self._gathered[: len(batch)]

        def run() -> None:
            run_batch(self._connection, batch, self._options.store_error)

        if self._access.commit(self._connection, run):
            self._options.committed(batch)
        else:
            for job in batch:
                job.refuse(StoreError("this program was killed while it wrote"))
        for job in batch:
            job.done = True


def _refuse_to_commit() -> bool:
    return True


def _call_at_once(function: Callable[[], None]) -> None:
    function()
