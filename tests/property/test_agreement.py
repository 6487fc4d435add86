"""Two registries side by side, and the SQLite registry against the model, reopened."""

from __future__ import annotations

import pytest
from hypothesis import given

from lash_trio import (
    MemoryProcessRegistry,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessGrantEntry,
    ProcessLease,
    SessionScope,
)
from lash_trio.stores.sqlite import SqliteProcessRegistry
from lash_trio.testing.machines import (
    AckWake,
    Advance,
    Append,
    CancelWait,
    Claim,
    GrantHandle,
    ListSeen,
    Register,
    RegistryProgram,
    Reopen,
    StartWait,
    check_registries_agree,
    check_registry_program,
    registry_programs,
)

from . import planted_registries as planted
from .sqlite_files import SqliteFiles
from .support import first_red, in_memory, programs_of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    return SqliteFiles(tmp_path_factory.mktemp("registries"))


@programs_of(30)
@given(registry_programs())
def test_two_registries_in_memory_agree(program: RegistryProgram) -> None:
    check_registries_agree(in_memory(), in_memory(), program)


# What is slow is not shrunk: `simplest` is quicker where that is needed.
@programs_of(12, thorough=1_000, shrink=False)
@given(program=registry_programs(max_parts=4))
def test_sqlite_agrees_with_memory(program: RegistryProgram, files: SqliteFiles) -> None:
    check_registries_agree(in_memory(), files.under_test(), program)


@programs_of(8, thorough=1_000, shrink=False)
@given(program=registry_programs(max_parts=3, reopen=True))
def test_sqlite_does_what_the_model_says_and_survives(
    program: RegistryProgram, files: SqliteFiles
) -> None:
    check_registry_program(files.under_test(), program)


def test_waits_that_time_out_are_forgotten_on_both_sides(files: SqliteFiles) -> None:
    waits = (StartWait("nth", "p1", timeout_ms=0), StartWait("nth", "p1"))
    program = RegistryProgram((Register("p1"), *waits, Advance(1), CancelWait(2)))
    check_registries_agree(in_memory(), files.under_test(), program)


@pytest.mark.parametrize(
    "kind",
    [planted.GrantLostOnRepeat, planted.OrdinalOfTheLog, planted.ReplayConflictIgnored],
)
def test_a_planted_fault_is_a_disagreement(
    kind: type[MemoryProcessRegistry], programs: list[RegistryProgram]
) -> None:
    def check(program: RegistryProgram) -> None:
        check_registries_agree(in_memory(), in_memory(kind), program)

    assert first_red(check, programs) is not None


class ListsBackwards(MemoryProcessRegistry):
    """Lists the last grant first."""

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return (await super().list_handle_grants(session_scope))[::-1]


def test_a_disagreement_shows_both() -> None:
    steps = [Register(process, grant="s1") for process in ("p1", "p2")]
    program = RegistryProgram((*steps, ListSeen("s1")))
    with pytest.raises(AssertionError, match=r"step 3, ListSeen\('s1'\)") as told:
        check_registries_agree(in_memory(), in_memory(ListsBackwards), program)
    assert "the first says [" in str(told.value)
    assert "'process_id': 'p2'" in str(told.value)


class Unfenced(SqliteProcessRegistry):
    """Lets a stale owner write."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return await super().append_event(process_id, request)


class RemembersForAWhile(SqliteProcessRegistry):
    """Keeps in memory which wakes were acknowledged."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._acknowledged: set[tuple[str, int]] = set()

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await super().ack_wake(process_id, 0)
        self._acknowledged.add((process_id, sequence))

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        events = await super().wake_events_after(process_id, after_sequence)
        return [e for e in events if (process_id, e.sequence) not in self._acknowledged]


STALE = RegistryProgram(
    (Register("p1"), Claim("p1"), Advance(1_000), Append("p1", "note", fence=0))
)
FORGOTTEN = RegistryProgram(
    (
        Register("p1", "waking"),
        Append("p1", "job.wake", {"text": "a", "urgent": 1}),
        AckWake("p1", 1),
        GrantHandle("s1", "p1"),
        Reopen(),
        GrantHandle("s2", "p1"),
    )
)


@pytest.mark.parametrize(
    ("kind", "program", "told"),
    [
        (Unfenced, STALE, "step 4, Append"),
        (RemembersForAWhile, FORGOTTEN, r"step 6, GrantHandle\('s2', 'p1'\)"),
    ],
)
def test_a_fault_of_a_durable_registry_is_told(
    kind: type[SqliteProcessRegistry],
    program: RegistryProgram,
    told: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    sound, faulty = (tmp_path_factory.mktemp(name) for name in ("sound", "faulty"))
    check_registry_program(SqliteFiles(sound).under_test(), program)
    with pytest.raises(AssertionError, match=told):
        check_registry_program(SqliteFiles(faulty, kind).under_test(), program)
