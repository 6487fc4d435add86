"""Whether the model explains what was seen.

Calls that overlap may take effect in any order, so every order is tried: it is a
check of linearizability, for few calls at a time (Wing and Gong, "Testing and
verifying concurrent objects", 1993).  A call that was cancelled may have taken
effect or not; nothing in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations

import attrs

from ._meaning import Refused
from ._model import ModelRegistry, ModelWait
from ._program import Action, Advance, CancelWait, Interrupted, StartWait
from ._running import NoResult
from ._step import CallStep, LeaseTable
from ._views import Refusal, fits


@attrs.frozen
class Seen:
    """An action and what was seen of it.

    Args:
        action: what was done.
        came: the view of what came.
        wait: which wait it started or cancelled, if it is about one.
        number: the ordinal or number that it waits for.
        deadline_ms: when it gives up.
    """

    action: Action
    came: object = None
    wait: int | None = None
    number: int = 0
    deadline_ms: float | None = None


@attrs.frozen
class Explanation:
    """A state of the model after some actions.

    Args:
        model: the state.
        fault: what does not fit, or None.
    """

    model: ModelRegistry
    fault: str | None = None


def explanations(
    model: ModelRegistry,
    seen: Sequence[Seen],
    waits: Mapping[int, object],
    leases: LeaseTable,
) -> Iterator[Explanation]:
    """What the actions may have done, one for each order; those that do not fit say why.

    Args:
        model: the state before; it is left as it is.
        seen: the actions, and what was seen of them.
        waits: what has become of all waits that went on before, or began.
        leases: the leases as they were before.
    """
    for order in permutations(seen):
        for after, fault in _applied(model.copy(), list(order), leases):
            yield Explanation(after, fault or _settle_waits(after, order, waits))


def expected_of(action: Callable[[], object]) -> object:
    """What the model expects of an action, a refusal included."""
    try:
        return action()
    except Refused as refused:
        return Refusal(refused.reasons)


def _applied(
    model: ModelRegistry, rest: list[Seen], leases: LeaseTable
) -> Iterator[tuple[ModelRegistry, str | None]]:
    if not rest:
        yield model, None
        return
    first, later = rest[0], rest[1:]
    if isinstance(first.action, Interrupted) and first.came is NoResult.CANCELLED:
        yield from _applied(model.copy(), later, leases)
    fault = _apply(model, first, leases)
    if fault is None:
        yield from _applied(model, later, leases)
    else:
        yield model, fault


def _apply(model: ModelRegistry, seen: Seen, leases: LeaseTable) -> str | None:
    """Do an action to the model; returns what does not fit."""
    match seen.action:
        case Advance(duration_ms):
            model.now_ms += duration_ms
            return None
        case CancelWait():
            return None
        case StartWait():
            return _apply_start_wait(model, seen, seen.action)
        case Interrupted(step, after):
            expected = expected_of(lambda: step.expect(model, leases))
            if seen.came is NoResult.CANCELLED:
                return None
            if after == 0 and not isinstance(seen.came, Refusal):
                return _fault(step, NoResult.CANCELLED, seen.came)
            return None if fits(expected, seen.came) else _fault(step, expected, seen.came)
        case CallStep() as step:
            expected = expected_of(lambda: step.expect(model, leases))
            return None if fits(expected, seen.came) else _fault(step, expected, seen.came)


def _apply_start_wait(model: ModelRegistry, seen: Seen, action: StartWait) -> str | None:
    wait = ModelWait(action.process, action.kind, action.type, seen.number, seen.deadline_ms)
    number = -1 if seen.wait is None else seen.wait
    expected = expected_of(lambda: model.start_wait(number, wait))
    if isinstance(seen.came, Refusal):
        return None if fits(expected, seen.came) else _fault(action, expected, seen.came)
    if isinstance(expected, Refusal):
        # It may have been cancelled before it was refused; that is seen from its end.
        model.waits[number] = attrs.evolve(wait, refused=expected.reasons)
    return None


def patience_ms(timeout_ms: int) -> float:
    """When a waiter gives up: never in the very moment in which something else happens."""
    return timeout_ms + 0.5


def _settle_waits(
    model: ModelRegistry, order: Sequence[Seen], waits: Mapping[int, object]
) -> str | None:
    """Compare what has become of the waits; those that have ended are taken away."""
    cancelled = {seen.wait for seen in order if isinstance(seen.action, CancelWait)}
    for number, wait in list(model.waits.items()):
        came = waits[number]
        found = Refusal(wait.refused) if wait.refused else model.found(wait)
        late = wait.deadline_ms is not None and model.now_ms >= wait.deadline_ms
        allowed: list[object] = []
        if number in cancelled:
            allowed.append(NoResult.CANCELLED)
        if late:
            allowed.append(NoResult.TIMED_OUT)
        if found is not None:
            allowed.append(found)
        if not any(fits(one, came) for one in allowed or [NoResult.RUNNING]):
            return f"expected {wait!r} to come to {_one_of(allowed)}, got {came!r}"
        if allowed:
            del model.waits[number]
    return None


def _one_of(allowed: Sequence[object]) -> str:
    return " or ".join(map(repr, allowed)) if allowed else "nothing, and to go on"


def _fault(action: object, expected: object, came: object) -> str:
    return f"expected {action!r} to come to {expected!r}, got {came!r}"
