"""Group commit: what waits while a transaction is written shares the next one.

A thread has the writing connection.  It takes what waits, runs it as one transaction,
has the event loop wake who was in it, and takes at once what has come meanwhile.  So a
lone write costs one hop to the thread and back, a hundred at once cost little more than
one, and while the disk syncs, the event loop goes on.

Those who are woken together mostly write again together.  They are handed over together
too: a thread that begins with the first of them would have to ask for the interpreter at
every statement, while the event loop still runs the others.

Source: group commit, as in MySQL's binary log and PostgreSQL's WAL writer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
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
    """A function that waits for its turn, and what came of it.

    Args:
        function: what to do in the transaction.
        task: who waits for it.
        appended: the events that it appended.
        result: what it returned.
        error: what it raised, or why the transaction failed.
        parked: whether the task has to be woken.
        done: whether it is over.
    """

    function: Callable[[SqlConnection, list[Appended]], object]
    task: trio.lowlevel.Task
    appended: list[Appended] = attrs.field(factory=list[Appended])
    result: object = None
    error: Exception | None = None
    parked: bool = False
    done: bool = False

    def run(self, connection: SqlConnection) -> None:
        """Call the function."""
        self.result = self.function(connection, self.appended)

    def refuse(self, error: Exception | None) -> None:
        """Forget what the function did; it is told by the error."""
        self.error = error
        self.appended.clear()
        self.result = None


@attrs.frozen(kw_only=True)
class WriterOptions:
    """How a writer goes about it.

    Args:
        max_batch: how many jobs may share a transaction.
        store_error: an error of SQLite's as one of ours; called in the thread.
        committed: told of the jobs of a transaction before those who wait for them go
            on; called in the event loop.
    """

    max_batch: int
    store_error: Callable[[apsw.Error], StoreError]
    committed: Callable[[Sequence[Job]], None]


class Writer:
    """A thread that writes, and those who wait for it.

    Args:
        connection: the one that writes; the writer's from now on.
        options: how.
    """

    def __init__(self, connection: SqlConnection, options: WriterOptions) -> None:
        self._connection = connection
        self._options = options
        self._token = trio.lowlevel.current_trio_token()
        # What is handed over next, and how many are worth waiting for: as many as were
        # woken last.
        self._gathered: list[Job] = []
        self._expected = 1
        # To the thread; None comes last.
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._taken: deque[Job] = deque()
        self._is_last = False
        self._unfinished = 0
        self._idle: trio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="lash_trio writer", daemon=True)
        self._thread.start()

    # An interrupt in the midst of this would leave the others waiting for ever.
    @trio.lowlevel.enable_ki_protection
    async def write(
        self, function: Callable[[SqlConnection, list[Appended]], T], *, shielded: bool = False
    ) -> T:
        """Run a function in a transaction; see :meth:`SqliteDatabase.write`."""
        if not shielded:
            await trio.lowlevel.checkpoint_if_cancelled()
        job = Job(function, trio.lowlevel.current_task())
        self._unfinished += 1
        self._gathered.append(job)
        if len(self._gathered) >= self._expected:
            self._hand_over()
        elif len(self._gathered) == 1:
            # The others that were woken run before this goes on.
            await trio.lowlevel.cancel_shielded_checkpoint()
            if self._gathered and self._gathered[0] is job:
                self._hand_over()
        if job.done:
            # The others run in the next step; this one goes on with them.
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            job.parked = True
            await trio.lowlevel.wait_task_rescheduled(_wait_on)
        if job.error is not None:
            raise job.error
        return cast(T, job.result)

    async def wait_idle(self) -> None:
        """Wait until nothing waits to be written.  A checkpoint only where something does."""
        while self._unfinished:
            if self._idle is None or self._idle.is_set():
                self._idle = trio.Event()
            await self._idle.wait()

    async def aclose(self) -> None:
        """End the thread, once it has written what waits, and close the connection.

        Raises:
            apsw.Error: the connection could not tidy up; what was committed stays so.
        """
        self._queue.put(None)
        # A limiter of its own: it must not wait for other threads of the program.
        await trio.to_thread.run_sync(self._end, limiter=trio.CapacityLimiter(1))

    def _hand_over(self) -> None:
        self._queue.put(self._gathered)
        self._gathered = []

    def _run(self) -> None:
        while batch := self._take():
            run_batch(self._connection, batch, self._options.store_error)
            try:
                self._token.run_sync_soon(self._finish, batch)
            except trio.RunFinishedError:
                # Nobody waits any more.
                return

    def _end(self) -> None:
        self._thread.join()
        self._connection.close()

    def _take(self) -> list[Job]:
        """Wait for a job, and take what has come by then; nothing once the last is written."""
        while not self._is_last and not (self._taken and self._queue.empty()):
            jobs = self._queue.get()
            self._is_last = jobs is None
            self._taken.extend(jobs or ())
        return [
            self._taken.popleft() for _ in range(min(len(self._taken), self._options.max_batch))
        ]

    def _finish(self, batch: Sequence[Job]) -> None:
        self._options.committed(batch)
        self._unfinished -= len(batch)
        self._expected = len(batch)
        for job in batch:
            job.done = True
            if job.parked:
                trio.lowlevel.reschedule(job.task)
        if not self._unfinished and self._idle is not None:
            self._idle.set()


def _wait_on(_: object) -> trio.lowlevel.Abort:
    # What is the writer's is waited for: its result decides, not a cancellation.
    return trio.lowlevel.Abort.FAILED


def run_batch(
    connection: SqlConnection,
    batch: Sequence[Job],
    store_error: Callable[[apsw.Error], StoreError],
) -> None:
    """Run a batch as one transaction, and tell each job what came of it.

    Args:
        connection: the one that writes.
        batch: what to run.
        store_error: an error of SQLite's as one of ours.
    """
    try:
        transact(connection, batch)
    except apsw.Error as error:
        for job in batch:
            # One for each: they are raised in different tasks.
            refusal = store_error(error)
            refusal.__cause__ = error
            job.refuse(refusal)
    except Exception as error:  # noqa: BLE001
        # There is nobody above a thread, and who waits must not wait for ever.
        for job in batch:
            refusal = StoreError("the transaction broke off; nothing of it was written")
            refusal.__cause__ = error
            job.refuse(refusal)


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
