"""The stores in memory keep every rule of their ports."""

import contextlib

import pytest
import trio

from lash_trio.abc import EffectJournal
from lash_trio.stores.memory import MemoryEffectJournal, MemoryProcessRegistry
from lash_trio.testing.conformance import (
    JOURNAL_CHECKS,
    REGISTRY_CHECKS,
    JournalCheck,
    JournalUnderTest,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)


@pytest.mark.parametrize("check", REGISTRY_CHECKS)
def test_registry(check: RegistryCheck) -> None:
    clock = ManualClock()
    new = lambda: contextlib.nullcontext(MemoryProcessRegistry(clock))  # noqa: E731
    trio.run(check, RegistryUnderTest(open=new, advance_ms=clock.advance_ms))


async def break_leases(journal: EffectJournal) -> None:
    assert isinstance(journal, MemoryEffectJournal)
    journal.break_leases()


@pytest.mark.parametrize("check", JOURNAL_CHECKS)
def test_journal(check: JournalCheck) -> None:
    new = lambda: contextlib.nullcontext(MemoryEffectJournal())  # noqa: E731
    trio.run(check, JournalUnderTest(open=new, break_leases=break_leases))
