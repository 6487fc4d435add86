"""A scope in a nursery of the caller's."""

# What leaves a nursery has to be caught around the nursery.
# ruff: noqa: PT012

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    EffectError,
    EffectScope,
    InlineEffectHost,
    JsonValue,
    ScopedEffectController,
    ScopeState,
)
from lash_trio.abc import EffectHost
from tests.kernel.support import TURN, answer, call, code_of, forever, sleep
from tests.kernel.test_scope_controller import noting_controller

HOST = InlineEffectHost()


async def open_in(
    nursery: trio.Nursery, host: EffectHost = HOST, scope: EffectScope = TURN
) -> ScopedEffectController:
    opened = await host.scoped_in(nursery, scope)
    assert isinstance(opened, ScopedEffectController)
    return opened


class OneController(EffectHost):
    """A host of one scope, which tells when its controller is opened and closed."""

    def __init__(self, steps: list[str], fail_at: str = "") -> None:
        self._controller = noting_controller(steps, fail_at)

    def scoped(self, scope: EffectScope) -> ScopedEffectController:
        return ScopedEffectController(self._controller, scope)


async def test_it_is_open_until_it_is_closed(autojump_clock: MockClock) -> None:
    steps: list[str] = []
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery, OneController(steps))
        assert repr(scope) == "<turn scope 't1' open>"
        handle = scope.start_effect(*sleep(3))
        await scope.sleep(1)
        await scope.aclose()
        # Only when the effects have ended and the controller is closed.
        assert trio.current_time() == 3
        assert handle.done
        assert steps == ["open", "close"]
        assert scope.state is ScopeState.CLOSED
        assert await code_of(scope.sleep(1)) == "effect_scope_closed"
        await scope.aclose()


async def test_effects_may_ask_for_effects_while_it_closes(autojump_clock: MockClock) -> None:
    async def effect() -> JsonValue:
        await scope.execute_effect(*sleep(1, "k2"))
        return "ended"

    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery)
        handle = scope.start_effect(*call(effect))
        await scope.aclose()
        assert handle.done
        assert (await handle.result()).value == "ended"  # type: ignore[attr-defined]


async def test_it_keeps_the_nursery_open(autojump_clock: MockClock) -> None:
    with trio.move_on_after(5) as deadline:
        async with trio.open_nursery() as nursery:
            await open_in(nursery)
    assert deadline.cancelled_caught


async def test_cancelling_the_nursery_cancels_it_from_outside() -> None:
    steps: list[str] = []
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery, OneController(steps))
        handle = scope.start_effect(*call(forever))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        assert repr(scope) == "<turn scope 't1' closing>"
    assert scope.state is ScopeState.CLOSED
    assert await code_of(handle.result()) == "effect_scope_closed"
    assert steps == ["open", "close after Cancelled"]
    # It is closed, so there is nothing to wait for.
    await scope.aclose()


async def test_a_sibling_that_dies_cancels_it_from_outside() -> None:
    async def die() -> None:
        raise KeyError("sibling")

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            scope = await open_in(nursery)
            handle = scope.start_effect(*call(forever))
            nursery.start_soon(die)
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('sibling')"]
    assert await code_of(handle.result()) == "effect_scope_closed"


async def test_a_requested_cancellation_does_not_close_it() -> None:
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery)
        handle = scope.start_effect(*call(forever))
        scope.cancel("enough")
        assert await code_of(handle.result()) == "runtime_effect_cancelled"
        assert await code_of(scope.sleep(1)) == "runtime_effect_sleep_cancelled"
        assert scope.state is ScopeState.CANCELLED
        await scope.aclose()


async def test_a_blank_id_is_refused_as_it_is() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(EffectError) as caught:
            await HOST.scoped_in(nursery, EffectScope.process(" "))
    assert caught.value.code == "missing_effect_scope_id"


async def test_a_controller_that_does_not_open_is_the_openers_error() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="cannot open"):
            await open_in(nursery, OneController([], fail_at="open"))


async def test_a_controller_that_does_not_close_is_the_nurserys_error() -> None:
    closed: list[str] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            scope = await open_in(nursery, OneController([], fail_at="close"))
            with trio.CancelScope(shield=True):
                await scope.aclose()
                closed.append("closed")
    assert [str(error) for error in caught.value.exceptions] == ["cannot close"]
    assert closed == ["closed"]


async def test_to_cancel_the_opening_leaves_nothing_behind() -> None:
    steps: list[str] = []
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as cancel_scope:
            cancel_scope.cancel()
            await open_in(nursery, OneController(steps))
        assert cancel_scope.cancelled_caught
        assert nursery.child_tasks == frozenset()
    assert steps == []


async def test_a_nursery_that_is_cancelled_already() -> None:
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            scope = await open_in(nursery)
            assert scope.state is ScopeState.CLOSING
            assert await code_of(scope.execute_effect(*call(answer))) == "effect_scope_closed"
    assert scope.state is ScopeState.CLOSED


async def test_a_block_closes_its_own_scope() -> None:
    async with HOST.scoped(TURN) as scope:
        with pytest.raises(RuntimeError, match="closed by leaving it"):
            await scope.aclose()
        assert scope.state is ScopeState.OPEN


async def test_two_may_wait_for_the_request_to_close(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery)
        nursery.start_soon(scope.wait_close_requested)
        await wait_all_tasks_blocked()
        with trio.fail_after(1):
            await scope.aclose()


async def test_its_conveniences_serve_one_task_after_the_other() -> None:
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery)
        assert await scope.step("a", answer) == 42
        keys: list[str] = []

        async def other() -> None:
            keys.append(scope.path.peek("a"))

        # The first task has not ended, so a second one would share its path.
        with pytest.raises(ExceptionGroup) as caught:
            async with trio.open_nursery() as inner:
                inner.start_soon(other)
        (error,) = caught.value.exceptions
        assert isinstance(error, EffectError)
        assert error.code == "effect_path_shared"
        await scope.aclose()
    async with trio.open_nursery() as nursery:
        scope = await open_in(nursery)
        async with trio.open_nursery() as inner:
            inner.start_soon(other)
        async with trio.open_nursery() as inner:
            inner.start_soon(other)
        await scope.aclose()
    assert keys == ["a#1", "a#1"]
