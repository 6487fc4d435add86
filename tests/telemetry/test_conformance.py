"""What is traced keeps every rule of its port."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from unittest.mock import call, create_autospec

import pytest
import trio

from lash_trio import (
    DurabilityTier,
    EffectScope,
    InlineEffectHost,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ReplayingEffectHost,
)
from lash_trio.abc import EffectController, EffectHost, ProcessRegistry
from lash_trio.telemetry import (
    ForwardingProcessRegistry,
    TracedEffectHost,
    TracedProcessRegistry,
)
from lash_trio.testing.conformance import (
    CONTROLLER_CHECKS,
    HOST_CHECKS,
    REGISTRY_CHECKS,
    ControllerCheck,
    ControllerUnderTest,
    HostCheck,
    HostUnderTest,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)
from tests.telemetry.support import Recorder

TURN = EffectScope.turn("s1", "t1")
# They return nothing, whatever the registry returns.
PROCEDURES = {"ack_wake", "revoke_handle", "transfer_handle_grants", "complete_process_lease"}


def traced_inline() -> EffectHost:
    return TracedEffectHost(InlineEffectHost(), Recorder().telemetry)


def traced_replaying() -> EffectHost:
    return TracedEffectHost(ReplayingEffectHost(MemoryEffectJournal()), Recorder().telemetry)


def traced_registry(clock: ManualClock | None = None) -> ProcessRegistry:
    return TracedProcessRegistry(MemoryProcessRegistry(clock), Recorder().telemetry)


def open_registry(
    clock: ManualClock | None = None,
) -> AbstractAsyncContextManager[ProcessRegistry]:
    return nullcontext(traced_registry(clock))


@asynccontextmanager
async def scope_of(host: EffectHost) -> AsyncGenerator[EffectController]:
    async with host.scoped(TURN) as scope:
        yield scope


@pytest.mark.parametrize("check", HOST_CHECKS)
def test_inline_host(check: HostCheck) -> None:
    under_test = HostUnderTest(
        open=lambda: nullcontext(traced_inline()), open_registry=open_registry
    )
    trio.run(check, under_test)


@pytest.mark.parametrize("check", HOST_CHECKS)
def test_replaying_host(check: HostCheck) -> None:
    trio.run(check, HostUnderTest(open=lambda: nullcontext(traced_replaying())))


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_scope_of_an_inline_host(check: ControllerCheck) -> None:
    under_test = ControllerUnderTest(
        open=lambda: scope_of(traced_inline()), open_registry=open_registry
    )
    trio.run(check, under_test)


@pytest.mark.parametrize("check", CONTROLLER_CHECKS)
def test_scope_of_a_replaying_host(check: ControllerCheck) -> None:
    trio.run(check, ControllerUnderTest(open=lambda: scope_of(traced_replaying())))


@pytest.mark.parametrize("check", REGISTRY_CHECKS)
def test_registry(check: RegistryCheck) -> None:
    clock = ManualClock()
    new = partial(open_registry, clock)
    trio.run(check, RegistryUnderTest(open=new, advance_ms=clock.advance_ms))


def port_methods() -> list[str]:
    return [
        name
        for name, value in vars(ProcessRegistry).items()
        if not name.startswith("_") and inspect.isfunction(value)
    ]


@pytest.mark.parametrize("name", port_methods())
async def test_every_method_of_the_port_is_passed_on_with_all_it_was_given(name: str) -> None:
    """Also one that the port has a default for: it would be lost without a sign."""
    inner = create_autospec(ProcessRegistry, instance=True)
    positional: list[object] = []
    keywords: dict[str, object] = {}
    for parameter in list(inspect.signature(getattr(ProcessRegistry, name)).parameters.values())[
        1:
    ]:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            keywords[parameter.name] = object()
        else:
            positional.append(object())
    returned = getattr(ForwardingProcessRegistry(inner), name)(*positional, **keywords)
    if inspect.isawaitable(returned):
        returned = await returned
    called = getattr(inner, name)
    assert called.call_args_list == [call(*positional, **keywords)]
    if name not in PROCEDURES:
        assert returned is called.return_value


def test_the_tier_of_the_registry_is_passed_on() -> None:
    class Durable(MemoryProcessRegistry):
        durability_tier = DurabilityTier.DURABLE

    traced = TracedProcessRegistry(Durable(), Recorder().telemetry)
    assert traced.durability_tier is DurabilityTier.DURABLE
    assert traced_registry().durability_tier is DurabilityTier.INLINE


def test_who_drives_the_processes_is_passed_on() -> None:
    class Engine(MemoryProcessRegistry):
        drives_processes = True

    assert TracedProcessRegistry(Engine(), Recorder().telemetry).drives_processes
    assert not traced_registry().drives_processes
