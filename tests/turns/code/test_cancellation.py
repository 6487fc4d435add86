"""Cancelled, a run leaves no process and no thread."""

from __future__ import annotations

import threading
import time

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import TurnStreamEvent
from lash_trio.turns.code import CodeSandbox

from .support import TIGHT, Watch, sandboxes

LONG = attrs.evolve(TIGHT, slice_seconds=20, run_seconds=60)


async def test_in_a_tool_at_once() -> None:
    begun = trio.Event()
    ended = False

    async def tool() -> None:
        nonlocal ended
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            ended = True

    # The code must not be able to go on after it.
    code = "try:\n  tool()\nexcept BaseException: pass\nwhile True: pass"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(unfinished, code, tool)
        await begun.wait()
        assert list(sandboxes())
        cancelled = time.monotonic()
        nursery.cancel_scope.cancel()
    assert ended
    assert time.monotonic() - cancelled < LONG.slice_seconds / 2
    assert not list(sandboxes())


async def test_while_it_sleeps_at_once(mock_clock: MockClock) -> None:
    begun = trio.Event()

    class Tell(Watch):
        async def send(self, event: TurnStreamEvent) -> None:
            await trio.lowlevel.checkpoint()
            begun.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(unfinished, "import time\nprint(1)\ntime.sleep(5)", None, Tell())
        await begun.wait()
        # Its thread is done, and the clock stands: all it can do is to sleep.
        await wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 0
    assert not list(sandboxes())


async def unfinished(code: str, tool: object = None, events: Watch | None = None) -> None:
    await CodeSandbox(LONG).run(code, tools={"tool": tool}, events=events or Watch())  # type: ignore[dict-item]
    raise AssertionError("cancelled, it has no response")


@pytest.mark.parametrize("loop", ["while True: pass", "while True: print(1)"])
async def test_while_it_executes_with_the_slice(loop: str) -> None:
    begun = trio.Event()

    class Tell(Watch):
        async def send(self, event: TurnStreamEvent) -> None:
            begun.set()
            await trio.lowlevel.checkpoint()

    limits = attrs.evolve(TIGHT, slice_seconds=0.2, run_seconds=60)
    cancelled = 0.0
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await CodeSandbox(limits).run(f"print(0)\n{loop}", tools={}, events=Tell())
            raise AssertionError("cancelled, it has no response")

        nursery.start_soon(run)
        await begun.wait()
        cancelled = time.monotonic()
        nursery.cancel_scope.cancel()
    assert time.monotonic() - cancelled < 2
    assert not list(sandboxes())
    assert not any(thread.name == "lash_trio code" for thread in threading.enumerate())


async def test_before_it_has_begun() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await CodeSandbox(TIGHT).run("1", tools={}, events=Watch())
    assert scope.cancelled_caught
    assert not list(sandboxes())


async def test_a_watcher_that_fails_is_not_hidden() -> None:
    class Broken:
        async def send(self, event: TurnStreamEvent) -> None:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await CodeSandbox(TIGHT).run("print(1)\nwhile True: pass", tools={}, events=Broken())
    assert not list(sandboxes())


async def test_a_slow_watcher_costs_the_code_no_time(autojump_clock: MockClock) -> None:
    class Slow(Watch):
        async def send(self, event: TurnStreamEvent) -> None:
            await trio.sleep(30)
            await super().send(event)

    async def tool() -> None:
        await trio.lowlevel.checkpoint()

    slow = Slow()
    response = await CodeSandbox(TIGHT).run(
        "for i in range(3):\n  print(i)\n  tool()", tools={"tool": tool}, events=slow
    )
    assert response.error is None
    assert slow.text == "0\n1\n2\n"
    assert response.duration_ms == 90_000


async def test_the_event_loop_runs_on_meanwhile() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await trio.sleep(0.005)
            beats += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        await CodeSandbox(TIGHT).run("while True: pass", tools={}, events=Watch())
        nursery.cancel_scope.cancel()
    assert beats >= 5
