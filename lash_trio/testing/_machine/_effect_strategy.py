"""Programs for scopes, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ._effect_program import (
    Action,
    AwaitResult,
    Block,
    CancelEffect,
    CancelOutside,
    CancelScope,
    Child,
    Effect,
    EffectProgram,
    Emit,
    Execute,
    Limit,
    Pause,
    Start,
)
from ._mostly import mostly

_duration_ms = st.sampled_from((0, 10, 20, 30, 11, 50))
_effect = st.builds(
    Effect,
    st.sampled_from(("value", "sleep", "stubborn", "failure", "stubborn", "tidying", "event")),
    _duration_ms,
)
_started = st.sampled_from((-1, 0, -1, -2, 1))
_reason = st.sampled_from((None, "superseded", "stopped"))
_short = st.sampled_from((0, 5, 10, 15, 30))


def _simple() -> SearchStrategy[Action]:
    return mostly(
        (6, st.builds(Start, _effect)),
        (3, st.builds(Execute, _effect)),
        (3, st.builds(AwaitResult, _started)),
        (4, st.builds(CancelEffect, _started, _reason)),
        (2, st.builds(CancelScope, _reason)),
        (1, st.builds(CancelOutside)),
        (2, st.builds(Emit)),
        (2, st.builds(Pause, _short)),
    )


def _some(action: SearchStrategy[Action], most: int) -> SearchStrategy[tuple[Action, ...]]:
    return st.lists(action, max_size=most).map(tuple)


def _blocks(action: SearchStrategy[Action]) -> SearchStrategy[Block]:
    return st.builds(
        Block,
        actions=_some(action, 8),
        raises=mostly((3, st.just(False)), (1, st.just(True))),
        limit_ms=st.one_of(st.none(), _short),
        at_exit=st.lists(_effect, max_size=2).map(tuple),
    )


def _nested(action: SearchStrategy[Action]) -> SearchStrategy[Action]:
    return mostly(
        (5, action),
        (1, st.builds(Limit, _short, _some(action, 4))),
        (1, st.builds(Child, _some(action, 4))),
        (1, _blocks(action)),
    )


def effect_programs() -> SearchStrategy[EffectProgram]:
    """Programs for scopes; see :func:`lash_trio.testing.machines.effect_programs`."""
    block = _blocks(_nested(_nested(_simple())))
    return st.builds(EffectProgram, block, seed=st.integers(0, 2**16))
