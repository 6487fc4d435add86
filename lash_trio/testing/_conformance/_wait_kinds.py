"""Rules of the other waits: after a number, for the next event, for the end; and of all waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from ...model import COMPLETED, ProcessAwaitOutput
from ._registry_bench import (
    DONE,
    OTHER,
    SIGNAL,
    RegistryBench,
    registry_check,
    request,
    signal,
)
from ._rules import expect

_STEPS = 8
"""Within how many steps of the scheduler a wait that can miss an event has begun."""


def _waits(bench: RegistryBench, process_id: str) -> dict[str, Callable[[], Awaitable[object]]]:
    """Each kind of wait, for the first that comes."""
    registry = bench.registry
    return {
        "wait_event_nth": lambda: registry.wait_event_nth(process_id, SIGNAL, 1),
        "wait_event_after": lambda: registry.wait_event_after(process_id, SIGNAL, 0),
        "wait_next_event": lambda: registry.wait_next_event(process_id, 0),
        "await_process": lambda: registry.await_process(process_id),
    }


@registry_check
async def a_wait_raises_the_cancellation(bench: RegistryBench) -> None:
    """A parked wait of any kind that is cancelled raises ``trio.Cancelled``, and can be made again."""
    await bench.register()
    for what, wait in _waits(bench, "p1").items():
        async with bench.calls() as calls:
            call = calls.start(wait)
            await calls.parked(f"{what} of an empty log", call)
            await calls.cancelled(f"a cancelled {what}", call)
    async with bench.calls() as calls:
        again = {what: calls.start(wait) for what, wait in _waits(bench, "p1").items()}
        await bench.settle()
        await bench.signals(1)
        await bench.end()
        for what, call in again.items():
            await calls.served(f"a {what} after a cancelled one", call)


@registry_check
async def no_wait_misses_an_event_of_the_same_moment(bench: RegistryBench) -> None:
    """A wait that begins while its event is appended is served, whichever comes first."""
    for steps in range(_STEPS):
        for number, what in enumerate(_waits(bench, "")):
            process_id = f"p{steps}-{number}"
            await bench.register(process_id)
            wait = _waits(bench, process_id)[what]
            async with bench.calls() as calls:
                # One on either side: the scheduler runs a batch forwards or backwards,
                # so one of the two is a step ahead of the append, the other behind.
                before = calls.start(wait)
                calls.start(_append_later, bench, process_id, steps)
                after = calls.start(wait)
                for call in (before, after):
                    await calls.served(f"a {what} {steps} steps before its event", call)


async def _append_later(bench: RegistryBench, process_id: str, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    await bench.signals(1, process_id=process_id)
    await bench.end(process_id)


@registry_check
async def a_wait_after_a_number_gets_the_first(bench: RegistryBench) -> None:
    """``wait_event_after`` returns the first event of the type with a higher number."""
    await bench.register()
    for asked in (signal(1), request(OTHER), signal(2), signal(3)):
        await bench.registry.append_event("p1", asked)
    async with bench.calls() as calls:
        for after, sequence in ((0, 1), (1, 3), (2, 3), (3, 4)):
            call = calls.start(bench.registry.wait_event_after, "p1", SIGNAL, after)
            event = await calls.served(f"a wait after {after}", call)
            expect(f"the number of the first event after {after}", event.sequence, sequence)


@registry_check
async def a_wait_after_the_last_gets_the_next(bench: RegistryBench) -> None:
    """``wait_event_after`` parks where there is no later event of the type, until one comes."""
    await bench.register()
    await bench.signals(1)
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_after, "p1", SIGNAL, 1)
        await calls.parked("a wait after the last event", call)
        await bench.registry.append_event("p1", request(OTHER))
        await calls.parked("the wait after an event of another type", call)
        (event,) = await bench.signals(2)
        expect("the event", await calls.served("the wait", call), event)


@registry_check
async def a_wait_may_look_far_ahead(bench: RegistryBench) -> None:
    """``wait_event_after`` with a number that the log has yet to reach lets the events up to it go by."""
    await bench.register()
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_after, "p1", SIGNAL, 2)
        await bench.settle()
        await bench.signals(1, 2)
        await calls.parked("a wait after number 2 of a log with 2 events", call)
        (event,) = await bench.signals(3)
        expect("the event", await calls.served("the wait", call), event)


@registry_check
async def the_next_event_is_of_whatever_type(bench: RegistryBench) -> None:
    """``wait_next_event`` returns the event with the next number, of whatever type, soon or late."""
    await bench.register()
    first = (await bench.registry.append_event("p1", request(OTHER))).event
    async with bench.calls() as calls:
        here = calls.start(bench.registry.wait_next_event, "p1", 0)
        expect("the event after 0", await calls.served("a wait after 0", here), first)
        second = calls.start(bench.registry.wait_next_event, "p1", 1)
        third = calls.start(bench.registry.wait_next_event, "p1", 2)
        await calls.parked("a wait after the last event", second)
        (event,) = await bench.signals(1)
        expect("the event after 1", await calls.served("a wait after 1", second), event)
        await calls.parked("a wait after 2", third)
        ended = (await bench.end()).event
        expect("the event after 2", await calls.served("a wait after 2", third), ended)


@registry_check
async def an_ended_process_is_awaited_at_once(bench: RegistryBench) -> None:
    """``await_process`` of a process that has ended returns its await output."""
    outputs = (DONE, ProcessAwaitOutput.failure("c", "m"), ProcessAwaitOutput.cancelled("r"))
    async with bench.calls() as calls:
        for number, output in enumerate(outputs):
            await bench.register(f"p{number}")
            await bench.registry.complete_process(f"p{number}", output)
            call = calls.start(bench.registry.await_process, f"p{number}")
            served = await calls.served("await_process of an ended process", call)
            expect("the await output", served, output)


@registry_check
async def a_running_process_is_awaited_to_its_end(bench: RegistryBench) -> None:
    """``await_process`` parks until the process ends; all who await it get the output."""
    await bench.register("p1", "p2")
    async with bench.calls() as calls:
        waits = [calls.start(bench.registry.await_process, "p1") for _ in range(3)]
        await calls.parked("await_process of a running process", waits[0])
        await bench.signals(1)
        await bench.end("p2")
        await calls.parked("await_process after a signal, and after another's end", waits[0])
        await bench.end("p1")
        for call in waits:
            expect("the await output", await calls.served("await_process", call), DONE)


@registry_check
async def complete_process_serves_who_awaits_it(bench: RegistryBench) -> None:
    """``complete_process`` serves those who await the process, and those who wait for the event."""
    await bench.register()
    async with bench.calls() as calls:
        end = calls.start(bench.registry.await_process, "p1")
        event = calls.start(bench.registry.wait_event_nth, "p1", COMPLETED, 1)
        await bench.settle()
        await bench.registry.complete_process("p1", DONE)
        expect("the await output", await calls.served("await_process", end), DONE)
        served = await calls.served("a wait for the terminal event", event)
        expect("the type of the event", served.event_type, COMPLETED)


CHECKS = (
    a_wait_raises_the_cancellation,
    no_wait_misses_an_event_of_the_same_moment,
    a_wait_after_a_number_gets_the_first,
    a_wait_after_the_last_gets_the_next,
    a_wait_may_look_far_ahead,
    the_next_event_is_of_whatever_type,
    an_ended_process_is_awaited_at_once,
    a_running_process_is_awaited_to_its_end,
    complete_process_serves_who_awaits_it,
)
