"""For how long a row is left alone whose run broke off.  Pure."""

from __future__ import annotations

import attrs

from ..model import ScopeLeaseHeldError

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Pause:
    """A row is left alone for a while, longer each time.

    Args:
        seconds: for how long.
        until: when it is over, on trio's clock.
        why: what the run broke off with.
    """

    seconds: float
    until: float
    why: str

    @staticmethod
    def after(fault: Exception, last: Pause | None, now: float) -> Pause:
        """The pause after a fault.

        Args:
            fault: what the run broke off with.
            last: the pause before that run, if there was one.
            now: the time, on trio's clock.
        """
        if isinstance(fault, ScopeLeaseHeldError):
            # Of the owner before, who is gone: its lease of the process is over.
            seconds = fault.left_ms / 1000
        else:
            seconds = _FIRST_SECONDS if last is None else 2 * last.seconds
            seconds = min(seconds, _LONGEST_SECONDS)
        return Pause(seconds=seconds, until=now + seconds, why=str(fault))
