"""The machine of scopes: the library's hosts keep the promise, planted faults do not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given

from lash_trio import InlineEffectHost, MemoryEffectJournal
from lash_trio.abc import EffectHost
from lash_trio.testing.machines import (
    AwaitResult,
    Block,
    CancelEffect,
    CancelScope,
    Child,
    Effect,
    EffectProgram,
    Execute,
    HostUnderTest,
    Limit,
    Pause,
    Start,
    check_effect_program,
    effect_programs,
    simplest,
)
from tests.mutants import cancelling_hosts

from . import planted_hosts as planted
from .support import first_red, programs_of


def on(host: Callable[[], EffectHost]) -> HostUnderTest:
    return HostUnderTest(open=lambda: contextlib.nullcontext(host()))


def inline() -> HostUnderTest:
    return on(InlineEffectHost)


def replaying() -> HostUnderTest:
    return on(lambda: planted.replaying(MemoryEffectJournal()))


@programs_of(200)
@given(effect_programs())
def test_the_inline_host_keeps_the_promise(program: EffectProgram) -> None:
    check_effect_program(inline(), program)


@programs_of(150)
@given(effect_programs())
def test_the_replaying_host_keeps_the_promise_twice(program: EffectProgram) -> None:
    check_effect_program(replaying(), program, replays=True)


@pytest.mark.parametrize("kind", planted.INLINE)
def test_a_planted_fault_is_found(
    kind: type[EffectHost], scope_programs: list[EffectProgram]
) -> None:
    check = partial(check_effect_program, on(kind))
    assert first_red(check, scope_programs) is not None, kind.__doc__


@pytest.mark.parametrize("kind", planted.REPLAYING)
def test_a_planted_fault_of_replay_is_found(
    kind: type[EffectHost], scope_programs: list[EffectProgram]
) -> None:
    check = partial(check_effect_program, on(kind), replays=True)
    assert first_red(check, scope_programs) is not None, kind.__doc__


WORK = Effect("value", 30)
TIDYING = Effect("tidying", 30)


@pytest.mark.parametrize(
    ("kind", "block", "told"),
    [
        (planted.SwallowsCancelled, Block((Execute(WORK),), limit_ms=10), "cancelled from outside"),
        (cancelling_hosts.LetsEffectsEscape, Block((Start(WORK),)), "its scope is closed"),
        (
            cancelling_hosts.ForgetsOnCancel,
            Block((Start(Effect("value")), Pause(5), CancelEffect(0))),
            "its result .* was there, but",
        ),
        (
            cancelling_hosts.PrefersRequests,
            Block((Child((Execute(TIDYING),)), Pause(5), CancelScope("stop")), limit_ms=6),
            "cancelled from outside, but who asked",
        ),
        (
            cancelling_hosts.RunsWhenClosed,
            Block((Pause(30),), limit_ms=10, at_exit=(WORK,)),
            "scope was being cancelled from outside",
        ),
    ],
)
def test_a_broken_promise_is_told_with_a_trace(
    kind: type[EffectHost], block: Block, told: str
) -> None:
    program = EffectProgram(block)
    check_effect_program(inline(), program)
    with pytest.raises(AssertionError, match=told) as raised:
        check_effect_program(on(kind), program)
    assert "what happened in the first run:" in str(raised.value)
    assert "b opens" in str(raised.value)


def test_a_recorded_cancellation_is_told() -> None:
    program = EffectProgram(Block((Execute(WORK),), limit_ms=10))
    check_effect_program(replaying(), program, replays=True)
    with pytest.raises(AssertionError, match="it never began, and nobody asked") as raised:
        check_effect_program(on(planted.RecordsCancellations), program, replays=True)
    assert "what happened in the second run:" in str(raised.value)


def test_what_is_recorded_and_runs_again_is_told() -> None:
    program = EffectProgram(Block((Execute(WORK),)))
    with pytest.raises(AssertionError, match="it ran again, though") as raised:
        check_effect_program(on(planted.ForgetsOutcomes), program, replays=True)
    assert "what happened in the second run:" in str(raised.value)


def test_a_restarted_sleep_may_be_over_at_once() -> None:
    nap = Effect("sleep", 10)
    check_effect_program(
        replaying(), EffectProgram(Block((Start(nap),), limit_ms=10, at_exit=(nap,))), replays=True
    )


def test_a_counterexample_can_be_simplified(scope_programs: list[EffectProgram]) -> None:
    check = partial(check_effect_program, on(cancelling_hosts.LetsEffectsEscape))
    found = first_red(check, scope_programs)
    assert found is not None
    program = simplest(found, check)
    assert len(repr(program)) < 120, program
    with pytest.raises(AssertionError):
        check(program)


def test_a_deadline_does_not_reach_a_task_that_is_started_under_it() -> None:
    task = Child((Execute(WORK),))
    program = EffectProgram(Block((Limit(0, (task,)), Pause(5), CancelScope("stop"))))
    check_effect_program(inline(), program)


def test_blocks_in_blocks_and_tasks() -> None:
    inner = Block((Start(WORK), Child((AwaitResult(0), CancelScope("enough")))), raises=True)
    check_effect_program(inline(), EffectProgram(Block((inner, Execute(WORK)), limit_ms=50)))
