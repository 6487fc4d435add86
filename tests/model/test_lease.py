"""Leases: one live owner at a time, and a token that grows with every claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    LeaseClaim,
    LeaseState,
    PluginError,
    PluginReason,
    ProcessLease,
    ProcessLeaseCompletion,
    check_fence,
    check_lease_ttl,
    claim_lease,
    release_lease,
    renew_lease,
)
from tests.model.support import refusing

TTL = 100
NOW = 1_000


def claim(owner: str, token: str, now_ms: int = NOW, ttl_ms: int = TTL) -> LeaseClaim:
    return LeaseClaim(
        process_id="p", owner_id=owner, lease_ttl_ms=ttl_ms, lease_token=token, now_ms=now_ms
    )


def claimed(owner: str = "a", token: str = "t1") -> tuple[LeaseState, ProcessLease]:
    return claim_lease(LeaseState(), claim(owner, token))


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(PluginError) as caught:
        call()
    return caught.value.reason


FREE = LeaseState()
HELD, LEASE = claimed()
RELEASED = release_lease(HELD, ProcessLeaseCompletion.of(LEASE))
TAKEN_OVER, SUCCESSOR = claim_lease(HELD, claim("b", "t2", NOW + TTL))

# state, who claims, when, the fencing token it gets or None where it is refused
CLAIMS: list[tuple[LeaseState, str, int, int | None]] = [
    (FREE, "a", NOW, 1),
    (HELD, "b", NOW, None),
    (HELD, "b", NOW + TTL - 1, None),
    (HELD, "b", NOW + TTL, 2),
    (HELD, "b", NOW + TTL + 1, 2),
    # The owner itself may claim again: it is a new run, and the old one is stale.
    (HELD, "a", NOW + 1, 2),
    (HELD, "a", NOW + TTL, 2),
    # The token grows after a release as well.
    (RELEASED, "a", NOW + 1, 2),
    (RELEASED, "b", NOW + 1, 2),
    (TAKEN_OVER, "a", NOW + TTL, None),
    (TAKEN_OVER, "a", NOW + 2 * TTL, 3),
]


@pytest.mark.parametrize(("state", "owner", "now_ms", "token"), CLAIMS)
def test_a_claim(state: LeaseState, owner: str, now_ms: int, token: int | None) -> None:
    if token is None:
        held = reason_of(lambda: claim_lease(state, claim(owner, "new", now_ms)))
        assert held == PluginReason.LEASE_HELD
        return
    after, lease = claim_lease(state, claim(owner, "new", now_ms))
    assert lease == ProcessLease(
        schema_version=1,
        process_id="p",
        owner_id=owner,
        lease_token="new",
        fencing_token=token,
        claimed_at_epoch_ms=now_ms,
        expires_at_epoch_ms=now_ms + TTL,
    )
    assert after == LeaseState(fencing_token=token, lease=lease)


def test_a_refused_claim_says_who_holds_it_and_for_how_long() -> None:
    with pytest.raises(PluginError) as caught:
        claim_lease(HELD, claim("b", "t2", NOW + 30))
    assert caught.value.message == (
        "process 'p' is leased to 'a' for another 70 ms; 'b' may claim it then"
    )


@pytest.mark.parametrize("owner", ["", " ", "\n"])
def test_an_owner_must_not_be_blank(owner: str) -> None:
    assert reason_of(lambda: claim_lease(FREE, claim(owner, "t"))) == "invalid_lease"
    assert reason_of(lambda: claim_lease(HELD, claim(owner, "t"))) == "invalid_lease"


@pytest.mark.parametrize("ttl", [0, -1, 0.5, 1.5, True, "100", None])
def test_a_time_to_live_is_a_whole_number_of_milliseconds(ttl: Any) -> None:
    for call in (
        lambda: check_lease_ttl(ttl),
        lambda: claim_lease(FREE, claim("a", "t", ttl_ms=ttl)),
        lambda: renew_lease(HELD, LEASE, ttl, NOW),
    ):
        with pytest.raises(PluginError) as caught:
            call()
        assert caught.value.reason == PluginReason.INVALID_LEASE
        assert repr(ttl) in caught.value.message
    check_lease_ttl(1)


# state, lease, when, whether it still holds, and what is said where it does not
FENCES: list[tuple[LeaseState, ProcessLease, int, str | None]] = [
    (HELD, LEASE, NOW, None),
    (HELD, LEASE, NOW + TTL - 1, None),
    (HELD, LEASE, NOW + TTL, "it expired 0 ms ago"),
    (HELD, LEASE, NOW + TTL + 5, "it expired 5 ms ago"),
    (FREE, LEASE, NOW, "nobody holds it now"),
    (RELEASED, LEASE, NOW, "nobody holds it now"),
    (TAKEN_OVER, LEASE, NOW + TTL, "'b' holds it under token 2"),
    (TAKEN_OVER, SUCCESSOR, NOW + TTL, None),
    (HELD, attrs.evolve(LEASE, lease_token="forged"), NOW, "'a' holds it under token 1"),
]


@pytest.mark.parametrize(("state", "lease", "now_ms", "lost"), FENCES)
def test_the_fence(state: LeaseState, lease: ProcessLease, now_ms: int, lost: str | None) -> None:
    if lost is None:
        assert check_fence(state, lease, now_ms) == lease
        renewed_state, renewed = renew_lease(state, lease, 7, now_ms)
        assert renewed == attrs.evolve(lease, expires_at_epoch_ms=now_ms + 7)
        assert renewed_state == LeaseState(fencing_token=state.fencing_token, lease=renewed)
        return
    for call in (
        lambda: check_fence(state, lease, now_ms),
        lambda: renew_lease(state, lease, 7, now_ms),
    ):
        with pytest.raises(PluginError) as caught:
            call()
        assert caught.value.reason == PluginReason.LEASE_LOST
        assert lost in caught.value.message
        assert caught.value.message.endswith("stop running it and write nothing")


def test_a_lease_with_another_fencing_token_is_stale() -> None:
    older = attrs.evolve(LEASE, fencing_token=0)
    assert reason_of(lambda: check_fence(HELD, older, NOW)) == PluginReason.LEASE_LOST


def test_a_renewal_changes_the_end_alone() -> None:
    # What the caller says of the rest of the lease does not get into the registry.
    boastful = attrs.evolve(LEASE, owner_id="z", claimed_at_epoch_ms=0, expires_at_epoch_ms=10**9)
    _, renewed = renew_lease(HELD, boastful, TTL, NOW + 10)
    assert renewed == attrs.evolve(LEASE, expires_at_epoch_ms=NOW + 10 + TTL)


# state, token that is given back, the state after it
RELEASES: list[tuple[LeaseState, str, LeaseState]] = [
    (HELD, "t1", LeaseState(fencing_token=1)),
    (HELD, "stale", HELD),
    (FREE, "t1", FREE),
    (RELEASED, "t1", RELEASED),
    (TAKEN_OVER, "t1", TAKEN_OVER),
    (TAKEN_OVER, "t2", LeaseState(fencing_token=2)),
]


@pytest.mark.parametrize(("state", "token", "after"), RELEASES)
def test_a_release(state: LeaseState, token: str, after: LeaseState) -> None:
    completion = ProcessLeaseCompletion(process_id="p", lease_token=token)
    assert release_lease(state, completion) == after


def test_an_expired_lease_can_still_be_given_back() -> None:
    assert release_lease(HELD, ProcessLeaseCompletion.of(LEASE)).lease is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "renew", "release", "wait"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 150),
    ),
    max_size=40,
)


@given(STEPS)
def test_tokens_only_grow_and_at_most_one_owner_holds_a_live_lease(
    steps: list[tuple[str, str, int]],
) -> None:
    state, now_ms, highest = LeaseState(), 0, 0
    latest: dict[str, ProcessLease] = {}
    for number, (action, owner, amount) in enumerate(steps):
        lease = latest.get(owner)
        # Where it is refused, nothing has changed.
        with refusing(PluginReason.LEASE_HELD, PluginReason.LEASE_LOST):
            if action == "wait":
                now_ms += amount
            elif action == "claim":
                request = claim(owner, f"token-{number}", now_ms, amount)
                state, latest[owner] = claim_lease(state, request)
                assert latest[owner].fencing_token > highest
                highest = latest[owner].fencing_token
            elif lease is not None and action == "renew":
                state, latest[owner] = renew_lease(state, lease, amount, now_ms)
                assert latest[owner].fencing_token == lease.fencing_token
            elif lease is not None:
                state = release_lease(state, ProcessLeaseCompletion.of(lease))
        passing = [one for one in latest.values() if passes(state, one, now_ms)]
        assert len(passing) <= 1
        assert state.fencing_token == highest
        assert all(one.fencing_token == highest for one in passing)


def passes(state: LeaseState, lease: ProcessLease, now_ms: int) -> bool:
    try:
        check_fence(state, lease, now_ms)
    except PluginError:
        return False
    return True
