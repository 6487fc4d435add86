"""Programs for effect scopes: blocks of actions, blocks inside blocks, and how they are left.

A number that stands for an effect means the one of that number among those that were
started, 0 being the first and -1 the last, and beginning again after the last.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ._brief import Brief


@attrs.frozen(repr=False)
class Effect(Brief):
    """An effect.

    Args:
        kind: ``sleep``; ``value`` (works for a time and returns), ``failure`` (works
            and raises), ``stubborn`` (works behind a shield and returns),
            ``tidying`` (works, and takes a while to unwind); ``event`` (waits for the
            next event, and for so long at most).
        duration_ms: how long it takes, or waits.
    """

    kind: str
    duration_ms: int = 0


@attrs.frozen(repr=False)
class Start(Brief):
    """Start an effect in the scope's nursery."""

    effect: Effect


@attrs.frozen(repr=False)
class Execute(Brief):
    """Run an effect in the task that asks for it."""

    effect: Effect


@attrs.frozen(repr=False)
class AwaitResult(Brief):
    """Wait for the result of an effect that was started, in whatever scope."""

    started: int


@attrs.frozen(repr=False)
class CancelEffect(Brief):
    """Ask an effect that was started to end."""

    started: int
    reason: str | None = None


@attrs.frozen(repr=False)
class CancelScope(Brief):
    """Ask all effects of the scope to end."""

    reason: str | None = None


@attrs.frozen(repr=False)
class CancelOutside(Brief):
    """Cancel the block from outside, as a deadline of its caller would."""


@attrs.frozen(repr=False)
class Emit(Brief):
    """Append the event for which ``event`` effects wait."""


@attrs.frozen(repr=False)
class Pause(Brief):
    """Do nothing for a time."""

    duration_ms: int


@attrs.frozen(repr=False)
class Limit(Brief):
    """Actions under a deadline inside the block: it ends them, and not the scope."""

    duration_ms: int
    actions: tuple[Action, ...]


@attrs.frozen(repr=False)
class Child(Brief):
    """Actions in a task of their own, which the block waits for."""

    actions: tuple[Action, ...]


@attrs.frozen(repr=False)
class Block(Brief):
    """A scope and what is done in it.

    Args:
        actions: what is done, one after the other.
        raises: whether the block is left by an exception of its own.
        limit_ms: when it is cancelled from outside; never where None.
        at_exit: effects that a ``finally`` of the block asks for.
    """

    actions: tuple[Action, ...] = ()
    raises: bool = False
    limit_ms: int | None = None
    at_exit: tuple[Effect, ...] = ()


Action: TypeAlias = (
    Start
    | Execute
    | AwaitResult
    | CancelEffect
    | CancelScope
    | CancelOutside
    | Emit
    | Pause
    | Limit
    | Child
    | Block
)


@attrs.frozen(repr=False)
class EffectProgram(Brief):
    """What is done with scopes.

    Args:
        block: the outermost scope.
        seed: decides the order of tasks.
    """

    block: Block
    seed: int = 0
