"""Calls of a program in tasks of their own, and what has become of them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from enum import Enum, auto

import attrs
import trio

from ...model import PluginError
from ._views import Refusal


class NoResult(Enum):
    """What has become of a call that did not return."""

    RUNNING = auto()
    CANCELLED = auto()
    TIMED_OUT = auto()


@attrs.frozen
class Raised:
    """It raised what is no refusal."""

    error: Exception


class RunningCall:
    """One call in a task of its own.

    Args:
        call: makes the call.
        deadline: the time of trio's clock when its caller gives up.

    Attributes:
        end: what has become of it: the raw value, a :class:`Refusal`, a
            :class:`Raised`, or that there is no result.
    """

    def __init__(self, call: Callable[[], Awaitable[object]], deadline: float = math.inf) -> None:
        self.end: object = NoResult.RUNNING
        self._call = call
        self._deadline = deadline
        self._scope = trio.CancelScope()

    @property
    def has_ended(self) -> bool:
        """Whether something has become of it."""
        return self.end is not NoResult.RUNNING

    def cancel(self) -> None:
        """Cancel it from outside."""
        self._scope.cancel()

    async def run(self) -> None:
        """Make the call; whatever comes of it is kept."""
        patience = trio.CancelScope(deadline=self._deadline)
        end: object = NoResult.CANCELLED
        with self._scope:
            with patience:
                end = await outcome_of(self._call)
            if patience.cancelled_caught:
                end = NoResult.TIMED_OUT
        self.end = end


async def outcome_of(call: Callable[[], Awaitable[object]]) -> object:
    """What comes of a call made here: the raw value, a :class:`Refusal` or a :class:`Raised`."""
    try:
        return await call()
    except PluginError as error:
        return Refusal(frozenset({error.reason}))
    except Exception as error:  # noqa: BLE001
        # A registry is somebody else's code; what it raises is for the model to judge.
        return Raised(error)
