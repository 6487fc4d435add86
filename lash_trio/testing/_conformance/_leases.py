"""Rules of leases: one owner at a time, and tokens that only grow."""

from __future__ import annotations

import itertools

import attrs

from ...model import PluginReason, ProcessLease, ProcessLeaseCompletion
from ._registry_bench import RegistryBench, registry_check
from ._rules import expect, expect_refused, expect_that

_TTL_MS = 1_000


async def _held(bench: RegistryBench, what: str, owner_id: str) -> None:
    """The lease is another's."""
    await expect_refused(
        f"a claim by {owner_id!r} {what}", PluginReason.LEASE_HELD, bench.claim(owner_id)
    )


async def _release(bench: RegistryBench, lease: ProcessLease) -> None:
    await bench.registry.complete_process_lease(ProcessLeaseCompletion.of(lease))


async def _lost(bench: RegistryBench, what: str, lease: ProcessLease) -> None:
    """The lease cannot be renewed."""
    await expect_refused(
        f"the renewal of {what}",
        PluginReason.LEASE_LOST,
        bench.registry.renew_process_lease(lease, _TTL_MS),
    )


@registry_check
async def a_claim_returns_the_lease(bench: RegistryBench) -> None:
    """A lease names its process and owner and lasts for the time that was asked for."""
    await bench.register()
    lease = await bench.claim("a", _TTL_MS)
    expect("the process of the lease", lease.process_id, "p1")
    expect("the owner of the lease", lease.owner_id, "a")
    lasts_ms = lease.expires_at_epoch_ms - lease.claimed_at_epoch_ms
    expect("the milliseconds that the lease lasts", lasts_ms, _TTL_MS)
    created = (await bench.row()).created_at_ms
    expect_that(
        lease.claimed_at_epoch_ms >= created,
        f"expected the claim not before the registration at {created}, "
        f"got {lease.claimed_at_epoch_ms}",
    )


