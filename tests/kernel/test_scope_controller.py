"""The controller of a scope: opened before the block, closed after its effects."""

# What leaves a block has to be caught around the block.

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio import InlineEffectController, JsonValue, ScopedEffectController, ScopeState
from lash_trio.abc import EffectController
from tests.kernel.support import TURN, answer, call, forever


@asynccontextmanager
async def noting_controller(
    steps: list[str], fail_at: str = ""
) -> AsyncGenerator[EffectController, None]:
    if fail_at == "open":
        raise OSError("cannot open")
    steps.append("open")
    try:
        yield InlineEffectController()
    except BaseException as error:
        steps.append(f"close after {type(error).__name__}")
        raise
    else:
        await trio.lowlevel.cancel_shielded_checkpoint()
        steps.append("close")
        if fail_at == "close":
            raise OSError("cannot close")


async def test_the_controller_is_opened_first_and_closed_last() -> None:
    steps: list[str] = []

    async def effect() -> JsonValue:
        await wait_all_tasks_blocked()
        steps.append("effect")
        return None

    async with ScopedEffectController(noting_controller(steps), TURN) as scope:
        scope.start_effect(*call(effect))
        steps.append("block")
    assert steps == ["open", "block", "effect", "close"]


@pytest.mark.parametrize("leave", [KeyError, KeyboardInterrupt])
async def test_the_controller_sees_the_exception_of_the_block(
    leave: Callable[[], BaseException],
) -> None:
    steps: list[str] = []
    error = leave()
    with pytest.raises(type(error)):
        async with ScopedEffectController(noting_controller(steps), TURN):
            raise error
    assert steps == ["open", f"close after {type(error).__name__}"]


async def test_the_controller_sees_a_cancellation_that_comes_while_leaving() -> None:
    steps: list[str] = []

    async def cancel() -> None:
        await wait_all_tasks_blocked()
        outer.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        with trio.CancelScope() as outer:
            async with ScopedEffectController(noting_controller(steps), TURN) as scope:
                scope.start_effect(*call(forever))
    # Not plain "close": that would be a scope that has come to its end.
    assert steps in (["open", "close after Cancelled"], ["open", "close after BaseExceptionGroup"])


async def test_a_controller_that_does_not_open_leaves_nothing_open() -> None:
    steps: list[str] = []
    scope = ScopedEffectController(noting_controller(steps, fail_at="open"), TURN)
    nurseries = list(trio.lowlevel.current_task().child_nurseries)
    with pytest.raises(OSError, match="cannot open"):
        async with scope:
            raise AssertionError("entered")
    assert scope.state is ScopeState.CLOSED
    assert steps == []
    assert trio.lowlevel.current_task().child_nurseries == nurseries


async def test_a_controller_that_does_not_close_says_so() -> None:
    steps: list[str] = []
    scope = ScopedEffectController(noting_controller(steps, fail_at="close"), TURN)
    with pytest.raises(OSError, match="cannot close"):
        async with scope:
            handle = scope.start_effect(*call(answer))
    assert handle.done
    assert scope.state is ScopeState.CLOSED


async def test_entering_under_a_cancellation_opens_nothing() -> None:
    steps: list[str] = []
    with trio.CancelScope() as outer:
        outer.cancel()
        async with ScopedEffectController(noting_controller(steps), TURN):
            raise AssertionError("entered")
    assert outer.cancelled_caught
    assert steps == []


def test_an_interrupt_while_a_scope_opens_leaves_nothing_open() -> None:
    steps: list[str] = []

    class Interrupt(trio.abc.Instrument):
        """Stands for a Ctrl-C at the one step in which the scope is half open."""

        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            if "_watch_outer_cancellation" in task.name:
                interrupted.append(task)
                signal.raise_signal(signal.SIGINT)

    interrupted: list[trio.lowlevel.Task] = []

    async def main() -> None:
        async with ScopedEffectController(noting_controller(steps), TURN):
            raise AssertionError("entered")

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, instruments=[Interrupt()], restrict_keyboard_interrupt_to_checkpoints=True)
    assert len(interrupted) == 1
    assert steps == ["open", "close after KeyboardInterrupt"]
