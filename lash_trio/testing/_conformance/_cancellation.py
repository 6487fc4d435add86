"""Rules of cancelling effects by request, and of leaving their scope."""

from __future__ import annotations

import trio

from ...abc import EffectHandle, ScopedEffects
from ...kernel import LocalExecutor
from ...model import (
    EffectCommand,
    EffectEnvelope,
    EffectErrorCode,
    EffectOutcome,
)
from ._host_bench import TURN, HostBench, Work, at_once, envelope, host_check, step
from ._registry_bench import SIGNAL, named
from ._rules import expect, expect_error, expect_that

_HOUR_MS = 3_600_000


async def _start_of_each_kind(
    bench: HostBench, scope: ScopedEffects
) -> dict[EffectErrorCode, EffectHandle]:
    """Effects that go on for long, by the code with which they end when they are cancelled."""
    await bench.registry.register_process(named("p1"))
    awaiting = LocalExecutor.await_process_event(
        key="event", registry=bench.registry, process_id="p1", event_type=SIGNAL, event_ordinal=1
    )
    return {
        EffectErrorCode.SLEEP_CANCELLED: scope.start_effect(
            envelope("sleep", EffectCommand.sleep(_HOUR_MS)), LocalExecutor.sleep()
        ),
        EffectErrorCode.AWAIT_EVENT_CANCELLED: scope.start_effect(
            envelope("event", EffectCommand.await_event("event")), awaiting
        ),
        EffectErrorCode.CANCELLED: scope.start_effect(step("step"), Work().executor()),
    }


async def _cancelled_because(
    bench: HostBench, handle: EffectHandle, code: EffectErrorCode, reason: str
) -> None:
    async with bench.calls() as calls:
        result = calls.served("a cancelled effect", calls.start(handle.result))
        error = await expect_error(f"a cancelled {handle.envelope.command.kind}", code, result)
    expect_that(
        reason in str(error), f"expected the reason {reason!r} in the text, got {str(error)!r}"
    )


@host_check
async def a_cancelled_effect_ends_with_its_code(bench: HostBench) -> None:
    """An effect cancelled by ``handle.cancel`` ends with the code of its kind, and says why."""
    async with bench.host.scoped(TURN) as scope:
        started = await _start_of_each_kind(bench, scope)
        await bench.settle()
        for code, handle in started.items():
            handle.cancel("not needed")
            await _cancelled_because(bench, handle, code, "not needed")


@host_check
async def cancelling_the_scope_ends_its_effects(bench: HostBench) -> None:
    """``scope.cancel`` ends all its effects, each with the code of its kind, and says why."""
    async with bench.host.scoped(TURN) as scope:
        started = await _start_of_each_kind(bench, scope)
        await bench.settle()
        scope.cancel("user pressed stop")
        for code, handle in started.items():
            await _cancelled_because(bench, handle, code, "user pressed stop")


