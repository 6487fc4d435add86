"""What tasks hand to the one task that talks to Restate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs
import trio

from ...model import EffectError, EffectErrorCode
from ._vm import Failure, InvocationInput

Result: TypeAlias = "bytes | Failure | None"


@attrs.define(eq=False)
class Request:
    """An operation that a task has handed over.

    Args:
        order: its name; operations of one moment are issued in the order of their names.
        issue: has the state machine begin it; returns its handle.
        is_watch: whether this is no reason to end the attempt: what runs here does not
            wait for it.
        done: is set when it has its result, or will have none in this attempt.
    """

    order: str
    issue: Callable[[], int]
    is_watch: bool = False
    done: trio.Event = attrs.field(factory=trio.Event)
    handle: int | None = None
    result: Result = None
    has_result: bool = False
    is_lost: bool = False

    @property
    def value(self) -> bytes:
        """The result, where it is a value; empty where it is an error or nothing."""
        return self.result if isinstance(self.result, bytes) else b""

    def settle(self, result: Result) -> None:
        """Note the result."""
        self.result = result
        self.has_result = True
        self.done.set()

    def lose(self) -> None:
        """Note that the attempt is over before it."""
        self.is_lost = True
        self.done.set()


@attrs.frozen
class Awakeable:
    """Something that others can complete by its id.

    Args:
        id: names it everywhere.
        handle: names it in this attempt.
        is_completed: whether it was when the attempt began.
    """

    id: str
    handle: int
    is_completed: bool = False


def attempt_lost(found: InvocationInput) -> EffectError:
    """The error for operations of an attempt that is over."""
    return EffectError(
        EffectErrorCode.SCOPE_LEASE_LOST,
        f"the attempt at invocation {found.invocation_id} ({found.key!r}) is over; Restate "
        "makes another, which goes on from what is recorded",
    )
