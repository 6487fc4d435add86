"""Running slots, and which tasks of a process are active."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import wait_all_tasks_blocked

from lash_trio.worker._slots import Activity, RunningSlots

from .support import run_in_virtual_time


async def active(slots: RunningSlots) -> Activity:
    activity = Activity(slots)
    await activity.task_resumed()
    return activity


async def test_the_first_task_takes_a_slot_and_the_last_gives_it_back() -> None:
    slots = RunningSlots(1)
    activity = Activity(slots)
    assert (activity.is_parked, activity.holds_slot, slots.taken) == (True, False, 0)
    await activity.task_resumed()
    assert (activity.is_parked, activity.holds_slot, slots.taken) == (False, True, 1)
    activity.task_started()
    activity.task_parked()
    assert (activity.is_parked, activity.holds_slot, slots.taken) == (False, True, 1)
    activity.task_parked()
    assert (activity.is_parked, activity.holds_slot, slots.taken) == (True, False, 0)


async def test_several_tasks_of_a_process_need_one_slot() -> None:
    slots = RunningSlots(1)
    activity = await active(slots)
    await activity.task_resumed()
    await activity.task_resumed()
    assert slots.taken == 1


async def test_slots_go_to_who_came_first() -> None:
    slots = RunningSlots(1)
    holder = await active(slots)
    order: list[int] = []

    async def wait_and_hold(number: int, activity: Activity) -> None:
        await activity.task_resumed()
        order.append(number)
        await trio.sleep(1)
        activity.task_parked()

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(wait_and_hold, number, Activity(slots))
            await wait_all_tasks_blocked()
        assert slots.queued == 5
        holder.task_parked()
        late = Activity(slots)
        nursery.start_soon(wait_and_hold, 5, late)
    assert order == [0, 1, 2, 3, 4, 5]
    assert (slots.taken, slots.queued) == (0, 0)


async def test_all_tasks_of_a_process_go_on_with_its_one_slot() -> None:
    slots = RunningSlots(1)
    holder = await active(slots)
    activity = Activity(slots)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(activity.task_resumed)
        await wait_all_tasks_blocked()
        assert (slots.queued, activity.holds_slot, activity.is_parked) == (1, False, False)
        holder.task_parked()
    assert slots.taken == 1
    for _ in range(3):
        assert slots.taken == 1
        activity.task_parked()
    assert slots.taken == 0


async def test_a_cancelled_wait_for_a_slot_takes_one_over_the_limit() -> None:
    slots = RunningSlots(1)
    holder, activity = await active(slots), Activity(slots)
    with trio.move_on_after(0) as scope:
        await activity.task_resumed()
    assert scope.cancelled_caught
    assert (slots.taken, slots.queued, activity.holds_slot) == (2, 0, True)
    activity.task_parked()
    assert slots.taken == 1
    holder.task_parked()
    assert slots.taken == 0


async def test_what_is_over_the_limit_is_not_handed_on() -> None:
    slots = RunningSlots(1)
    holder, waiting, unwinding = await active(slots), Activity(slots), Activity(slots)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.task_resumed)
        await wait_all_tasks_blocked()
        unwinding.task_unwinds()
        assert slots.taken == 2
        unwinding.task_parked()
        assert (slots.taken, slots.queued) == (1, 1)
        holder.task_parked()
    assert (slots.taken, slots.queued, waiting.holds_slot) == (1, 0, True)


async def test_a_task_that_unwinds_takes_those_along_that_wait_for_the_slot() -> None:
    """Else the process would get a second slot, and give one back."""
    slots = RunningSlots(2)
    holders, activity = [await active(slots), await active(slots)], Activity(slots)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(activity.task_resumed)
        await wait_all_tasks_blocked()
        activity.task_unwinds()
    assert (slots.taken, slots.queued) == (3, 0)
    for holder in holders:
        holder.task_parked()
    assert slots.taken == 1
    activity.task_parked()
    activity.task_parked()
    assert slots.taken == 0


async def test_who_hurries_queues_no_more() -> None:
    slots = RunningSlots(1)
    await active(slots)
    activity = Activity(slots)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(activity.task_resumed)
        await wait_all_tasks_blocked()
        activity.hurry()
    assert (slots.taken, slots.queued) == (2, 0)
    activity.task_parked()
    await activity.task_resumed()
    assert (slots.taken, slots.queued) == (2, 0)


async def test_hurrying_alone_takes_no_slot() -> None:
    slots = RunningSlots(1)
    activity = Activity(slots)
    activity.hurry()
    assert slots.taken == 0


@pytest.mark.parametrize("tasks", [0, 1, 3])
async def test_the_end_gives_back_whatever_is_held(tasks: int) -> None:
    slots = RunningSlots(1)
    activity = Activity(slots)
    for _ in range(tasks):
        await activity.task_resumed()
    activity.end()
    assert (slots.taken, activity.is_parked, activity.holds_slot) == (0, True, False)


async def test_the_end_leaves_the_queue() -> None:
    slots = RunningSlots(1)
    holder, activity = await active(slots), Activity(slots)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(activity.task_resumed)
        await wait_all_tasks_blocked()
        activity.end()
        nursery.cancel_scope.cancel()
    activity.end()
    holder.task_parked()
    assert (slots.taken, slots.queued) == (0, 0)


async def test_idle_is_when_no_slot_is_taken() -> None:
    slots = RunningSlots(3)
    await slots.wait_idle()
    one, other = await active(slots), await active(slots)
    idle_at: list[float] = []

    async def watch() -> None:
        await slots.wait_idle()
        idle_at.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.sleep(1)
        one.task_parked()
        await trio.sleep(1)
        # Taken again before the watch gets to look: that was not idle.
        other.task_parked()
        await one.task_resumed()
        await trio.sleep(1)
        one.task_parked()
    assert idle_at == [3]


# --- any order of events ---------------------------------------------------------


@attrs.define
class _Process:
    """A process of the model: its waits for a slot, and its active tasks."""

    activity: Activity
    resuming: list[trio.CancelScope] = attrs.field(factory=list[trio.CancelScope])
    active: int = 0

    @property
    def tasks(self) -> int:
        return self.active + len(self.resuming)


class _Driver:
    """Does what is drawn to real activities, and compares with what must be."""

    def __init__(self, nursery: trio.Nursery, limit: int, processes: int) -> None:
        self.slots = RunningSlots(limit)
        self.limit = limit
        self.insisted = False
        self.nursery = nursery
        self.processes = [_Process(Activity(self.slots)) for _ in range(processes)]

    async def do(self, what: str, process: _Process) -> None:
        steps: dict[str, Callable[[_Process], Awaitable[None]]] = {
            "resume": self.resume,
            "resume and cancel": self.resume_and_cancel,
            "park": self.park,
            "cancel": self.cancel,
            "unwind": self.unwind,
            "hurry": self.hurry,
            "end": self.end,
        }
        await steps[what](process)
        await wait_all_tasks_blocked()
        self.check()

    async def resume(self, process: _Process) -> None:
        self._start(process)

    async def resume_and_cancel(self, process: _Process) -> None:
        self._start(process).cancel()
        self.insisted = True

    def _start(self, process: _Process) -> trio.CancelScope:
        scope = trio.CancelScope()
        process.resuming.append(scope)

        async def resumed() -> None:
            with scope:
                await process.activity.task_resumed()
            if scope in process.resuming:
                process.resuming.remove(scope)
                process.active += 1

        self.nursery.start_soon(resumed)
        return scope

    async def park(self, process: _Process) -> None:
        if process.active:
            process.active -= 1
            process.activity.task_parked()

    async def cancel(self, process: _Process) -> None:
        if process.resuming:
            process.resuming[0].cancel()
            self.insisted = True

    async def unwind(self, process: _Process) -> None:
        process.activity.task_unwinds()
        process.active += 1
        self.insisted = True

    async def hurry(self, process: _Process) -> None:
        process.activity.hurry()
        self.insisted = True

    async def end(self, process: _Process) -> None:
        # A run ends when its tasks have, those that wait for a slot by being cancelled.
        for scope in list(process.resuming):
            scope.cancel()
        self.insisted = True
        await wait_all_tasks_blocked()
        process.activity.end()
        process.active = 0

    def check(self) -> None:
        held = [p for p in self.processes if p.activity.holds_slot]
        queued = [p for p in self.processes if p.resuming]
        assert self.slots.taken == len(held)
        assert self.slots.queued == len(queued)
        assert not set(map(id, held)) & set(map(id, queued))
        for process in self.processes:
            assert process.activity.is_parked == (process.tasks == 0)
            assert process.activity.holds_slot == (process.active > 0)
        if queued:
            assert self.slots.taken >= self.limit, "somebody waits though a slot is free"
        if not self.insisted:
            assert self.slots.taken <= self.limit


_WHAT = st.sampled_from(
    ["resume", "resume", "resume and cancel", "park", "park", "cancel", "unwind", "hurry", "end"]
)


@given(
    limit=st.integers(1, 3),
    script=st.lists(st.tuples(_WHAT, st.integers(0, 3)), max_size=40),
    schedule=st.random_module(),
)
def test_slots_are_right_after_any_order_of_events(
    limit: int, script: list[tuple[str, int]], schedule: object
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            driver = _Driver(nursery, limit, processes=4)
            for what, number in script:
                await driver.do(what, driver.processes[number])
            for process in driver.processes:
                await driver.do("end", process)
            assert (driver.slots.taken, driver.slots.queued) == (0, 0)
            with trio.fail_after(1):
                await driver.slots.wait_idle()

    run_in_virtual_time(main)
