"""The stores in memory, and the hosts on them, keep every rule of their ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest
import trio

from lash_trio import (
    InlineEffectController,
    InlineEffectHost,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ReplayingEffectHost,
)
from lash_trio.abc import EffectController, EffectHost, EffectJournal, ProcessRegistry
from lash_trio.kernel import EventWaiters
from lash_trio.testing.conformance import (
    CONTROLLER_CHECKS,
    HOST_CHECKS,
    JOURNAL_CHECKS,
    REGISTRY_CHECKS,
    WAITER_CHECKS,
    ControllerCheck,
    ControllerUnderTest,
    HostCheck,
    HostUnderTest,
    JournalCheck,
    JournalUnderTest,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
    WaiterCheck,
)


@pytest.mark.parametrize("check", REGISTRY_CHECKS)
def test_registry(check: RegistryCheck) -> None:
    clock = ManualClock()

    def new() -> AbstractAsyncContextManager[ProcessRegistry]:
        return nullcontext(MemoryProcessRegistry(clock))

    trio.run(check, RegistryUnderTest(open=new, advance_ms=clock.advance_ms))


def inline_host() -> AbstractAsyncContextManager[EffectHost]:
    return nullcontext(InlineEffectHost())


def replaying_host() -> AbstractAsyncContextManager[EffectHost]:
    return nullcontext(ReplayingEffectHost(MemoryEffectJournal()))


@pytest.mark.parametrize("open_host", [inline_host, replaying_host])
@pytest.mark.parametrize("check", HOST_CHECKS)
def test_host(
    check: HostCheck, open_host: Callable[[], AbstractAsyncContextManager[EffectHost]]
) -> None:
    trio.run(check, HostUnderTest(open=open_host))


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_controller(check: ControllerCheck) -> None:
    def new() -> AbstractAsyncContextManager[EffectController]:
        return nullcontext(InlineEffectController())

    trio.run(check, ControllerUnderTest(open=new))


async def break_leases(journal: EffectJournal) -> None:
    assert isinstance(journal, MemoryEffectJournal)
    journal.break_leases()


@pytest.mark.parametrize("check", JOURNAL_CHECKS)
def test_journal(check: JournalCheck) -> None:
    def new() -> AbstractAsyncContextManager[EffectJournal]:
        return nullcontext(MemoryEffectJournal())

    trio.run(check, JournalUnderTest(open=new, break_leases=break_leases))


@pytest.mark.parametrize("check", WAITER_CHECKS)
def test_waiters(check: WaiterCheck) -> None:
    run: Callable[..., Awaitable[None]] = check
    trio.run(run, EventWaiters)
