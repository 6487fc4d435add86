"""Rules of controllers: effects, executors, and what goes wrong with them."""

from __future__ import annotations

import trio
from trio.testing import assert_checkpoints

from ...kernel import LocalExecutor
from ...model import (
    SLEPT,
    AwaitEventOutcome,
    CancelProcess,
    DurabilityTier,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
)
from ._host_bench import (
    ControllerBench,
    Work,
    at_once,
    controller_check,
    envelope,
    process,
    step,
)
from ._registry_bench import SIGNAL, named, signal
from ._rules import expect, expect_error, expect_that


def _awaiting(bench: ControllerBench, key: str, ordinal: int = 1) -> LocalExecutor:
    return LocalExecutor.await_process_event(
        key=key,
        registry=bench.registry,
        process_id="p1",
        event_type=SIGNAL,
        event_ordinal=ordinal,
    )


async def _refused(
    bench: ControllerBench,
    code: EffectErrorCode,
    asked: EffectEnvelope,
    executor: LocalExecutor,
) -> None:
    what = f"the {asked.command.kind} effect {asked.effect_id!r}"
    await expect_error(what, code, bench.controller.execute_effect(asked, executor))


@controller_check
async def a_controller_tells_its_tier(bench: ControllerBench) -> None:
    """A controller says how long outcomes last, and whether attachments must last as well."""
    tier = bench.controller.durability_tier
    expect_that(tier in tuple(DurabilityTier), f"expected a DurabilityTier, got {tier!r}")
    needs = bench.controller.requires_durable_attachment_store
    expect_that(needs in (True, False), f"expected True or False, got {needs!r}")


@controller_check
async def the_executor_does_the_effect(bench: ControllerBench) -> None:
    """``execute_effect`` hands the envelope to the executor, once, and returns its outcome."""
    seen: list[EffectEnvelope] = []
    work = at_once({"tea": [1, 2]})

    async def look(asked: EffectEnvelope) -> EffectOutcome:
        seen.append(asked)
        return await work.run(asked)

    executor = LocalExecutor.call(look)
    outcome = await bench.controller.execute_effect(step("k"), executor)
    expect("the outcome", outcome, work.outcome)
    expect("the envelopes that the executor got", seen, [step("k")])


@controller_check
async def a_sleep_ends(bench: ControllerBench) -> None:
    """A sleep effect of no time ends with the outcome of a sleep."""
    asked = envelope("k", EffectCommand.sleep(0))
    outcome = await bench.controller.execute_effect(asked, LocalExecutor.sleep())
    expect("the outcome", outcome, SLEPT)


@controller_check
async def an_event_is_awaited(bench: ControllerBench) -> None:
    """An await-event effect ends with the payload of its event."""
    await bench.registry.register_process(named("p1"))
    asked = envelope("k", EffectCommand.await_event("event"))
    async with bench.calls() as calls:
        call = calls.start(bench.controller.execute_effect, asked, _awaiting(bench, "event", 2))
        await calls.parked("a wait for number 2", call)
        for number in (1, 2):
            await bench.registry.append_event("p1", signal(number))
        outcome = await calls.served("a wait for number 2", call)
    expect("the outcome", outcome, AwaitEventOutcome(payload={"n": 2}))


@controller_check
async def an_executor_serves_once(bench: ControllerBench) -> None:
    """An executor that has been used is refused, and does nothing a second time."""
    work = at_once()
    executor = work.executor()
    await bench.controller.execute_effect(step("k1"), executor)
    await _refused(bench, EffectErrorCode.EXECUTOR_CONSUMED, step("k2"), executor)
    expect("how often it ran", work.runs, 1)


@controller_check
async def an_unavailable_executor_is_told(bench: ControllerBench) -> None:
    """A new effect without an executor that can do it ends as unavailable."""
    code = EffectErrorCode.EXECUTOR_UNAVAILABLE
    await _refused(bench, code, step("k"), LocalExecutor.unavailable())


@controller_check
async def an_executor_of_another_kind_is_told(bench: ControllerBench) -> None:
    """An executor that serves another kind of effect ends as a mismatch."""
    code = EffectErrorCode.EXECUTOR_MISMATCH
    await _refused(bench, code, step("k1"), LocalExecutor.sleep())
    await _refused(bench, code, step("k2"), _awaiting(bench, "event"))
    await _refused(bench, code, step("k3"), LocalExecutor.process_control(bench.registry))


@controller_check
async def a_process_command_needs_its_executor(bench: ControllerBench) -> None:
    """A process command whose executor is no process control ends as unavailable."""
    work = at_once()
    for number, executor in enumerate((LocalExecutor.sleep(), work.executor())):
        asked = process(f"k{number}", CancelProcess(process_id="p1"))
        await _refused(bench, EffectErrorCode.EXECUTOR_UNAVAILABLE, asked, executor)
    expect("how often the executor ran", work.runs, 0)


@controller_check
async def an_awaited_event_must_be_the_one(bench: ControllerBench) -> None:
    """Another key than the executor's is a key mismatch, and comes before a wrong ordinal."""
    await bench.registry.register_process(named("p1"))
    asked = envelope("k1", EffectCommand.await_event("other"))
    code = EffectErrorCode.AWAIT_EVENT_KEY_MISMATCH
    await _refused(bench, code, asked, _awaiting(bench, "event", 0))
    asked = envelope("k2", EffectCommand.await_event("event"))
    code = EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL
    await _refused(bench, code, asked, _awaiting(bench, "event", 0))


@controller_check
async def an_error_comes_as_it_is(bench: ControllerBench) -> None:
    """An EffectError of the executor comes out with its code and message, in no group."""

    async def fail(_: EffectEnvelope) -> EffectOutcome:
        raise EffectError("out_of_tea", "expected tea, got none")

    failing = bench.controller.execute_effect(step("k"), LocalExecutor.call(fail))
    error = await expect_error("a failing effect", "out_of_tea", failing)
    expect("the message", error.message, "expected tea, got none")


@controller_check
async def a_cancellation_passes(bench: ControllerBench) -> None:
    """A cancellation from outside reaches the executor and comes out as ``trio.Cancelled``."""
    work = Work()
    async with bench.calls() as calls:
        call = calls.start(bench.controller.execute_effect, step("k"), work.executor())
        await calls.parked("an effect", call)
        await calls.cancelled("a cancelled effect", call)
    expect("cancelled of the executor", work.cancelled, True)


@controller_check
async def a_cancelled_effect_does_not_run(bench: ControllerBench) -> None:
    """An effect that is asked for in a cancelled scope raises ``trio.Cancelled`` and does not run."""
    work = at_once()
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.controller.execute_effect(step("k"), work.executor())
    expect("whether trio.Cancelled was raised", scope.cancelled_caught, True)
    expect("how often the executor ran", work.runs, 0)


@controller_check
async def an_effect_is_a_checkpoint(bench: ControllerBench) -> None:
    """``execute_effect`` is a checkpoint, also where nothing waits."""
    with assert_checkpoints():
        await bench.controller.execute_effect(step("k"), at_once().executor())


CHECKS = (
    a_controller_tells_its_tier,
    the_executor_does_the_effect,
    a_sleep_ends,
    an_event_is_awaited,
    an_executor_serves_once,
    an_unavailable_executor_is_told,
    an_executor_of_another_kind_is_told,
    a_process_command_needs_its_executor,
    an_awaited_event_must_be_the_one,
    an_error_comes_as_it_is,
    a_cancellation_passes,
    a_cancelled_effect_does_not_run,
    an_effect_is_a_checkpoint,
)
