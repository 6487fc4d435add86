"""The file: what it refuses, what it survives, who else writes it."""

from __future__ import annotations

import os
import sqlite3
import sys
import textwrap
import threading
from pathlib import Path

import apsw
import pytest
import trio

from lash_trio import (
    EffectScope,
    JsonValue,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    StoreError,
)
from lash_trio.stores.sqlite import SqliteDatabase, SqliteOptions, open_sqlite


def registration(process_id: str = "p1") -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("test"),
        event_types=[ProcessEventType(name="signal.go")],
    )


async def refused(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        async with open_sqlite(path):
            raise AssertionError("it was opened")
    assert caught.value.code == "runtime_store"
    return caught.value.message


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to look like one\n" * 20)
    assert "NotADBError" in await refused(path)
    assert path.read_text().startswith("not a database"), "it is as it was"


async def test_a_directory(tmp_path: Path) -> None:
    assert "CantOpenError" in await refused(tmp_path)


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert "CantOpenError" in await refused(tmp_path / "nowhere" / "x.db")


async def test_a_database_of_another_application(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    assert "another application" in await refused(path)


async def test_a_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(path):
        pass
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 999)
    connection.close()
    message = await refused(path)
    assert "999" in message
    assert "newer lash_trio" in message


async def test_a_corrupt_file(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(path) as stores:
        for n in range(200):
            await stores.registry.register_process(registration(f"p{n}"))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreError) as caught:
        async with open_sqlite(path) as stores:
            await stores.registry.list_non_terminal()
    assert "CorruptError" in caught.value.message or "NotADBError" in caught.value.message


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_what_was_written_is_there_after_reopening(tmp_path: Path, synchronous: str) -> None:
    options = SqliteOptions(synchronous=synchronous)  # type: ignore[arg-type]
    async with open_sqlite(tmp_path / "x.db", options) as stores:
        await stores.registry.register_process(registration())
        await stores.registry.append_event(
            "p1", ProcessEventAppendRequest(event_type="signal.go", payload={"n": 2**70})
        )
    async with open_sqlite(tmp_path / "x.db", options) as stores:
        (event,) = await stores.registry.events_after("p1", 0)
        assert event.payload == {"n": 2**70}


async def test_a_refusal_leaves_its_neighbours_in_the_transaction_alone(tmp_path: Path) -> None:
    refusals: list[str] = []

    async with open_sqlite(tmp_path / "x.db") as stores:
        await stores.registry.register_process(registration())

        async def append(n: int) -> None:
            event_type = "signal.go" if n % 2 else "undeclared"
            try:
                await stores.registry.append_event(
                    "p1", ProcessEventAppendRequest(event_type=event_type, payload=n)
                )
            except PluginError as error:
                refusals.append(error.reason)

        async with trio.open_nursery() as nursery:
            for n in range(40):
                nursery.start_soon(append, n)
        events = await stores.registry.events_after("p1", 0)
    assert [event.sequence for event in events] == list(range(1, 21))
    assert {event.payload for event in events} == set(range(1, 40, 2))
    assert refusals == ["undeclared_event_type"] * 20


async def test_a_closed_file_refuses_to_be_used(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        pass
    with pytest.raises(StoreError, match="is closed"):
        await stores.registry.register_process(registration())
    with pytest.raises(StoreError, match="is closed"):
        await stores.registry.get_process("p1")


async def test_a_deadline_of_the_caller_is_trio_s_business(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        await stores.registry.register_process(registration())
        with trio.move_on_after(0) as expired:
            await stores.registry.get_process("p1")
        assert expired.cancelled_caught, "and no TooSlowError of the driver's"
        with trio.move_on_after(0) as expired:
            await stores.registry.append_event(
                "p1", ProcessEventAppendRequest(event_type="signal.go")
            )
        assert expired.cancelled_caught
        assert await stores.registry.events_after("p1", 0) == []


async def test_the_block_s_exception_leaves_as_it_is_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        async with open_sqlite(tmp_path / "x.db"):
            raise LookupError
    # The driver's thread ends a moment after it has answered the last call.
    with trio.fail_after(5):
        while [t for t in threading.enumerate() if "apsw" in t.name or "lash" in t.name]:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_another_program_wakes_who_waits_here(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    script = textwrap.dedent(
        """
        import sys, trio
        from lash_trio import ProcessEventAppendRequest
        from lash_trio.stores.sqlite import open_sqlite

        async def main():
            async with open_sqlite(sys.argv[1]) as stores:
                for n in (1, 2):
                    await stores.registry.append_event(
                        "p1", ProcessEventAppendRequest(event_type="signal.go", payload=n)
                    )

        trio.run(main)
        """
    )
    async with open_sqlite(path) as stores:
        await stores.registry.register_process(registration())
        got: list[JsonValue] = []

        async def wait() -> None:
            event = await stores.registry.wait_event_nth("p1", "signal.go", 2)
            got.append(event.payload)

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.run_process([sys.executable, "-c", script, str(path)])
        assert got == [2]


async def test_a_write_waits_its_turn_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(path, SqliteOptions(busy_timeout_seconds=0.05)) as stores:
        await stores.registry.register_process(registration())
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="was written by others for more than"):
            await stores.registry.append_event(
                "p1", ProcessEventAppendRequest(event_type="signal.go")
            )
        other.execute("ROLLBACK")
        other.close()
        await stores.registry.append_event("p1", ProcessEventAppendRequest(event_type="signal.go"))


async def test_durable_steps_are_not_run_again(tmp_path: Path) -> None:
    calls: list[int] = []

    async def step(n: int) -> JsonValue:
        calls.append(n)
        return n

    for _ in range(2):
        async with open_sqlite(tmp_path / "x.db") as stores:
            async with stores.host().scoped(EffectScope.process("p1")) as scope:
                assert [await scope.step("n", step, n) for n in range(3)] == [0, 1, 2]
    assert calls == [0, 1, 2]


class ReadOnlyVFS(apsw.VFS):
    """Opens every file as one without permission to write is opened."""

    def __init__(self) -> None:
        super().__init__("read_only", "")

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        flags[0] = (flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)) | (
            apsw.SQLITE_OPEN_READONLY
        )
        return super().xOpen(name, flags)


async def test_a_read_only_file(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(path):
        pass
    vfs = ReadOnlyVFS()
    with pytest.raises(StoreError) as caught:
        async with open_sqlite(path, SqliteOptions(vfs="read_only")):
            raise AssertionError("it was opened")
    assert "is read-only" in caught.value.message
    vfs.unregister()


async def test_a_database_is_opened_once(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "x.db")
    async with database:
        assert database.waiters.tasks_waiting == 0
