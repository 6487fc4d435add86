"""Group commit: who writes with whom, and what one's failure means for the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import apsw
import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio import StoreError
from lash_trio.stores.sqlite import SqliteDatabase, SqliteOptions, Synchronous
from lash_trio.stores.sqlite._sql import SqlConnection
from lash_trio.stores.sqlite._writer import Appended, Job, Writer, WriterOptions

Write = Callable[[SqlConnection, list[Appended]], int]


def database(path: Path, max_batch: int = 256) -> SqliteDatabase:
    return SqliteDatabase(
        path / "x.db", SqliteOptions(synchronous=Synchronous.NORMAL, max_batch=max_batch)
    )


def put(number: int, runs: list[int] | None = None) -> Write:
    def write(connection: SqlConnection, _: list[Appended]) -> int:
        if runs is not None:
            runs.append(number)
        connection.execute("INSERT INTO attachments (id, data) VALUES (?, x'00')", (f"{number}",))
        return number

    return write


def put_and_refuse(number: int) -> Write:
    def write(connection: SqlConnection, appended: list[Appended]) -> int:
        put(number)(connection, appended)
        raise LookupError(f"no {number}")

    return write


async def there(opened: SqliteDatabase) -> set[int]:
    return await opened.read(
        lambda connection: {int(row[0]) for row in connection.execute("SELECT id FROM attachments")}
    )


async def at_once(opened: SqliteDatabase, *writes: Write) -> list[int | Exception]:
    results: dict[int, int | Exception] = {}

    async def one(index: int, write: Write) -> None:
        try:
            results[index] = await opened.write(write)
        except (LookupError, StoreError) as error:
            results[index] = error

    async with trio.open_nursery() as nursery:
        for index, write in enumerate(writes):
            nursery.start_soon(one, index, write)
    return [results[index] for index in range(len(writes))]


@pytest.mark.parametrize("max_batch", [1, 2, 7, 256])
async def test_every_write_is_done_once_and_has_its_own_result(
    tmp_path: Path, max_batch: int
) -> None:
    runs: list[int] = []
    async with database(tmp_path, max_batch) as opened:
        with trio.fail_after(20):
            results = await at_once(opened, *(put(n, runs) for n in range(50)))
        assert results == list(range(50))
        assert sorted(runs) == list(range(50))
        assert await there(opened) == set(range(50))


async def test_who_refuses_after_it_has_written_leaves_nothing_and_disturbs_nobody(
    tmp_path: Path,
) -> None:
    async with database(tmp_path) as opened:
        writes = [put_and_refuse(n) if n % 5 == 0 else put(n) for n in range(30)]
        results = await at_once(opened, *writes)
        for n, result in enumerate(results):
            if n % 5 == 0:
                assert isinstance(result, LookupError)
                assert str(result) == f"no {n}"
            else:
                assert result == n
        assert await there(opened) == {n for n in range(30) if n % 5}


async def test_an_error_of_sqlite_s_fails_all_who_share_the_transaction(tmp_path: Path) -> None:
    def wrong(connection: SqlConnection, _: list[Appended]) -> int:
        connection.execute("INSERT INTO nowhere VALUES (1)")
        return 0

    begun, all_wait = threading.Event(), threading.Event()

    def lead(connection: SqlConnection, _: list[Appended]) -> int:
        # Whoever comes first goes alone; the others share the next transaction.
        begun.set()
        assert all_wait.wait(10)
        return 0

    async with database(tmp_path) as opened:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(opened.write, lead)
            assert await trio.to_thread.run_sync(begun.wait, 10)

            async def let_go() -> None:
                await wait_all_tasks_blocked()
                all_wait.set()

            nursery.start_soon(let_go)
            results = await at_once(opened, put(1), put(2), wrong, put(3))
        failed = [result for result in results if isinstance(result, StoreError)]
        assert len(failed) == len({id(error) for error in failed}) == 4
        assert await there(opened) == set()
        assert await opened.write(put(9)) == 9


async def test_what_waits_is_written_though_it_is_cancelled(tmp_path: Path) -> None:
    written: list[int] = []

    async def write(number: int) -> None:
        # The result is there, so it is returned; the cancellation comes afterwards.
        written.append(await opened.write(put(number)))

    async with database(tmp_path) as opened:
        async with trio.open_nursery() as nursery:
            for n in range(10):
                nursery.start_soon(write, n)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert set(written) == await there(opened)

        with trio.CancelScope() as scope:
            scope.cancel()
            await opened.write(put(99))
        assert scope.cancelled_caught
        assert 99 not in await there(opened), "it had not begun"


async def test_a_shielded_write_begins_though_its_caller_is_cancelled(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        with trio.CancelScope() as scope:
            scope.cancel()
            assert await opened.write_shielded(put(7)) == 7
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught, "it comes at the next cancel point"
        assert await there(opened) == {7}


@attrs.define(eq=False)
class Batches:
    """How many jobs each transaction had, from what is told of it in the event loop."""

    sizes: list[int] = attrs.field(factory=list[int])

    def committed(self, batch: Sequence[Job]) -> None:
        self.sizes.append(len(batch))


async def test_those_who_are_woken_together_are_handed_over_together() -> None:
    batches = Batches()
    options = WriterOptions(
        max_batch=256,
        store_error=lambda error: StoreError(str(error)),
        committed=batches.committed,
    )
    writer = Writer(cast(SqlConnection, apsw.Connection(":memory:")), options)
    begun, go_on = threading.Event(), threading.Event()

    def first(_: SqlConnection, __: list[Appended]) -> None:
        begun.set()
        assert go_on.wait(10)

    def nothing(_: SqlConnection, __: list[Appended]) -> None: ...

    async def write(times: int) -> None:
        for _ in range(times):
            await writer.write(nothing)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.write, first)
            assert await trio.to_thread.run_sync(begun.wait, 10)
            for _ in range(20):
                nursery.start_soon(write, 5)
            await wait_all_tasks_blocked()
            go_on.set()
        await writer.aclose()
    assert batches.sizes == [1] + [20] * 5


async def test_a_bug_in_the_thread_is_told_to_who_waits_and_the_thread_goes_on() -> None:
    class Broken:
        """A connection that is none."""

    options = WriterOptions(
        max_batch=256, store_error=lambda error: StoreError(str(error)), committed=lambda _: None
    )
    writer = Writer(cast(SqlConnection, Broken()), options)
    for _ in range(2):
        with trio.fail_after(20), pytest.raises(StoreError, match="broke off") as caught:
            await writer.write(put(1))
        assert isinstance(caught.value.__cause__, AttributeError)
    with pytest.raises(AttributeError):
        await writer.aclose()


async def test_closing_the_file_waits_for_what_others_have_begun_to_write(tmp_path: Path) -> None:
    results: list[int | Exception] = []

    async def write(number: int) -> None:
        results.append(await opened.write(put(number)))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            async with database(tmp_path, max_batch=2) as opened:
                for n in range(9):
                    nursery.start_soon(write, n)
                await trio.lowlevel.checkpoint()
                await trio.lowlevel.checkpoint()
    assert sorted(results) == list(range(9))  # type: ignore[type-var]
    async with database(tmp_path) as opened:
        assert await there(opened) == set(range(9))
