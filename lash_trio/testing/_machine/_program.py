"""Programs for registries: steps that refer to nothing but short names and numbers.

A number that stands for a lease or a wait means the one of that number among those
there are, 0 being the oldest and -1 the newest, and beginning again after the last; so
every program can be run, and so can every program that is left when steps are taken
out of it.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ._brief import Brief
from ._step import CallStep


@attrs.frozen(repr=False)
class StartWait(Brief):
    """Start to wait, in a task of its own.

    Args:
        kind: ``nth`` (for an ordinal of ``type``), ``after`` (for the first event of
            ``type`` after a number), ``next`` (for the first of any type after a
            number) or ``end`` (of the process).
        process: at which process.
        type: the event type.
        ahead: for which ordinal, or after which number; counted from those that there
            are when the wait starts, so that 1 is the ordinal that comes next.
        timeout_ms: after which the waiter gives up; never where None.
    """

    kind: str
    process: str
    type: str = "note"
    ahead: int = 1
    timeout_ms: int | None = None


@attrs.frozen(repr=False)
class CancelWait(Brief):
    """Cancel a wait, if it goes on."""

    wait: int


@attrs.frozen(repr=False)
class Advance(Brief):
    """Move time on."""

    duration_ms: int


@attrs.frozen(repr=False)
class Interrupted(Brief):
    """A call that is cancelled.

    Args:
        step: the call.
        after: how many rounds of the scheduler later; 0 cancels it before it begins.
    """

    step: CallStep
    after: int = 0


Action: TypeAlias = CallStep | StartWait | CancelWait | Advance | Interrupted


@attrs.frozen(repr=False)
class Together(Brief):
    """Actions that happen at once, in an order that the scheduler decides."""

    actions: tuple[Action, ...]


@attrs.frozen(repr=False)
class Reopen(Brief):
    """Close the registry, with all waits going on, and open what is left of it again."""


Step: TypeAlias = Action | Together | Reopen


@attrs.frozen(repr=False)
class RegistryProgram(Brief):
    """What is done to a registry.

    Args:
        steps: one after the other.
        seed: decides the order of tasks.
    """

    steps: tuple[Step, ...]
    seed: int = 0

    @property
    def reopens(self) -> bool:
        """Whether it needs a registry that survives."""
        return any(isinstance(step, Reopen) for step in self.steps)
