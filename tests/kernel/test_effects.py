"""The conveniences of a scope: sleep, step, await_event, process."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    SLEPT,
    DurableStepCommand,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
    InlineEffectHost,
    InvalidValueError,
    InvocationScope,
    JsonValue,
    ListProcesses,
    ProcessesListed,
    SessionScope,
    SleepCommand,
    StepError,
    WaitTimedOut,
    WireError,
)
from lash_trio.abc import LocalExecution
from lash_trio.kernel import milliseconds
from tests.kernel.support import READY, TURN, Registry, answer, code_of, forever, ready

HOST = InlineEffectHost()


class EnvelopeController(InlineEffectController):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.envelopes: list[EffectEnvelope] = []

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        self.envelopes.append(envelope)
        return await super().execute_effect(envelope, local_executor)


# Sleeping.


@pytest.mark.parametrize(
    ("seconds", "duration_ms"),
    [(0, 0), (0.1, 100), (1.5, 1_500), (0.0001, 1), (1 / 3, 334), (0.1 + 0.2, 300), (1e9, 10**12)],
)
def test_seconds_are_rounded_up_to_milliseconds(seconds: float, duration_ms: int) -> None:
    assert milliseconds(seconds, "a sleep") == duration_ms


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf, -math.inf, 1e306, 1e16])
async def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    async with HOST.scoped(TURN) as scope:
        with pytest.raises(InvalidValueError) as caught:
            await scope.sleep(seconds)
    assert caught.value.code == "invalid_value"
    assert caught.value.message == (
        f"a sleep takes seconds, from zero to 9.22e+15; got {seconds!r}"
    )


async def test_sleep(autojump_clock: MockClock) -> None:
    controller = EnvelopeController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        await scope.sleep(2.5)
    assert trio.current_time() == 2.5
    (envelope,) = controller.envelopes
    assert envelope.command == SleepCommand(duration_ms=2_500)
    assert envelope.effect_id == envelope.replay_key == "sleep#1"
    assert envelope.invocation.scope == InvocationScope(session_id="s1", turn_id="t1")


async def test_a_scope_without_a_session_stands_for_it() -> None:
    controller = EnvelopeController()
    async with InlineEffectHost(controller).scoped(EffectScope.process("p1")) as scope:
        await scope.sleep(0)
    (envelope,) = controller.envelopes
    assert envelope.invocation.scope == InvocationScope(session_id="p1")


# Steps.


async def test_a_step_hands_its_arguments_on_and_records_them() -> None:
    controller = EnvelopeController()
    handed: list[object] = []

    async def function(sku: str, options: dict[str, JsonValue]) -> JsonValue:
        handed.append(options)
        return {"sku": sku, "price": 5}

    options: dict[str, JsonValue] = {"currency": "EUR"}
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        value = await scope.step("quote", function, "x1", options)
    assert value == {"sku": "x1", "price": 5}
    assert handed == [options]
    options["currency"] = "later"
    (envelope,) = controller.envelopes
    # The envelope is of the time of the call.
    assert envelope.command == DurableStepCommand(
        step_id="quote", input=["x1", {"currency": "EUR"}]
    )


async def test_the_value_of_a_step_is_as_it_comes_back_from_the_wire() -> None:
    mine = {"pair": (1, 2)}

    async def function() -> JsonValue:
        return mine  # type: ignore[return-value]

    async with HOST.scoped(TURN) as scope:
        value = await scope.step("pair", function)
    assert value == {"pair": [1, 2]}


async def test_what_a_step_raises_becomes_an_error_that_can_be_recorded() -> None:
    error = KeyError("sku")

    async def function() -> JsonValue:
        raise error

    async with HOST.scoped(TURN) as scope:
        with pytest.raises(StepError) as caught:
            await scope.step("quote", function)
    assert caught.value.code == "durable_step_failed"
    assert caught.value.message == "step 'quote' failed with KeyError: 'sku'"
    assert caught.value.error_class == "KeyError"
    assert caught.value.error_message == "'sku'"
    assert caught.value.__cause__ is error


async def test_an_effect_error_of_a_step_stays_what_it_is() -> None:
    error = EffectError("mine", "a code of its own")

    async def function() -> JsonValue:
        raise error

    async with HOST.scoped(TURN) as scope:
        with pytest.raises(EffectError) as caught:
            await scope.step("quote", function)
    assert caught.value is error


async def test_a_cancelled_step_is_no_failed_step() -> None:
    async with HOST.scoped(TURN) as scope, trio.open_nursery() as nursery:

        async def cancel() -> None:
            await wait_all_tasks_blocked()
            scope.cancel("enough")

        nursery.start_soon(cancel)
        assert await code_of(scope.step("wait", forever)) == "runtime_effect_cancelled"


async def test_what_is_no_json_is_refused() -> None:
    async def function(*_: object) -> JsonValue:
        return object()  # type: ignore[return-value]

    async with HOST.scoped(TURN) as scope:
        with pytest.raises(WireError, match=r"the arguments of step 'a' .* functools\.partial"):
            await scope.step("a", function, object())
        with pytest.raises(WireError, match="the value of step 'b' must be plain JSON") as caught:
            await scope.step("b", function)
    assert caught.value.code == "invalid_json"


# Events and processes.


async def test_await_event(registry: Registry) -> None:
    controller = EnvelopeController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        async with trio.open_nursery() as nursery:

            async def append() -> None:
                for number in (1, 2):
                    await wait_all_tasks_blocked()
                    await registry.append_event("p1", ready(number))

            nursery.start_soon(append)
            assert await scope.await_event(registry, "p1", READY, 2) == 2
        assert await scope.await_event(registry, "p1", READY, 1) == 1
    assert [envelope.replay_key for envelope in controller.envelopes] == [
        "await:signal.ready#1",
        "await:signal.ready#2",
    ]


async def test_await_event_with_a_timeout(registry: Registry, autojump_clock: MockClock) -> None:
    async with HOST.scoped(TURN) as scope:
        with pytest.raises(WaitTimedOut) as caught:
            await scope.await_event(registry, "p1", READY, 1, timeout_seconds=2)
        assert caught.value.code == "runtime_effect_await_event_timed_out"
        assert caught.value.message == (
            "event 'signal.ready' number 1 of process 'p1' did not come within 2 s"
        )
        assert trio.current_time() == 2
        # It is not lost, only late.
        await registry.append_event("p1", ready("late"))
        assert await scope.await_event(registry, "p1", READY, 1, timeout_seconds=0) == "late"


async def test_await_event_refuses_ordinals_below_one(registry: Registry) -> None:
    async with HOST.scoped(TURN) as scope:
        assert await code_of(scope.await_event(registry, "p1", READY, 0)) == (
            "runtime_effect_await_event_invalid_ordinal"
        )


async def test_process(registry: Registry) -> None:
    controller = EnvelopeController()
    command = ListProcesses(session_scope=SessionScope(session_id="s1"))
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        listed = await scope.process(registry, command)
        assert listed == ProcessesListed(entries=())
        await scope.process(registry, command)
    assert [envelope.replay_key for envelope in controller.envelopes] == [
        "process:list:session:s1:live#1",
        "process:list:session:s1:live#2",
    ]


async def test_an_outcome_of_another_kind_is_told(registry: Registry) -> None:
    class Confused(InlineEffectController):
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            await trio.lowlevel.checkpoint()
            return SLEPT

    async with InlineEffectHost(Confused()).scoped(TURN) as scope:
        with pytest.raises(EffectError) as caught:
            await scope.step("a", answer)
        assert caught.value.code == "runtime_effect_wrong_outcome"
        assert caught.value.message.startswith(
            "expected the outcome of a durable_step effect, got one of a sleep effect"
        )
        assert await code_of(scope.await_event(registry, "p1", READY, 1)) == (
            "runtime_effect_wrong_outcome"
        )
