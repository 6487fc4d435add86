"""How a client of the registry on Restate talks to the server."""

from __future__ import annotations

import attrs
from attrs.validators import ge, gt


@attrs.frozen(kw_only=True)
class RestateRegistryOptions:
    """How long a client waits for what, and how much it does at once.

    Args:
        connect_seconds: for how long one attempt at a connection may take.
        request_seconds: for how long a call may take, all its attempts together.
        cancelled_write_seconds: for how long a write that was begun is still waited for
            after its caller was cancelled.
        first_retry_seconds: the pause before the second attempt; each further one is
            twice as long.
        longest_retry_seconds: how long that pause may grow.
        poll_seconds: for how long the server may hold a question for news of a process
            before it answers that there is none.
        calls_at_once: how many calls may be under way at a time; others wait for their
            turn.  Questions for news are not counted.
        rows_at_once: how many rows a listing asks for at a time.
    """

    connect_seconds: float = attrs.field(default=5.0, validator=gt(0))
    request_seconds: float = attrs.field(default=30.0, validator=gt(0))
    cancelled_write_seconds: float = attrs.field(default=5.0, validator=ge(0))
    first_retry_seconds: float = attrs.field(default=0.05, validator=gt(0))
    longest_retry_seconds: float = attrs.field(default=2.0, validator=gt(0))
    poll_seconds: float = attrs.field(default=20.0, validator=gt(0))
    calls_at_once: int = attrs.field(default=100, validator=ge(1))
    rows_at_once: int = attrs.field(default=32, validator=ge(1))
