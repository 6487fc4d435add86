"""``lash-trio run --db``: one process, kept in a file."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import apsw
import pytest
import trio
import trio.lowlevel

from lash_trio import ProcessProvenance, Runtime, RuntimeParts, StartRequest, WorkerOptions
from lash_trio.cli._load import load_definitions
from lash_trio.stores.sqlite import open_sqlite
from tests.cli.support import Invoke, WriteFile
from tests.cli.test_worker import running

SOURCE = """
    from pathlib import Path

    import trio
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    async def note(what):
        with Path(__file__).with_name("ran.txt").open("a") as file:
            file.write(what + "\\\\n")
        return what

    async def slow():
        await note("slow")
        await trio.sleep(0.5)
        return "slow"

    @definitions.process("order", signals={"approved": {"type": "object"}})
    async def order(ctx: ProcessContext, sku: str = "lamp"):
        price = await ctx.step("price", note, "price of " + sku)
        return [price, await ctx.wait_signal("approved")]

    @definitions.process("busy")
    async def busy(ctx: ProcessContext):
        await ctx.step("slow", slow)
        await ctx.sleep(0.2)
        return await ctx.step("done", note, "done")

    @definitions.process("parent")
    async def parent(ctx: ProcessContext):
        child = await ctx.start("grand", {"depth": 2})
        return await child.result()

    @definitions.process("grand")
    async def grand(ctx: ProcessContext, depth):
        if depth == 0:
            return await ctx.step("leaf", note, "leaf")
        child = await ctx.start("grand", {"depth": depth - 1})
        await ctx.sleep(0.01)
        return await child.result()
"""


@pytest.fixture
def file(write_file: WriteFile) -> Path:
    return write_file(SOURCE.replace("\\\\n", "\\n"), "shop.py")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def ran(file: Path) -> list[str]:
    return file.with_name("ran.txt").read_text().splitlines()


def states(db: Path) -> dict[str, str]:
    async def read() -> dict[str, str]:
        async with open_sqlite(db) as stores:
            found: dict[str, str] = {}
            for process_id in ("o", "p", "q"):
                record = await stores.registry.get_process(process_id)
                if record is not None:
                    found[process_id] = record.status.label
            return found

    return trio.run(read)


def test_the_same_command_again_is_the_same_process(invoke: Invoke, file: Path, db: Path) -> None:
    command = ("run", file, "order", "--db", db, "--id", "o", "--signal", 'approved={"n": 1}')
    for _ in range(2):
        done = invoke(*command)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout) == ["price of lamp", {"n": 1}]
    assert ran(file) == ["price of lamp"], "what is recorded does not run again"
    events = json.loads(invoke("events", "o", "--db", db, "--json").stdout)
    assert sum(event["event_type"] == "signal.approved" for event in events) == 1
    other = invoke(*command, "--args", '{"sku": "moon"}')
    assert other.exit_code == 2
    assert "'o'" in other.stderr


def test_what_start_has_begun_goes_on(invoke: Invoke, file: Path, db: Path) -> None:
    assert invoke("start", f"{file}:busy", "--id", "p", "--db", db).exit_code == 0
    assert json.loads(invoke("run", file, "busy", "--db", db, "--id", "p").stdout) == "done"


def test_children_run_and_other_processes_of_the_file_do_not(
    invoke: Invoke, file: Path, db: Path
) -> None:
    for process_id in ("a", "q", "z"):
        invoke("start", f"{file}:busy", "--id", process_id, "--db", db)
    done = invoke("run", file, "parent", "--db", db, "--id", "p")
    assert json.loads(done.stdout) == "leaf"
    assert ran(file) == ["leaf"]
    assert states(db) == {"p": "completed", "q": "running"}


def test_children_that_it_finds_in_the_file_run(invoke: Invoke, file: Path, db: Path) -> None:
    """As after a crash: nobody pokes for them."""

    async def fill() -> None:
        definitions = load_definitions(str(file), "parent")
        async with open_sqlite(db) as stores:
            mine = ProcessProvenance.host("lash-trio")
            start = StartRequest(id="p", provenance=mine)
            await stores.registry.register_process(definitions.registration("parent", {}, start))
            host = stores.host()
            parts = RuntimeParts(
                registry=stores.registry,
                host=host,
                worker=WorkerOptions(drain_grace_seconds=0),
            )
            async with Runtime(definitions, parts) as runtime:
                while len(await runtime.list()) < 3:
                    await trio.lowlevel.checkpoint()

    trio.run(fill)
    done = invoke("run", file, "parent", "--db", db, "--id", "p")
    assert json.loads(done.stdout) == "leaf"


def test_killed_it_goes_on(invoke: Invoke, file: Path, db: Path) -> None:
    with running("run", file, "order", "--db", db, "--id", "o") as program:
        program.read_until("waits for the signal")
        program.process.kill()
    assert states(db) == {"o": "running"}

    # In place of the time that its leases last.
    connection = apsw.Connection(str(db))
    connection.execute("UPDATE processes SET expires_at_ms = 1")
    connection.execute("UPDATE scope_leases SET expires_at_ms = 1")
    connection.close()
    done = invoke("run", file, "order", "--db", db, "--id", "o", "--signal", "approved={}")
    assert json.loads(done.stdout) == ["price of lamp", {}]
    assert ran(file) == ["price of lamp"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_lets_a_step_finish_and_stays(
    number: signal.Signals, status: int, invoke: Invoke, file: Path, db: Path
) -> None:
    with running("run", file, "busy", "--db", db, "--id", "p") as program:
        while not file.with_name("ran.txt").exists():
            assert program.process.poll() is None
            time.sleep(0.01)
        assert program.end(number) == (status, "")
    assert "letting steps that run finish (once more stops at once)" in program.said
    assert re.search(rf"p: has not ended.*, and stays in {db}\n", program.said)
    assert states(db) == {"p": "running"}
    assert json.loads(invoke("run", file, "busy", "--db", db, "--id", "p").stdout) == "done"
    assert ran(file) == ["slow", "done"]


def test_it_follows_one_that_another_worker_runs(invoke: Invoke, file: Path, db: Path) -> None:
    with running("worker", file, "--db", db) as worker:
        worker.read_until("works on")
        invoke("start", f"{file}:busy", "--id", "p", "--db", db)
        while "p" not in states(db) or not file.with_name("ran.txt").exists():
            assert worker.process.poll() is None
            time.sleep(0.01)
        done = invoke("run", file, "busy", "--db", db, "--id", "p")
        assert json.loads(done.stdout) == "done"
        worker.end(signal.SIGTERM)
    assert ran(file) == ["slow", "done"]


def test_a_file_that_cannot_be_used(invoke: Invoke, file: Path, db: Path) -> None:
    done = invoke("run", file, "busy", "--db", db.parent / "nowhere" / "x.db")
    assert done.exit_code == 4
    assert "there is no directory" in done.stderr
    db.write_text("not a database, but a text of some length")
    done = invoke("run", file, "busy", "--db", db)
    assert done.exit_code == 4
    assert os.fspath(db) in done.stderr
