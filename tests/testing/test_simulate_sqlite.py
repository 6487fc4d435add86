"""The simulator on a SQLite file: killed programs, late records, and what is planted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from lash_trio import (
    EffectError,
    EffectErrorCode,
    EffectScope,
    JournalEntry,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    ProcessLeaseCompletion,
)
from lash_trio.abc import ScopeJournal
from lash_trio.model import outcome_text
from lash_trio.stores.sqlite import (
    SqliteDatabase,
    SqliteEffectJournal,
    SqliteProcessRegistry,
)
from lash_trio.stores.sqlite._scopes import scope_key
from lash_trio.stores.sqlite._sql import SqlConnection, SqlValue
from lash_trio.testing.simulate import (
    SimulatedStore,
    SimulationResult,
    WorldOptions,
    main,
    simulate,
)
from lash_trio.testing.simulated_sqlite import simulated_sqlite


class LosesAnAppend(SqliteProcessRegistry):
    """Acknowledges the second payment and forgets it."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        if request.replay is not None and request.replay.key == "payment-1":
            (event, *_) = await self.events_after(process_id, 0)
            return ProcessEventAppendResult(event=event)
        return await super().append_event(process_id, request, fence)


class IgnoresReplayKeys(SqliteProcessRegistry):
    """Appends a payment again that it has."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        known = await self.events_after(process_id, 0)
        if any(event.replay == request.replay for event in known if event.replay is not None):
            request = attrs.evolve(request, replay=None)
        return await super().append_event(process_id, request, fence)


class IgnoresFences(SqliteProcessRegistry):
    """Appends for an owner whose lease is over."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return await super().append_event(process_id, request)


class LeasesToEverybody(SqliteProcessRegistry):
    """Gives a lease to whoever asks, whether or not it is another's."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        held = await self.lease_of(process_id)
        if held is not None:
            await self.complete_process_lease(ProcessLeaseCompletion.of(held))
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class UnfencedJournal(SqliteEffectJournal):
    """Records for an opening that is over."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        async with super().open_scope(scope, owner_id) as opened:
            yield _Unfenced(opened, self._database, scope)


class _Unfenced(ScopeJournal):
    def __init__(self, inner: ScopeJournal, database: SqliteDatabase, scope: EffectScope) -> None:
        self._inner = inner
        self._database = database
        self._scope = scope

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._inner.entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        try:
            return await self._inner.record(entry)
        except EffectError as error:
            if error.code != EffectErrorCode.SCOPE_LEASE_LOST or entry.outcome is None:
                raise
        values = (
            entry.replay_key,
            entry.envelope,
            outcome_text(entry.outcome),
            entry.recorded_at_ms,
            scope_key(self._scope),
        )
        return await self._database.write(lambda connection, _: insert(connection, values, entry))


def insert(
    connection: SqlConnection, values: Sequence[SqlValue], entry: JournalEntry
) -> JournalEntry:
    connection.execute(
        "INSERT OR IGNORE INTO journal (scope, replay_key, envelope, outcome, recorded_at_ms)"
        " SELECT number, ?, ?, ?, ? FROM scope_leases WHERE scope = ?",
        values,
    )
    return entry


