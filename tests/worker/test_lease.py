"""Keeping a lease, and noticing that it is lost."""

from __future__ import annotations

import pytest
import trio

from lash_trio import (
    DurabilityTier,
    EffectError,
    EffectErrorCode,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessDefinitions,
    ProcessLease,
    StepError,
    StoreError,
)
from lash_trio.worker._faults import breaks_off
from lash_trio.worker._lease import LeaseKeeper, fenced, give_back

from .support import HookedRegistry, ManualClock, hanging, idle, jump, raising, register

TTL_MS = 30_000
INLINE = DurabilityTier.INLINE


async def kept(registry: MemoryProcessRegistry, ttl_ms: int = TTL_MS) -> LeaseKeeper:
    definitions = ProcessDefinitions()
    definitions.process("idle")(idle)
    await register(registry, definitions, idle)
    asked_at = trio.current_time()
    lease = await registry.claim_process_lease("p", "owner", ttl_ms)
    return LeaseKeeper(registry, lease, ttl_ms, asked_at)


async def test_a_lease_is_renewed_three_times_in_its_time_to_live(registry: HookedRegistry) -> None:
    keeper = await kept(registry)
    first = keeper.lease
    with trio.move_on_after(95):
        await keeper.keep()
    assert registry.calls.count(("renew_process_lease", "p")) == 9
    assert keeper.lease.lease_token == first.lease_token
    gained_ms = keeper.lease.expires_at_epoch_ms - first.expires_at_epoch_ms
    assert gained_ms == pytest.approx(90_000, abs=10)
    await give_back(registry, keeper.lease)


async def test_a_lease_that_somebody_has_taken_is_lost_at_the_next_renewal() -> None:
    clock = ManualClock()
    registry = MemoryProcessRegistry(clock)
    keeper = await kept(registry)
    clock.ms += TTL_MS
    stolen = await registry.claim_process_lease("p", "thief", TTL_MS)
    why = await keeper.keep()
    assert "'thief' holds it under token 2" in why
    assert trio.current_time() == pytest.approx(10, abs=0.002)
    await give_back(registry, keeper.lease)
    assert registry.statistics().leases == 1, "the token is stale, the thief's lease stays"
    await give_back(registry, stolen)


async def test_a_lease_is_lost_when_the_loop_has_stalled_beyond_its_end(
    registry: HookedRegistry,
) -> None:
    keeper = await kept(registry)
    jump(30)
    assert await keeper.keep() == "it could not be renewed before it expired"
    await give_back(registry, keeper.lease)


async def test_a_store_that_fails_for_a_while_costs_nothing(registry: HookedRegistry) -> None:
    keeper = await kept(registry)
    registry.hooks["renew_process_lease"] = raising(StoreError("away"), times=5)
    with trio.move_on_after(1000) as scope:
        await keeper.keep()
    assert scope.cancelled_caught
    await give_back(registry, keeper.lease)


@pytest.mark.parametrize("hook", [raising(StoreError("away")), hanging()])
async def test_a_store_that_does_not_come_back_costs_the_lease_when_it_expires(
    registry: HookedRegistry, hook: object
) -> None:
    """Another worker may be able to reach the store, and own the process then."""
    keeper = await kept(registry)
    await trio.sleep(1)
    registry.hooks["renew_process_lease"] = hook  # type: ignore[assignment]
    assert await keeper.keep() == "it could not be renewed before it expired"
    assert trio.current_time() == pytest.approx(30, abs=0.002)
    assert trio.current_time() < 30, "the registry counts in whole milliseconds"
    registry.hooks.clear()
    await give_back(registry, keeper.lease)


async def test_the_time_to_live_counts_from_the_asking(registry: HookedRegistry) -> None:
    keeper = await kept(registry)

    async def slow(process_id: str) -> None:
        await trio.sleep(5)

    registry.hooks["renew_process_lease"] = slow
    await trio.sleep(10)
    await keeper.renew()
    assert trio.current_time() == 15
    registry.hooks["renew_process_lease"] = hanging()
    await keeper.keep()
    assert trio.current_time() == pytest.approx(40, abs=0.002), "asked for at 10, not got at 15"
    registry.hooks.clear()
    await give_back(registry, keeper.lease)


async def test_giving_back_is_not_cut_off_by_a_cancellation(registry: HookedRegistry) -> None:
    keeper = await kept(registry)
    with trio.CancelScope() as scope:
        scope.cancel()
        await give_back(registry, keeper.lease)
    assert registry.statistics().leases == 0


@pytest.mark.parametrize("hook", [raising(StoreError("away")), raising(OSError()), hanging()])
async def test_giving_back_ends_whatever_the_store_does(
    registry: HookedRegistry, hook: object
) -> None:
    keeper = await kept(registry)
    registry.hooks["complete_process_lease"] = hook  # type: ignore[assignment]
    with trio.fail_after(6):
        await give_back(registry, keeper.lease)
    registry.hooks.clear()
    await give_back(registry, keeper.lease)


async def _raise(error: Exception) -> ProcessLease:
    raise error


async def test_a_lost_lease_is_no_outcome_of_an_effect() -> None:
    with pytest.raises(EffectError) as lost:
        await fenced(_raise(PluginError(PluginReason.LEASE_LOST, "gone")))
    assert lost.value.code == EffectErrorCode.SCOPE_LEASE_LOST
    assert lost.value.message == "gone"
    assert breaks_off(lost.value, INLINE)
    assert breaks_off(ExceptionGroup("", [ValueError(), ExceptionGroup("", [lost.value])]), INLINE)


async def test_other_refusals_pass_a_fenced_write_as_they_are() -> None:
    error = PluginError(PluginReason.INVALID_PAYLOAD, "no")
    with pytest.raises(PluginError) as refused:
        await fenced(_raise(error))
    assert refused.value is error
    assert not breaks_off(error, INLINE)
    assert not breaks_off(ExceptionGroup("", [ValueError(), StepError("", "", "")]), INLINE)
