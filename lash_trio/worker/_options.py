"""How a worker works, and what it is at."""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
from attrs.validators import ge, gt


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """How a worker works.

    Args:
        max_running: how many processes may run at once; parked ones do not count.
        poll_seconds: how often it looks for work that nobody told it of; less often
            where looking takes longer than a tenth of that.  Rows whose processes only
            wait are looked at as well as long as that takes a hundredth of the time.
        lease_ttl_ms: for how long a lease lasts; it is renewed three times as often.
        cancel_grace_seconds: how long a process that was asked to end may take,
            before what it awaits outside of effects is cancelled too.
        drain_grace_seconds: how long running processes may go on in a drain.
        max_loaded_parked: how many parked processes stay in memory, where the host is
            durable; those that parked first are unloaded, and driven again when what
            they wait for is there.
        unload_after_seconds: for how long a parked process stays in memory even where
            there is room, likewise; as long as there is room by default.
    """

    max_running: int = attrs.field(default=100, validator=ge(1))
    poll_seconds: float = attrs.field(default=0.4, validator=gt(0))
    lease_ttl_ms: int = attrs.field(default=30_000, validator=ge(3))
    cancel_grace_seconds: float = attrs.field(default=5.0, validator=ge(0))
    drain_grace_seconds: float = attrs.field(default=10.0, validator=ge(0))
    max_loaded_parked: int = attrs.field(default=1000, validator=ge(0))
    unload_after_seconds: float = attrs.field(default=math.inf, validator=ge(0))


@attrs.frozen(kw_only=True)
class WorkerStatistics:
    """What a worker is at.

    Args:
        running: processes that hold a running slot.
        queued: processes that could go on and wait for a slot.
        parked: processes here whose tasks all wait for something else.
        unloaded: processes that wait, and of which only that is known here.
        left_alone: why rows that have not ended are not run here, by process id.
    """

    running: int
    queued: int
    parked: int
    unloaded: int = 0
    left_alone: Mapping[str, str]
