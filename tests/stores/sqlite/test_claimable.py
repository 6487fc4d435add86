"""What a worker reads of a file when it looks for work: not what only waits."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import apsw
import attrs
import pytest

from lash_trio import (
    FunctionInput,
    OperatorWait,
    ProcessEventAppendRequest,
    ProcessInput,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRegistration,
    RerunDisposition,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
)
from lash_trio.model import ProcessEventType
from lash_trio.stores.sqlite import SqliteDatabase, SqliteProcessRegistry
from lash_trio.stores.sqlite._claimable import ClaimableQuery, claimable
from lash_trio.stores.sqlite._sql import SqlConnection
from lash_trio.testing.conformance import ManualClock

GO = "signal.go"
SIGNAL = SignalWait(key="k", name="go", event_type=GO, ordinal=1)
PLAIN = ProcessRegistration(
    id="p",
    input=ProcessInput.function("f"),
    event_types=[ProcessEventType(name=GO)],
    provenance=ProcessProvenance.host("tests"),
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def registry(tmp_path: Path, clock: ManualClock) -> AsyncGenerator[SqliteProcessRegistry]:
    async with SqliteDatabase(tmp_path / "x.db") as database:
        yield SqliteProcessRegistry(database, clock)


async def park(
    registry: SqliteProcessRegistry, process_id: str, kind: WaitKind = SIGNAL, sole: bool = True
) -> None:
    await registry.register_process(attrs.evolve(PLAIN, id=process_id))
    await registry.set_process_wait(process_id, WaitState(kind=kind, since_ms=1, sole=sole))


async def listed(registry: SqliteProcessRegistry, *, parked: bool = False) -> list[str]:
    page = await registry.list_claimable("me", parked=parked)
    assert page.next_after is None
    return [record.id for record in page.records]


async def test_what_only_waits_is_not_listed(
    registry: SqliteProcessRegistry, clock: ManualClock
) -> None:
    await park(registry, "signal")
    await park(registry, "timeout", attrs.evolve(SIGNAL, due_at_ms=clock.now_ms() + 10))
    await park(registry, "sleep", SleepWait(key="k", due_at_ms=clock.now_ms() + 20))
    await park(registry, "not sole", sole=False)
    await park(registry, "operator", OperatorWait(code="c", message="m"))
    await registry.register_process(attrs.evolve(PLAIN, id="new"))
    bound = FunctionInput(name="f", rerun=RerunDisposition.OWNER_BOUND)
    await registry.register_process(attrs.evolve(PLAIN, id="bound", input=bound))
    await registry.set_process_wait("bound", WaitState(kind=SIGNAL, since_ms=1, sole=True))
    busy = ["bound", "new", "not sole", "operator"]
    assert await listed(registry) == busy
    clock.advance_ms(10)
    assert await listed(registry) == [*busy, "timeout"]
    clock.advance_ms(10)
    assert await listed(registry) == [*busy, "timeout", "sleep"]
    await registry.append_event("signal", ProcessEventAppendRequest(event_type=GO))
    assert await listed(registry) == [*busy, "signal", "timeout", "sleep"]


async def test_what_no_worker_runs_is_not_listed(registry: SqliteProcessRegistry) -> None:
    await registry.register_process(attrs.evolve(PLAIN, id="a", input=ProcessInput.external()))
    external = FunctionInput(name="f", rerun=RerunDisposition.EXTERNAL)
    await registry.register_process(attrs.evolve(PLAIN, id="b", input=external))
    assert await listed(registry) == []
    assert await listed(registry, parked=True) == ["a", "b"]
    for process_id in ("a", "b"):
        await registry.append_event(
            process_id, ProcessEventAppendRequest.cancel_requested(process_id, "enough")
        )
    assert await listed(registry) == [], "whoever runs them is told otherwise"


async def test_another_event_leaves_it_parked(registry: SqliteProcessRegistry) -> None:
    await park(registry, "p", attrs.evolve(SIGNAL, ordinal=2))
    await park(registry, "q")
    await registry.append_event("p", ProcessEventAppendRequest(event_type=GO))
    assert await listed(registry) == []
    await registry.append_event("p", ProcessEventAppendRequest(event_type=GO))
    assert await listed(registry) == ["p"]


async def test_more_that_is_due_than_a_page_holds_is_asked_for_at_once(
    registry: SqliteProcessRegistry, clock: ManualClock
) -> None:
    for number in range(5):
        await park(
            registry, f"p{number}", SleepWait(key="k", due_at_ms=clock.now_ms() + 9 - number)
        )
    clock.advance_ms(20)
    page = await registry.list_claimable("me", parked=False, limit=3)
    assert [record.id for record in page.records] == ["p4", "p3", "p2"], "in the order of the times"
    assert (page.next_after, page.next_expiry_ms) == (None, 0)
    page = await registry.list_claimable("me", {"p4", "p3", "p2"}, parked=False, limit=3)
    assert [record.id for record in page.records] == ["p1", "p0"]
    assert page.next_expiry_ms is None


async def test_what_others_hold_is_told(
    registry: SqliteProcessRegistry, clock: ManualClock
) -> None:
    for number in range(4):
        await registry.register_process(attrs.evolve(PLAIN, id=f"p{number}"))
    await registry.claim_process_lease("p0", "me", 10)
    late = await registry.claim_process_lease("p1", "another", 3_000)
    soon = await registry.claim_process_lease("p2", "other", 2_000)
    await registry.claim_process_lease("p3", "other", 1_000)
    clock.advance_ms(1_000)
    for parked in (True, False):
        page = await registry.list_claimable("me", parked=parked)
        assert [record.id for record in page.records] == ["p0", "p3"]
        assert (page.held, page.next_expiry_ms) == ((soon, late), 1_000)
        page = await registry.list_claimable("me", parked=parked, limit=1)
        assert (page.held, page.next_after) == ((), "p0"), "it is told in the last page"
    await registry.complete_process_lease(ProcessLeaseCompletion.of(soon))
    page = await registry.list_claimable("me")
    assert (page.held, page.next_expiry_ms) == ((late,), 2_000)


async def test_not_all_that_others_hold_is_told(registry: SqliteProcessRegistry) -> None:
    for number in range(120):
        await registry.register_process(attrs.evolve(PLAIN, id=f"p{number:03}"))
        await registry.claim_process_lease(f"p{number:03}", f"owner {number % 3}", 5_000 + number)
    page = await registry.list_claimable("me")
    assert [lease.process_id for lease in page.held] == [f"p{number:03}" for number in range(100)]


async def test_looking_reads_nothing_of_what_only_waits(
    registry: SqliteProcessRegistry, tmp_path: Path
) -> None:
    """However much of it there is: SQLite takes the same steps for a look."""
    query = ClaimableQuery(
        owner_id="me", skip=(), after=None, limit=100, parked=False, now_ms=1_700_000_000_000
    )

    def steps() -> int:
        taken = 0

        def step() -> bool:
            nonlocal taken
            taken += 1
            return False

        connection = apsw.Connection(str(tmp_path / "x.db"))
        connection.set_progress_handler(step, 1)
        assert claimable(cast(SqlConnection, connection), query).records == ()
        connection.close()
        return taken

    for number in range(10):
        await park(registry, f"p{number:04}")
    few = steps()
    for number in range(10, 1000):
        await park(registry, f"p{number:04}")
    assert steps() <= few + 10
