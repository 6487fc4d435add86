"""Several programs on one file: news of each other, and turns in writing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

from lash_trio import (
    JsonValue,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    StoreError,
)
from lash_trio.stores.sqlite import (
    SqliteOptions,
    SqliteProcessRegistry,
    SqliteStores,
    Watching,
    open_sqlite,
)

# Nothing that the tests wait for would come within their time by looking so rarely.
NEVER = 1000.0


def registration(process_id: str = "p1") -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("test"),
        event_types=[ProcessEventType(name="signal.go")],
    )


def go(payload: JsonValue = None) -> ProcessEventAppendRequest:
    return ProcessEventAppendRequest(event_type="signal.go", payload=payload)


PROGRAM = """
import sys, time, trio
from lash_trio import ProcessAwaitOutput, ProcessEventAppendRequest
from lash_trio.stores.sqlite import open_sqlite

async def main():
    async with open_sqlite(sys.argv[1]) as stores:
        registry = stores.registry
        async def append(payload):
            await registry.append_event(
                "p1", ProcessEventAppendRequest(event_type="signal.go", payload=payload)
            )
"""


@asynccontextmanager
async def other_program(path: Path, body: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Another program on the file; it has ended when the block ends."""
    script = f"{PROGRAM}{textwrap.indent(textwrap.dedent(body), '        ')}\ntrio.run(main)\n"
    process = subprocess.Popen(  # noqa: ASYNC220 (it returns at once)
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def said(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return (await trio.to_thread.run_sync(process.stdout.readline)).decode().strip()


async def test_a_write_of_another_program_wakes_who_waits_here_by_notification(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    latencies: list[float] = []
    body = """
        for n in range(40):
            time.sleep(0.01)
            await append([n, time.time()])
    """
    async with open_sqlite(path, SqliteOptions(poll_seconds=NEVER)) as stores:
        assert stores.database.watching is Watching.NOTIFICATION
        await stores.registry.register_process(registration())
        async with other_program(path, body):
            for n in range(40):
                with trio.fail_after(20):
                    event = await stores.registry.wait_event_nth("p1", "signal.go", n + 1)
                assert isinstance(event.payload, list)
                number, appended_at = event.payload
                assert number == n
                assert isinstance(appended_at, float)
                latencies.append(time.time() - appended_at)
    # The first one includes what the other program has to import first.
    del latencies[0]
    print(
        f"from another program's append to the waiter here: median"
        f" {statistics.median(latencies) * 1000:.1f} ms, most {max(latencies) * 1000:.1f} ms"
    )


async def test_the_end_of_a_process_elsewhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    body = 'await registry.complete_process("p1", ProcessAwaitOutput.success("done"))'
    async with open_sqlite(path, SqliteOptions(poll_seconds=NEVER)) as stores:
        await stores.registry.register_process(registration())
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                got: list[ProcessAwaitOutput] = []

                async def wait() -> None:
                    got.append(await stores.registry.await_process("p1"))

                nursery.start_soon(wait)
                while stores.registry.tasks_waiting == 0:  # noqa: ASYNC110
                    await trio.sleep(0.001)
                async with other_program(path, body) as process:
                    await trio.to_thread.run_sync(process.wait)
    assert got == [ProcessAwaitOutput.success("done")]


async def appended_elsewhere(stores: SqliteStores, path: Path) -> None:
    """Wait here for what a second connection of this program appends."""
    async with open_sqlite(path) as elsewhere, trio.open_nursery() as nursery:
        nursery.start_soon(stores.registry.wait_event_nth, "p1", "signal.go", 1)
        while stores.registry.tasks_waiting == 0:  # noqa: ASYNC110
            await trio.sleep(0.001)
        await elsewhere.registry.append_event("p1", go())


async def test_without_the_library_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.stores.sqlite._watch.find_spec", lambda _: None)
    path = tmp_path / "x.db"
    async with open_sqlite(path, SqliteOptions(poll_seconds=0.01)) as stores:
        assert stores.database.watching is Watching.POLL
        await stores.registry.register_process(registration())
        with trio.fail_after(20):
            await appended_elsewhere(stores, path)


async def test_where_the_system_refuses_to_notify_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise OSError("too many open files")

    monkeypatch.setattr("inotify_simple.INotify", refuse)
    async with open_sqlite(tmp_path / "x.db") as stores:
        assert stores.database.watching is Watching.POLL


async def test_a_notification_that_never_comes_is_made_up_for_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def __init__(self, fd: int) -> None:
            self._fd = fd

        def fileno(self) -> int:
            return self._fd

        def read(self, timeout: int) -> object:
            return None

    @contextmanager
    def silent(_: str) -> Generator[Silent]:
        reading, writing = os.pipe()
        yield Silent(reading)
        os.close(reading)
        os.close(writing)

    monkeypatch.setattr("lash_trio.stores.sqlite._threads.file_changes", silent)
    path = tmp_path / "x.db"
    async with open_sqlite(path, SqliteOptions(poll_seconds=0.01)) as stores:
        assert stores.database.watching is Watching.NOTIFICATION
        await stores.registry.register_process(registration())
        with trio.fail_after(20):
            await appended_elsewhere(stores, path)


async def test_much_news_is_read_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.stores.sqlite._database._MOST_NEWS", 3)
    path = tmp_path / "x.db"
    async with open_sqlite(path) as stores, open_sqlite(path) as elsewhere:
        await stores.registry.register_process(registration())
        for n in range(20):
            await elsewhere.registry.append_event("p1", go(n))
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stores.registry.wait_event_nth, "p1", "signal.go", 25)
                nursery.start_soon(stores.registry.await_process, "p1")
                await trio.sleep(0.05)
                for n in range(5):
                    await elsewhere.registry.append_event("p1", go(n))
                await elsewhere.registry.complete_process("p1", ProcessAwaitOutput.success(None))


async def test_what_is_written_on_both_sides_at_once_wakes_all(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def wait_for_all(registry: SqliteProcessRegistry) -> None:
        async with trio.open_nursery() as nursery:
            for ordinal in range(1, 101):
                nursery.start_soon(registry.wait_event_nth, "p1", "signal.go", ordinal)

    async def append_all(registry: SqliteProcessRegistry) -> None:
        for n in range(50):
            await registry.append_event("p1", go(n))

    options = SqliteOptions(poll_seconds=NEVER)
    async with open_sqlite(path, options) as stores, open_sqlite(path, options) as elsewhere:
        await stores.registry.register_process(registration())
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for each in (stores, elsewhere):
                    nursery.start_soon(wait_for_all, each.registry)
                    nursery.start_soon(append_all, each.registry)


async def test_a_write_waits_its_turn_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    body = """
        def hold(connection):
            connection.execute("BEGIN IMMEDIATE")
            print("holding", flush=True)
            sys.stdin.readline()
            connection.execute("ROLLBACK")
            print("released", flush=True)

        await stores.database.read(lambda connection: connection.pragma("query_only", False))
        await stores.database.read(hold)
    """
    async with open_sqlite(path, SqliteOptions(busy_timeout_seconds=0.1)) as stores:
        await stores.registry.register_process(registration())
        async with other_program(path, body) as process:
            assert await said(process) == "holding"
            with pytest.raises(StoreError, match=r"written by others for more than 0\.1 s") as got:
                await stores.registry.append_event("p1", go())
            assert got.value.code == "runtime_store"
            assert str(path) in got.value.message
            assert await stores.registry.events_after("p1", 0) == [], "and reads do not wait"
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert await said(process) == "released"
        await stores.registry.append_event("p1", go())


async def test_a_write_that_is_let_in_time_has_waited(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    body = """
        def hold(connection):
            connection.execute("BEGIN IMMEDIATE")
            print("holding", flush=True)
            time.sleep(0.3)
            connection.execute("COMMIT")

        await stores.database.read(lambda connection: connection.pragma("query_only", False))
        await stores.database.read(hold)
    """
    async with open_sqlite(path) as stores:
        await stores.registry.register_process(registration())
        async with other_program(path, body) as process:
            assert await said(process) == "holding"
            result = await stores.registry.append_event("p1", go())
            assert result.event.sequence == 1
