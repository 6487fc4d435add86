"""What is measured, in words and numbers that all peers share."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Plan:
    """How much is done.

    Args:
        steps: sequential steps of one process.
        processes: processes that run at once.
        steps_each: steps of each of those.
        signals: signals that are waited for, one after the other.
        recovered: processes that are in the middle when their program is killed.
    """

    steps: int = 200
    processes: int = 100
    steps_each: int = 10
    signals: int = 20
    recovered: int = 200


QUICK = Plan(steps=5, processes=3, steps_each=2, signals=2, recovered=3)

MEASURES = {
    "step": "one step of a process after another, ms each",
    "concurrent": "steps of 100 processes at once, steps/s",
    "signal": "from the call that signals to the process that waited, ms",
    "recovery": "200 processes killed in the middle, until all have ended, s",
}
"""The figures, with what they mean."""
