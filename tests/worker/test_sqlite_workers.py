"""Workers on one SQLite file: leases, dispositions, unloading.  In real time, in short."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
import trio

from lash_trio import (
    EffectScope,
    JsonValue,
    ProcessCancellation,
    ProcessContext,
    ProcessDefinitions,
    ProcessFailure,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ProcessSuccess,
    Runtime,
    RuntimeParts,
    WorkerOptions,
)
from lash_trio.stores.sqlite import (
    SqliteOptions,
    SqliteProcessRegistry,
    SqliteStores,
    open_sqlite,
)
from lash_trio.worker._timetable import Timetable

TTL_MS = 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


def real_time(function: Callable[[], Awaitable[None]]) -> None:
    """Run a test in real time; what takes 20 s hangs."""

    async def main() -> None:
        with trio.fail_after(20):
            await function()

    trio.run(main)


async def until(is_so: Callable[[], bool]) -> None:
    """Look again and again: what happens is in other threads and programs."""
    while not is_so():  # noqa: ASYNC110
        await trio.sleep(0.01)


@asynccontextmanager
async def running(
    path: Path, definitions: ProcessDefinitions, *, owner_id: str | None = None, **options: int
) -> AsyncGenerator[Runtime]:
    """A runtime with a connection of its own, as another program would have it."""
    chosen = WorkerOptions(
        lease_ttl_ms=options.pop("ttl_ms", TTL_MS),
        poll_seconds=options.pop("poll_seconds", 0.05),
        drain_grace_seconds=0,
        **options,
    )
    async with open_sqlite(path, SqliteOptions(lease_ttl_ms=TTL_MS, poll_seconds=0.01)) as stores:
        parts = RuntimeParts(
            registry=stores.registry, host=stores.host(), worker=chosen, owner_id=owner_id
        )
        async with Runtime(definitions, parts) as runtime:
            yield runtime


def leases(path: Path) -> list[tuple[str, int, int | None]]:
    """Of every process: its id, its fencing token, when its lease ends."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute("SELECT id, fencing_token, expires_at_ms FROM processes ORDER BY id")
    found = [(str(i), int(str(t)), None if e is None else int(str(e))) for i, t, e in rows]
    connection.close()
    return found


def test_a_busy_event_loop_loses_no_lease(path: Path) -> None:
    definitions = ProcessDefinitions()
    seen: list[tuple[str, int, int | None]] = []

    async def nothing() -> None: ...

    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> str:
        for _ in range(4):
            # Nothing else runs here meanwhile, for longer than a lease lasts.
            time.sleep(TTL_MS / 1000 * 0.75)  # noqa: ASYNC251
        seen.extend(leases(path))
        await ctx.step("after", nothing)
        return "done"

    async def main() -> None:
        async with running(path, definitions) as runtime:
            handle = await runtime.start(busy, id="p")
            assert await handle.result() == "done"

    real_time(main)
    ((_, token, expires_at_ms),) = seen
    assert token == 1
    assert expires_at_ms is not None
    ((_, token, expires_at_ms),) = leases(path)
    assert (token, expires_at_ms) == (1, None), "it was not taken over, and is given back"


