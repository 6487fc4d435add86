"""Workers that are killed at random moments, hundreds of times, two of them on one file."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
import trio

from lash_trio import (
    EffectScope,
    ProcessEventAppendRequest,
    ProcessListFilter,
    ProcessProvenance,
    ProcessStatusFilter,
    ProcessSuccess,
    StartRequest,
)
from lash_trio.stores.sqlite import open_sqlite
from tests.crash.program import STEPS, definitions
from tests.crash.workers import Workers, wait_until
from tests.property.support import is_thorough

JOBS = 8
"""In one batch; when it has ended there is another one."""


async def add_jobs(path: Path, batch: int) -> None:
    async with open_sqlite(path) as stores:
        for number in range(JOBS):
            start = StartRequest(
                id=f"job-{batch}-{number}", provenance=ProcessProvenance.host("tests")
            )
            await stores.registry.register_process(definitions.registration("job", {}, start))


async def send_rest(path: Path) -> None:
    """What the jobs that run have not got yet."""
    async with open_sqlite(path) as stores:
        for record in await stores.registry.list_processes(ProcessListFilter(definition="job")):
            for _ in range(2):
                await stores.registry.append_event(
                    record.id, ProcessEventAppendRequest(event_type="signal.go", payload="rest")
                )


def kill_again_and_again(workers: Workers, kills: int, chance: random.Random) -> int:
    """Kill workers until there were so many, and all that was begun has ended; count them."""
    done = batch = 0
    trio.run(add_jobs, workers.path, batch)
    for _ in range(2):
        workers.start()
    while done < kills:
        # Somewhere in the middle of their work: when they have written some lines more.
        written = workers.lines.stat().st_size + chance.randint(0, 300)
        patience = time.monotonic() + 0.3
        while workers.lines.stat().st_size < written and time.monotonic() < patience:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.02))
        workers.kill(chance.choice(workers.alive))
        done += 1
        workers.start()
        if done % 5 == 0 and workers.running() <= 2 * JOBS:
            batch += 1
            trio.run(add_jobs, workers.path, batch)
    trio.run(send_rest, workers.path)
    wait_until(lambda: workers.running() == 0, 60)
    return done


@pytest.mark.property
def test_killed_at_random_moments(tmp_path: Path) -> None:
    kills = 3000 if is_thorough() else 200
    with Workers(tmp_path) as workers:
        done = kill_again_and_again(workers, kills, random.Random(kills))
        ran, sent = workers.words("ran"), workers.words("sent")
        check_owners(ran)
        owners = workers.query("SELECT sum(fencing_token), count(*) FROM processes")
    check_steps(trio.run(read_recorded, workers.path), ran)
    processes = trio.run(check_ends, workers.path)
    trio.run(check_signals, workers.path, sent)
    ((claims, rows),) = owners
    print(
        f"{done} kills: {rows} processes ended once in {claims} runs, {len(ran)} runs of "
        f"{len({(p, s) for p, s, *_ in ran})} steps, {len(sent)} signals acknowledged and there"
    )
    assert len(processes) == rows
    assert int(str(claims)) > int(str(rows)) + done / 10, "the kills hit processes that ran"
    assert sent


async def read_recorded(path: Path) -> dict[tuple[str, str], int]:
    """When each step of each process was recorded, in milliseconds since the epoch."""
    recorded: dict[tuple[str, str], int] = {}
    async with open_sqlite(path) as stores:
        every = ProcessListFilter(status=ProcessStatusFilter.ANY)
        for record in await stores.registry.list_processes(every):
            for entry in await stores.journal.entries_of(EffectScope.process(record.id)):
                step = entry.replay_key.rpartition("/")[2].rpartition("#")[0]
                if entry.outcome is not None:
                    recorded[record.id, step] = entry.recorded_at_ms
    return recorded


def check_steps(recorded: dict[tuple[str, str], int], ran: list[list[str]]) -> None:
    """Every step ran, and none once its outcome was recorded."""
    for process_id, step, _, at_ns, _ in ran:
        late_ms = int(at_ns) // 1_000_000 - recorded[process_id, step]
        assert late_ms <= 0, f"{step} of {process_id} ran {late_ms} ms after it was recorded"
    expected = {f"s{n}" for n in range(STEPS)} | {"n0", "n1", "n2"}
    steps: dict[str, set[str]] = {}
    for process_id, step, *_ in ran:
        steps.setdefault(process_id, set()).add(step)
    for process_id, names in steps.items():
        assert names == (expected if "/" not in process_id else {"c0", "c1"}), process_id


def check_owners(ran: list[list[str]]) -> None:
    """One owner at a time: nobody works after a later owner has begun to."""
    newest: dict[str, tuple[int, str]] = {}
    for process_id, step, token, _, pid in ran:
        last, owner = newest.get(process_id, (0, pid))
        assert int(token) >= last, f"{step} of {process_id} was run by a stale owner"
        assert int(token) > last or pid == owner, f"{process_id}: two owners, one token"
        newest[process_id] = (int(token), pid)


async def check_ends(path: Path) -> list[str]:
    """Every process has ended, once, with a log without gaps."""
    async with open_sqlite(path) as stores:
        every = ProcessListFilter(status=ProcessStatusFilter.ANY)
        records = await stores.registry.list_processes(every)
        for record in records:
            events = await stores.registry.events_after(record.id, 0)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert sum(event.semantics.terminal is not None for event in events) == 1
            output = record.status.await_output
            assert isinstance(output, ProcessSuccess), (record.id, output)
            if "/" not in record.id:
                signals = [e.payload for e in events if e.event_type == "signal.go"]
                assert output.value == [signals[:2], "child"]
            assert record.wait is None
        children = [record.id for record in records if "/" in record.id]
        assert 2 * len(children) == len(records), "each job has found its child again"
        return [record.id for record in records]


async def check_signals(path: Path, sent: list[list[str]]) -> None:
    """What was acknowledged is in the log, once."""
    async with open_sqlite(path) as stores:
        logs: dict[str, Counter[object]] = {}
        for process_id, payload in sent:
            if process_id not in logs:
                events = await stores.registry.events_after(process_id, 0)
                logs[process_id] = Counter(
                    event.payload for event in events if event.event_type == "signal.go"
                )
            assert logs[process_id][payload] == 1, (process_id, payload)
