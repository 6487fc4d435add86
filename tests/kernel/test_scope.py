"""The block of a scope: opening it, leaving it, and what leaves it."""

# What leaves a block has to be caught around the block.
# ruff: noqa: PT012

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    DurabilityTier,
    EffectError,
    EffectOutcome,
    EffectScope,
    InlineEffectHost,
    JsonValue,
    ScopeState,
)
from tests.kernel.support import TURN, RecordingController, answer, call, code_of, forever, sleep

HOST = InlineEffectHost()


# Opening.


def test_a_scope_with_a_blank_id_is_refused_when_it_is_made() -> None:
    blank = [
        EffectScope.turn(" ", "t1"),
        EffectScope.turn("s1", "\n"),
        EffectScope.process(""),
        EffectScope.queue_drain("s1", "\t"),
        EffectScope.queue_drain("", "d1"),
        EffectScope.session_delete("  "),
        EffectScope.runtime_operation(""),
    ]
    for scope in blank:
        with pytest.raises(EffectError) as caught:
            HOST.scoped(scope)
        assert caught.value.code == "missing_effect_scope_id"
        assert f"a {scope.tag} scope needs" in caught.value.message


@pytest.mark.parametrize(
    ("scope", "scope_id", "turn_id"),
    [
        (EffectScope.turn("s1", "t1"), "t1", "t1"),
        (EffectScope.process("p1"), "p1", None),
        (EffectScope.queue_drain("s1", "d1"), "d1", None),
        (EffectScope.session_delete("s1"), "s1", None),
        (EffectScope.runtime_operation("o1"), "o1", None),
    ],
)
async def test_a_scope_says_what_it_is(
    scope: EffectScope, scope_id: str, turn_id: str | None
) -> None:
    async with HOST.scoped(scope) as opened:
        assert opened.effect_scope is scope
        assert opened.scope_id == scope_id
        assert opened.turn_id == turn_id
        assert opened.durability_tier is DurabilityTier.INLINE
        assert not opened.requires_durable_attachment_store
        assert repr(opened) == f"<{scope.tag} scope {scope_id!r} open>"


async def test_effects_need_the_block_to_be_entered() -> None:
    scope = HOST.scoped(TURN)
    assert scope.state is ScopeState.CLOSED
    assert await code_of(scope.sleep(1)) == "effect_scope_closed"
    with pytest.raises(EffectError, match="has not been entered"):
        scope.start_effect(*sleep(1))


async def test_a_scope_is_entered_once() -> None:
    scope = HOST.scoped(TURN)
    async with scope:
        with pytest.raises(RuntimeError, match="entered before"):
            await scope.__aenter__()
        assert repr(scope) == "<turn scope 't1' open>"
        await scope.sleep(0)
    with pytest.raises(RuntimeError, match="entered before"):
        await scope.__aenter__()
    assert scope.state is ScopeState.CLOSED


async def test_to_leave_a_scope_again_does_nothing() -> None:
    scope = HOST.scoped(TURN)
    async with scope:
        pass
    assert not await scope.__aexit__(None, None, None)
    assert scope.state is ScopeState.CLOSED


# Leaving.


async def test_leaving_waits_for_the_effects(autojump_clock: MockClock) -> None:
    async with HOST.scoped(TURN) as scope:
        first = scope.start_effect(*sleep(2, "k1"))
        second = scope.start_effect(*sleep(3, "k2"))
        assert repr(first) == "<effect 'k1' running>"
    assert trio.current_time() == 3
    assert first.done
    assert second.done
    assert (await second.result()).kind == "sleep"
    assert scope.state is ScopeState.CLOSED


