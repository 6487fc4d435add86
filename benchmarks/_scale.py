"""What stays as it is where there is very much: events, processes, parked processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import attrs
import trio

from lash_trio import (
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRegistration,
)
from lash_trio.stores.sqlite import SqliteOptions, SqliteStores, Synchronous, open_sqlite

CHECKOUT = Path(__file__).resolve().parents[1]
EVENT = "signal.go"
# What the disk does is not what this is about.
OPTIONS = SqliteOptions(synchronous=Synchronous.NORMAL)
_PAGE = 50
_TURNS = 5


@attrs.frozen(kw_only=True)
class Finding:
    """One figure, and the same for little where there is such a thing.

    Args:
        what: was measured.
        unit: ``s`` or ``bytes``.
        little: the figure in a new file, or None.
        much: the figure in a file with ``count``.
        count: how many there are.
    """

    what: str
    unit: str = "s"
    little: float | None = None
    much: float
    count: int


def measure_events(count: int, samples: int) -> list[Finding]:
    """A process with ``count`` events against one with none but those that are measured."""

    async def measured(path: Path, existing: int, turn: int) -> dict[str, float]:
        started = time.perf_counter()
        async with open_sqlite(path, OPTIONS) as stores:
            registry = stores.registry
            await registry.get_process("p")
            start_up = time.perf_counter() - started
            event = ProcessEventAppendRequest(event_type=EVENT, payload=1)
            append = await median(samples, lambda _: registry.append_event("p", event))
            last = existing + samples
            nth = await median(
                samples,
                # All over the log, in no order that helps.
                lambda n: registry.wait_event_nth("p", EVENT, 1 + n * 7919 % last),
            )
            recent = await median(samples, lambda _: registry.recent_events("p", _PAGE))
        return {
            "open the file, and one process": start_up,
            "append": append,
            "wait for the nth event, which is there": nth,
            f"the last {_PAGE} events": recent,
        }

    async def fill(stores: SqliteStores) -> None:
        await stores.registry.register_process(registration("p"))

    def sql(connection: apsw.Connection) -> None:
        # What appends would have written, in a fraction of the time.
        connection.execute(
            "INSERT INTO events (process, sequence, type, ordinal, payload, occurred_at_ms)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " SELECT (SELECT number FROM processes WHERE id = 'p'), i, ?, i, '1', i FROM n",
            (count, EVENT),
        )

    return _compare("events of one process", count, fill, sql, measured)


def measure_processes(count: int, samples: int) -> list[Finding]:
    """A file with ``count`` processes against one with those that are measured."""

    async def measured(path: Path, existing: int, turn: int) -> dict[str, float]:
        started = time.perf_counter()
        async with open_sqlite(path, OPTIONS) as stores:
            registry = stores.registry
            await registry.list_page(ProcessListFilter(), limit=_PAGE)
            start_up = time.perf_counter() - started
            register = await median(
                samples, lambda n: registry.register_process(registration(f"new-{turn}-{n}"))
            )
            event = ProcessEventAppendRequest(event_type=EVENT, payload=1)
            append = await median(
                samples, lambda n: registry.append_event(f"new-{turn}-{n}", event)
            )
            get = await median(samples, lambda n: registry.get_process(f"new-{turn}-{n}"))
            after = f"p-{existing // 2:07}"
            page = await median(
                samples,
                lambda _: registry.list_page(ProcessListFilter(), after=after, limit=_PAGE),
            )
            vacuum = await median(1, lambda _: stores.vacuum(older_than_ms=0))
        return {
            "open the file, and the first page": start_up,
            "register": register,
            "append": append,
            "get": get,
            f"a page of {_PAGE} in the middle": page,
            "vacuum that finds nothing": vacuum,
        }

    async def fill(stores: SqliteStores) -> None:
        # A page of them is there in the little file too.
        for number in range(2 * _PAGE):
            await stores.registry.register_process(registration(f"p-{number:07}"))

    def sql(connection: apsw.Connection) -> None:
        connection.execute(
            "INSERT INTO processes (id, registration, registration_hash, created_at_ms,"
            " updated_at_ms, state, status)"
            " WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)"
            " SELECT printf('p-%07d', i),"
            " replace(registration, '\"p-0000000\"', printf('\"p-%07d\"', i)),"
            " registration_hash, created_at_ms, updated_at_ms, state, status"
            " FROM n, processes WHERE id = 'p-0000000' AND ?1 <= ?2",
            (2 * _PAGE, count - 1),
        )

    return _compare("processes in one file", count, fill, sql, measured)


def measure_parked(count: int) -> list[Finding]:
    """How long parked processes take to come back, and what they hold of the memory."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "parked.db"
        _parked(path, count, loaded=0)
        alone = _parked(Path(directory) / "alone.db", 1, loaded=0)
        loaded = _parked(path, count, loaded=count)
        unloaded = _parked(path, count, loaded=0)
    return [
        Finding(what="recover parked processes, all loaded", much=loaded["seconds"], count=count),
        Finding(what="recover parked processes, unloaded", much=unloaded["seconds"], count=count),
        Finding(what="memory a parked process", unit="bytes", much=loaded["bytes"], count=count),
        Finding(
            what="memory a parked process, unloaded",
            unit="bytes",
            much=unloaded["bytes"],
            count=count,
        ),
        Finding(
            what="start a process beside parked ones, to its end",
            little=alone["start"],
            much=unloaded["start"],
            count=count,
        ),
    ]


def registration(process_id: str) -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("benchmark"),
        event_types=[ProcessEventType(name=EVENT)],
    )


async def median(samples: int, call: Callable[[int], Awaitable[object]]) -> float:
    """The median time of a call, in seconds; the call gets the number of the sample."""
    times: list[float] = []
    for number in range(samples):
        started_ns = time.perf_counter_ns()
        await call(number)
        times.append((time.perf_counter_ns() - started_ns) / 1e9)
    return statistics.median(times)


def _compare(
    what: str,
    count: int,
    fill: Callable[[SqliteStores], Awaitable[None]],
    sql: Callable[[apsw.Connection], None],
    measured: Callable[[Path, int, int], Awaitable[dict[str, float]]],
) -> list[Finding]:
    async def made(path: Path) -> None:
        async with open_sqlite(path, OPTIONS) as stores:
            await fill(stores)

    with tempfile.TemporaryDirectory() as directory:
        little, much = Path(directory) / "little.db", Path(directory) / "much.db"
        trio.run(made, little)
        trio.run(made, much)
        connection = apsw.Connection(str(much))
        sql(connection)
        connection.close()
        # In turn, as a machine has slow seconds; the first one is for nothing.
        turns = [
            (trio.run(measured, little, 0, turn), trio.run(measured, much, count, turn))
            for turn in range(_TURNS + 1)
        ][1:]
    return [
        Finding(
            what=f"{what}: {name}",
            little=statistics.median(of_little[name] for of_little, _ in turns),
            much=statistics.median(of_much[name] for _, of_much in turns),
            count=count,
        )
        for name in turns[0][0]
    ]


def _parked(path: Path, count: int, *, loaded: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._parked", str(path), str(count), str(loaded)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
