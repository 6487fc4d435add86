"""The state machine of registries: the memory registry passes, and planted faults do not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest
from hypothesis import Phase, given, settings

from lash_trio import (
    MemoryProcessRegistry,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessLease,
    ProcessListFilter,
    ProcessRecord,
    ProcessStatusFilter,
)
from lash_trio.testing._machine._program import Step
from lash_trio.testing.machines import (
    Advance,
    Append,
    CancelWait,
    Claim,
    Complete,
    CompleteLeased,
    Interrupted,
    Register,
    RegistryProgram,
    Reopen,
    SetWait,
    StartWait,
    Together,
    check_registry_program,
    registry_programs,
    simplest,
)

from . import planted_registries as planted
from .support import first_red, in_memory, is_thorough

END_AGAIN = Append("p1", "job.over", None, "again")
SIGNAL = Append("p1", "signal.go", {"n": 1})

# Those of which programs are shortest to find, and one for each part of the port.
HANDFUL = (
    planted.LostWakeup,
    planted.CancelledWaiterKept,
    planted.OrdinalFromZero,
    planted.OrdinalOfTheLog,
    planted.PartialTransfer,
    planted.ReplayConflictIgnored,
    planted.TerminalTwice,
    planted.WaitKeptAtTheEnd,
)


def first_failing(
    kind: type[MemoryProcessRegistry], programs: Iterable[RegistryProgram]
) -> RegistryProgram:
    found = first_red(partial(check_registry_program, in_memory(kind)), programs)
    assert found is not None, f"{kind.__name__} was not found out: {kind.__doc__}"
    return found


@given(registry_programs())
def test_the_memory_registry_does_what_the_model_says(program: RegistryProgram) -> None:
    check_registry_program(in_memory(), program)


@pytest.mark.parametrize("kind", planted.PLANTED if is_thorough() else HANDFUL)
def test_a_planted_fault_is_found(
    kind: type[MemoryProcessRegistry], programs: list[RegistryProgram]
) -> None:
    first_failing(kind, programs)


def test_hypothesis_finds_a_fault_and_prints_the_program() -> None:
    @settings(max_examples=500, database=None, phases=[Phase.generate], derandomize=True)
    @given(registry_programs())
    def run(program: RegistryProgram) -> None:
        check_registry_program(in_memory(planted.OrdinalOfTheLog), program)

    with pytest.raises(AssertionError, match="as the log does") as told:
        run()
    assert "program=RegistryProgram(" in "\n".join(told.value.__notes__)


def test_a_counterexample_can_be_simplified_printed_and_replayed(
    programs: list[RegistryProgram],
) -> None:
    fault = in_memory(planted.ReplayConflictIgnored)
    found = first_failing(planted.ReplayConflictIgnored, programs)
    program = simplest(found, partial(check_registry_program, fault))
    assert len(program.steps) <= 4, program
    # What is printed is Python, and what is there by default is left out.
    assert repr(program).startswith("RegistryProgram(\n    (\n        Register('p1'),\n")
    told: set[str] = set()
    for _ in range(2):
        with pytest.raises(AssertionError, match="event_replay_conflict") as again:
            check_registry_program(fault, program)
        told.add(str(again.value))
    assert len(told) == 1
    check_registry_program(in_memory(), program)


def test_a_program_that_does_not_fail_stays_as_it_is() -> None:
    program = RegistryProgram((Register("p1"), Register("p2")), 3)
    assert simplest(program, partial(check_registry_program, in_memory())) is program


def test_a_race_replays_under_its_seed() -> None:
    race = Together((StartWait("nth", "p1"), Append("p1", "note")))
    programs = [RegistryProgram((Register("p1"), race), seed) for seed in range(40)]

    def fails(program: RegistryProgram) -> bool:
        try:
            check_registry_program(in_memory(planted.LostWakeup), program)
        except AssertionError:
            return True
        return False

    failed = [fails(program) for program in programs]
    assert {True, False} == set(failed), "some orders lose the wake-up and some do not"
    assert [fails(program) for program in programs] == failed


def test_a_disagreement_says_which_step_and_what_was_expected() -> None:
    program = RegistryProgram(
        (Register("p1"), Claim("p1", "w1", 1_000), Advance(1_000), Append("p1", "note", fence=0))
    )
    with pytest.raises(AssertionError, match="step 4, Append") as told:
        check_registry_program(in_memory(planted.ExpiredLeaseAccepted), program)
    assert "process_lease_lost" in str(told.value)
    assert "Appended(" in str(told.value)


class LogWithGap(MemoryProcessRegistry):
    """Forgets the first event when there is a second."""

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        events = await super().events_after(process_id, after_sequence, limit)
        return events[1:] if len(events) > 1 else events


class WorkListOfAll(MemoryProcessRegistry):
    """Keeps ended processes on the work list."""

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self.list_processes(ProcessListFilter(status=ProcessStatusFilter.ANY))


class LeaseNeverGivenBack(MemoryProcessRegistry):
    """Keeps the lease of a process whose end was written under it."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await self.append_event(lease.process_id, request, lease)
        return self._log(lease.process_id).record


@pytest.mark.parametrize(
    ("kind", "steps", "told"),
    [
        (LogWithGap, [SIGNAL, SIGNAL], r"numbered without gaps, got \[2\]"),
        (WorkListOfAll, [Complete("p1")], r"work list to be all but \['p1'\]"),
        (planted.TerminalTwice, [Complete("p1"), END_AGAIN], "to end once"),
        (planted.WaitKeptAtTheEnd, [SetWait("p1"), Complete("p1")], "nothing to be awaited"),
        (planted.OrdinalOfTheLog, [SIGNAL, Append("p1", "note")], "to count 1, as the log does"),
        (planted.CancelledWaiterKept, [StartWait("end", "p1"), CancelWait(0)], "0 tasks_waiting"),
        (LeaseNeverGivenBack, [Claim("p1"), CompleteLeased(0)], "0 leases, got 1"),
    ],
)
def test_a_broken_invariant_is_told_by_name(
    kind: type[MemoryProcessRegistry], steps: list[Step], told: str
) -> None:
    program = RegistryProgram((Register("p1"), *steps))
    check_registry_program(in_memory(), program)
    with pytest.raises(AssertionError, match=told):
        check_registry_program(in_memory(kind), program)


def test_an_interrupted_call_is_made_wholly_or_not_at_all() -> None:
    program = RegistryProgram((Register("p1"), Interrupted(Complete("p1"), 2), Complete("p1")))
    check_registry_program(in_memory(), program)


def test_a_program_that_reopens_needs_a_registry_that_can() -> None:
    program = RegistryProgram((Register("p1"), Reopen()))
    with pytest.raises(ValueError, match="`reopen` was not given"):
        check_registry_program(in_memory(), program)


def test_the_profile_is_the_one_that_was_asked_for(pytestconfig: pytest.Config) -> None:
    asked = pytestconfig.getoption("--hypothesis-profile") or "ci"
    assert settings.get_current_profile_name() == asked
    assert settings.default is not None
    assert asked != "property" or settings.default.max_examples >= 5_000
