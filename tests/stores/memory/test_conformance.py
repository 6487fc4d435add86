"""The stores in memory keep every rule of their ports."""

from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import pytest
import trio

from lash_trio.abc import EffectJournal, ProcessRegistry
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


def open_registry(clock: ManualClock) -> AbstractAsyncContextManager[ProcessRegistry]:
    return nullcontext(MemoryProcessRegistry(clock))


def open_journal() -> AbstractAsyncContextManager[EffectJournal]:
    return nullcontext(MemoryEffectJournal())


@pytest.mark.parametrize("check", REGISTRY_CHECKS)
def test_registry(check: RegistryCheck) -> None:
    clock = ManualClock()
    new = partial(open_registry, clock)
    trio.run(check, RegistryUnderTest(open=new, advance_ms=clock.advance_ms))


async def break_leases(journal: EffectJournal) -> None:
    assert isinstance(journal, MemoryEffectJournal)
    journal.break_leases()


@pytest.mark.parametrize("check", JOURNAL_CHECKS)
def test_journal(check: JournalCheck) -> None:
    trio.run(check, JournalUnderTest(open=open_journal, break_leases=break_leases))