class WritesBehind(SqliteEffectJournal):
    """Acknowledges an outcome at once, and records it with the next one."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        async with super().open_scope(scope, owner_id) as opened:
            behind = _Behind(opened)
            try:
                yield behind
            finally:
                # Who leaves in order leaves nothing behind.
                with trio.CancelScope(shield=True):
                    await behind.catch_up()


class _Behind(ScopeJournal):
    def __init__(self, inner: ScopeJournal) -> None:
        self._inner = inner
        self._left: JournalEntry | None = None

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._inner.entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        await self.catch_up()
        self._left = entry
        return entry

    async def catch_up(self) -> None:
        left, self._left = self._left, None
        if left is not None:
            await self._inner.record(left)


PLANTED: dict[str, Callable[[], AbstractContextManager[SimulatedStore]]] = {
    "ignores fences": partial(simulated_sqlite, IgnoresFences),
    "leases to everybody": partial(simulated_sqlite, LeasesToEverybody),
    "has a journal that ignores fences": partial(simulated_sqlite, journal=UnfencedJournal),
    "has a journal that writes behind": partial(simulated_sqlite, journal=WritesBehind),
}
SLOWLY_FOUND = {
    "loses an append": partial(simulated_sqlite, LosesAnAppend),
    "ignores replay keys": partial(simulated_sqlite, IgnoresReplayKeys),
}


def run(seed: int) -> SimulationResult:
    return simulate(seed, open_store=simulated_sqlite)


def first_red(
    name: str, open_store: Callable[[], AbstractContextManager[SimulatedStore]]
) -> SimulationResult:
    for seed in range(40):
        result = simulate(seed, open_store=open_store)
        if result.violation is not None:
            return result
    raise AssertionError(f"a store that {name} was not found out by 40 seeds")


@pytest.fixture(scope="module")
def worlds() -> list[SimulationResult]:
    return [run(seed) for seed in range(4)]


def test_the_file_keeps_the_promise(worlds: list[SimulationResult]) -> None:
    for world in worlds:
        assert world.violation is None, "\n".join([*world.trace, str(world.violation)])
        assert any("the faults stop" in line for line in world.trace)


@pytest.mark.property
def test_the_file_keeps_the_promise_in_many_worlds() -> None:
    for seed in range(4, 400):
        options = WorldOptions(orders=2 + seed % 4, workers=2 + seed % 3)
        result = simulate(seed, options=options, open_store=simulated_sqlite)
        assert result.violation is None, "\n".join([f"seed {seed}", *result.trace])


def test_faults_happen_to_outcomes_and_to_programs(worlds: list[SimulationResult]) -> None:
    lines = [line for world in worlds for line in world.trace]
    for what in (
        "record is refused",
        "the answer to record is lost",
        "record arrives late",
        "record is refused, effect_scope_lease_lost",
        "stalls",
        "was killed",
    ):
        assert any(what in line for line in lines), f"no seed saw that {what}"


def test_the_same_seed_gives_the_same_trace(worlds: list[SimulationResult]) -> None:
    assert run(3) == worlds[3]
    assert worlds[2].trace != worlds[3].trace


@pytest.mark.parametrize("name", ["ignores fences", "leases to everybody"])
def test_a_planted_fault_is_found(name: str) -> None:
    assert first_red(name, PLANTED[name]).violation


@pytest.mark.property
@pytest.mark.parametrize("name", SLOWLY_FOUND)
def test_a_planted_fault_is_found_in_time(name: str) -> None:
    assert first_red(name, SLOWLY_FOUND[name]).violation


def test_it_is_told_which_opening_of_a_scope_was_stale() -> None:
    name = "has a journal that ignores fences"
    red = first_red(name, PLANTED[name])
    violation = red.violation
    assert violation is not None
    assert re.search(
        r"worker-\d was let record '\S+' of order-\S+ by opening \d+, "
        r"although worker-\d had opened it by \d+",
        violation,
    )
    assert simulate(red.seed, open_store=PLANTED[name]) == red


def test_a_program_that_is_killed_loses_what_it_has_not_written() -> None:
    name = "has a journal that writes behind"
    violation = first_red(name, PLANTED[name]).violation
    assert violation is not None
    assert "ran again although its outcome was recorded" in violation


def test_the_command_replays_a_seed_byte_for_byte() -> None:
    arguments = [sys.executable, "-m", "lash_trio.testing.simulate"]
    replays = [
        subprocess.run(
            [*arguments, "--seed", "5", "--trace", "--store", "sqlite"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            timeout=120,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert replays[0] == replays[1]
    assert replays[0].endswith("1 seeds kept the promise\n")
    assert len(replays[0].splitlines()) > 20, "with a trace"


def test_the_command_says_how_to_replay_a_seed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy() -> AbstractContextManager[SimulatedStore]:
        return PLANTED["leases to everybody"]()

    monkeypatch.setattr("lash_trio.testing.simulated_sqlite.simulated_sqlite", lossy)
    assert main(["--seed", "0", "--store", "sqlite"]) == 1
    told, again = capsys.readouterr().out.splitlines()
    assert told.startswith("seed 0 broke the promise: ")
    assert again == "python -m lash_trio.testing.simulate --seed 0 --trace --store sqlite"


def test_no_file_is_left_behind() -> None:
    with simulated_sqlite() as store:
        directory = Path(store.path).parent
        assert directory.is_dir()
    assert not directory.exists()
