"""What is special about the registry in memory: what it costs, its statistics, its clock."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    DurabilityTier,
    InvalidValueError,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRegistration,
    SessionScope,
)
from lash_trio.model import ProcessAwaitOutput, terminal_event
from lash_trio.stores.memory import MemoryProcessRegistry, MemoryRegistryStatistics
from lash_trio.stores.memory._log import ProcessLog
from lash_trio.testing.conformance import ManualClock

TICK = "signal.tick"
APPEND = ProcessEventAppendRequest(event_type=TICK, payload={"n": 1})


async def register(registry: MemoryProcessRegistry, process_id: str = "p1") -> None:
    await registry.register_process(
        ProcessRegistration(
            id=process_id,
            input=ProcessInput.external(),
            provenance=ProcessProvenance.host("test"),
            event_types=(ProcessEventType(name=TICK),),
        )
    )


@attrs.define(eq=False)
class Work(trio.abc.Instrument):
    """What serving many waiters takes: looks at the log, and steps of the waiters' tasks."""

    looks: int = 0
    steps: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += task.name == "waiter"


async def serve(waiters: int, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Park waiters, each for another ordinal, the last one first; append as many events."""
    registry = MemoryProcessRegistry()
    await register(registry)
    served: list[tuple[int, int]] = []
    nth = ProcessLog.nth

    def counted(self: ProcessLog, event_type: str, ordinal: int) -> object:
        work.looks += 1
        return nth(self, event_type, ordinal)

    async def wait(ordinal: int) -> None:
        event = await registry.wait_event_nth("p1", TICK, ordinal)
        served.append((ordinal, event.sequence))

    with monkeypatch.context() as patch:
        patch.setattr(ProcessLog, "nth", counted)
        trio.lowlevel.add_instrument(work)
        async with trio.open_nursery() as nursery:
            for ordinal in range(waiters, 0, -1):
                nursery.start_soon(wait, ordinal, name="waiter")
            await wait_all_tasks_blocked()
            assert registry.statistics().tasks_waiting == waiters
            for _ in range(waiters):
                await registry.append_event("p1", APPEND)
        trio.lowlevel.remove_instrument(work)
    assert sorted(served) == [(ordinal, ordinal) for ordinal in range(1, waiters + 1)]
    assert registry.statistics().tasks_waiting == 0


@pytest.mark.parametrize("waiters", [10, 1_000, 100_000])
async def test_every_waiter_costs_two_looks_and_two_steps(
    waiters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait: one look before parking, one when its own event has come."""
    work = Work()
    await serve(waiters, work, monkeypatch)
    assert (work.looks, work.steps) == (2 * waiters, 2 * waiters)


async def calls_of(function: Callable[[], Awaitable[object]]) -> int:
    """How many functions, also those written in C, a call calls."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await function()
    finally:
        sys.setprofile(before)
    return calls


async def test_the_cost_of_an_ordinal_does_not_depend_on_it() -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    appends, waits = [], []
    for number in range(1, 5_001):
        append = await calls_of(partial(registry.append_event, "p1", APPEND))
        wait = await calls_of(partial(registry.wait_event_nth, "p1", TICK, number))
        if number in (2, 50, 500, 5_000):
            appends.append(append)
            waits.append(wait)
    assert len(set(appends)) == 1
    assert len(set(waits)) == 1


async def test_statistics_tell_what_it_holds() -> None:
    registry = MemoryProcessRegistry()
    nothing = MemoryRegistryStatistics(
        processes=0, running_processes=0, events=0, grants=0, leases=0, tasks_waiting=0
    )
    assert registry.statistics() == nothing
    await register(registry, "p1")
    await register(registry, "p2")
    await registry.append_event("p1", APPEND)
    done = terminal_event("p1", ProcessAwaitOutput.success(None))
    await registry.append_event("p1", done)
    await registry.append_event("p1", done)
    for session_id in ("s1", "s2"):
        scope = SessionScope(session_id=session_id)
        await registry.grant_handle(scope, "p1", ProcessHandleDescriptor())
    lease = await registry.claim_process_lease("p2", "a", 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.wait_event_nth, "p1", TICK, 2)
        nursery.start_soon(registry.wait_next_event, "p1", 9)
        nursery.start_soon(registry.await_process, "p2")
        await wait_all_tasks_blocked()
        assert registry.statistics() == MemoryRegistryStatistics(
            processes=2, running_processes=1, events=2, grants=2, leases=1, tasks_waiting=3
        )
        nursery.cancel_scope.cancel()
    await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
    await registry.delete_session_process_state("s1")
    assert registry.statistics() == MemoryRegistryStatistics(
        processes=2, running_processes=1, events=2, grants=1, leases=0, tasks_waiting=0
    )


async def test_what_was_granted_and_revoked_leaves_nothing() -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    scope = SessionScope(session_id="s1")
    await registry.grant_handle(scope, "p1", ProcessHandleDescriptor())
    await registry.revoke_handle(scope, "p1")
    assert registry.statistics().grants == 0
    assert await registry.handle_grants_for_process("p1") == []


async def test_the_clock_that_it_is_given_tells_all_times() -> None:
    clock = ManualClock(5_000)
    registry = MemoryProcessRegistry(clock)
    await register(registry)
    clock.advance_ms(10)
    event = (await registry.append_event("p1", APPEND)).event
    lease = await registry.claim_process_lease("p1", "a", 100)
    row = await registry.get_process("p1")
    assert row is not None
    assert (row.created_at_ms, row.updated_at_ms) == (5_000, 5_010)
    assert event.occurred_at_ms == 5_010
    assert (lease.claimed_at_epoch_ms, lease.expires_at_epoch_ms) == (5_010, 5_110)


async def test_without_a_clock_leases_expire_in_virtual_time(autojump_clock: MockClock) -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    lease = await registry.claim_process_lease("p1", "a", 60_000)
    await trio.sleep(59)
    with pytest.raises(PluginError) as caught:
        await registry.claim_process_lease("p1", "b", 1)
    assert caught.value.reason == "process_lease_held"
    await trio.sleep(1.5)
    taken = await registry.claim_process_lease("p1", "b", 1)
    assert taken.fencing_token == lease.fencing_token + 1


async def test_it_is_lost_with_its_process() -> None:
    assert MemoryProcessRegistry().durability_tier is DurabilityTier.INLINE


async def test_a_negative_limit_is_refused() -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    with pytest.raises(InvalidValueError, match="zero or more, got -1"):
        await registry.events_after("p1", 0, -1)
    with pytest.raises(InvalidValueError, match="zero or more, got -1"):
        await registry.recent_events("p1", -1)


async def test_a_number_below_zero_is_before_the_first_event() -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    event = (await registry.append_event("p1", APPEND)).event
    assert await registry.events_after("p1", -5) == [event]
    assert await registry.wake_events_after("p1", -5) == []
    assert await registry.wait_event_after("p1", TICK, -5) == event
    assert await registry.wait_next_event("p1", -5) == event


async def test_refusals_say_what_was_expected_and_what_came() -> None:
    registry = MemoryProcessRegistry()
    await register(registry)
    with pytest.raises(PluginError, match=r"no process 'p9' in this registry; register it first"):
        await registry.events_after("p9", 0)
    with pytest.raises(PluginError, match=r"ordinals count from 1; .* asks for number 0"):
        await registry.wait_event_nth("p1", TICK, 0)
    with pytest.raises(PluginError, match=r"declares no event type 'no\.such', so a wait for it"):
        await registry.wait_event_nth("p1", "no.such", 1)
    await registry.complete_process("p1", ProcessAwaitOutput.success(None))
    with pytest.raises(PluginError, match=r"'p1' has ended \(completed\); there is nothing left"):
        await registry.claim_process_lease("p1", "a", 1)
