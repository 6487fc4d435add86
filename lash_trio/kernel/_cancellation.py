"""What can be known of a cancellation that comes from outside."""

from __future__ import annotations

import math
import sys
from typing import cast

import trio


def carries_cancellation(error: BaseException | None) -> bool:
    """Whether an exception is Cancelled, or a group with one in it."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.subgroup(trio.Cancelled) is not None
    return isinstance(error, trio.Cancelled)


def is_cancellation(error: BaseException) -> bool:
    """Whether an exception is Cancelled, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def is_unwinding() -> bool:
    """Whether the current task has been told: it is in a handler or ``finally`` of Cancelled."""
    return carries_cancellation(sys.exception())


def is_about_to_be_told() -> bool:
    """Whether the current task will be told at its next checkpoint, and has not been before."""
    return trio.current_effective_deadline() == -math.inf and not is_unwinding()
