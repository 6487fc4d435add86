"""What happened to an effect, and what the promise makes of it.

The rules are those of the design of scopes: a result that is there wins; else a
cancellation from outside; else one by request, which ends the effect with a typed
error.  Nobody else ends an effect, and nothing of it outlives its scope.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

import attrs
import trio

from ...model import (
    AwaitEventOutcome,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    SleepOutcome,
)
from ._effect_program import Effect


class Ending(Enum):
    """How the work of an effect ended."""

    NEVER_BEGAN = auto()
    RUNNING = auto()
    RETURNED = auto()
    RAISED = auto()
    CANCELLED = auto()


@attrs.define(eq=False)
class ScopeFacts:
    """What happened to a scope.

    Args:
        name: of the scope.
        outside: the cancel scopes around it.
        reasons: with which it was cancelled by request, in order.
        broken_off: whether its block was left by an exception.
    """

    name: str
    outside: tuple[trio.CancelScope, ...]
    reasons: list[str | None] = attrs.field(factory=list[str | None])
    broken_off: bool = False

    @property
    def is_cancelled_outside(self) -> bool:
        """Whether it was cancelled from outside by now."""
        return any(scope.cancel_called for scope in self.outside)


@attrs.define(eq=False)
class EffectFacts:
    """What happened to an effect.

    Args:
        key: its replay key.
        effect: what it was.
        scope: in which scope.
        limits: cancel scopes between the scope and the task that executed it.
        is_started: whether it was started, and not executed.
        reasons: with which its cancellation was requested, in order.
        outer_before: whether its scope was cancelled from outside before it was asked for.
        recorded: the outcome or error that is recorded for it, if one is.
        due: when it may be over without having run: where an earlier run began it.
        seen_at: when somebody first got its result.
        refused: whether it was refused at once.
        ending: how its work ended.
        outer_then: whether it was cancelled from outside when its work ended.
        asked_to_end_then: whether its cancellation was requested by then.
        outcome: what its work returned.
        error: what its work raised.
        seen: what those who asked for its result got.
    """

    key: str
    effect: Effect
    scope: ScopeFacts
    limits: tuple[trio.CancelScope, ...]
    is_started: bool
    reasons: list[str | None] = attrs.field(factory=list[str | None])
    outer_before: bool = False
    recorded: EffectOutcome | EffectError | None = None
    due: float | None = None
    seen_at: float | None = None
    refused: bool = False
    ending: Ending = Ending.NEVER_BEGAN
    outer_then: bool = False
    asked_to_end_then: bool = False
    outcome: EffectOutcome | None = None
    error: Exception | None = None
    seen: list[EffectOutcome | BaseException] = attrs.field(
        factory=list[EffectOutcome | BaseException]
    )

    @property
    def is_cancelled_outside(self) -> bool:
        """Whether it was cancelled from outside by now; leaving a block by an exception counts."""
        limited = any(limit.cancel_called for limit in self.limits)
        return self.scope.is_cancelled_outside or limited or self.scope.broken_off

    @property
    def is_replayed(self) -> bool:
        """Whether who asked for its result got what is recorded, or what time has settled."""
        return (self.recorded is not None or self.due is not None) and all(
            self.is_known(seen) for seen in self.seen
        )

    def is_known(self, seen: EffectOutcome | BaseException) -> bool:
        """Whether it is what an earlier run has recorded, or what time has settled since."""
        if self.recorded is not None:
            return _same(self.recorded, seen)
        if self.due is None or self.seen_at is None or self.seen_at < self.due:
            return False
        match seen:
            case SleepOutcome():
                return self.effect.kind == "sleep"
            case AwaitEventOutcome(timed_out=True):
                return self.effect.kind == "event"
            case _:
                return False

    def see(self, seen: EffectOutcome | BaseException) -> None:
        """Note what somebody got who asked for its result."""
        self.seen.append(seen)
        if self.seen_at is None:
            self.seen_at = trio.current_time()

    def end(self, ending: Ending) -> None:
        """Note how its work ended."""
        self.ending = ending
        self.outer_then = self.is_cancelled_outside
        self.asked_to_end_then = bool(self.reasons)


def broken_rule(facts: EffectFacts) -> str | None:
    """Which part of the promise does not hold for an effect, or None.

    To be asked when its scope is closed.
    """
    for rule in _RULES:
        fault = rule(facts)
        if fault is not None:
            return fault
    for seen in facts.seen:
        fault = _seen_fault(facts, seen)
        if fault is not None:
            return fault
    return None


def _nothing_outlives_its_scope(facts: EffectFacts) -> str | None:
    if facts.ending is Ending.RUNNING:
        return "it still runs, and its scope is closed"
    return None


def _nobody_else_cancels(facts: EffectFacts) -> str | None:
    if facts.ending is Ending.CANCELLED and not (facts.outer_then or facts.asked_to_end_then):
        return "it was cancelled, and nobody asked for that"
    return None


def _none_is_lost(facts: EffectFacts) -> str | None:
    asked = facts.reasons or facts.is_cancelled_outside or facts.refused or facts.is_replayed
    if facts.ending is Ending.NEVER_BEGAN and not asked:
        return "it never began, and nobody asked for that"
    return None


def _none_begins_in_a_closing_scope(facts: EffectFacts) -> str | None:
    if facts.outer_before and facts.ending is not Ending.NEVER_BEGAN:
        return "it began, though its scope was being cancelled from outside"
    return None


def _an_open_scope_refuses_none(facts: EffectFacts) -> str | None:
    if facts.refused and not facts.outer_before:
        return "it was refused, though its scope was open"
    return None


def _what_is_recorded_never_runs_again(facts: EffectFacts) -> str | None:
    # A sleep that is recorded waits for what is left of it.
    again = facts.ending is not Ending.NEVER_BEGAN and facts.effect.kind != "sleep"
    if facts.recorded is not None and again:
        return f"it ran again, though {facts.recorded!r} is recorded"
    return None


_RULES: tuple[Callable[[EffectFacts], str | None], ...] = (
    _nothing_outlives_its_scope,
    _nobody_else_cancels,
    _none_is_lost,
    _none_begins_in_a_closing_scope,
    _an_open_scope_refuses_none,
    _what_is_recorded_never_runs_again,
)

_CANCELLED_CODES = {
    "sleep": EffectErrorCode.SLEEP_CANCELLED,
    "event": EffectErrorCode.AWAIT_EVENT_CANCELLED,
}


def _seen_fault(facts: EffectFacts, seen: EffectOutcome | BaseException) -> str | None:
    """What is wrong with what somebody got who asked for the result."""
    if facts.is_known(seen):
        return None
    match facts.ending:
        case Ending.RETURNED if seen != facts.outcome:
            return f"its result {facts.outcome!r} was there, but who asked for it got {seen!r}"
        case Ending.RAISED if facts.error is None or not _same(facts.error, seen):
            return f"it failed with {facts.error!r}, but who asked for it got {seen!r}"
        case Ending.CANCELLED if facts.outer_then and not _is_outer(facts, seen):
            return f"it was cancelled from outside, but who asked for its result got {seen!r}"
        case Ending.CANCELLED if not facts.outer_then:
            return _typed_fault(facts, seen)
        case Ending.NEVER_BEGAN if not _is_outer(facts, seen):
            return _typed_fault(facts, seen)
        case Ending.NEVER_BEGAN if not facts.is_cancelled_outside:
            return f"nobody cancelled it from outside, but who asked for its result got {seen!r}"
        case _:
            return None


def _typed_fault(facts: EffectFacts, seen: EffectOutcome | BaseException) -> str | None:
    if not facts.reasons:
        return f"nobody asked for its end, but who asked for its result got {seen!r}"
    code = _CANCELLED_CODES.get(facts.effect.kind, EffectErrorCode.CANCELLED)
    reason = facts.reasons[0] or "no reason was given"
    if isinstance(seen, EffectError) and seen.code == code and reason in seen.message:
        return None
    return (
        f"its end was asked for first with {reason!r}, so its result must be {str(code)!r} with "
        f"this reason; who asked for it got {seen!r}"
    )


def _is_outer(facts: EffectFacts, seen: EffectOutcome | BaseException) -> bool:
    """Whether this is what a cancellation from outside makes of a result."""
    if isinstance(seen, trio.Cancelled):
        return not facts.is_started
    return isinstance(seen, EffectError) and seen.code == EffectErrorCode.SCOPE_CLOSED


def _same(expected: EffectOutcome | Exception, seen: EffectOutcome | BaseException) -> bool:
    """Whether it is this outcome or error, or the same one from a journal."""
    if isinstance(expected, EffectError) and isinstance(seen, EffectError):
        return expected.code == seen.code and expected.message == seen.message
    return expected == seen
