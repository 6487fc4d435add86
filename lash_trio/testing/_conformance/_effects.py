"""Rules of scopes: how effects run in them, and what comes of them."""

from __future__ import annotations

import trio
from trio.testing import assert_checkpoints

from ...abc import ScopedEffects
from ...kernel import LocalExecutor
from ...model import (
    DurabilityTier,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
)
from ._host_bench import OTHER_TURN, TURN, HostBench, Work, at_once, host_check, step
from ._rules import expect, expect_error, expect_that

_SCOPES: tuple[tuple[EffectScope, str, str | None, str | None], ...] = (
    (EffectScope.turn("s1", "t1"), "t1", "s1", "t1"),
    (EffectScope.process("p1"), "p1", None, None),
    (EffectScope.queue_drain("s1", "d1"), "d1", "s1", None),
    (EffectScope.session_delete("s1"), "s1", "s1", None),
    (EffectScope.runtime_operation("o1"), "o1", None, None),
)


async def _broken(_: EffectEnvelope) -> EffectOutcome:
    raise EffectError("out_of_tea", "expected tea, got none")


def _failing() -> LocalExecutor:
    return LocalExecutor.call(_broken)


async def _open(bench: HostBench, scope: EffectScope) -> object:
    async with bench.host.scoped(scope) as opened:
        return opened


@host_check
async def a_scope_lasts_as_its_host(bench: HostBench) -> None:
    """Host and scope say the same about durability, in the terms of the port."""
    async with bench.host.scoped(TURN) as scope:
        tier = bench.host.durability_tier
        expect_that(tier in tuple(DurabilityTier), f"expected a DurabilityTier, got {tier!r}")
        expect_that(
            scope.durability_tier is DurabilityTier.DURABLE or tier is DurabilityTier.INLINE,
            f"expected a scope as durable as its host, {tier}, got {scope.durability_tier}",
        )


@host_check
async def a_blank_scope_id_is_refused(bench: HostBench) -> None:
    """A scope in which an id is blank cannot be opened."""
    for blank in ("", " \t"):
        for scope in (
            EffectScope.turn(blank, "t1"),
            EffectScope.turn("s1", blank),
            EffectScope.process(blank),
            EffectScope.queue_drain(blank, "d1"),
            EffectScope.queue_drain("s1", blank),
            EffectScope.session_delete(blank),
            EffectScope.runtime_operation(blank),
        ):
            code = EffectErrorCode.MISSING_SCOPE_ID
            await expect_error(f"opening {scope!r}", code, _open(bench, scope))


@host_check
async def a_scope_knows_what_it_is(bench: HostBench) -> None:
    """An opened scope has the identity that it was opened with."""
    for identity, scope_id, session_id, turn_id in _SCOPES:
        async with bench.host.scoped(identity) as scope:
            expect("effect_scope", scope.effect_scope, identity)
            expect(f"scope_id of a {identity.tag} scope", scope.scope_id, scope_id)
            expect(f"turn_id of a {identity.tag} scope", scope.turn_id, turn_id)
            expect(f"the session of a {identity.tag}", scope.effect_scope.session_id, session_id)


@host_check
async def an_effect_returns_its_outcome(bench: HostBench) -> None:
    """``execute_effect`` runs the executor once and returns what it returned."""
    async with bench.host.scoped(TURN) as scope:
        work = at_once({"tea": 1})
        outcome = await scope.execute_effect(step("k"), work.executor())
        expect("the outcome", outcome, work.outcome)
        expect("how often the executor ran", work.runs, 1)


@host_check
async def a_started_effect_returns_its_outcome(bench: HostBench) -> None:
    """``start_effect`` returns a handle that knows its envelope and has the outcome when it is done."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        handle = scope.start_effect(step("k"), work.executor())
        expect("the envelope of the handle", handle.envelope, step("k"))
        call = calls.start(handle.result)
        await calls.parked("the result of a running effect", call)
        expect("done of a running effect", handle.done, False)
        work.released.set()
        outcome = await calls.served("the result of an effect that returned", call)
        expect("the outcome", outcome, work.outcome)
        expect("done of an effect that returned", handle.done, True)


@host_check
async def effects_run_side_by_side(bench: HostBench) -> None:
    """Effects that were started run at the same time."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        works = [Work(n) for n in range(3)]
        handles = [
            scope.start_effect(step(f"k{n}"), work.executor()) for n, work in enumerate(works)
        ]
        await bench.settle()
        expect("how many of three effects run", sum(work.runs for work in works), 3)
        for work, handle in zip(reversed(works), reversed(handles), strict=True):
            work.released.set()
            outcome = await calls.served("the result", calls.start(handle.result))
            expect("the outcome", outcome, work.outcome)


