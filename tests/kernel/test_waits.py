"""The shared waiter: no lost wakeup, no wakeup of others, nothing left behind."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from lash_trio.kernel import END, EventWaiters, WaitSlot, any_event
from tests.kernel.support import READY, Registry, ready

FIRST: WaitSlot = ("event", 1)
SECOND: WaitSlot = ("event", 2)


class Store:
    """A store whose looks take some steps before they read, and some behind it."""

    def __init__(self, before: int = 0, behind: int = 0) -> None:
        self.waiters = EventWaiters()
        self.events: set[tuple[str, WaitSlot]] = set()
        self.looks: list[tuple[str, WaitSlot]] = []
        self._before = before
        self._behind = behind

    def append(self, process_id: str, slot: WaitSlot) -> None:
        self.events.add((process_id, slot))
        self.waiters.notify(process_id, slot)

    async def wait(self, process_id: str, slot: WaitSlot) -> str:
        async def look() -> str | None:
            self.looks.append((process_id, slot))
            await steps(self._before)
            found = (process_id, slot) in self.events
            await steps(self._behind)
            return "found" if found else None

        return await self.waiters.wait(process_id, slot, look)


async def steps(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("behind", [0, 1, 2])
async def test_no_wakeup_is_lost(before: int, behind: int) -> None:
    # Wherever the append falls: before the look, between reading and parking, behind it.
    for delay in range(10):
        store = Store(before, behind)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.wait, "p1", FIRST)
                await steps(delay)
                store.append("p1", FIRST)
        assert store.waiters.tasks_waiting == 0


async def test_what_is_there_is_found_without_waiting() -> None:
    store = Store()
    store.append("p1", FIRST)
    with assert_checkpoints():
        assert await store.wait("p1", FIRST) == "found"
    assert store.looks == [("p1", FIRST)]
    assert store.waiters.tasks_waiting == 0


@pytest.mark.parametrize("hint", ["notify", "notify_process", "notify_all"])
@pytest.mark.parametrize("behind", [0, 2])
async def test_a_hint_without_an_event_wakes_nobody_up_for_good(hint: str, behind: int) -> None:
    store = Store(behind=behind)

    def give_hint() -> None:
        match hint:
            case "notify":
                store.waiters.notify("p1", FIRST)
            case "notify_process":
                store.waiters.notify_process("p1")
            case _:
                store.waiters.notify_all()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.wait, "p1", FIRST)
        for _ in range(5):
            await wait_all_tasks_blocked()
            assert store.waiters.tasks_waiting == 1
            give_hint()
        await wait_all_tasks_blocked()
        assert store.waiters.tasks_waiting == 1
        store.append("p1", FIRST)
    assert store.waiters.tasks_waiting == 0


async def test_no_number_of_hints_is_too_much() -> None:
    # A store that is polled gives a hint at every poll, for weeks.
    store = Store()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.wait, "p1", FIRST)
        await wait_all_tasks_blocked()
        for _ in range(3_000):
            store.waiters.notify_all()
            await steps(2)
        assert store.waiters.tasks_waiting == 1
        store.append("p1", FIRST)


async def test_an_event_between_a_hint_and_its_look_is_found() -> None:
    for delay in range(12):
        store = Store(before=1, behind=1)
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.wait, "p1", FIRST)
                await wait_all_tasks_blocked()
                store.waiters.notify("p1", FIRST)
                await steps(delay)
                store.append("p1", FIRST)


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("behind", [0, 2])
async def test_a_cancelled_waiter_leaves_nothing_behind(before: int, behind: int) -> None:
    for delay in range(8):
        store = Store(before, behind)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.wait, "p1", FIRST)
            await steps(delay)
            nursery.cancel_scope.cancel()
        assert store.waiters.tasks_waiting == 0
        assert store.waiters.tasks_waiting_for("p1") == 0
        store.waiters.notify("p1", FIRST)


async def test_a_waiter_is_cancelled_and_woken_at_once() -> None:
    for first in ("cancel", "append"):
        store = Store()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.wait, "p1", FIRST)
            await wait_all_tasks_blocked()
            if first == "cancel":
                nursery.cancel_scope.cancel()
            store.append("p1", FIRST)
            nursery.cancel_scope.cancel()
        assert store.waiters.tasks_waiting == 0


async def test_one_of_two_at_a_slot_is_cancelled() -> None:
    store = Store()
    found: list[str] = []

    async def wait() -> None:
        found.append(await store.wait("p1", FIRST))

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as cancel_scope:
            nursery.start_soon(wait)
            async with trio.open_nursery() as cancelled:
                cancelled.start_soon(wait)
                await wait_all_tasks_blocked()
                assert store.waiters.tasks_waiting == 2
                cancel_scope.cancel()
        assert store.waiters.tasks_waiting == 1
        store.append("p1", FIRST)
    assert found == ["found"]


async def test_a_look_that_fails_leaves_nothing_behind() -> None:
    async def look() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("the store is gone")

    waiters = EventWaiters()
    with pytest.raises(OSError, match="gone"):
        await waiters.wait("p1", FIRST, look)
    assert waiters.tasks_waiting == 0


async def test_all_waiters_of_a_slot_wake_and_no_others() -> None:
    store = Store()
    others = [("p1", SECOND), ("p1", ("other", 1)), ("p1", END), ("p2", FIRST)]
    async with trio.open_nursery() as nursery:
        for process_id, slot in [("p1", FIRST), ("p1", FIRST), *others]:
            nursery.start_soon(store.wait, process_id, slot)
        await wait_all_tasks_blocked()
        assert store.waiters.tasks_waiting == 6
        assert store.waiters.tasks_waiting_for("p1") == 5
        store.looks.clear()
        store.append("p1", FIRST)
        await wait_all_tasks_blocked()
        assert store.looks == [("p1", FIRST), ("p1", FIRST)]
        assert store.waiters.tasks_waiting == 4
        store.looks.clear()
        store.waiters.notify_process("p1")
        await wait_all_tasks_blocked()
        assert {process_id for process_id, _ in store.looks} == {"p1"}
        nursery.cancel_scope.cancel()
    assert store.waiters.tasks_waiting == 0


class StepCount(trio.abc.Instrument):
    """Counts the steps of every task."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.of[task.name] = self.of.get(task.name, 0) + 1


