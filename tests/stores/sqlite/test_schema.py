"""How older files become newer ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest
import trio

from lash_trio import (
    EffectScope,
    JsonValue,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ReplayingEffectHost,
    SessionScope,
    StoreError,
)
from lash_trio.stores.sqlite import open_sqlite
from lash_trio.stores.sqlite._schema import APPLICATION_ID, MIGRATIONS

VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text("utf-8")


def schema_of(path: Path) -> tuple[int, int, list[tuple[str, str]]]:
    connection = apsw.Connection(str(path))
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    tables = [
        (str(name), " ".join(str(sql).split()))
        for name, sql in connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name"
        )
    ]
    connection.close()
    assert isinstance(application, int)
    assert isinstance(version, int)
    return application, version, tables


async def test_a_file_of_version_1_becomes_one_of_this_version(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    connection.execute(VERSION_1)
    assert connection.pragma("user_version") == 1
    connection.close()

    async with open_sqlite(path) as stores:
        registry = stores.registry
        (running,) = await registry.list_non_terminal()
        assert running.id == "running"
        events = await registry.events_after("running", 0)
        assert [(event.sequence, event.payload) for event in events] == [(1, 1), (2, 2)]
        assert await registry.await_process("ended") == ProcessAwaitOutput.success(42)
        assert await registry.has_handle_grant(SessionScope(session_id="s"), "running")
        lease = await registry.lease_of("running")
        assert lease is not None
        assert (lease.owner_id, lease.fencing_token) == ("worker", 1)
        await registry.append_event("running", ProcessEventAppendRequest(event_type="signal.go"))

        async def never(n: int) -> JsonValue:
            raise AssertionError("it was recorded")

        host = ReplayingEffectHost(stores.journal)
        for scope_id in (EffectScope.process("running"), EffectScope.turn("s", "t")):
            assert len(await stores.journal.entries_of(scope_id)) in (3, 4)
            async with host.scoped(scope_id) as scope:
                for n in range(3):
                    assert await scope.step("step", never, n) == {"n": n}
        left = await stores.journal.lease_of(EffectScope.queue_drain("s", "d"))
        assert left is not None
        assert left.owner_id == "gone"

    async with open_sqlite(tmp_path / "new.db"):
        pass
    assert schema_of(path) == schema_of(tmp_path / "new.db"), "as if it had been made now"
    assert schema_of(path)[:2] == (APPLICATION_ID, len(MIGRATIONS))
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_the_first_version_stays_what_it_was(tmp_path: Path) -> None:
    recorded, made = (
        apsw.Connection(str(tmp_path / "a.db")),
        apsw.Connection(str(tmp_path / "b.db")),
    )
    recorded.execute(VERSION_1)
    made.execute(MIGRATIONS[0])
    recorded.close()
    made.close()
    assert schema_of(tmp_path / "a.db")[2] == schema_of(tmp_path / "b.db")[2]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    connection.execute(VERSION_1)
    # In the way of the second version.
    connection.execute("CREATE TABLE journal_1 (a)")
    connection.close()
    before = schema_of(path)
    with pytest.raises(StoreError, match="journal_1"):
        async with open_sqlite(path):
            raise AssertionError("it was opened")
    assert schema_of(path) == before


async def test_many_programs_may_make_a_file_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, trio\n"
        "from lash_trio.stores.sqlite import open_sqlite\n"
        "async def main():\n"
        "    sys.stdin.readline()\n"
        "    async with open_sqlite(sys.argv[1]) as stores:\n"
        "        assert await stores.registry.list_non_terminal() == []\n"
        "trio.run(main)\n"
    )
    programs = [
        subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-c", script, str(tmp_path / "x.db")],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    await trio.sleep(1.5)
    for program in programs:
        assert program.stdin is not None
        program.stdin.write(b"\n")
        program.stdin.flush()
    for program in programs:
        _, errors = await trio.to_thread.run_sync(program.communicate)
        assert program.returncode == 0, errors.decode()
