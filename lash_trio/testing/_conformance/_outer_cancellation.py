"""Rules of cancellations that come from outside a scope."""

from __future__ import annotations

import trio

from ...abc import ScopedEffects
from ...kernel import LocalExecutor
from ...model import EffectEnvelope, EffectError, EffectErrorCode, EffectOutcome
from ._host_bench import TURN, HostBench, Work, at_once, host_check, step
from ._rules import expect, expect_error


@host_check
async def an_outer_cancellation_passes(bench: HostBench) -> None:
    """A cancellation from outside comes out of ``execute_effect`` and of the block as ``trio.Cancelled``."""
    work = Work()
    caught: list[str] = []

    async def block() -> None:
        async with bench.host.scoped(TURN) as scope:
            try:
                await scope.execute_effect(step("k"), work.executor())
            except BaseException as error:
                caught.append(type(error).__name__)
                raise

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block whose effect runs", call)
        await calls.cancelled("a block that is cancelled from outside", call)
    expect("what came out of execute_effect", caught, ["Cancelled"])
    expect("cancelled of the effect", work.cancelled, True)


@host_check
async def an_outer_cancellation_ends_all_effects(bench: HostBench) -> None:
    """A cancellation from outside ends all effects of the scope before the block is left."""
    works = [Work() for _ in range(3)]

    async def block() -> None:
        async with bench.host.scoped(TURN) as scope:
            for number, work in enumerate(works):
                scope.start_effect(step(f"k{number}"), work.executor())
            await trio.sleep_forever()

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block", call)
        await calls.cancelled("a block that is cancelled from outside", call)
        expect("how many effects were cancelled", sum(w.cancelled for w in works), 3)


@host_check
async def the_outer_cancellation_wins(bench: HostBench) -> None:
    """Of a requested and an outer cancellation of one effect, the outer one wins."""
    caught: list[str] = []
    scopes: list[ScopedEffects] = []

    async def block() -> None:
        async with bench.host.scoped(TURN) as scope:
            scopes.append(scope)
            try:
                await scope.execute_effect(step("k"), Work().executor())
            except BaseException as error:
                caught.append(type(error).__name__)
                raise

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block whose effect runs", call)
        scopes[0].cancel("user pressed stop")
        await calls.cancelled("a block that is cancelled from outside", call)
    expect("what came out of execute_effect", caught, ["Cancelled"])


@host_check
async def nothing_starts_while_a_scope_unwinds(bench: HostBench) -> None:
    """Effects asked for in ``finally`` blocks under an outer cancellation are refused, and do not run."""
    work = at_once()
    codes: list[str] = []

    async def block() -> None:
        async with bench.host.scoped(TURN) as scope:
            try:
                await trio.sleep_forever()
            finally:
                try:
                    with trio.CancelScope(shield=True):
                        await scope.execute_effect(step("k1"), work.executor())
                except EffectError as error:
                    codes.append(error.code)
                try:
                    scope.start_effect(step("k2"), work.executor())
                except EffectError as error:
                    codes.append(error.code)

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block", call)
        await calls.cancelled("a block that is cancelled from outside", call)
    expect("the codes of the refusals", codes, [EffectErrorCode.SCOPE_CLOSED] * 2)
    expect("how often the executors ran", work.runs, 0)


@host_check
async def nothing_outlives_its_scope(bench: HostBench) -> None:
    """A block is left only when its effects have ended, their clean-up included."""
    ended: list[str] = []
    cleaned = trio.Event()

    async def slow_to_end(_: EffectEnvelope) -> EffectOutcome:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await cleaned.wait()
            ended.append("effect")

    async def block() -> None:
        try:
            async with bench.host.scoped(TURN) as scope:
                scope.start_effect(step("k"), LocalExecutor.call(slow_to_end))
                await trio.sleep_forever()
        finally:
            ended.append("block")

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block whose effect runs", call)
        call.cancel()
        try:
            await calls.parked("a block whose effect cleans up", call)
        finally:
            cleaned.set()
        await calls.ended("the block", call)
    expect("what ended, in order", ended, ["effect", "block"])


@host_check
async def an_outer_cancellation_is_not_recorded(bench: HostBench) -> None:
    """An effect that was cancelled from outside runs when its scope is opened again."""

    async def block(work: Work) -> EffectOutcome:
        async with bench.host.scoped(TURN) as scope:
            return await scope.execute_effect(step("k"), work.executor())

    async with bench.calls() as calls:
        call = calls.start(block, Work())
        await calls.parked("a block whose effect runs", call)
        await calls.cancelled("a block that is cancelled from outside", call)
        again = at_once("tea")
        outcome = await calls.served("the scope opened again", calls.start(block, again))
    expect("the outcome", outcome, again.outcome)
    expect("how often the executor ran", again.runs, 1)


@host_check
async def a_cancelled_nursery_closes_its_scope(bench: HostBench) -> None:
    """Cancelling the nursery of a ``scoped_in`` scope ends its effects and closes it."""
    work = Work()
    scopes: list[ScopedEffects] = []

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            scopes.append(await bench.host.scoped_in(nursery, TURN))
            scopes[0].start_effect(step("k1"), work.executor())
            await trio.sleep_forever()

    async with bench.calls() as calls:
        call = calls.start(serve)
        await calls.parked("a nursery with a scope", call)
        await calls.cancelled("a nursery with a scope", call)
    expect("cancelled of the effect", work.cancelled, True)
    late = scopes[0].execute_effect(step("k2"), at_once().executor())
    await expect_error("an effect of a closed scope", EffectErrorCode.SCOPE_CLOSED, late)


CHECKS = (
    an_outer_cancellation_passes,
    an_outer_cancellation_ends_all_effects,
    the_outer_cancellation_wins,
    nothing_starts_while_a_scope_unwinds,
    nothing_outlives_its_scope,
    an_outer_cancellation_is_not_recorded,
    a_cancelled_nursery_closes_its_scope,
)
