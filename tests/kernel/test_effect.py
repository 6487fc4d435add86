"""Started effects and their handles."""

from __future__ import annotations

import traceback

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    DurableStepOutcome,
    EffectError,
    EffectOutcome,
    InlineEffectHost,
    JsonValue,
    ScopeState,
)
from tests.kernel.support import TURN, RecordingController, answer, call, code_of, forever, sleep

HOST = InlineEffectHost()


async def fail() -> JsonValue:
    await trio.lowlevel.checkpoint()
    raise KeyError("failed")


async def test_a_handle_shows_the_life_of_its_effect(autojump_clock: MockClock) -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*sleep(1))
        assert handle.envelope.effect_id == "k1"
        assert repr(handle) == "<effect 'k1' running>"
        await handle.result()
        assert handle.done
        assert repr(handle) == "<effect 'k1' succeeded>"
        other = scope.start_effect(*call(forever, "k2"))
        other.cancel()
        assert repr(other) == "<effect 'k2' cancelling>"
        assert await code_of(other.result()) == "runtime_effect_cancelled"
        assert repr(other) == "<effect 'k2' cancelled>"
        failing = scope.start_effect(*call(fail, "k3"))
        with pytest.raises(KeyError):
            await failing.result()
        assert repr(failing) == "<effect 'k3' failed>"


async def test_a_result_may_be_read_often_and_by_many() -> None:
    outcomes: list[EffectOutcome] = []

    async def read() -> None:
        outcomes.append(await handle.result())

    async with HOST.scoped(TURN) as scope, trio.open_nursery() as nursery:
        handle = scope.start_effect(*call(answer))
        for _ in range(3):
            nursery.start_soon(read)
        await read()
    await read()
    assert outcomes == [DurableStepOutcome(value=42)] * 5
    # It is one outcome, and not five copies.
    assert len({id(outcome) for outcome in outcomes}) == 1


async def test_a_failure_is_read_by_several_tasks() -> None:
    failures: list[KeyError] = []
    lengths: list[int] = []

    async def read() -> None:
        with pytest.raises(KeyError, match="failed") as caught:
            await handle.result()
        failures.append(caught.value)
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))

    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(fail))
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(read)
    for _ in range(3):
        await read()
    assert len(failures) == 6
    assert all(failure is failures[0] for failure in failures)
    # It is raised again and again; what it tells of where it was raised stays as it is.
    assert len(set(lengths)) == 1
    assert traceback.extract_tb(failures[0].__traceback__)[-1].name == "fail"


async def test_to_cancel_the_wait_does_not_cancel_the_effect(autojump_clock: MockClock) -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*sleep(5))
        with trio.move_on_after(1) as wait:
            await handle.result()
        assert wait.cancelled_caught
        assert not handle.done
        assert (await handle.result()).kind == "sleep"
    assert trio.current_time() == 5


async def test_a_result_that_is_there_does_not_hide_a_cancellation_of_its_reader() -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(answer))
        await handle.result()
        with trio.CancelScope() as cancel_scope:
            cancel_scope.cancel()
            await handle.result()
        assert cancel_scope.cancelled_caught
        assert await handle.result() == DurableStepOutcome(value=42)


# Requested cancellation.


async def test_the_first_reason_stays() -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(forever))
        handle.cancel("the first")
        handle.cancel("the second")
        scope.cancel("the third")
        with pytest.raises(EffectError) as caught:
            await handle.result()
        handle.cancel("the fourth")
        assert caught.value.message == "the durable_step effect 'k1' was cancelled: the first"
        # Of effects to come, and of the scope, it is the scope's first.
        scope.cancel("the fifth")
        with pytest.raises(EffectError, match="the third"):
            await scope.execute_effect(*call(forever, "k2"))


async def test_no_reason_is_a_reason_too() -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(forever))
        handle.cancel()
        handle.cancel("too late")
        with pytest.raises(EffectError, match="no reason was given"):
            await handle.result()


async def test_a_handle_cancels_its_own_effect_only() -> None:
    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(forever, "k1"))
        sibling = scope.start_effect(*call(answer, "k2"))
        handle.cancel("this one")
        assert await sibling.result() == DurableStepOutcome(value=42)
        assert scope.state is ScopeState.OPEN
        assert await scope.execute_effect(*call(answer, "k3")) == DurableStepOutcome(value=42)
    assert await code_of(handle.result()) == "runtime_effect_cancelled"


async def test_to_cancel_a_scope_cancels_what_runs_and_what_comes() -> None:
    controller = RecordingController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        handles = [scope.start_effect(*call(forever, f"k{n}")) for n in range(3)]
        await wait_all_tasks_blocked()
        scope.cancel("enough")
        assert scope.state is ScopeState.CANCELLED
        for handle in handles:
            assert await code_of(handle.result()) == "runtime_effect_cancelled"
        late = scope.start_effect(*sleep(0, "late"))
        assert await code_of(late.result()) == "runtime_effect_sleep_cancelled"
        assert await code_of(scope.sleep(0)) == "runtime_effect_sleep_cancelled"
        # The block decides what that means; it goes on.
        await trio.lowlevel.checkpoint()
    assert sorted(controller.seen) == ["k0", "k1", "k2"]
    assert controller.recorded == []


