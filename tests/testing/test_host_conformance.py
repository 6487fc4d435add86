"""The hosts that come with the library keep every rule of hosts, controllers and waiters."""

from contextlib import nullcontext

import pytest
import trio

from lash_trio import EffectScope, InlineEffectController, InlineEffectHost
from lash_trio.kernel import EventWaiters, ReplayingEffectHost
from lash_trio.stores.memory import MemoryEffectJournal
from lash_trio.testing.conformance import (
    CONTROLLER_CHECKS,
    HOST_CHECKS,
    WAITER_CHECKS,
    ControllerCheck,
    ControllerUnderTest,
    HostCheck,
    HostUnderTest,
    WaiterCheck,
)

TURN = EffectScope.turn("s1", "t1")


def replaying_host() -> ReplayingEffectHost:
    return ReplayingEffectHost(MemoryEffectJournal())


@pytest.mark.parametrize("check", HOST_CHECKS)
def test_inline_host(check: HostCheck) -> None:
    trio.run(check, HostUnderTest(open=lambda: nullcontext(InlineEffectHost())))


@pytest.mark.parametrize("check", HOST_CHECKS)
def test_replaying_host(check: HostCheck) -> None:
    trio.run(check, HostUnderTest(open=lambda: nullcontext(replaying_host())))


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_inline_controller(check: ControllerCheck) -> None:
    trio.run(check, ControllerUnderTest(open=lambda: nullcontext(InlineEffectController())))


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_scope_of_an_inline_host(check: ControllerCheck) -> None:
    trio.run(check, ControllerUnderTest(open=lambda: InlineEffectHost().scoped(TURN)))


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_scope_of_a_replaying_host(check: ControllerCheck) -> None:
    trio.run(check, ControllerUnderTest(open=lambda: replaying_host().scoped(TURN)))


@pytest.mark.parametrize("check", WAITER_CHECKS)
def test_waiters(check: WaiterCheck) -> None:
    trio.run(check, EventWaiters)
