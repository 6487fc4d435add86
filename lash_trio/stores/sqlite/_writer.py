"""Group commit: what waits while a transaction is written shares the next one.

There is no writing task.  Whoever comes while nobody writes leads: it takes what is
waiting, its own job first, and runs it as one transaction in the writer's thread.
When that is committed it wakes who was in it, and makes the first of those who came
meanwhile the next leader.  So a lone write costs one hop to the thread and back, and a
hundred at once cost little more than one.

Source: leader and followers, as in the write path of LevelDB and in MySQL's group commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import apsw
import attrs
import trio

from ...model import StoreError
from ._sql import SqlConnection

T = TypeVar("T")


@attrs.frozen
class Appended:
    """An appended event: who waits for it is woken once it is committed.

    Args:
        position: among the events of all processes.
        process_id: whose event.
        event_type: its type.
        ordinal: its number among those of its type.
        sequence: its number in the log.
        terminal: whether the process has ended.
    """

    position: int
    process_id: str
    event_type: str
    ordinal: int
    sequence: int
    terminal: bool


@attrs.define(eq=False)
class Job:
    """A function that waits for its turn, and what came of it."""

    function: Callable[[SqlConnection, list[Appended]], object]
    task: trio.lowlevel.Task
    appended: list[Appended] = attrs.field(factory=list[Appended])
    result: object = None
    error: Exception | None = None
    done: bool = False

    def run(self, connection: SqlConnection) -> None:
        """Call the function."""
        self.result = self.function(connection, self.appended)

    def refuse(self, error: Exception | None) -> None:
        """Forget what the function did; it is told by the error."""
        self.error = error
        self.appended.clear()
        self.result = None


class GroupCommit:
    """Who writes next, and with whom.

    Args:
        commit: runs jobs as one transaction, and sets their errors; raises
            :class:`~lash_trio.StoreError` where nothing was written.
        max_batch: how many jobs may share a transaction.
    """

    def __init__(self, commit: Callable[[Sequence[Job]], Awaitable[None]], max_batch: int) -> None:
        self._commit = commit
        self._max_batch = max_batch
        self._waiting: deque[Job] = deque()
        self._busy = False
        self._idle: trio.Event | None = None

    async def write(self, function: Callable[[SqlConnection, list[Appended]], T]) -> T:
        """Run a function in a transaction; see :meth:`SqliteDatabase.write`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        job = Job(function, trio.lowlevel.current_task())
        self._waiting.append(job)
        if self._busy:
            # Woken when it is written, or to lead.
            await trio.lowlevel.wait_task_rescheduled(_wait_on)
        if not job.done:
            self._busy = True
            await self._lead(job.task)
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    async def wait_idle(self) -> None:
        """Wait until nobody writes.  A checkpoint only where somebody does."""
        while self._busy:
            if self._idle is None or self._idle.is_set():
                self._idle = trio.Event()
            await self._idle.wait()

    async def _lead(self, leader: trio.lowlevel.Task) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
        try:
            # It is bounded: by the busy timeout, and by the disk.
            with trio.CancelScope(shield=True):
                await self._commit(batch)
        except StoreError as error:
            for job in batch:
                # One for each: they are raised in different tasks.
                copy = StoreError(error.message)
                copy.__cause__ = error.__cause__
                job.refuse(copy)
        except BaseException:
            for job in batch:
                job.refuse(StoreError("the transaction broke off; nothing of it was written"))
            raise
        finally:
            for job in batch:
                job.done = True
                if job.task is not leader:
                    trio.lowlevel.reschedule(job.task)
            if self._waiting:
                trio.lowlevel.reschedule(self._waiting[0].task)
            else:
                self._busy = False
                if self._idle is not None:
                    self._idle.set()


def _wait_on(_: object) -> trio.lowlevel.Abort:
    # What is the writer's is waited for: its result decides, not a cancellation.
    return trio.lowlevel.Abort.FAILED


def transact(connection: SqlConnection, batch: Sequence[Job]) -> None:
    """Run a batch as one transaction; one whose function refuses does not stop the others.

    Raises:
        apsw.Error: nothing of it was written.
    """
    if not _attempt(connection, batch, _run):
        # One refused after it had written.  That is rare, so savepoints are paid
        # for only now: all run again, each behind one of its own.
        for job in batch:
            job.refuse(None)
        _attempt(connection, batch, _run_behind_savepoint)


def _attempt(
    connection: SqlConnection,
    batch: Sequence[Job],
    run: Callable[[SqlConnection, Job], bool],
) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in batch:
            if not run(connection, job):
                connection.execute("ROLLBACK")
                return False
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _run(connection: SqlConnection, job: Job) -> bool:
    changes = connection.total_changes()
    try:
        job.run(connection)
    except apsw.Error:
        # The file, not the function: the whole transaction is at stake.
        raise
    except Exception as error:  # noqa: BLE001
        # Whatever the function raises belongs to who asked for it.
        job.refuse(error)
        return connection.total_changes() == changes
    return True


def _run_behind_savepoint(connection: SqlConnection, job: Job) -> bool:
    connection.execute("SAVEPOINT job")
    _run(connection, job)
    if job.error is not None:
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    return True
