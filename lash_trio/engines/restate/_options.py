"""How an endpoint serves."""

from __future__ import annotations

import attrs
from attrs.validators import ge

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@attrs.frozen(kw_only=True)
class RestateOptions:
    """How an endpoint serves, and what it asks of Restate.

    Restate takes those that are durations from the endpoint when it is registered.

    Args:
        identity_keys: the public keys of the Restate that may call (``publickeyv1_…``);
            with none, everybody who reaches the endpoint may.
        park_after_seconds: for how long a process may do nothing but wait before its task
            here ends; another goes on when there is something to go on with.
        inactivity_timeout_ms: for how long Restate listens to a step that runs; a step
            that runs longer still ends, but a cancel reaches its process only then.
        abort_timeout_ms: for how long a step may run on after that before it is cut off
            and begun again.
        retention_ms: for how long the result of an ended process is kept, during which
            its id is taken.
        first_retry_ms: how soon an attempt that failed is followed by another.
        longest_retry_ms: how long the pause between attempts may grow.
        drain_grace_seconds: how long steps may run on in a drain.
    """

    identity_keys: tuple[str, ...] = ()
    park_after_seconds: float = attrs.field(default=60.0, validator=ge(0))
    inactivity_timeout_ms: int = attrs.field(default=_HOUR_MS, validator=ge(0))
    abort_timeout_ms: int = attrs.field(default=_DAY_MS, validator=ge(0))
    retention_ms: int = attrs.field(default=7 * _DAY_MS, validator=ge(0))
    first_retry_ms: int = attrs.field(default=100, validator=ge(1))
    longest_retry_ms: int = attrs.field(default=10_000, validator=ge(1))
    drain_grace_seconds: float = attrs.field(default=10.0, validator=ge(0))