@host_check
async def asking_is_a_checkpoint(bench: HostBench) -> None:
    """``execute_effect``, and ``result`` of an effect that is done, are checkpoints."""
    async with bench.host.scoped(TURN) as scope:
        with assert_checkpoints():
            await scope.execute_effect(step("k1"), at_once().executor())
        handle = scope.start_effect(step("k2"), at_once().executor())
        await handle.result()
        with assert_checkpoints():
            await handle.result()


@host_check
async def a_failure_reaches_who_asked(bench: HostBench) -> None:
    """An effect's EffectError comes out of ``execute_effect`` and ``result`` with its code, in no group."""
    async with bench.host.scoped(TURN) as scope:
        error = await expect_error(
            "a failing effect", "out_of_tea", scope.execute_effect(step("k1"), _failing())
        )
        expect("the message", error.message, "expected tea, got none")
        handle = scope.start_effect(step("k2"), _failing())
        await expect_error("a failing started effect", "out_of_tea", handle.result())


@host_check
async def a_failure_leaves_others_alone(bench: HostBench) -> None:
    """An effect that fails disturbs neither its siblings nor the block."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        sibling = scope.start_effect(step("k1"), work.executor())
        failing = scope.start_effect(step("k2"), _failing())
        await bench.settle()
        expect("done of the failing effect", failing.done, True)
        expect("cancelled of its sibling", work.cancelled, False)
        work.released.set()
        outcome = await calls.served("the sibling", calls.start(sibling.result))
        expect("the outcome of the sibling", outcome, work.outcome)


@host_check
async def a_result_may_be_asked_often(bench: HostBench) -> None:
    """``result`` gives the same outcome, or the same failure, every time and to every task."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        handle = scope.start_effect(step("k1"), work.executor())
        waiting = [calls.start(handle.result) for _ in range(3)]
        await bench.settle()
        work.released.set()
        for call in (*waiting, calls.start(handle.result)):
            expect("the outcome", await calls.served("a result", call), work.outcome)
        expect("how often the executor ran", work.runs, 1)
        failing = scope.start_effect(step("k2"), _failing())
        for _ in range(2):
            await expect_error("a failed effect", "out_of_tea", failing.result())


@host_check
async def giving_up_a_wait_cancels_nothing(bench: HostBench) -> None:
    """Cancelling a wait for a result leaves the effect running."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        handle = scope.start_effect(step("k"), work.executor())
        call = calls.start(handle.result)
        await bench.settle()
        await calls.cancelled("a cancelled wait for a result", call)
        expect("cancelled of the effect", work.cancelled, False)
        work.released.set()
        outcome = await calls.served("the result", calls.start(handle.result))
        expect("the outcome", outcome, work.outcome)


@host_check
async def scopes_leave_each_other_alone(bench: HostBench) -> None:
    """Cancelling one scope, or leaving it, does nothing to the effects of another."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        handle = scope.start_effect(step("k"), work.executor())
        async with bench.host.scoped(OTHER_TURN) as other:
            gone = other.start_effect(step("k"), Work().executor())
            other.cancel("enough")
            await expect_error("the other", EffectErrorCode.CANCELLED, gone.result())
        await bench.settle()
        expect("cancelled of the effect", work.cancelled, False)
        work.released.set()
        outcome = await calls.served("the result", calls.start(handle.result))
        expect("the outcome", outcome, work.outcome)


@host_check
async def a_scope_may_live_in_a_nursery(bench: HostBench) -> None:
    """A scope of ``scoped_in`` keeps its nursery open until ``aclose``, which waits for its effects."""
    async with bench.calls() as calls:
        opened = trio.Event()
        work = Work("tea")
        scopes: list[ScopedEffects] = []

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                scope = await bench.host.scoped_in(nursery, TURN)
                scopes.append(scope)
                scope.start_effect(step("k1"), work.executor())
                opened.set()

        serving = calls.start(serve)
        await calls.served("the opening of a scope", calls.start(opened.wait))
        (scope,) = scopes
        outcome = await scope.execute_effect(step("k2"), at_once("more").executor())
        expect("the outcome", outcome, at_once("more").outcome)
        closing = calls.start(scope.aclose)
        await calls.parked("aclose while an effect runs", closing)
        work.released.set()
        await calls.served("aclose", closing)
        await calls.served("the nursery of a closed scope", serving)
        expect("cancelled of its effect", work.cancelled, False)
        code = EffectErrorCode.SCOPE_CLOSED
        late = scope.execute_effect(step("k3"), at_once().executor())
        await expect_error("an effect after aclose", code, late)


CHECKS = (
    a_scope_lasts_as_its_host,
    a_blank_scope_id_is_refused,
    a_scope_knows_what_it_is,
    an_effect_returns_its_outcome,
    a_started_effect_returns_its_outcome,
    effects_run_side_by_side,
    asking_is_a_checkpoint,
    a_failure_reaches_who_asked,
    a_failure_leaves_others_alone,
    a_result_may_be_asked_often,
    giving_up_a_wait_cancels_nothing,
    scopes_leave_each_other_alone,
    a_scope_may_live_in_a_nursery,
)