@host_check
async def a_cancelled_scope_starts_nothing(bench: HostBench) -> None:
    """After ``scope.cancel`` a new effect ends at once as cancelled, and its executor does not run."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        scope.cancel("user pressed stop")
        code = EffectErrorCode.CANCELLED
        work = at_once()
        asked = calls.start(scope.execute_effect, step("k1"), work.executor())
        error = await expect_error("an effect", code, calls.served("an effect", asked))
        expect_that("user pressed stop" in str(error), f"expected the reason, got {error}")
        handle = scope.start_effect(step("k2"), work.executor())
        await _cancelled_because(bench, handle, code, "user pressed stop")
        expect("how often the executors ran", work.runs, 0)


@host_check
async def cancelling_the_scope_leaves_the_block(bench: HostBench) -> None:
    """``scope.cancel`` does not cancel the block of the scope."""
    reached: list[str] = []
    async with bench.host.scoped(TURN) as scope:
        scope.cancel("user pressed stop")
        await trio.lowlevel.checkpoint()
        reached.append("the end of the block")
    expect("what the block of a cancelled scope reached", reached, ["the end of the block"])


@host_check
async def the_first_reason_stays(bench: HostBench) -> None:
    """An effect that is cancelled twice tells the first reason."""
    async with bench.host.scoped(TURN) as scope:
        handle = scope.start_effect(step("k1"), Work().executor())
        await bench.settle()
        handle.cancel("first")
        handle.cancel("second")
        scope.cancel("third")
        scope.cancel("fourth")
        await _cancelled_because(bench, handle, EffectErrorCode.CANCELLED, "first")
        later = scope.start_effect(step("k2"), Work().executor())
        await _cancelled_because(bench, later, EffectErrorCode.CANCELLED, "third")


@host_check
async def cancelling_one_effect_leaves_others(bench: HostBench) -> None:
    """``handle.cancel`` cancels one effect, and none of its siblings."""
    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        work = Work("tea")
        staying = scope.start_effect(step("k1"), work.executor())
        leaving = scope.start_effect(step("k2"), Work().executor())
        await bench.settle()
        leaving.cancel("not needed")
        await bench.settle()
        expect("cancelled of the sibling", work.cancelled, False)
        work.released.set()
        outcome = await calls.served("the sibling", calls.start(staying.result))
        expect("the outcome of the sibling", outcome, work.outcome)


@host_check
async def cancelling_what_has_ended_is_no_change(bench: HostBench) -> None:
    """An effect that has ended keeps its outcome, whoever cancels it or its scope."""
    async with bench.host.scoped(TURN) as scope:
        work = at_once("tea")
        handle = scope.start_effect(step("k"), work.executor())
        expect("the outcome", await handle.result(), work.outcome)
        handle.cancel("too late")
        scope.cancel("too late")
        expect("the outcome after a late cancel", await handle.result(), work.outcome)


@host_check
async def what_never_began_does_not_run(bench: HostBench) -> None:
    """An effect that is cancelled before it made a step ends as cancelled, and does not run."""
    async with bench.host.scoped(TURN) as scope:
        work = at_once()
        handle = scope.start_effect(step("k"), work.executor())
        handle.cancel("changed my mind")
        await _cancelled_because(bench, handle, EffectErrorCode.CANCELLED, "changed my mind")
        expect("how often the executor ran", work.runs, 0)


@host_check
async def a_completed_outcome_is_kept(bench: HostBench) -> None:
    """If the result of an effect is there already, it wins over a requested cancellation."""
    handles: list[EffectHandle] = []
    outcome = at_once("tea").outcome

    async def cancelled_at_last(_: EffectEnvelope) -> EffectOutcome:
        handles[0].cancel("too late")
        return outcome

    async with bench.host.scoped(TURN) as scope, bench.calls() as calls:
        handle = scope.start_effect(step("k"), LocalExecutor.call(cancelled_at_last))
        handles.append(handle)
        result = await calls.served("the result", calls.start(handle.result))
        expect("the outcome", result, outcome)


@host_check
async def leaving_a_block_waits(bench: HostBench) -> None:
    """Leaving the block normally waits for the effects that run, and cancels none."""
    work = Work("tea")

    async def block() -> EffectHandle:
        async with bench.host.scoped(TURN) as scope:
            return scope.start_effect(step("k"), work.executor())

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.parked("a block whose effect runs", call)
        work.released.set()
        handle = await calls.served("the block", call)
        result = await calls.served("the result", calls.start(handle.result))
        expect("the outcome", result, work.outcome)
        expect("cancelled of the effect", work.cancelled, False)


@host_check
async def leaving_by_an_exception_cancels(bench: HostBench) -> None:
    """Leaving the block by an exception cancels its effects; the exception leaves as it is."""
    work = Work()
    raised = ZeroDivisionError("out of tea")
    handles: list[EffectHandle] = []

    async def block() -> None:
        async with bench.host.scoped(TURN) as scope:
            handles.append(scope.start_effect(step("k"), work.executor()))
            await bench.settle()
            raise raised

    async with bench.calls() as calls:
        call = calls.start(block)
        await calls.ended("a block that is left by an exception", call)
        try:
            call.result()
        except Exception as error:  # noqa: BLE001
            # Anything else than the very exception breaks the rule.
            expect("what leaves the block", error, raised)
        else:
            raise AssertionError("expected the exception to leave the block, got a return")
        expect("cancelled of the effect", work.cancelled, True)
        result = calls.served("its result", calls.start(handles[0].result))
        await expect_error("its result", EffectErrorCode.SCOPE_CLOSED, result)


@host_check
async def a_closed_scope_refuses_effects(bench: HostBench) -> None:
    """An effect asked of a scope whose block was left is refused, and does not run."""
    async with bench.host.scoped(TURN) as scope:
        pass
    work = at_once()
    code = EffectErrorCode.SCOPE_CLOSED
    await expect_error("execute_effect", code, scope.execute_effect(step("k1"), work.executor()))

    async def start() -> EffectOutcome:
        return await scope.start_effect(step("k2"), work.executor()).result()

    await expect_error("start_effect", code, start())
    scope.cancel("too late")
    expect("how often the executors ran", work.runs, 0)


CHECKS = (
    a_cancelled_effect_ends_with_its_code,
    cancelling_the_scope_ends_its_effects,
    a_cancelled_scope_starts_nothing,
    cancelling_the_scope_leaves_the_block,
    the_first_reason_stays,
    cancelling_one_effect_leaves_others,
    cancelling_what_has_ended_is_no_change,
    what_never_began_does_not_run,
    a_completed_outcome_is_kept,
    leaving_a_block_waits,
    leaving_by_an_exception_cancels,
    a_closed_scope_refuses_effects,
)
