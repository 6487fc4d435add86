"""From the call that hands something over to the line in which another task has it.

The loops of both sides are written out in full: a helper that both called would
add the same time to both and so flatter the ratio.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

import attrs
import trio
import trio.testing

from lash_trio import (
    MemoryProcessRegistry,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
)

from ._measure import Groups, Plan

PROCESS = "process"
EVENT = "signal.ready"
OUT_OF_REACH = 1_000_000_000
"""Added to the ordinals of waiters that are never served."""

now_ns = time.perf_counter_ns


@attrs.define
class Stopwatch:
    """Latencies of hand-offs, apart by who was run first after the hand-over.

    The receiver and the resumed sender come into the same batch of trio's
    scheduler, which tosses a coin about the order.  So there are two peaks: in the
    second one the receiver waits for a step of the sender.
    """

    started_ns: int = 0
    latencies_ns: list[int] = attrs.field(factory=list[int])
    sender_was_first: list[bool] = attrs.field(factory=list[bool])

    def groups(self, plan: Plan) -> Groups:
        """The latencies in seconds, a group for each order, without the warm-up."""
        samples = list(zip(self.latencies_ns, self.sender_was_first, strict=True))[plan.warm_up :]
        groups = [[ns / 1e9 for ns, first in samples if first is order] for order in (True, False)]
        return [group for group in groups if group]


async def open_registry() -> MemoryProcessRegistry:
    """A memory registry with one process that takes events of one type."""
    registry = MemoryProcessRegistry()
    await registry.register_process(
        ProcessRegistration(
            id=PROCESS,
            input=ProcessInput.external({}),
            provenance=ProcessProvenance.host("benchmarks"),
            event_types=[ProcessEventType(name=EVENT)],
        )
    )
    return registry


def request(number: int) -> ProcessEventAppendRequest:
    """An append without a replay key."""
    return ProcessEventAppendRequest(event_type=EVENT, payload={"n": number})


async def channel(plan: Plan, tasks: int = 0) -> Groups:
    """Hand-offs over a bare memory channel without a buffer.

    Args:
        plan: how many.
        tasks: how many other tasks are parked, on an event each.
    """
    watch = Stopwatch()
    send_channel, receive_channel = trio.open_memory_channel[dict[str, int]](0)

    async def receive() -> None:
        while True:
            await receive_channel.receive()
            watch.latencies_ns.append(now_ns() - watch.started_ns)

    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(trio.Event().wait)
        nursery.start_soon(receive)
        await settle()
        for number in range(1, plan.warm_up + plan.samples + 1):
            value = {"n": number}
            watch.started_ns = now_ns()
            await send_channel.send(value)
            watch.sender_was_first.append(len(watch.latencies_ns) < number)
            while len(watch.latencies_ns) < number:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return watch.groups(plan)


async def append(plan: Plan, waiters: int = 0, events: int = 0) -> Groups:
    """Appends to a memory registry, each of which one waiter waits for.

    Args:
        plan: how many.
        waiters: how many other tasks wait for events of the type of the process,
            each for another ordinal, and are not served.
        events: how many events of the type are in the log before.
    """
    watch = Stopwatch()
    registry = await open_registry()
    for number in range(1, events + 1):
        await registry.append_event(PROCESS, request(number))

    async def wait() -> None:
        ordinal = events
        while True:
            ordinal += 1
            await registry.wait_event_nth(PROCESS, EVENT, ordinal)
            watch.latencies_ns.append(now_ns() - watch.started_ns)

    async with trio.open_nursery() as nursery:
        for number in range(waiters):
            nursery.start_soon(registry.wait_event_nth, PROCESS, EVENT, OUT_OF_REACH + number)
        nursery.start_soon(wait)
        await settle()
        for number in range(1, plan.warm_up + plan.samples + 1):
            event = request(number)
            watch.started_ns = now_ns()
            await registry.append_event(PROCESS, event)
            watch.sender_was_first.append(len(watch.latencies_ns) < number)
            while len(watch.latencies_ns) < number:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return watch.groups(plan)


async def serve_by_channels(tasks: int) -> float:
    """Seconds a hand-off, for handing one value to each of many tasks.

    Args:
        tasks: how many; each is parked on a memory channel of its own.
    """
    channels = [trio.open_memory_channel[int](0) for _ in range(tasks)]
    async with trio.open_nursery() as nursery:
        for _, receive_channel in channels:
            nursery.start_soon(receive_channel.receive)
        await settle()
        started_ns = now_ns()
        for number, (send_channel, _) in enumerate(channels):
            await send_channel.send(number)
    return (now_ns() - started_ns) / 1e9 / tasks


async def serve_by_appends(waiters: int) -> float:
    """Seconds an append, for serving waiters each of whom waits for another ordinal.

    Args:
        waiters: how many, all of one process and type.
    """
    registry = await open_registry()
    requests: Sequence[ProcessEventAppendRequest] = [request(number) for number in range(waiters)]
    async with trio.open_nursery() as nursery:
        for ordinal in range(1, waiters + 1):
            nursery.start_soon(registry.wait_event_nth, PROCESS, EVENT, ordinal)
        await settle()
        started_ns = now_ns()
        for event in requests:
            await registry.append_event(PROCESS, event)
    return (now_ns() - started_ns) / 1e9 / waiters


async def settle() -> None:
    """Wait until everybody is parked, and begin with an empty young generation."""
    await trio.testing.wait_all_tasks_blocked()
    gc.collect()
