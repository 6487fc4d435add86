"""What is the memory registry's own: what it holds, and what waiting costs."""

from __future__ import annotations

import trio
import trio.testing

from lash_trio import (
    MemoryProcessRegistry,
    MemoryRegistryStatistics,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    SessionScope,
)

GO = "signal.go"


async def registry_with_p1() -> MemoryProcessRegistry:
    registry = MemoryProcessRegistry()
    await registry.register_process(
        ProcessRegistration(
            id="p1",
            input=ProcessInput.external(),
            provenance=ProcessProvenance.host("test"),
            event_types=[ProcessEventType(name=GO)],
        )
    )
    return registry


async def test_statistics() -> None:
    registry = await registry_with_p1()
    await registry.grant_handle(SessionScope(session_id="s"), "p1", ProcessHandleDescriptor())
    await registry.append_event("p1", ProcessEventAppendRequest(event_type=GO))
    await registry.claim_process_lease("p1", "me", 1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.wait_event_nth, "p1", GO, 2)
        nursery.start_soon(registry.await_process, "p1")
        await trio.testing.wait_all_tasks_blocked()
        assert registry.statistics() == MemoryRegistryStatistics(
            processes=1, running_processes=1, events=1, grants=1, leases=1, tasks_waiting=2
        )
        nursery.cancel_scope.cancel()
    assert registry.statistics().tasks_waiting == 0


class StepCounter(trio.abc.Instrument):
    """Counts the steps of all tasks."""

    def __init__(self) -> None:
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1


async def test_a_hundred_thousand_waiters_are_served_in_steps_that_grow_linearly() -> None:
    registry = await registry_with_p1()
    waiters = 100_000
    served: list[int] = []
    counter = StepCounter()

    async def wait(ordinal: int) -> None:
        event = await registry.wait_event_nth("p1", GO, ordinal)
        served.append(event.sequence)

    async with trio.open_nursery() as nursery:
        # The last one first, so that no order of arrival helps.
        for ordinal in range(waiters, 0, -1):
            nursery.start_soon(wait, ordinal)
        await trio.testing.wait_all_tasks_blocked()
        assert registry.statistics().tasks_waiting == waiters
        trio.lowlevel.add_instrument(counter)
        for n in range(waiters):
            await registry.append_event(
                "p1", ProcessEventAppendRequest(event_type=GO, payload={"n": n})
            )
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(counter)
    assert sorted(served) == list(range(1, waiters + 1))
    # A step of the appender and one of the waiter that it wakes; nobody else moves.
    assert counter.steps <= 2 * waiters + 10
    assert registry.statistics().tasks_waiting == 0