async def test_leaving_waits_for_effects_that_effects_ask_for(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def parent() -> JsonValue:
        await scope.execute_effect(*sleep(1, "child"))
        ended.append("child")
        scope.start_effect(*call(grandchild, "grandchild"))
        return None

    async def grandchild() -> JsonValue:
        await scope.execute_effect(*sleep(1, "its child"))
        ended.append("grandchild")
        return None

    async with HOST.scoped(TURN) as scope:
        scope.start_effect(*call(parent, "parent"))
    assert ended == ["child", "grandchild"]
    assert trio.current_time() == 2


async def test_leaving_waits_for_effects_of_other_tasks(autojump_clock: MockClock) -> None:
    codes: list[str] = []

    async def elsewhere() -> None:
        await scope.execute_effect(*sleep(5))
        codes.append(await code_of(scope.execute_effect(*sleep(5, "k2"))))

    async with trio.open_nursery() as nursery:
        async with HOST.scoped(TURN) as scope:
            nursery.start_soon(elsewhere)
            await wait_all_tasks_blocked()
        assert trio.current_time() == 5
    # Its effect was waited for; the next one came too late.
    assert codes == ["effect_scope_closed"]


async def test_leaving_by_an_exception_ends_effects_of_other_tasks() -> None:
    codes: list[str] = []
    controller = RecordingController()

    async def elsewhere() -> None:
        codes.append(await code_of(scope.execute_effect(*call(forever))))
        codes.append(await code_of(scope.execute_effect(*call(forever))))

    async with trio.open_nursery() as nursery:
        with pytest.raises(KeyError):
            async with InlineEffectHost(controller).scoped(TURN) as scope:
                nursery.start_soon(elsewhere)
                await wait_all_tasks_blocked()
                raise KeyError
        assert codes[:1] == ["effect_scope_closed"]
    assert codes == ["effect_scope_closed", "effect_scope_closed"]
    assert controller.seen == ["k1"]


async def test_no_task_can_slip_in_while_the_last_effect_ends() -> None:
    # A started effect between the end of the last one and the end of the block would
    # find the nursery closed; an executed one would outlive the scope.
    for steps in range(6):
        codes: list[str] = []
        gate = trio.Event()

        async def elsewhere(
            steps: int = steps, gate: trio.Event = gate, codes: list[str] = codes
        ) -> None:
            await gate.wait()
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            try:
                handle = scope.start_effect(*call(answer, "k2"))
            except EffectError as error:
                codes.append(error.code)
            else:
                await handle.result()
                codes.append("ran")

        async def last(gate: trio.Event = gate) -> JsonValue:
            await gate.wait()
            return None

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                async with HOST.scoped(TURN) as scope:
                    scope.start_effect(*call(last))
                    nursery.start_soon(elsewhere)
                    nursery.start_soon(set_when_blocked, gate)
        assert codes in (["effect_scope_closed"], ["ran"])
        assert codes == ["effect_scope_closed"] or steps < 2


async def set_when_blocked(event: trio.Event) -> None:
    await wait_all_tasks_blocked()
    event.set()


async def test_a_late_effect_of_another_task_does_not_outlive_the_scope() -> None:
    running: set[str] = set()

    async def effect() -> JsonValue:
        running.add("effect")
        try:
            return await forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            running.remove("effect")

    async def elsewhere() -> None:
        await handle.result()
        await code_of(scope.execute_effect(*call(effect, "k2")))

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            async with HOST.scoped(TURN) as scope:
                handle = scope.start_effect(*call(answer))
                nursery.start_soon(elsewhere)
                await trio.lowlevel.checkpoint()
        assert running == set()
        assert scope.state is ScopeState.CLOSED


# What leaves the block.


async def test_an_error_leaves_as_it_is() -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        async with HOST.scoped(TURN) as scope:
            handle = scope.start_effect(*call(forever))
            await wait_all_tasks_blocked()
            raise error
    assert caught.value is error
    assert error.__context__ is None
    assert await code_of(handle.result()) == "effect_scope_closed"


async def test_a_group_leaves_as_it_is() -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(ExceptionGroup) as caught:
        async with HOST.scoped(TURN) as scope:
            scope.start_effect(*call(forever))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, KeyError())
                nursery.start_soon(fail, IndexError())
    assert {type(error) for error in caught.value.exceptions} == {KeyError, IndexError}


async def test_an_error_wins_over_an_outer_cancellation_at_the_same_time() -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        with trio.CancelScope() as outer:
            async with HOST.scoped(TURN) as scope:
                scope.start_effect(*call(forever))
                await wait_all_tasks_blocked()
                outer.cancel()
                raise error
    assert caught.value is error
    assert not outer.cancelled_caught


async def test_a_group_with_a_cancellation_in_it_leaves_as_it_is() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("in a finally")

    with pytest.raises(ExceptionGroup) as caught:
        with trio.CancelScope() as outer:
            async with HOST.scoped(TURN) as scope:
                scope.start_effect(*call(forever))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fail_when_cancelled)
                    nursery.start_soon(trio.sleep_forever)
                    await wait_all_tasks_blocked()
                    outer.cancel()
    # The outer cancel scope has taken its own out of it.
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    assert outer.cancelled_caught


@pytest.mark.parametrize("effects", [0, 2])
async def test_an_outer_cancellation_leaves_as_cancelled(effects: int) -> None:
    scope = HOST.scoped(TURN)
    with trio.CancelScope() as outer:
        try:
            async with scope:
                for number in range(effects):
                    scope.start_effect(*call(forever, f"k{number}"))
                await wait_all_tasks_blocked()
                outer.cancel()
                await trio.sleep_forever()
        except trio.Cancelled:
            assert scope.state is ScopeState.CLOSED
            raise
    assert outer.cancelled_caught


