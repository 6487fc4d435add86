"""A worker that is stopped for longer than its lease lasts, and goes on then."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import trio

from lash_trio import ProcessProvenance, ProcessSuccess, StartRequest
from lash_trio.stores.sqlite import open_sqlite
from tests.crash.program import TTL_MS, definitions
from tests.crash.workers import Workers, wait_until


async def add(path: Path) -> None:
    async with open_sqlite(path) as stores:
        start = StartRequest(id="p", provenance=ProcessProvenance.host("tests"))
        await stores.registry.register_process(definitions.registration("stuck", {}, start))


async def end_of(path: Path) -> tuple[object, list[str]]:
    async with open_sqlite(path) as stores:
        record = await stores.registry.get_process("p")
        assert record is not None
        events = await stores.registry.events_after("p", 0)
        return record.status.await_output, [event.event_type for event in events]


def test_what_a_stopped_worker_writes_when_it_goes_on_is_refused(tmp_path: Path) -> None:
    until = time.time() + 3 * TTL_MS / 1000 + 1
    with Workers(tmp_path, STUCK_UNTIL=str(until)) as workers:
        trio.run(add, workers.path)
        first = workers.start()
        wait_until(lambda: recorded_in(workers) == 1)
        os.kill(first, signal.SIGSTOP)
        second = workers.start()
        wait_until(lambda: leased_under(workers) == 2)
        # Late enough for both to want to end the process at once.
        wait_until(lambda: time.time() > until - 0.1)
        os.kill(first, signal.SIGCONT)
        wait_until(lambda: workers.running() == 0)
        # The first had every chance to write by now.
        time.sleep(TTL_MS / 1000)
        ran = [(step, token, int(pid)) for _, step, token, _, pid in workers.words("ran")]
    output, events = trio.run(end_of, workers.path)
    assert output == ProcessSuccess(value=f"by {second}")
    assert events == ["process.completed"]
    # "first" was recorded by the first owner, and never ran again; of "second" only the
    # new owner's outcome counts, whoever came to run it.
    assert [each for each in ran if each[0] == "first"] == [("first", "1", first)]
    assert ("second", "2", second) in ran


def recorded_in(workers: Workers) -> int:
    ((count,),) = workers.query("SELECT count(*) FROM journal")
    return int(str(count))


def leased_under(workers: Workers) -> int:
    ((token,),) = workers.query("SELECT fencing_token FROM processes")
    return int(str(token))
