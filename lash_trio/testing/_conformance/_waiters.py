"""Rules of the shared waiter, through which stores let tasks wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from ...kernel import END, EventWaiters, any_event
from ...model import ProcessEvent
from ._calls import open_calls
from ._rules import expect, named_check

WaitersUnderTest: TypeAlias = Callable[[], EventWaiters]
"""Makes new waiters, for whom nobody waits."""

WaiterCheck: TypeAlias = Callable[[WaitersUnderTest], Awaitable[None]]
"""A check of one rule of waiters; the function's name is the rule's, its docstring the rule."""

_SLOT = ("signal.ready", 1)
_NEXT = ("signal.ready", 2)


class Shelf:
    """What a store has, and how often somebody looked."""

    def __init__(self, *found: str) -> None:
        self.found = list(found)
        self.looks = 0

    async def look(self) -> str | None:
        """The first thing on the shelf, or None."""
        self.looks += 1
        return self.found[0] if self.found else None


@named_check
async def what_is_there_is_returned(new: WaitersUnderTest) -> None:
    """A wait for what the store has returns it, as a checkpoint, and nobody stays registered."""
    waiters = new()
    with assert_checkpoints():
        found = await waiters.wait("p1", _SLOT, Shelf("tea").look)
    expect("what the wait returned", found, "tea")
    expect("how many wait", waiters.tasks_waiting, 0)


@named_check
async def a_notification_makes_it_look_again(new: WaitersUnderTest) -> None:
    """A parked wait looks again when its slot is notified, and returns what it finds."""
    waiters = new()
    async with open_calls(wait_all_tasks_blocked) as calls:
        for slot in (_SLOT, END, any_event(1)):
            shelf = Shelf()
            call = calls.start(waiters.wait, "p1", slot, shelf.look)
            await calls.parked(f"a wait at {slot} for what is not there", call)
            shelf.found.append("tea")
            await calls.parked(f"a wait at {slot} that nobody notified", call)
            waiters.notify("p1", slot)
            served = await calls.served(f"a notified wait at {slot}", call)
            expect("what the wait returned", served, "tea")
            expect("how many wait", waiters.tasks_waiting, 0)


@named_check
async def a_wait_registers_before_it_looks(new: WaitersUnderTest) -> None:
    """What comes while a wait looks, and is notified then, is not missed."""
    waiters, shelf = new(), Shelf()

    async def look() -> str | None:
        found = await shelf.look()
        if shelf.looks == 1:
            shelf.found.append("tea")
            waiters.notify("p1", _SLOT)
        return found

    async with open_calls(wait_all_tasks_blocked) as calls:
        call = calls.start(waiters.wait, "p1", _SLOT, look)
        found = await calls.served("a wait that was notified while it looked", call)
        expect("what the wait returned", found, "tea")


@named_check
async def a_notification_is_a_hint(new: WaitersUnderTest) -> None:
    """A wait that is notified and finds nothing waits on, for the next notification."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        call = calls.start(waiters.wait, "p1", _SLOT, shelf.look)
        for _ in range(3):
            await wait_all_tasks_blocked()
            waiters.notify("p1", _SLOT)
            await calls.parked("a wait that was notified for nothing", call)
        expect("how many wait", waiters.tasks_waiting, 1)
        shelf.found.append("tea")
        waiters.notify("p1", _SLOT)
        expect("what the wait returned", await calls.served("the wait", call), "tea")


@named_check
async def a_notification_is_for_one_slot(new: WaitersUnderTest) -> None:
    """Notifying a slot makes nobody look who waits at another slot or process."""
    waiters = new()
    others = [("p1", _NEXT), ("p1", END), ("p1", any_event(1)), ("p2", _SLOT)]
    shelves = [Shelf() for _ in others]
    async with open_calls(wait_all_tasks_blocked) as calls:
        for (process_id, slot), shelf in zip(others, shelves, strict=True):
            calls.start(waiters.wait, process_id, slot, shelf.look)
        await wait_all_tasks_blocked()
        looks = [shelf.looks for shelf in shelves]
        waiters.notify("p1", _SLOT)
        await wait_all_tasks_blocked()
        expect("how often the others looked", [shelf.looks for shelf in shelves], looks)


