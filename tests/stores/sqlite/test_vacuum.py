"""Deleting what ended long ago, and reading what a file holds beside its ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest

from lash_trio import (
    AttachmentCreateMeta,
    EffectScope,
    FunctionInput,
    InvalidValueError,
    JsonValue,
    PluginError,
    ProcessAwaitOutput,
    ProcessCausalRef,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessExternalRef,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRegistration,
    ProcessStatusFilter,
    ReplayingEffectHost,
    SessionScope,
    StoreError,
    to_json,
)
from lash_trio.stores.sqlite import (
    SqliteArtifactStore,
    SqliteAttachmentStore,
    SqliteDatabase,
    SqliteEffectJournal,
    SqliteOptions,
    SqliteProcessRegistry,
    SqliteStores,
    Synchronous,
    VacuumReport,
)
from lash_trio.testing.conformance import ManualClock

HOUR_MS = 3_600_000


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[SqliteStores, ManualClock]]:
    clock = ManualClock()
    async with SqliteDatabase(path, SqliteOptions(synchronous=Synchronous.NORMAL)) as database:
        with SqliteEffectJournal(database, clock) as journal:
            stores = SqliteStores(
                database=database,
                clock=clock,
                registry=SqliteProcessRegistry(database, clock),
                journal=journal,
                attachments=SqliteAttachmentStore(database, clock),
                artifacts=SqliteArtifactStore(database, clock),
            )
            yield stores, clock


def registration(process_id: str, parent: str | None = None) -> ProcessRegistration:
    cause = None if parent is None else ProcessCausalRef(process_id=parent)
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("test", cause),
        event_types=[ProcessEventType(name="signal.go")],
    )


def rows_in(path: Path) -> dict[str, int]:
    connection = apsw.Connection(str(path))
    counts = {
        table: int(str(connection.execute(f"SELECT count(*) FROM {table}").get))
        for table in ("processes", "events", "grants", "journal", "scope_leases")
    }
    connection.close()
    return counts


async def live(stores: SqliteStores, process_id: str, events: int, steps: int) -> None:
    """Everything that a process can leave in a file."""
    await stores.registry.register_process(registration(process_id))
    for n in range(events):
        await stores.registry.append_event(
            process_id, ProcessEventAppendRequest(event_type="signal.go", payload=n)
        )
    descriptor = ProcessHandleDescriptor(kind="test", label="a process")
    await stores.registry.grant_handle(SessionScope(session_id="s"), process_id, descriptor)

    async def step(n: int) -> JsonValue:
        return n

    host = ReplayingEffectHost(stores.journal, clock=stores.clock)
    async with host.scoped(EffectScope.process(process_id)) as scope:
        for n in range(steps):
            await scope.step("n", step, n)


async def end(stores: SqliteStores, process_id: str) -> None:
    await stores.registry.complete_process(process_id, ProcessAwaitOutput.success(None))


async def test_what_ended_long_ago_goes_whole_and_all_else_stays(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        for process_id in ("old", "young", "running"):
            await live(stores, process_id, events=3, steps=2)
        await end(stores, "old")
        clock.advance_ms(HOUR_MS)
        await end(stores, "young")
        clock.advance_ms(1)
        report = await stores.vacuum(older_than_ms=HOUR_MS)
        assert report == VacuumReport(processes=1, events=4, grants=1, outcomes=2, leases=0)
        assert await stores.registry.get_process("old") is None
        assert len(await stores.registry.events_after("young", 0)) == 4
        assert len(await stores.journal.entries_of(EffectScope.process("running"))) == 2
        assert await stores.vacuum(older_than_ms=HOUR_MS) == VacuumReport()
    assert rows_in(tmp_path / "x.db") == {
        "processes": 2,
        "events": 7,
        "grants": 2,
        "journal": 4,
        "scope_leases": 2,
    }


async def test_the_age_is_exact(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        await live(stores, "p", events=0, steps=0)
        await end(stores, "p")
        clock.advance_ms(999)
        assert (await stores.vacuum(older_than_ms=1000)).processes == 0
        clock.advance_ms(1)
        assert (await stores.vacuum(older_than_ms=1000)).processes == 1


async def test_an_id_can_be_used_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, _):
        await live(stores, "p", events=2, steps=2)
        await end(stores, "p")
        await stores.vacuum(older_than_ms=0)
        await live(stores, "p", events=1, steps=1)
        (event,) = await stores.registry.events_after("p", 0)
        assert event.sequence == 1


async def test_a_child_stays_while_its_parent_runs(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, _):
        await stores.registry.register_process(registration("parent"))
        await stores.registry.register_process(registration("child", "parent"))
        await end(stores, "child")
        assert (await stores.vacuum(older_than_ms=0)).processes == 0
        await end(stores, "parent")
        assert (await stores.vacuum(older_than_ms=0)).processes == 2


async def test_what_is_leased_stays(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        await stores.registry.register_process(registration("p"))
        await stores.registry.claim_process_lease("p", "worker", 1000)
        await end(stores, "p")
        assert (await stores.vacuum(older_than_ms=0)).processes == 0
        clock.advance_ms(1000)
        async with stores.journal.open_scope(EffectScope.process("p"), "worker"):
            assert (await stores.vacuum(older_than_ms=0)).processes == 0
        assert await stores.vacuum(older_than_ms=0) == VacuumReport(processes=1, events=1, leases=1)


async def test_many_go_in_many_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.stores.sqlite._vacuum.ROWS_A_TRANSACTION", 20)
    async with opened(tmp_path / "x.db") as (stores, _):
        for n in range(60):
            await live(stores, f"p{n:03}", events=4, steps=0)
            if n % 2:
                await end(stores, f"p{n:03}")
        transactions: list[object] = []
        write = stores.database.write

        async def counted(function: Any) -> Any:
            transactions.append(function)
            return await write(function)

        monkeypatch.setattr(stores.database, "write", counted)
        report = await stores.vacuum(older_than_ms=0)
        assert len(transactions) == 10, "three processes of seven rows each a transaction"
        assert report == VacuumReport(processes=30, events=150, grants=30)
        left = await stores.registry.list_non_terminal()
        assert [record.id for record in left] == [f"p{n:03}" for n in range(0, 60, 2)]


async def test_a_negative_age_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, _):
        with pytest.raises(InvalidValueError, match="got -1"):
            await stores.vacuum(older_than_ms=-1)


async def test_entries_are_read_in_the_order_of_recording_without_the_lease(
    tmp_path: Path,
) -> None:
    async def step(n: int) -> JsonValue:
        return n

    async with opened(tmp_path / "x.db") as (stores, clock):
        scope_id = EffectScope.process("p")
        assert await stores.journal.entries_of(scope_id) == []
        host = ReplayingEffectHost(stores.journal, clock=clock)
        async with host.scoped(scope_id) as scope:
            for name in ("c", "a", "b"):
                clock.advance_ms(10)
                await scope.step(name, step, 1)
            entries = await stores.journal.entries_of(scope_id)
            assert [entry.replay_key[0] for entry in entries] == ["c", "a", "b"]
            times = [entry.recorded_at_ms for entry in entries]
            assert [time - times[0] for time in times] == [0, 10, 20]


async def test_leases_can_be_looked_at(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        for process_id in ("b", "a", "c"):
            await stores.registry.register_process(registration(process_id))
        assert await stores.registry.list_leases() == []
        assert await stores.registry.lease_of("a") is None
        of_b = await stores.registry.claim_process_lease("b", "one", 1000)
        of_a = await stores.registry.claim_process_lease("a", "two", 5000)
        clock.advance_ms(2000)
        assert await stores.registry.list_leases() == [of_a, of_b], "expired ones included"
        assert await stores.registry.lease_of("b") == of_b
        await stores.registry.complete_process_lease(ProcessLeaseCompletion.of(of_a))
        assert await stores.registry.list_leases() == [of_b]
        with pytest.raises(PluginError, match="no process 'd'"):
            await stores.registry.lease_of("d")

        scope = EffectScope.process("a")
        assert await stores.journal.lease_of(scope) is None
        async with stores.journal.open_scope(scope, "three"):
            lease = await stores.journal.lease_of(scope)
            assert lease is not None
            assert (lease.process_id, lease.owner_id) == ("a", "three")
            assert lease == attrs.evolve(lease, expires_at_epoch_ms=clock.now_ms() + 30_000)
        assert await stores.journal.lease_of(scope) is None


async def test_processes_are_listed_page_by_page(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, _):
        for n in range(7):
            await stores.registry.register_process(registration(f"p{n}"))
        await end(stores, "p3")
        running = ProcessListFilter()
        pages: list[list[str]] = []
        after: str | None = None
        while page := await stores.registry.list_page(running, after=after, limit=3):
            pages.append([record.id for record in page])
            after = page[-1].id
        assert pages == [["p0", "p1", "p2"], ["p4", "p5", "p6"]]
        everything = ProcessListFilter(status=ProcessStatusFilter.ANY)
        assert len(await stores.registry.list_page(everything)) == 7
        with pytest.raises(InvalidValueError):
            await stores.registry.list_page(everything, limit=-1)


# --- what belongs to no process ---------------------------------------------------


async def record(stores: SqliteStores, scope_id: EffectScope, *values: JsonValue) -> None:
    async def step(value: JsonValue) -> JsonValue:
        return value

    host = ReplayingEffectHost(stores.journal, clock=stores.clock)
    async with host.scoped(scope_id) as scope:
        for value in values:
            await scope.step("n", step, value)


async def test_turns_go_where_that_is_asked_for(tmp_path: Path) -> None:
    turn = EffectScope.turn("s", "t")
    async with opened(tmp_path / "x.db") as (stores, clock):
        await live(stores, "p", events=0, steps=1)
        for scope_id in (
            turn,
            EffectScope.queue_drain("s", "d"),
            EffectScope.session_delete("s"),
            EffectScope.runtime_operation("o"),
            EffectScope.process("of no row"),
        ):
            await record(stores, scope_id, 1, 2)
        clock.advance_ms(HOUR_MS)
        assert await stores.vacuum(older_than_ms=0) == VacuumReport()
        report = await stores.vacuum(older_than_ms=HOUR_MS, turns=True)
        assert report == VacuumReport(turns=5, outcomes=10)
        assert await stores.journal.entries_of(turn) == []
        assert len(await stores.journal.entries_of(EffectScope.process("p"))) == 1
        await record(stores, turn, 3)
        assert len(await stores.journal.entries_of(turn)) == 1, "it can be used again"


async def test_a_turn_stays_that_is_young_or_open(tmp_path: Path) -> None:
    young, is_open = EffectScope.turn("s", "young"), EffectScope.turn("s", "open")
    async with opened(tmp_path / "x.db") as (stores, clock):
        await record(stores, young, 1)
        await record(stores, is_open, 1)
        clock.advance_ms(HOUR_MS)
        # Its last outcome counts, not its first one.
        await record(stores, young, 1, 2)
        clock.advance_ms(HOUR_MS - 1)
        async with stores.journal.open_scope(is_open, "somebody"):
            assert await stores.vacuum(older_than_ms=HOUR_MS, turns=True) == VacuumReport()
        clock.advance_ms(1)
        report = await stores.vacuum(older_than_ms=HOUR_MS, turns=True)
        assert report == VacuumReport(turns=2, outcomes=3)


async def test_many_turns_go_in_many_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.stores.sqlite._vacuum_turns.ROWS_A_TRANSACTION", 10)
    async with opened(tmp_path / "x.db") as (stores, _):
        for n in range(20):
            await record(stores, EffectScope.turn("s", f"t{n}"), 1, 2, 3, 4)
        transactions: list[object] = []
        write = stores.database.write

        async def counted(function: Any) -> Any:
            transactions.append(function)
            return await write(function)

        monkeypatch.setattr(stores.database, "write", counted)
        report = await stores.vacuum(older_than_ms=0, turns=True)
        assert report == VacuumReport(turns=20, outcomes=80)
        assert len(transactions) == 10


async def test_attachments_go_that_nothing_refers_to(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        registry = stores.registry
        meta = AttachmentCreateMeta(media_type="text/plain")
        refs = {
            name: await stores.attachments.put(name.encode(), meta)
            for name in ("turn", "event", "input", "grant", "outside", "nowhere", "ended")
        }
        env = await stores.artifacts.put("execution_env", b"{}")
        unused = await stores.artifacts.put("execution_env", b"[]")
        await record(stores, EffectScope.turn("s", "t"), {"see": to_json(refs["turn"])})
        asked = attrs.evolve(
            registration("p"),
            input=FunctionInput(name="f", args={"a": refs["input"].id}),
            env_ref=env,
        )
        await registry.register_process(asked)
        event = ProcessEventAppendRequest(event_type="signal.go", payload=[refs["event"].id])
        await registry.append_event("p", event)
        label = ProcessHandleDescriptor(kind="test", label=refs["grant"].id)
        await registry.grant_handle(SessionScope(session_id="s"), "p", label)
        outside = ProcessExternalRef(backend="b", id=refs["outside"].id)
        await registry.set_external_ref("p", outside)
        await registry.register_process(registration("ended"))
        event = ProcessEventAppendRequest(event_type="signal.go", payload=refs["ended"].id)
        await registry.append_event("ended", event)
        clock.advance_ms(HOUR_MS)
        assert await stores.vacuum(older_than_ms=HOUR_MS) == VacuumReport()
        assert await stores.vacuum(older_than_ms=HOUR_MS + 1, attachments=True) == VacuumReport()
        report = await stores.vacuum(older_than_ms=HOUR_MS, attachments=True)
        assert report == VacuumReport(attachments=1, artifacts=1)
        for gone in (refs["nowhere"],):
            with pytest.raises(StoreError):
                await stores.attachments.get(gone)
        with pytest.raises(StoreError):
            await stores.artifacts.get(unused)
        assert await stores.artifacts.get(env) == b"{}"
        for name, ref in refs.items():
            if name != "nowhere":
                assert await stores.attachments.get(ref) == name.encode()

        await end(stores, "ended")
        clock.advance_ms(HOUR_MS)
        report = await stores.vacuum(older_than_ms=HOUR_MS, turns=True, attachments=True)
        assert (report.processes, report.turns, report.attachments) == (1, 1, 2)


async def test_an_attachment_that_is_put_again_is_new(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as (stores, clock):
        meta = AttachmentCreateMeta(media_type="text/plain")
        await stores.attachments.put(b"bytes", meta)
        await stores.artifacts.put("kind", b"bytes")
        clock.advance_ms(HOUR_MS)
        ref = await stores.attachments.put(b"bytes", meta)
        reference = await stores.artifacts.put("kind", b"bytes")
        assert await stores.vacuum(older_than_ms=HOUR_MS, attachments=True) == VacuumReport()
        assert await stores.attachments.get(ref) == b"bytes"
        assert await stores.artifacts.get(reference) == b"bytes"
        clock.advance_ms(HOUR_MS)
        report = await stores.vacuum(older_than_ms=HOUR_MS, attachments=True)
        assert report == VacuumReport(attachments=1, artifacts=1)


async def test_what_is_referred_to_during_the_search_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lash_trio.stores.sqlite._vacuum_attachments._ROWS_A_READ", 2)
    async with opened(tmp_path / "x.db") as (stores, clock):
        meta = AttachmentCreateMeta(media_type="text/plain")
        refs = [await stores.attachments.put(f"{n}".encode(), meta) for n in range(10)]
        await live(stores, "p", events=5, steps=5)
        clock.advance_ms(HOUR_MS)
        write = stores.database.write

        async def late(function: Any) -> Any:
            monkeypatch.undo()
            event = ProcessEventAppendRequest(event_type="signal.go", payload=refs[3].id)
            await stores.registry.append_event("p", event)
            await record(stores, EffectScope.turn("s", "t"), refs[7].id)
            return await write(function)

        monkeypatch.setattr(stores.database, "write", late)
        report = await stores.vacuum(older_than_ms=HOUR_MS, attachments=True)
        assert report == VacuumReport(attachments=8)
        for n in (3, 7):
            assert await stores.attachments.get(refs[n]) == f"{n}".encode()
