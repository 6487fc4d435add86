"""A worker that is killed again and again, on one file."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import apsw
import trio

from lash_trio import (
    ProcessFailure,
    ProcessListFilter,
    ProcessStatusFilter,
    ProcessSuccess,
)
from lash_trio.stores.sqlite import open_sqlite

PROCESSES = 6
STEPS = 8

WORKER = f"""
import os, sys, trio
from lash_trio import (
    ProcessContext, ProcessDefinitions, Runtime, RuntimeParts, WorkerOptions,
)
from lash_trio.stores.sqlite import SqliteOptions, open_sqlite

definitions = ProcessDefinitions()
lines = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@definitions.process("chain", signals=["go"])
async def chain(ctx: ProcessContext) -> int:
    total = 0

    async def step(n: int) -> int:
        os.write(lines, f"{{ctx.process_id}} {{n}}\\n".encode())
        await trio.sleep(0.005)
        return n

    for n in range({STEPS}):
        total += await ctx.step(f"step-{{n}}", step, n)
    await ctx.sleep(0.05)
    return total + await ctx.wait_signal("go")


async def main() -> None:
    options = SqliteOptions(lease_ttl_ms=300)
    async with open_sqlite(sys.argv[1], options) as stores:
        worker = WorkerOptions(lease_ttl_ms=300, poll_seconds=0.05)
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), worker=worker)
        async with Runtime(definitions, parts) as runtime:
            handles = []
            for n in range({PROCESSES}):
                handle = await runtime.start(chain, id=f"p{{n}}")
                await handle.signal("go", 1000, signal_id="once")
                handles.append(handle)
            for handle in handles:
                await handle.output()


trio.run(main)
"""


def recorded_steps(path: Path) -> set[str]:
    """Which steps have an outcome in the file, as ``p1 3``."""
    if not path.exists():
        return set()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        rows = connection.execute(
            "SELECT scope_leases.scope, replay_key FROM journal"
            " JOIN scope_leases ON scope_leases.number = journal.scope"
            " WHERE outcome IS NOT NULL AND replay_key LIKE 'step-%'"
        ).fetchall()
    except apsw.SQLError:
        # Killed before there was a table.
        return set()
    finally:
        connection.close()
    return {f"{str(scope).split('process_id')[1][3:5]} {str(key)[5:-2]}" for scope, key in rows}


def test_killed_again_and_again_every_process_ends_once(tmp_path: Path) -> None:
    path, lines = tmp_path / "x.db", tmp_path / "lines.txt"
    lines.touch()
    chance = random.Random(20)
    kills = 0
    while True:
        before, known = lines.read_text(), recorded_steps(path)
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(lines)])
        # In the middle of its work, wherever that is: when it has begun a few more steps.
        enough = before.count("\n") + chance.randint(1, 5)
        pause = chance.uniform(0, 0.02)
        while worker.poll() is None and lines.read_text().count("\n") < enough:
            time.sleep(0.002)
        time.sleep(pause)
        if worker.poll() is None:
            os.kill(worker.pid, signal.SIGKILL)
            kills += 1
        ended = worker.wait() == 0
        new = lines.read_text()[len(before) :].split("\n")
        again = known & set(new)
        assert not again, f"recorded steps ran again after kill {kills}: {again}"
        if ended:
            break
        assert kills < 60, "it never gets to the end"

    ran = Counter(lines.read_text().split("\n")[:-1])
    assert set(ran) == {f"p{p} {n}" for p in range(PROCESSES) for n in range(STEPS)}
    trio.run(check_ends, path)
    print(f"{kills} kills, {sum(ran.values())} runs of {len(ran)} steps")
    assert kills >= 5


async def check_ends(path: Path) -> None:
    async with open_sqlite(path) as stores:
        everything = ProcessListFilter(status=ProcessStatusFilter.ANY)
        records = await stores.registry.list_processes(everything)
        assert [record.id for record in records] == [f"p{n}" for n in range(PROCESSES)]
        for record in records:
            output = record.status.await_output
            assert not isinstance(output, ProcessFailure), output
            assert isinstance(output, ProcessSuccess)
            assert output.value == sum(range(STEPS)) + 1000
            events = await stores.registry.events_after(record.id, 0)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert sum(event.event_type == "signal.go" for event in events) == 1
            assert sum(event.semantics.terminal is not None for event in events) == 1
