"""Local executors: each serves its effects, refuses all others, and serves once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from lash_trio import (
    AwaitEventOutcome,
    CancelProcess,
    CheckpointKind,
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    LocalExecutor,
    PluginError,
    ProcessEvent,
    SleepOutcome,
)
from tests.kernel.support import READY, Registry, code_of, envelope, ready, registration

Make = Callable[[Registry], LocalExecutor]


async def give_sleep(_: EffectEnvelope) -> EffectOutcome:
    return SleepOutcome()


def awaiting(registry: Registry, ordinal: int = 1, key: str = "k1") -> LocalExecutor:
    return LocalExecutor.await_process_event(
        key=key, registry=registry, process_id="p1", event_type=READY, event_ordinal=ordinal
    )


EXECUTORS: dict[str, Make] = {
    "unavailable": lambda _: LocalExecutor.unavailable(),
    "sleep": lambda _: LocalExecutor.sleep(),
    "await event": awaiting,
    "process control": LocalExecutor.process_control,
    "call": lambda _: LocalExecutor.call(give_sleep),
}
SERVES = {
    "sleep": "sleep effects",
    "await event": "await_event effects",
    "process control": "process effects, through a controller",
}
COMMANDS: dict[str, EffectCommand] = {
    "sleep": EffectCommand.sleep(0),
    "await_event": EffectCommand.await_event("k1"),
    "process": EffectCommand.process(CancelProcess(process_id="p1")),
    "durable_step": EffectCommand.durable_step("step"),
    "exec_code": EffectCommand.exec_code("1 + 1"),
    "checkpoint": EffectCommand.checkpoint(CheckpointKind.AFTER_WORK),
    "sync_execution_surface": EffectCommand.sync_execution_surface(False),
}
#: Which commands an executor does, when it is executed itself.
DOES = {
    "unavailable": set[str](),
    "sleep": {"sleep"},
    "await event": {"await_event"},
    "process control": set[str](),
    "call": set(COMMANDS),
}


@pytest.mark.parametrize("kind", list(COMMANDS))
@pytest.mark.parametrize("name", list(EXECUTORS))
async def test_an_executor_serves_its_own_kinds_only(
    name: str, kind: str, registry: Registry
) -> None:
    await registry.append_event("p1", ready())
    executor = EXECUTORS[name](registry)
    effect = envelope(COMMANDS[kind])
    if kind in DOES[name]:
        assert isinstance(await executor.execute(effect), EffectOutcome)
        return
    with pytest.raises(EffectError) as caught:
        await executor.execute(effect)
    if name == "unavailable":
        assert caught.value.code == "runtime_effect_local_executor_unavailable"
        assert caught.value.message == (
            f"the {kind} effect 'k1' cannot be done here: it was given no local executor"
        )
    else:
        assert caught.value.code == "runtime_effect_local_executor_mismatch"
        assert caught.value.message == (
            f"the {name} executor serves {SERVES[name]}, got the {kind} effect 'k1'"
        )


@pytest.mark.parametrize("first", ["execute", "into_process"])
@pytest.mark.parametrize("name", list(EXECUTORS))
async def test_an_executor_serves_once(name: str, first: str, registry: Registry) -> None:
    executor = EXECUTORS[name](registry)
    with suppress(EffectError):  # to be refused is a use as well
        if first == "execute":
            await executor.execute(envelope(EffectCommand.sleep(0)))
        else:
            executor.into_process()
    with pytest.raises(EffectError) as caught:
        await executor.execute(envelope(EffectCommand.sleep(0), "k2"))
    assert caught.value.code == "runtime_effect_local_executor_consumed"
    assert caught.value.message == (
        f"the {name} executor serves one effect, and this one has been used; "
        "make another for the sleep effect 'k2'"
    )
    with pytest.raises(EffectError) as caught:
        executor.into_process()
    assert caught.value.code == "runtime_effect_local_executor_consumed"
    assert caught.value.message.endswith("make another for the process effect")


@pytest.mark.parametrize("name", list(EXECUTORS))
def test_only_process_control_becomes_a_process_execution(name: str) -> None:
    registry = Registry()
    executor = EXECUTORS[name](registry)
    if name == "process control":
        assert executor.into_process().registry is registry
        return
    with pytest.raises(EffectError) as caught:
        executor.into_process()
    assert caught.value.code == "runtime_effect_local_executor_unavailable"
    assert caught.value.message == (
        f"a process effect needs the process control executor, got the {name} executor"
    )


async def test_sleep_sleeps_for_its_milliseconds(autojump_clock: MockClock) -> None:
    outcome = await LocalExecutor.sleep().execute(envelope(EffectCommand.sleep(1_500)))
    assert isinstance(outcome, SleepOutcome)
    assert trio.current_time() == 1.5


async def test_call_gives_the_envelope_to_the_function() -> None:
    seen: list[EffectEnvelope] = []

    async def function(effect: EffectEnvelope) -> EffectOutcome:
        seen.append(effect)
        return DurableStepOutcome(value="mine")

    effect = envelope(EffectCommand.durable_step("step"))
    assert await LocalExecutor.call(function).execute(effect) == DurableStepOutcome(value="mine")
    assert seen == [effect]


async def test_call_checkpoints_before_the_function_and_not_behind_it() -> None:
    # An outcome that is there must not be lost to a cancellation that comes then.
    async def cancel_and_return(_: EffectEnvelope) -> EffectOutcome:
        cancel_scope.cancel()
        return DurableStepOutcome(value="mine")

    effect = envelope(EffectCommand.durable_step("step"))
    with trio.CancelScope() as cancel_scope:
        with assert_checkpoints():
            outcome = await LocalExecutor.call(cancel_and_return).execute(effect)
    assert outcome == DurableStepOutcome(value="mine")
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await LocalExecutor.call(cancel_and_return).execute(effect)
    assert cancelled.cancelled_caught


async def test_call_for_a_controller_that_records_is_a_cancel_point_and_no_schedule_point() -> None:
    async def function(_: EffectEnvelope) -> EffectOutcome:
        return DurableStepOutcome(value="mine")

    effect = envelope(EffectCommand.durable_step("step"))
    executor = LocalExecutor.call(function)
    others: list[str] = []

    async def another() -> None:
        others.append("ran")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(another)
        assert await executor.execute_to_record(effect) == DurableStepOutcome(value="mine")
        assert others == [], "no other task ran meanwhile"
    with pytest.raises(EffectError) as caught:
        await executor.execute_to_record(effect)
    assert caught.value.code == "runtime_effect_local_executor_consumed"
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await LocalExecutor.call(function).execute_to_record(effect)
    assert cancelled.cancelled_caught


async def test_who_records_gets_a_mismatch_as_everybody_does() -> None:
    effect = envelope(EffectCommand.durable_step("step"))
    with pytest.raises(EffectError) as caught:
        await LocalExecutor.sleep().execute_to_record(effect)
    assert caught.value.code == "runtime_effect_local_executor_mismatch"


# Awaiting an event.


@pytest.mark.parametrize("ordinal", [1, 0])
async def test_another_key_is_refused_first(ordinal: int, registry: Registry) -> None:
    executor = awaiting(registry, ordinal, key="mine")
    with pytest.raises(EffectError) as caught:
        await executor.execute(envelope(EffectCommand.await_event("yours")))
    assert caught.value.code == "runtime_effect_await_event_key_mismatch"
    assert caught.value.message == (
        "this executor awaits the event 'mine', the effect 'k1' asks for 'yours'"
    )


@pytest.mark.parametrize("ordinal", [0, -1])
async def test_an_ordinal_counts_from_one(ordinal: int, registry: Registry) -> None:
    with pytest.raises(EffectError) as caught:
        await awaiting(registry, ordinal).execute(envelope(EffectCommand.await_event("k1")))
    assert caught.value.code == "runtime_effect_await_event_invalid_ordinal"
    assert caught.value.message == (
        f"ordinals count from 1, the effect 'k1' asks for number {ordinal} of 'signal.ready'"
    )


async def test_another_command_is_a_mismatch_whatever_the_ordinal(registry: Registry) -> None:
    executor = awaiting(registry, 0, key="mine")
    assert await code_of(executor.execute(envelope(EffectCommand.sleep(0)))) == (
        "runtime_effect_local_executor_mismatch"
    )


@pytest.mark.parametrize("before", [0, 1, 2, 3])
async def test_the_event_of_its_ordinal_is_awaited(before: int, registry: Registry) -> None:
    outcomes: list[EffectOutcome] = []

    async def execute() -> None:
        outcomes.append(
            await awaiting(registry, 2).execute(envelope(EffectCommand.await_event("k1")))
        )

    for number in range(before):
        await registry.append_event("p1", ready({"n": number + 1}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(execute)
        await wait_all_tasks_blocked()
        assert bool(outcomes) == (before >= 2)
        for number in range(before, 3):
            await registry.append_event("p1", ready({"n": number + 1}))
    assert outcomes == [AwaitEventOutcome(payload={"n": 2})]


async def test_what_the_caller_does_to_a_payload_does_not_reach_the_log(
    registry: Registry,
) -> None:
    await registry.append_event("p1", ready({"list": [1]}))
    effect = envelope(EffectCommand.await_event("k1"))
    outcome = (await awaiting(registry).execute(effect)).expect(AwaitEventOutcome)
    assert isinstance(outcome.payload, dict)
    outcome.payload.clear()
    assert (await registry.events_after("p1", 0))[0].payload == {"list": [1]}


async def test_what_the_registry_refuses_passes_as_plugin(registry: Registry) -> None:
    executor = LocalExecutor.await_process_event(
        key="k1", registry=registry, process_id="p9", event_type=READY, event_ordinal=1
    )
    with pytest.raises(PluginError) as caught:
        await executor.execute(envelope(EffectCommand.await_event("k1")))
    assert caught.value.code == "plugin"
    assert caught.value.reason == "unknown_process"


# A timeout of it.


async def wait_at_most(registry: Registry, seconds: float) -> AwaitEventOutcome:
    effect = envelope(EffectCommand.await_event("k1", round(seconds * 1000)))
    return (await awaiting(registry).execute(effect)).expect(AwaitEventOutcome)


TIMED_OUT = AwaitEventOutcome(payload=None, timed_out=True)
CAME = AwaitEventOutcome(payload="came")


async def test_a_timeout_is_an_outcome(registry: Registry, autojump_clock: MockClock) -> None:
    assert await wait_at_most(registry, 5) == TIMED_OUT
    assert trio.current_time() == 5


async def test_an_event_before_the_timeout(registry: Registry, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append_at, registry, 4)
        assert await wait_at_most(registry, 5) == CAME
    assert trio.current_time() == 4


async def append_at(registry: Registry, seconds: float) -> None:
    await trio.sleep(seconds)
    registry.append_now(ready("came"))


async def test_a_timeout_of_zero_takes_an_event_that_is_there(registry: Registry) -> None:
    assert await wait_at_most(registry, 0) == TIMED_OUT
    await registry.append_event("p1", ready("came"))
    assert await wait_at_most(registry, 0) == CAME


@pytest.mark.parametrize("first", ["event", "timeout"])
async def test_event_and_timeout_in_one_tick(
    first: str, registry: Registry, mock_clock: MockClock
) -> None:
    # The timeout strikes in the run loop; a cancel scope before or after it gives the
    # event its place, since its abort function is called there.
    outcomes: list[AwaitEventOutcome] = []
    deadline = 5 - 1e-6 if first == "event" else 5 + 1e-6

    def append(_: object) -> trio.lowlevel.Abort:
        registry.append_now(ready("came"))
        return trio.lowlevel.Abort.SUCCEEDED

    async def append_in_run_loop() -> None:
        with trio.CancelScope(deadline=deadline):
            await trio.lowlevel.wait_task_rescheduled(append)

    async def wait() -> None:
        outcomes.append(await wait_at_most(registry, 5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(append_in_run_loop)
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        mock_clock.jump(6)
    # Both ways it is in the log when the wait ends, so nobody misses it.
    assert outcomes == [CAME]


class SlowRegistry(Registry):
    """Takes a second for every look at the log, as over a slow connection."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        event = await super().wait_event_nth(process_id, event_type, ordinal)
        await trio.sleep(1)
        return event


async def test_an_event_before_the_timeout_is_not_missed_by_a_slow_look(
    autojump_clock: MockClock,
) -> None:
    registry = SlowRegistry()
    await registry.register_process(registration())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(append_at, registry, 4.5)
        assert await wait_at_most(registry, 5) == CAME


async def test_a_cancellation_is_no_timeout(registry: Registry, mock_clock: MockClock) -> None:
    with trio.CancelScope() as cancel_scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_at_most, registry, 5)
            await wait_all_tasks_blocked()
            mock_clock.jump(5)
            cancel_scope.cancel()
    assert cancel_scope.cancelled_caught
