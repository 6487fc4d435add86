"""The conformance kit tells which rule is broken, and every check of it can fail."""

import inspect
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import lash_trio.testing._conformance as kit
from lash_trio import MemoryProcessRegistry
from lash_trio.abc import ProcessRegistry
from lash_trio.stores.memory import MemoryEffectJournal
from lash_trio.testing import conformance
from lash_trio.testing._conformance import _methods, _rules
from lash_trio.testing.conformance import (
    DURABLE_JOURNAL_CHECKS,
    DURABLE_REGISTRY_CHECKS,
    REGISTRY_CHECKS,
    JournalCheck,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)
from tests.mutants import subjects
from tests.mutants.mutant import Mutant, Port
from tests.mutants.table import MUTANTS, PORTS, idle_checks
from tests.testing.newcomer import HastyRegistry, NewcomerRegistry

ALL_CHECKS = [
    check
    for name in dir(conformance)
    if name.endswith("_CHECKS")
    for check in getattr(conformance, name)
]


def broken_rules(kind: type[NewcomerRegistry]) -> dict[str, str]:
    """What the kit says of a registry: the message for each rule that it breaks."""
    told: dict[str, str] = {}
    for check in REGISTRY_CHECKS:
        try:
            trio.run(check, subjects.registry(kind))
        except AssertionError as error:
            told[check.__name__] = str(error)
    return told


def test_a_newcomers_registry_keeps_all_rules() -> None:
    assert broken_rules(NewcomerRegistry) == {}


def test_a_newcomers_bugs_are_found_and_named() -> None:
    told = broken_rules(HastyRegistry)
    assert set(told) == {
        # It counts the events of all types.
        "ordinals_count_one_type",
        "a_wait_is_not_served_too_early",
        "the_end_does_not_end_waits_for_events",
        "a_wait_after_a_number_gets_the_first",
        "a_wait_after_the_last_gets_the_next",
        # It transfers some where it cannot transfer all.
        "a_transfer_is_all_or_none",
        # It lets a stale owner complete the process.
        "a_stale_owner_completes_nothing",
    }
    assert told["a_transfer_is_all_or_none"] == (
        "rule 'a_transfer_is_all_or_none' is broken (A transfer of grants of which the source "
        "lacks one is refused, and moves none.): expected what the source sees to be "
        "['p1', 'p3'], got ['p3']"
    )
    assert "The Nth event of a type is the Nth of that type" in told["ordinals_count_one_type"]
    assert (
        "to be refused with the reason 'process_lease_lost'"
        in (told["a_stale_owner_completes_nothing"])
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_planted_fault_is_found(mutant: Mutant) -> None:
    for name in mutant.caught_by:
        told = mutant.found_by(name)
        assert told is not None, f"{name} does not find: {mutant.fault}"
        assert told.startswith(f"rule {name!r} is broken (")


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.name)
def test_every_check_finds_a_fault(port: Port) -> None:
    assert idle_checks(port) == []


def test_every_planted_fault_says_what_it_is() -> None:
    assert [mutant.name for mutant in MUTANTS if not mutant.fault] == []
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(names) == sorted(set(names))


def test_no_check_is_left_out_of_the_tuples() -> None:
    """Whatever is decorated as a check in the kit's modules stands in one of the tuples."""
    (directory,) = kit.__path__
    decorated = [
        name
        for path in Path(directory).glob("_*.py")
        for name in re.findall(
            r"^@\w*_check\nasync def (\w+)", path.read_text("utf-8"), flags=re.MULTILINE
        )
    ]
    # A rule for stores of bytes is made a check of each kind of store where its tuple is.
    byte_stores = Path(directory, "_byte_stores.py").read_text("utf-8")
    decorated += re.findall(r"^    _\w+_(?:rule|check)\((\w+)\),$", byte_stores, flags=re.MULTILINE)
    assert sorted(decorated) == sorted(check.__name__ for check in ALL_CHECKS)