async def test_to_cancel_a_scope_in_an_abort_function() -> None:
    # It runs in the middle of the cancellation of all effects, and may ask for anything.
    async def effect() -> JsonValue:
        def abort(_: object) -> trio.lowlevel.Abort:
            scope.cancel("from inside")
            handles.append(scope.start_effect(*call(answer, "asked inside")))
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        raise AssertionError("unreachable")

    async with HOST.scoped(TURN) as scope:
        handles = [scope.start_effect(*call(effect, f"k{n}")) for n in range(3)]
        await wait_all_tasks_blocked()
        scope.cancel("from outside")
        assert len(handles) == 6
        for handle in handles:
            with pytest.raises(EffectError, match="from outside"):
                await handle.result()


async def test_a_scope_may_be_cancelled_by_an_effect_of_its_own() -> None:
    async def cancel() -> JsonValue:
        scope.cancel("by itself")
        return "done"

    async with HOST.scoped(TURN) as scope:
        sibling = scope.start_effect(*call(forever, "k1"))
        # Its result is there, so it wins.
        assert await scope.execute_effect(*call(cancel, "k2")) == DurableStepOutcome(value="done")
        assert await code_of(sibling.result()) == "runtime_effect_cancelled"


async def test_cleanup_of_a_cancelled_effect_may_fail() -> None:
    async def effect() -> JsonValue:
        try:
            return await forever()
        finally:
            raise KeyError("cleanup")

    async with HOST.scoped(TURN) as scope:
        handle = scope.start_effect(*call(effect))
        await wait_all_tasks_blocked()
        handle.cancel("enough")
        with pytest.raises(KeyError, match="cleanup"):
            await handle.result()
        assert repr(handle) == "<effect 'k1' failed>"


# Effects with nurseries inside.


async def in_nursery() -> JsonValue:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(forever)
        nursery.start_soon(forever)
    return None


async def in_nursery_with_a_failure() -> JsonValue:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("cleanup")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(forever)
        nursery.start_soon(fail_when_cancelled)
    return None


@pytest.mark.parametrize("started", [True, False])
async def test_a_requested_cancellation_of_a_nursery_inside(started: bool) -> None:
    async with HOST.scoped(TURN) as scope, trio.open_nursery() as nursery:

        async def cancel() -> None:
            await wait_all_tasks_blocked()
            scope.cancel("enough")

        nursery.start_soon(cancel)
        effect = call(in_nursery)
        asked = scope.start_effect(*effect).result() if started else scope.execute_effect(*effect)
        assert await code_of(asked) == "runtime_effect_cancelled"


async def test_an_outer_cancellation_of_a_nursery_inside() -> None:
    with trio.CancelScope() as outer:
        async with HOST.scoped(TURN) as scope:
            handle = scope.start_effect(*call(in_nursery, "k1"))
            await wait_all_tasks_blocked()
            outer.cancel()
            await scope.execute_effect(*call(in_nursery, "k2"))
    assert outer.cancelled_caught
    assert await code_of(handle.result()) == "effect_scope_closed"


async def test_a_failure_beside_an_outer_cancellation_stays_with_the_effect() -> None:
    with trio.CancelScope() as outer:
        async with HOST.scoped(TURN) as scope:
            handle = scope.start_effect(*call(in_nursery_with_a_failure))
            await wait_all_tasks_blocked()
            outer.cancel()
            await trio.sleep_forever()
    # The block was cancelled, and did not fail.
    assert outer.cancelled_caught
    with pytest.raises(ExceptionGroup) as caught:
        await handle.result()
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('cleanup')"]


async def test_a_failure_beside_the_error_of_the_block_stays_with_the_effect() -> None:
    error = IndexError("mine")
    with pytest.raises(IndexError) as caught:  # noqa: PT012
        async with HOST.scoped(TURN) as scope:
            handle = scope.start_effect(*call(in_nursery_with_a_failure))
            await wait_all_tasks_blocked()
            raise error
    assert caught.value is error
    with pytest.raises(ExceptionGroup):
        await handle.result()


async def test_an_error_of_the_block_beside_an_outer_cancellation_of_a_nursery_inside() -> None:
    error = IndexError("mine")
    with pytest.raises(IndexError) as caught:  # noqa: PT012
        with trio.CancelScope() as outer:
            async with HOST.scoped(TURN) as scope:
                scope.start_effect(*call(in_nursery))
                await wait_all_tasks_blocked()
                outer.cancel()
                raise error
    assert caught.value is error