async def test_an_append_gives_a_step_to_nobody_else(registry: Registry) -> None:
    count = StepCount()
    async with trio.open_nursery() as nursery:
        for ordinal in range(1, 101):
            nursery.start_soon(
                registry.wait_event_nth, "p1", READY, ordinal, name=f"waiter {ordinal}"
            )
            nursery.start_soon(
                registry.wait_event_nth, "p1", "other", ordinal, name=f"other {ordinal}"
            )
        nursery.start_soon(registry.await_process, "p1", name="end")
        nursery.start_soon(registry.wait_next_event, "p1", 0, name="next")
        nursery.start_soon(registry.wait_next_event, "p1", 1, name="next but one")
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(count)
        await registry.append_event("p1", ready())
        await wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(count)
        nursery.cancel_scope.cancel()
    woken = {name for name in count.of if name.startswith(("waiter", "other", "end", "next"))}
    assert woken == {"waiter 1", "next"}
    assert count.of["waiter 1"] == 1


def test_the_slots_of_a_type_of_any_event_and_of_the_end_are_apart() -> None:
    slots = {END, any_event(1), any_event(2), FIRST, SECOND}
    assert len(slots) == 5


@pytest.mark.parametrize("seed", range(20))
async def test_many_waiters_and_appends_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    store = Store(before=rng.randrange(2), behind=rng.randrange(2))
    ordinals = list(range(1, 30))
    rng.shuffle(ordinals)

    async def wait(ordinal: int) -> None:
        await steps(rng.randrange(20))
        await store.wait("p1", ("event", ordinal))

    async def append() -> None:
        for ordinal in range(1, 30):
            await steps(rng.randrange(3))
            store.append("p1", ("event", ordinal))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for ordinal in ordinals:
                nursery.start_soon(wait, ordinal)
            nursery.start_soon(append)
    assert store.waiters.tasks_waiting == 0


def test_listeners_are_told_of_events_and_ends() -> None:
    waiters = EventWaiters()
    told: list[tuple[str, str, int]] = []
    others: list[tuple[str, str, int]] = []
    assert waiters.is_idle

    def tell(process_id: str, event_type: str, ordinal: int) -> None:
        told.append((process_id, event_type, ordinal))

    def tell_others(process_id: str, event_type: str, ordinal: int) -> None:
        others.append((process_id, event_type, ordinal))

    with waiters.listen(tell):
        assert not waiters.is_idle
        waiters.notify("p1", FIRST)
        with waiters.listen(tell_others):
            waiters.notify("p1", any_event(7))
            waiters.notify("p2", END)
        waiters.notify("p2", SECOND)
    waiters.notify("p1", SECOND)
    assert told == [("p1", "event", 1), ("p2", "", 0), ("p2", "event", 2)]
    assert others == [("p2", "", 0)]
    assert waiters.is_idle


async def test_who_waits_is_no_longer_idle() -> None:
    store = Store()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.wait, "p1", FIRST)
        await wait_all_tasks_blocked()
        assert not store.waiters.is_idle
        store.append("p1", FIRST)
    assert store.waiters.is_idle
