"""From a faulty class to what the checks of its port are given."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import trio

from lash_trio import MemoryProcessRegistry
from lash_trio.abc import EffectController, EffectHost, EffectJournal, ProcessRegistry
from lash_trio.stores.memory import MemoryEffectJournal
from lash_trio.testing.conformance import (
    ControllerUnderTest,
    HostUnderTest,
    JournalUnderTest,
    ManualClock,
    RegistryUnderTest,
)

from .journals import FaultyJournal


def registry(kind: Callable[[ManualClock], ProcessRegistry]) -> RegistryUnderTest:
    clock = ManualClock()
    return RegistryUnderTest(open=lambda: nullcontext(kind(clock)), advance_ms=clock.advance_ms)


def surviving_registry(loses: Callable[[MemoryProcessRegistry], None]) -> RegistryUnderTest:
    """A registry in memory that is opened again, after it has lost something."""
    clock = ManualClock()
    left: list[MemoryProcessRegistry] = []

    def open_new() -> AbstractAsyncContextManager[ProcessRegistry]:
        left[:] = [MemoryProcessRegistry(clock)]
        return nullcontext(left[0])

    def reopen() -> AbstractAsyncContextManager[ProcessRegistry]:
        loses(left[0])
        return nullcontext(left[0])

    return RegistryUnderTest(open=open_new, advance_ms=clock.advance_ms, reopen=reopen)


def host(kind: Callable[[], EffectHost]) -> HostUnderTest:
    return HostUnderTest(open=lambda: nullcontext(kind()))


def controller(kind: Callable[[], EffectController]) -> ControllerUnderTest:
    return ControllerUnderTest(open=lambda: nullcontext(kind()))


async def _break_leases(journal: EffectJournal) -> None:
    await trio.lowlevel.checkpoint()
    if isinstance(journal, MemoryEffectJournal | FaultyJournal):
        journal.break_leases()


def journal(kind: Callable[[], EffectJournal]) -> JournalUnderTest:
    return JournalUnderTest(open=lambda: nullcontext(kind()), break_leases=_break_leases)


def surviving_journal(loses: Callable[[MemoryEffectJournal], None]) -> JournalUnderTest:
    """A journal in memory that is opened again, after it has lost something."""
    left: list[MemoryEffectJournal] = []

    def open_new() -> AbstractAsyncContextManager[EffectJournal]:
        left[:] = [MemoryEffectJournal()]
        return nullcontext(left[0])

    def reopen() -> AbstractAsyncContextManager[EffectJournal]:
        loses(left[0])
        return nullcontext(left[0])

    return JournalUnderTest(open=open_new, break_leases=_break_leases, reopen=reopen)