def test_a_lost_lease_stops_the_run(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    definitions = ProcessDefinitions()
    ran = 0

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> int:
        nonlocal ran
        ran += 1
        if ran == 1:
            await trio.sleep_forever()
        return ran

    async def main() -> None:
        async with running(path, definitions, owner_id="me") as runtime:
            handle = await runtime.start(p, id="p")
            await until(lambda: ran > 0)
            connection = apsw.Connection(str(path))
            connection.execute("UPDATE processes SET expires_at_ms = 1")
            connection.execute("UPDATE scope_leases SET expires_at_ms = 1")
            connection.close()
            assert await handle.result() == 2

    real_time(main)
    assert [token for _, token, _ in leases(path)] == [2]
    (stopped,) = [r for r in caplog.records if "is stopped here" in r.getMessage()]
    assert stopped.levelno == logging.WARNING
    ids = {name: getattr(stopped, name) for name in ("process_id", "owner_id", "fencing_token")}
    assert ids == {"process_id": "p", "owner_id": "me", "fencing_token": 1}


def test_all_leases_are_renewed_in_one_transaction(path: Path) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    async def main() -> None:
        async with running(path, definitions, ttl_ms=1500) as runtime:
            for number in range(200):
                await runtime.start(p, id=f"p{number}")
            await until(lambda: runtime.worker.statistics().parked >= 200)
            await trio.sleep(0.6)
            assert isinstance(runtime.registry, SqliteProcessRegistry)
            held = await runtime.registry.list_leases()
            assert len({lease.claimed_at_epoch_ms for lease in held}) > 2, "one after the other"
            assert len({lease.expires_at_epoch_ms for lease in held}) == 1
            assert held[-1].expires_at_epoch_ms > held[-1].claimed_at_epoch_ms + 1500

    real_time(main)


def test_recovery_starts_when_the_lease_ends(path: Path) -> None:
    """Not at the next poll, which would be an hour later."""
    definitions = ProcessDefinitions()

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        return "done"

    async def main() -> None:
        async with open_sqlite(path) as stores:
            await stores.registry.register_process(registration_of(definitions, "p"))
            lease = await stores.registry.claim_process_lease("p", "dead", 500)
        async with running(path, definitions, poll_seconds=3600) as runtime:
            await runtime.registry.await_process("p")
            record = await runtime.registry.get_process("p")
            assert record is not None
            assert 0 <= record.updated_at_ms - lease.expires_at_epoch_ms < 400

    real_time(main)


def registration_of(definitions: ProcessDefinitions, name: str) -> ProcessRegistration:
    return ProcessRegistration(
        id="p",
        input=ProcessInput.function(name),
        event_types=definitions.get(name).event_types,
        provenance=ProcessProvenance.host("tests"),
    )


def test_the_scope_of_a_dead_owner_is_waited_for_no_longer_than_it_lives(path: Path) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        await ctx.sleep(0)
        return "done"

    async def main() -> None:
        async with open_sqlite(path) as stores:
            await stores.registry.register_process(registration_of(definitions, "p"))
        async with open_sqlite(path, SqliteOptions(lease_ttl_ms=700)) as stores:
            async with stores.journal.open_scope(EffectScope.process("p"), "dead"):
                lease = await stores.journal.lease_of(EffectScope.process("p"))
                assert lease is not None
                stores.journal._renewer.remove(lease)
                async with running(path, definitions, poll_seconds=3600) as runtime:
                    await runtime.registry.await_process("p")
                    record = await runtime.registry.get_process("p")
                    assert record is not None
                    assert 0 <= record.updated_at_ms - lease.expires_at_epoch_ms < 400

    real_time(main)


def shop(path: Path, name: str) -> ProcessDefinitions:
    """Definitions of each disposition, for one of several workers."""
    definitions = ProcessDefinitions()

    async def note(what: str) -> str:
        with (path.parent / "ran.txt").open("a") as file:
            file.write(f"{what} {name}\n")
        return name

    @definitions.process("rerunnable", signals=["go"])
    async def rerunnable(ctx: ProcessContext) -> JsonValue:
        first = await ctx.step("note", note, "rerunnable")
        await ctx.wait_signal("go")
        return [first, await ctx.step("again", note, "again")]

    @definitions.process("bound", signals=["go"], rerun="owner_bound")
    async def bound(ctx: ProcessContext) -> JsonValue:
        await ctx.step("note", note, "bound")
        return await ctx.wait_signal("go")

    @definitions.process("outside", rerun="external")
    async def outside(ctx: ProcessContext) -> None:
        await note("outside")

    return definitions


async def waits(stores: SqliteStores | Runtime, *process_ids: str) -> None:
    """Until processes wait, by their rows."""
    for process_id in process_ids:
        while True:
            record = await stores.registry.get_process(process_id)
            if record is not None and record.wait is not None:
                break
            await trio.sleep(0.01)


def test_dispositions_when_the_owner_is_gone(path: Path) -> None:
    async def main() -> None:
        one, other = shop(path, "one"), shop(path, "other")
        async with running(path, one, owner_id="one") as runtime:
            for name in ("rerunnable", "bound", "outside"):
                await runtime.start(name, id=name)
            await waits(runtime, "rerunnable", "bound")
        async with running(path, other, owner_id="other") as runtime:
            output = await (await runtime.get("bound")).output()
            assert isinstance(output, ProcessFailure)
            assert output.code == "process_abandoned"
            handle = await runtime.get("rerunnable")
            await handle.signal("go")
            assert await handle.result() == ["one", "other"]
            record = await (await runtime.get("outside")).record()
            assert not record.is_terminal
            await trio.sleep(0.1)
            left_alone = runtime.worker.statistics().left_alone
            assert left_alone == {"outside": "it is external: no worker runs it"}

    real_time(main)
    ran = (path.parent / "ran.txt").read_text().splitlines()
    assert sorted(ran) == ["again other", "bound one", "rerunnable one"]


def test_two_workers_at_once_share_the_dispositions(path: Path) -> None:
    """While its owner lives, nobody else touches an owner-bound process."""

    async def main() -> None:
        async with running(path, shop(path, "one"), owner_id="one") as runtime:
            handle = await runtime.start("bound", id="bound")
            await waits(runtime, "bound")
            async with running(path, shop(path, "other"), owner_id="other"):
                await trio.sleep(3 * TTL_MS / 1000)
                await handle.signal("go", "x")
                assert await handle.output() == ProcessSuccess(value="x")

    real_time(main)
    assert leases(path) == [("bound", 1, None)]


def test_unloaded_processes_come_back_for_what_another_program_sends(path: Path) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("signal", signals=["go"])
    async def signal(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    @definitions.process("nap")
    async def nap(ctx: ProcessContext) -> str:
        await ctx.sleep(1.5)
        return "woke"

    @definitions.process("end")
    async def end(ctx: ProcessContext) -> JsonValue:
        return str((await ctx.await_process("s0")).terminal_state)

    async def main() -> None:
        async with running(
            path, definitions, max_loaded_parked=2, poll_seconds=3600, ttl_ms=30_000
        ) as runtime:
            for number in range(20):
                await runtime.start(signal, id=f"s{number}")
            await runtime.start(nap, id="nap")
            await runtime.start(end, id="end")
            await until(lambda: runtime.worker.statistics().unloaded >= 20)
            assert sum(expires is not None for _, _, expires in leases(path)) == 2
            assert runtime.worker.statistics().parked == 2
            async with open_sqlite(path) as outside:
                elsewhere = Runtime(definitions, RuntimeParts(registry=outside.registry))
                await (await elsewhere.get("s0")).signal("go", "first")
                await (await elsewhere.get("s3")).signal("go", "other")
                await (await elsewhere.get("s4")).cancel("enough")
            with trio.fail_after(5):
                assert await (await runtime.get("s0")).result() == "first"
                assert await (await runtime.get("s3")).result() == "other"
                assert await (await runtime.get("end")).result() == "completed"
                assert await (await runtime.get("nap")).result() == "woke"
                output = await (await runtime.get("s4")).output()
                assert isinstance(output, ProcessCancellation)

    real_time(main)


def test_a_worker_starts_beside_many_that_wait_without_loading_them(path: Path) -> None:
    definitions = ProcessDefinitions()
    loads = 0

    @definitions.process("signal", signals=["go"])
    async def signal(ctx: ProcessContext) -> JsonValue:
        nonlocal loads
        loads += 1
        return await ctx.wait_signal("go")

    async def main() -> None:
        nonlocal loads
        async with running(path, definitions, max_loaded_parked=0, ttl_ms=30_000) as runtime:
            for number in range(700):
                await runtime.start(signal, id=f"s{number}")
            await until(lambda: runtime.worker.statistics().unloaded >= 700)
        loads = 0
        async with running(path, definitions, max_loaded_parked=5, ttl_ms=30_000) as runtime:
            await until(lambda: runtime.worker.statistics().unloaded >= 695)
            handle = await runtime.get("s650")
            await handle.signal("go", "x")
            assert await handle.result() == "x"
            assert loads == 6

    real_time(main)


def test_what_another_worker_has_parked_comes_back_here(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the row alone: this worker never looks at what only waits."""
    definitions = ProcessDefinitions()

    @definitions.process("signal", signals=["go"])
    async def signal(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    @definitions.process("nap")
    async def nap(ctx: ProcessContext) -> str:
        await ctx.sleep(1.2)
        return "woke"

    async def main() -> None:
        async with running(path, definitions, max_loaded_parked=0) as gone:
            await gone.start(signal, id="p")
            await gone.start(nap, id="q")
            await until(lambda: gone.worker.statistics().unloaded >= 2)
        monkeypatch.setattr(Timetable, "is_everything_due", lambda _: False)
        async with running(path, definitions) as here:
            await trio.sleep(0.2)
            statistics = here.worker.statistics()
            assert (statistics.parked, statistics.unloaded) == (0, 0), "it knows nothing of them"
            await (await here.get("p")).signal("go", "x")
            assert await (await here.get("p")).result() == "x"
            assert await (await here.get("q")).result() == "woke"

    real_time(main)


def test_what_others_hold_is_told(path: Path) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    async def main() -> None:
        async with running(path, definitions, owner_id="one") as runtime:
            await runtime.start(p, id="p")
            await waits(runtime, "p")
            async with running(path, definitions, owner_id="other") as other:
                await until(lambda: "p" in other.worker.statistics().left_alone)
                why = other.worker.statistics().left_alone["p"]
                assert why.startswith("it is leased to 'one' for another ")
            await (await runtime.get("p")).signal("go")
            await (await runtime.get("p")).result()

    real_time(main)
