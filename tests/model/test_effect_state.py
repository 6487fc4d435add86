"""The tables of an effect's and a scope's life."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    EFFECT_TRANSITIONS,
    SCOPE_TRANSITIONS,
    EffectSignal,
    EffectState,
    ScopeSignal,
    ScopeState,
)

E, ES, S, SS = EffectState, EffectSignal, ScopeState, ScopeSignal
ENDED = {E.SUCCEEDED, E.FAILED, E.CANCELLED, E.ABANDONED}

# What cannot happen, with the reason. All other pairs must be in the table.
IMPOSSIBLE_EFFECT = {
    # Its cancel scope catches nothing that nobody asked for.
    (E.RUNNING, ES.CANCEL_CAUGHT),
    # An effect ends once; afterwards only a cancel can still be asked for.
    *((state, signal) for state in ENDED for signal in ES if signal is not ES.CANCEL_REQUESTED),
}
IMPOSSIBLE_SCOPE = {
    # The end of the effects is waited for by the closing scope.
    (S.OPEN, SS.EFFECTS_ENDED),
    (S.CANCELLED, SS.EFFECTS_ENDED),
    # A block is left once, and the effects end once.
    (S.CLOSED, SS.BLOCK_LEFT),
    (S.CLOSED, SS.EFFECTS_ENDED),
}


@pytest.mark.parametrize(
    ("table", "states", "signals", "impossible"),
    [
        pytest.param(EFFECT_TRANSITIONS, E, ES, IMPOSSIBLE_EFFECT, id="effect"),
        pytest.param(SCOPE_TRANSITIONS, S, SS, IMPOSSIBLE_SCOPE, id="scope"),
    ],
)
def test_the_table_says_what_happens_wherever_something_can(
    table: Mapping[tuple[Enum, Enum], Enum],
    states: type[Enum],
    signals: type[Enum],
    impossible: set[tuple[Enum, Enum]],
) -> None:
    pairs = {(state, signal) for state in states for signal in signals}
    assert set(table) == pairs - impossible
    assert set(table.values()) <= set(states)


StateT = TypeVar("StateT", bound=Enum)
SignalT = TypeVar("SignalT", bound=Enum)


def reachable(table: Mapping[tuple[StateT, SignalT], StateT], start: StateT) -> set[StateT]:
    found = {start}
    while more := {after for (before, _), after in table.items() if before in found} - found:
        found |= more
    return found


def test_every_state_can_be_reached() -> None:
    assert reachable(EFFECT_TRANSITIONS, E.RUNNING) == set(E)
    assert reachable(SCOPE_TRANSITIONS, S.OPEN) == set(S)


def test_an_end_is_final() -> None:
    for state in ENDED:
        assert reachable(EFFECT_TRANSITIONS, state) == {state}
    assert reachable(SCOPE_TRANSITIONS, S.CLOSED) == {S.CLOSED}


def test_every_effect_and_every_scope_can_end() -> None:
    for state in E:
        assert reachable(EFFECT_TRANSITIONS, state) & ENDED
    for scope_state in S:
        assert S.CLOSED in reachable(SCOPE_TRANSITIONS, scope_state)


@pytest.mark.parametrize("state", [E.RUNNING, E.CANCELLING])
def test_how_an_effect_ended_wins_over_what_was_asked(state: EffectState) -> None:
    # A result that is there is never thrown away, and the outer cancellation wins.
    assert EFFECT_TRANSITIONS[state, ES.RETURNED] is E.SUCCEEDED
    assert EFFECT_TRANSITIONS[state, ES.RAISED] is E.FAILED
    assert EFFECT_TRANSITIONS[state, ES.UNWOUND] is E.ABANDONED


def test_a_requested_cancellation_that_was_caught_is_the_only_way_to_cancelled() -> None:
    ways = {pair for pair, after in EFFECT_TRANSITIONS.items() if after is E.CANCELLED}
    assert ways == {(E.CANCELLING, ES.CANCEL_CAUGHT), (E.CANCELLED, ES.CANCEL_REQUESTED)}


def test_a_scope_never_opens_again() -> None:
    order = [S.OPEN, S.CANCELLED, S.CLOSING, S.CLOSED]
    for (before, _), after in SCOPE_TRANSITIONS.items():
        assert order.index(after) >= order.index(before)
    assert not [pair for pair, after in SCOPE_TRANSITIONS.items() if after is S.OPEN]


@given(st.lists(st.sampled_from(ES)))
def test_any_history_ends_at_most_once(signals: list[EffectSignal]) -> None:
    state = E.RUNNING
    ends: list[EffectState] = []
    for signal in signals:
        after = EFFECT_TRANSITIONS.get((state, signal))
        if after is None:
            assert (state, signal) in IMPOSSIBLE_EFFECT
            continue
        if after in ENDED:
            ends.append(after)
        state = after
    assert len(set(ends)) <= 1