@pytest.mark.parametrize("check", ALL_CHECKS)
def test_every_check_states_its_rule_in_one_sentence(check: RegistryCheck) -> None:
    assert re.fullmatch(r".+[^.]\.", inspect.getdoc(check) or "")


def test_the_table_of_methods_has_the_whole_port() -> None:
    tables = (
        _methods.WRITES,
        _methods.WIDE_WRITES,
        _methods.READS,
        _methods.AWAIT_PROCESS,
        _methods.WIDE_READS,
    )
    assert {name for table in tables for name in table} == ProcessRegistry.__abstractmethods__


class Interrupted(MemoryProcessRegistry):
    """Waits for ever in the middle of a read."""

    async def list_non_terminal(self) -> list[object]:  # type: ignore[override]
        await trio.sleep_forever()
        raise AssertionError


async def test_a_cancellation_passes_through_a_check() -> None:
    (check,) = [c for c in REGISTRY_CHECKS if c.__name__ == "the_work_list_is_what_has_not_ended"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(check, subjects.registry(Interrupted))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught


def test_a_check_that_waits_for_ever_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rules, "_STUCK_AFTER_SECONDS", 0.01)
    (check,) = [c for c in REGISTRY_CHECKS if c.__name__ == "the_work_list_is_what_has_not_ended"]
    with pytest.raises(AssertionError, match="one that waits for ever"):
        trio.run(check, subjects.registry(Interrupted))


class Broken(MemoryProcessRegistry):
    """Has an error of its own."""

    async def list_non_terminal(self) -> list[object]:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError("out of tea")


def test_an_error_of_the_store_names_the_rule() -> None:
    (check,) = [c for c in REGISTRY_CHECKS if c.__name__ == "the_work_list_is_what_has_not_ended"]
    with pytest.raises(AssertionError) as caught:
        trio.run(check, subjects.registry(Broken))
    assert str(caught.value) == (
        "rule 'the_work_list_is_what_has_not_ended' is broken (``list_non_terminal`` has every "
        "process that has not ended, ordered by id.): expected no error, got "
        "ZeroDivisionError: out of tea"
    )
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("check", DURABLE_REGISTRY_CHECKS)
def test_a_durable_registry_check_needs_reopen(check: RegistryCheck) -> None:
    with pytest.raises(AssertionError, match=r"expected RegistryUnderTest\(reopen="):
        trio.run(check, subjects.registry(MemoryProcessRegistry))


@pytest.mark.parametrize("check", DURABLE_JOURNAL_CHECKS)
def test_a_durable_journal_check_needs_reopen(check: JournalCheck) -> None:
    with pytest.raises(AssertionError, match=r"expected JournalUnderTest\(reopen="):
        trio.run(check, subjects.journal(MemoryEffectJournal))


@pytest.mark.parametrize("check", DURABLE_REGISTRY_CHECKS)
def test_a_durable_check_passes_where_nothing_is_lost(check: RegistryCheck) -> None:
    def loses_nothing(_: MemoryProcessRegistry) -> None:
        pass

    trio.run(check, subjects.surviving_registry(loses_nothing))


async def test_checks_run_under_a_mock_clock(mock_clock: trio.testing.MockClock) -> None:
    """Leases of a registry on trio's own clock expire when the mock clock jumps."""
    (check,) = [c for c in REGISTRY_CHECKS if c.__name__ == "a_lease_expires"]
    await check(
        RegistryUnderTest(
            open=lambda: nullcontext(MemoryProcessRegistry()),
            advance_ms=lambda ms: mock_clock.jump(ms / 1000),
        )
    )


def test_a_manual_clock_moves_only_when_it_is_moved() -> None:
    clock = ManualClock(1_000)
    assert (clock.now_ms(), clock.now_ms()) == (1_000, 1_000)
    clock.advance_ms(5)
    assert clock.now_ms() == 1_005
