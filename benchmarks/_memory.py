"""The memory of parked tasks, as tracemalloc sees it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import trio
import trio.testing

from ._handoff import EVENT, PROCESS, open_registry
from ._measure import Groups, Plan

Start: TypeAlias = Callable[[trio.Nursery, int], None]
"""Starts a task that parks for ever; gets its number, from 1."""


async def on_events(plan: Plan) -> Groups:
    """Bytes a task that is parked on a :class:`trio.Event` of its own."""

    def start(nursery: trio.Nursery, _: int) -> None:
        nursery.start_soon(trio.Event().wait)

    return await parked(plan.size, start)


async def on_waits(plan: Plan) -> Groups:
    """Bytes a task that waits for an event, each for another ordinal."""
    registry = await open_registry()

    def start(nursery: trio.Nursery, number: int) -> None:
        nursery.start_soon(registry.wait_event_nth, PROCESS, EVENT, number)

    return await parked(plan.size, start)


async def parked(tasks: int, start: Start) -> Groups:
    """Bytes a parked task: the task, its coroutines and what they made."""
    async with trio.open_nursery() as nursery:
        with traced():
            before, _ = tracemalloc.get_traced_memory()
            for number in range(1, tasks + 1):
                start(nursery, number)
            await trio.testing.wait_all_tasks_blocked()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        nursery.cancel_scope.cancel()
    return [[(after - before) / tasks]]


@contextmanager
def traced() -> Generator[None, None, None]:
    """Trace the allocations of a block."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