async def test_an_outer_cancellation_while_leaving_leaves_too() -> None:
    async def cancel() -> None:
        await wait_all_tasks_blocked()
        outer.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        with trio.CancelScope() as outer:
            async with HOST.scoped(TURN) as scope:
                handle = scope.start_effect(*call(forever))
            raise AssertionError("the block was left as if nothing had happened")
    assert outer.cancelled_caught
    assert await code_of(handle.result()) == "effect_scope_closed"


async def test_an_outer_cancellation_while_other_tasks_run_effects() -> None:
    codes: list[str] = []

    async def elsewhere() -> None:
        codes.append(await code_of(scope.execute_effect(*call(forever))))

    async def cancel() -> None:
        await wait_all_tasks_blocked()
        outer.cancel()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as outer:
            async with HOST.scoped(TURN) as scope:
                nursery.start_soon(elsewhere)
                await wait_all_tasks_blocked()
                nursery.start_soon(cancel)
            raise AssertionError("the block was left as if the effect had ended")
        assert codes == ["effect_scope_closed"]
    assert outer.cancelled_caught


async def test_a_scope_is_not_the_source_of_a_cancellation() -> None:
    # Like trio's nursery: when nothing was cut short, leaving is no place to be told.
    outcomes: list[EffectOutcome] = []
    with trio.CancelScope() as outer:
        async with HOST.scoped(TURN) as scope:
            outcomes.append(await scope.execute_effect(*call(answer)))
            outer.cancel()
        outcomes.append(outcomes[0])
        assert scope.state is ScopeState.CLOSED
        await trio.sleep_forever()
    assert outer.cancelled_caught
    assert len(outcomes) == 2


async def test_the_failure_of_an_effect_does_not_leave_the_block() -> None:
    async def fail() -> JsonValue:
        raise KeyError("failed")

    async with HOST.scoped(TURN) as scope:
        failing = scope.start_effect(*call(fail, "k1"))
        sibling = scope.start_effect(*call(answer, "k2"))
        await wait_all_tasks_blocked()
        assert failing.done
        assert scope.state is ScopeState.OPEN
    assert (await sibling.result()).value == 42  # type: ignore[attr-defined]
    with pytest.raises(KeyError, match="failed"):
        await failing.result()


@pytest.mark.filterwarnings("ignore::trio.TrioDeprecationWarning")
@pytest.mark.parametrize("strict", [True, False])
def test_a_keyboard_interrupt_in_a_started_effect_ends_the_scope(strict: bool) -> None:
    async def interrupt() -> JsonValue:
        raise KeyboardInterrupt

    async def main() -> None:
        async with HOST.scoped(TURN) as scope:
            handles.append(scope.start_effect(*call(forever, "k1")))
            handles.append(scope.start_effect(*call(interrupt, "k2")))
            await trio.sleep_forever()

    handles: list[object] = []
    with pytest.raises(BaseExceptionGroup) as caught:
        trio.run(main, strict_exception_groups=strict)
    assert [type(error) for error in caught.value.exceptions] == [KeyboardInterrupt]
    assert repr(handles[0]) == "<effect 'k1' abandoned>"


async def test_a_keyboard_interrupt_in_an_executed_effect_leaves_as_it_is() -> None:
    async def interrupt() -> JsonValue:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with HOST.scoped(TURN) as scope:
            handle = scope.start_effect(*call(forever, "k1"))
            await scope.execute_effect(*call(interrupt, "k2"))
    assert await code_of(handle.result()) == "effect_scope_closed"


async def test_a_keyboard_interrupt_does_not_hide_an_error_of_the_block() -> None:
    async def interrupt() -> JsonValue:
        try:
            return await forever()
        finally:
            raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup) as caught:
        async with HOST.scoped(TURN) as scope:
            scope.start_effect(*call(interrupt))
            await wait_all_tasks_blocked()
            raise KeyError
    assert [type(error) for error in caught.value.exceptions] == [KeyError, KeyboardInterrupt]


async def test_a_scope_absorbs_the_cancellation_of_its_own_nursery() -> None:
    # A Cancelled that strays into an effect ends the nursery, as it would in trio, and
    # must not run on to where nobody is cancelled.
    with trio.CancelScope() as other:
        other.cancel()
        with pytest.raises(trio.Cancelled) as stray:
            await trio.lowlevel.checkpoint()

    async def leak() -> JsonValue:
        raise stray.value

    async with HOST.scoped(TURN) as scope:
        scope.start_effect(*call(leak))
        await trio.Event().wait()
    assert scope.state is ScopeState.CLOSED