@registry_check
async def a_live_lease_keeps_others_out(bench: RegistryBench) -> None:
    """A claim is refused while another owner's lease is alive, and leaves that lease as it is."""
    await bench.register()
    lease = await bench.claim("a", _TTL_MS)
    await _held(bench, "while 'a' holds the lease", "b")
    bench.advance_ms(_TTL_MS // 2)
    await _held(bench, "in the middle of the lease of 'a'", "b")
    renewed = await bench.registry.renew_process_lease(lease, _TTL_MS)
    expect("the token of the kept lease", renewed.fencing_token, lease.fencing_token)


@registry_check
async def a_lease_expires(bench: RegistryBench) -> None:
    """When a lease's time is over, another owner may claim the process."""
    await bench.register()
    await bench.claim("a", _TTL_MS)
    bench.advance_ms(_TTL_MS)
    lease = await bench.claim("b")
    expect("the owner after the time is over", lease.owner_id, "b")


@registry_check
async def an_owner_may_claim_again(bench: RegistryBench) -> None:
    """A claim by the owner of the live lease gives a new lease, and makes the old one stale."""
    await bench.register()
    first = await bench.claim("a")
    second = await bench.claim("a")
    expect_that(
        second.fencing_token > first.fencing_token,
        f"expected a token above {first.fencing_token}, got {second.fencing_token}",
    )
    await _lost(bench, "a lease that its owner has claimed again", first)
    await bench.registry.renew_process_lease(second, _TTL_MS)


@registry_check
async def every_claim_raises_the_token(bench: RegistryBench) -> None:
    """The fencing token of a process grows with every claim: after expiry, release and re-claim."""
    await bench.register()
    leases = [await bench.claim("a")]
    bench.advance_ms(_TTL_MS)
    leases.append(await bench.claim("b"))
    await _release(bench, leases[-1])
    leases.append(await bench.claim("a"))
    leases.append(await bench.claim("a"))
    tokens = [lease.fencing_token for lease in leases]
    growing = all(later > earlier for earlier, later in itertools.pairwise(tokens))
    expect_that(growing, f"expected growing fencing tokens, got {tokens}")


@registry_check
async def every_claim_has_its_own_token(bench: RegistryBench) -> None:
    """The lease tokens of two claims differ, those of two processes included."""
    await bench.register("p1", "p2")
    leases = [
        await bench.claim("a"),
        await bench.claim("a"),
        await bench.registry.claim_process_lease("p2", "a", _TTL_MS),
    ]
    tokens = {lease.lease_token for lease in leases}
    expect("the number of different lease tokens", len(tokens), len(leases))


@registry_check
async def a_released_process_is_free(bench: RegistryBench) -> None:
    """``complete_process_lease`` of the live lease lets others claim at once; again is no change."""
    await bench.register()
    lease = await bench.claim("a")
    for _ in range(2):
        await _release(bench, lease)
    expect("the owner after the release", (await bench.claim("b")).owner_id, "b")


@registry_check
async def a_stale_release_does_nothing(bench: RegistryBench) -> None:
    """``complete_process_lease`` with a stale token leaves the lease of the new owner alive."""
    await bench.register()
    stale = await bench.claim("a", _TTL_MS)
    bench.advance_ms(_TTL_MS)
    await bench.claim("b")
    await _release(bench, stale)
    await _held(bench, "after a stale release", "c")


@registry_check
async def a_renewed_lease_lasts_longer(bench: RegistryBench) -> None:
    """``renew_process_lease`` lets the lease end later and keeps its tokens."""
    await bench.register()
    lease = await bench.claim("a", _TTL_MS)
    bench.advance_ms(_TTL_MS // 2)
    renewed = await bench.registry.renew_process_lease(lease, _TTL_MS)
    expect("the lease token", renewed.lease_token, lease.lease_token)
    expect("the fencing token", renewed.fencing_token, lease.fencing_token)
    later = renewed.expires_at_epoch_ms - lease.expires_at_epoch_ms
    expect_that(later >= _TTL_MS // 2, f"expected an end {_TTL_MS // 2} ms later, got {later} ms")
    bench.advance_ms(_TTL_MS // 2)
    await _held(bench, "after the first end of a renewed lease", "b")
    bench.advance_ms(_TTL_MS)
    expect("the owner after the second end", (await bench.claim("b")).owner_id, "b")


@registry_check
async def only_the_live_lease_is_renewed(bench: RegistryBench) -> None:
    """``renew_process_lease`` refuses a lease that was released, has expired or was followed."""
    await bench.register()
    released = await bench.claim("a", _TTL_MS)
    await _release(bench, released)
    await _lost(bench, "a released lease", released)
    expired = await bench.claim("a", _TTL_MS)
    bench.advance_ms(_TTL_MS)
    await _lost(bench, "an expired lease", expired)
    await bench.claim("b", _TTL_MS)
    await _lost(bench, "a lease that another owner's has followed", expired)
    await _held(bench, "after refused renewals", "a")


@registry_check
async def leases_are_of_one_process(bench: RegistryBench) -> None:
    """The lease of one process says nothing about another."""
    await bench.register("p1", "p2")
    await bench.claim("a")
    other = await bench.registry.claim_process_lease("p2", "b", _TTL_MS)
    expect("the owner of the other process", other.owner_id, "b")
    mixed = attrs.evolve(other, process_id="p1")
    await _lost(bench, "a lease of another process", mixed)


@registry_check
async def an_ended_process_is_not_claimed(bench: RegistryBench) -> None:
    """``claim_process_lease`` refuses a process that has ended."""
    await bench.register()
    await bench.end()
    await expect_refused(
        "a claim of an ended process", PluginReason.PROCESS_TERMINAL, bench.claim("a")
    )


@registry_check
async def a_lease_needs_a_time_to_live(bench: RegistryBench) -> None:
    """A claim or renewal for less than a millisecond is refused."""
    await bench.register()
    lease = await bench.claim("a")
    for ttl_ms in (0, -1):
        reason = PluginReason.INVALID_LEASE
        await expect_refused(f"a claim for {ttl_ms} ms", reason, bench.claim("a", ttl_ms))
        renewal = bench.registry.renew_process_lease(lease, ttl_ms)
        await expect_refused(f"a renewal for {ttl_ms} ms", reason, renewal)


@registry_check
async def a_lease_needs_an_owner(bench: RegistryBench) -> None:
    """A claim by a blank owner is refused."""
    await bench.register()
    for blank in ("", " \t"):
        claim = bench.claim(blank)
        await expect_refused(f"a claim by {blank!r}", PluginReason.INVALID_LEASE, claim)


CHECKS = (
    a_claim_returns_the_lease,
    a_live_lease_keeps_others_out,
    a_lease_expires,
    an_owner_may_claim_again,
    every_claim_raises_the_token,
    every_claim_has_its_own_token,
    a_released_process_is_free,
    a_stale_release_does_nothing,
    a_renewed_lease_lasts_longer,
    only_the_live_lease_is_renewed,
    leases_are_of_one_process,
    an_ended_process_is_not_claimed,
    a_lease_needs_a_time_to_live,
    a_lease_needs_an_owner,
)