@named_check
async def all_at_a_slot_are_notified(new: WaitersUnderTest) -> None:
    """Notifying a slot wakes everybody who waits there."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        waiting = [calls.start(waiters.wait, "p1", _SLOT, shelf.look) for _ in range(3)]
        await wait_all_tasks_blocked()
        shelf.found.append("tea")
        waiters.notify("p1", _SLOT)
        for call in waiting:
            expect("what a wait returned", await calls.served("one of three", call), "tea")


@named_check
async def an_event_notifies_its_slots(new: WaitersUnderTest) -> None:
    """``notify_event`` wakes who waits for its ordinal and who waits for its number, and nobody else."""
    waiters, shelf, other = new(), Shelf(), Shelf()
    event = ProcessEvent(
        process_id="p1", sequence=7, event_type="signal.ready", payload=None, occurred_at_ms=0
    )
    async with open_calls(wait_all_tasks_blocked) as calls:
        waiting = [
            calls.start(waiters.wait, "p1", slot, shelf.look) for slot in (_NEXT, any_event(7))
        ]
        for slot in (_SLOT, any_event(2), END):
            calls.start(waiters.wait, "p1", slot, other.look)
        await wait_all_tasks_blocked()
        looks = other.looks
        shelf.found.append("tea")
        waiters.notify_event(event, 2)
        for call in waiting:
            expect("what a wait returned", await calls.served("a wait", call), "tea")
        expect("how often the others looked", other.looks, looks)


@named_check
async def a_process_may_be_notified(new: WaitersUnderTest) -> None:
    """``notify_process`` makes everybody look who waits at the process, and nobody else."""
    waiters, here, there = new(), Shelf(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        waiting = [calls.start(waiters.wait, "p1", slot, here.look) for slot in (_SLOT, END)]
        calls.start(waiters.wait, "p2", _SLOT, there.look)
        await wait_all_tasks_blocked()
        looks = there.looks
        here.found.append("tea")
        waiters.notify_process("p1")
        for call in waiting:
            expect("what a wait returned", await calls.served("a wait", call), "tea")
        expect("how often the others looked", there.looks, looks)


@named_check
async def everybody_may_be_notified(new: WaitersUnderTest) -> None:
    """``notify_all`` makes everybody look."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        places = (("p1", _SLOT), ("p1", END), ("p2", _SLOT))
        waiting = [calls.start(waiters.wait, *place, shelf.look) for place in places]
        await wait_all_tasks_blocked()
        shelf.found.append("tea")
        waiters.notify_all()
        for call in waiting:
            expect("what a wait returned", await calls.served("a wait", call), "tea")


@named_check
async def a_cancelled_wait_leaves_nothing(new: WaitersUnderTest) -> None:
    """A wait that is cancelled raises ``trio.Cancelled`` and is registered no longer."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        call = calls.start(waiters.wait, "p1", _SLOT, shelf.look)
        await calls.parked("a wait", call)
        await calls.cancelled("a wait", call)
        expect("how many wait", waiters.tasks_waiting, 0)
        expect("how many wait at the process", waiters.tasks_waiting_for("p1"), 0)


@named_check
async def a_cancelled_wait_takes_nobody_along(new: WaitersUnderTest) -> None:
    """Cancelling one of two waits at a slot leaves the other waiting, and served."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        leaving, staying = [calls.start(waiters.wait, "p1", _SLOT, shelf.look) for _ in range(2)]
        await calls.parked("a wait", leaving)
        await calls.cancelled("a wait", leaving)
        expect("how many wait", waiters.tasks_waiting, 1)
        shelf.found.append("tea")
        waiters.notify("p1", _SLOT)
        expect("what the other returned", await calls.served("the other", staying), "tea")


@named_check
async def an_error_of_a_look_passes(new: WaitersUnderTest) -> None:
    """What a look raises comes out of the wait as it is, and nobody stays registered."""
    waiters = new()
    raised = ZeroDivisionError("out of tea")

    async def look() -> str | None:
        raise raised

    try:
        found = await waiters.wait("p1", _SLOT, look)
    except ZeroDivisionError as error:
        expect("the error", error, raised)
    else:
        raise AssertionError(f"expected the error of the look, got {found!r}")
    expect("how many wait", waiters.tasks_waiting, 0)


@named_check
async def who_waits_is_counted(new: WaitersUnderTest) -> None:
    """``tasks_waiting`` counts who is parked, ``tasks_waiting_for`` those at one process."""
    waiters, shelf = new(), Shelf()
    async with open_calls(wait_all_tasks_blocked) as calls:
        for process_id, slot in (("p1", _SLOT), ("p1", _SLOT), ("p1", END), ("p2", _SLOT)):
            calls.start(waiters.wait, process_id, slot, shelf.look)
        await wait_all_tasks_blocked()
        expect("how many wait", waiters.tasks_waiting, 4)
        at = [waiters.tasks_waiting_for(process_id) for process_id in ("p1", "p2", "p3")]
        expect("how many wait at three processes", at, [3, 1, 0])


CHECKS: tuple[WaiterCheck, ...] = (
    what_is_there_is_returned,
    a_notification_makes_it_look_again,
    a_wait_registers_before_it_looks,
    a_notification_is_a_hint,
    a_notification_is_for_one_slot,
    all_at_a_slot_are_notified,
    an_event_notifies_its_slots,
    a_process_may_be_notified,
    everybody_may_be_notified,
    a_cancelled_wait_leaves_nothing,
    a_cancelled_wait_takes_nobody_along,
    an_error_of_a_look_passes,
    who_waits_is_counted,
)
