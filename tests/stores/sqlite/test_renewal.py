"""Keeping leases, without a thread and without a file that could be renewed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from lash_trio.model import ProcessLease
from lash_trio.stores.sqlite._renewal import KeptLeases, LeaseTable, RenewalOptions
from lash_trio.testing.machines import ManualClock

TTL_MS = 30_000


@attrs.define
class Seconds:
    now: float = 100.0


def lease_that_expires(at_ms: int) -> ProcessLease:
    return ProcessLease(
        process_id="p",
        owner_id="a",
        lease_token="token",
        fencing_token=1,
        claimed_at_epoch_ms=at_ms - TTL_MS,
        expires_at_epoch_ms=at_ms,
    )


def call(function: Callable[[], None]) -> None:
    function()


@pytest.mark.parametrize(("granted_before_ms", "lost_after"), [(0, 29.999), (20_000, 9.999)])
def test_a_lease_is_good_for_no_longer_than_the_file_says(
    tmp_path: Path, granted_before_ms: int, lost_after: float
) -> None:
    """It counts from the grant, which was a while ago, and leaves out the cut millisecond."""
    clock, seconds = ManualClock(), Seconds()
    # The file cannot be opened, so nothing is renewed.
    options = RenewalOptions(
        path=str(tmp_path / "away.db"), clock=clock, lease_ttl_ms=TTL_MS, table=LeaseTable.PROCESSES
    )
    leases = KeptLeases(options, lambda: seconds.now, call)
    lost: list[str] = []
    expires_at_ms = clock.now_ms() - granted_before_ms + TTL_MS
    leases.add(lease_that_expires(expires_at_ms), lost.append)
    seconds.now += lost_after - 0.0005
    leases.renew_all()
    assert lost == []
    seconds.now += 0.0006
    leases.renew_all()
    (why,) = lost
    assert "could not be renewed before it expired" in why
