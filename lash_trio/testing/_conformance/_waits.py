"""Rules of waiting for events and ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...model import (
    COMPLETED,
    EventWait,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEvent,
    WAITING,
    WaitState,
)
from ._calls import Calls
from ._registry_bench import (
    DONE,
    OTHER,
    SIGNAL,
    RegistryBench,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused

_STEPS = 8
"""Within how many steps of the scheduler a wait that misses an event begins."""


@registry_check
async def a_wait_finds_an_event_that_is_there(bench: RegistryBench) -> None:
    """``wait_event_nth`` returns an event that was appended before."""
    await bench.register()
    events = await bench.signals(1, 2, 3)
    async with bench.calls() as calls:
        for ordinal in (3, 1, 2):
            call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, ordinal)
            event = await calls.served(f"a wait for number {ordinal}", call)
            expect(f"event number {ordinal}", event, events[ordinal - 1])


@registry_check
async def a_wait_gets_an_event_that_comes(bench: RegistryBench) -> None:
    """``wait_event_nth`` parks until the event is appended, and returns it."""
    await bench.register()
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        await calls.parked("a wait for an event that is not there", call)
        (event,) = await bench.signals(1)
        expect("the event", await calls.served("the wait", call), event)


@registry_check
async def ordinals_count_one_type(bench: RegistryBench) -> None:
    """The Nth event of a type is the Nth of that type, whatever stands between."""
    await bench.register()
    for asked in (request(OTHER), signal(1), request(OTHER), request(OTHER), signal(2)):
        await bench.registry.append_event("p1", asked)
    async with bench.calls() as calls:
        for event_type, ordinal, sequence in ((SIGNAL, 1, 2), (SIGNAL, 2, 5), (OTHER, 3, 4)):
            call = calls.start(bench.registry.wait_event_nth, "p1", event_type, ordinal)
            event = await calls.served(f"a wait for {event_type!r} number {ordinal}", call)
            expect(f"the number of {event_type!r} {ordinal}", event.sequence, sequence)


@registry_check
async def every_waiter_gets_its_own_ordinal(bench: RegistryBench) -> None:
    """Many waits, each for another ordinal, get each their own event, whoever waited first."""
    await bench.register()
    ordinals = (7, 2, 10, 1, 5, 9, 3, 8, 6, 4)
    async with bench.calls() as calls:
        waits = {
            ordinal: calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, ordinal)
            for ordinal in ordinals
        }
        await bench.settle()
        events = await bench.signals(*range(1, 11))
        for ordinal, call in waits.items():
            event = await calls.served(f"the wait for number {ordinal}", call)
            expect(f"event number {ordinal}", event, events[ordinal - 1])


@registry_check
async def all_who_wait_for_an_event_get_it(bench: RegistryBench) -> None:
    """Several waits for the same event are all served by it."""
    await bench.register()
    async with bench.calls() as calls:
        waits = [
            calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1) for _ in range(3)
        ]
        await bench.settle()
        (event,) = await bench.signals(1)
        for call in waits:
            expect("the event", await calls.served("one of three waits", call), event)


@registry_check
async def a_wait_is_not_served_too_early(bench: RegistryBench) -> None:
    """A wait for a later ordinal goes on when an earlier event comes, or one of another type."""
    await bench.register("p1", "p2")
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 2)
        await calls.parked("a wait for number 2", call)
        await bench.signals(1)
        await calls.parked("a wait for number 2 after number 1", call)
        await bench.registry.append_event("p1", request(OTHER))
        await calls.parked("a wait for number 2 after an event of another type", call)
        await bench.signals(1, 2, process_id="p2")
        await calls.parked("a wait for number 2 after that of another process", call)
        (event,) = await bench.signals(2)
        expect("the event", await calls.served("the wait", call), event)


@registry_check
async def a_cancelled_wait_steals_nothing(bench: RegistryBench) -> None:
    """A wait that is cancelled takes the event from nobody, neither from others nor from later waits."""
    await bench.register()
    async with bench.calls() as calls:
        leaving = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        await bench.settle()
        staying = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        await bench.settle()
        await calls.cancelled("a wait that is cancelled", leaving)
        await calls.parked("the other wait", staying)
        (event,) = await bench.signals(1)
        expect("the other's event", await calls.served("the other wait", staying), event)
        later = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        expect("a later wait's event", await calls.served("a later wait", later), event)


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
            async with bench.calls() as calls:
                call = calls.start(_waits(bench, process_id)[what])
                await _pass_steps(steps)
                await bench.signals(1, process_id=process_id)
                await bench.end(process_id)
                await calls.served(f"a {what} {steps} steps before its event", call)


async def _pass_steps(count: int) -> None:
    import trio

    for _ in range(count):
        await trio.lowlevel.checkpoint()


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
async def an_ordinal_is_at_least_one(bench: RegistryBench) -> None:
    """``wait_event_nth`` refuses an ordinal below 1."""
    await bench.register()
    await bench.signals(1)
    for ordinal in (0, -1):
        async with bench.calls() as calls:
            call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, ordinal)
            await expect_refused(
                f"a wait for number {ordinal}",
                PluginReason.INVALID_ORDINAL,
                calls.served(f"a wait for number {ordinal}", call),
            )


@registry_check
async def an_undeclared_type_is_not_waited_for(bench: RegistryBench) -> None:
    """A wait for an event of a type that the process does not declare is refused."""
    await bench.register()
    reason = PluginReason.UNDECLARED_EVENT_TYPE
    async with bench.calls() as calls:
        nth = calls.start(bench.registry.wait_event_nth, "p1", "no.such", 1)
        await expect_refused("wait_event_nth", reason, calls.served("wait_event_nth", nth))
        after = calls.start(bench.registry.wait_event_after, "p1", "no.such", 0)
        await expect_refused("wait_event_after", reason, calls.served("wait_event_after", after))


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


@registry_check
async def the_end_does_not_end_waits_for_events(bench: RegistryBench) -> None:
    """A wait for an event goes on after the end of the process, since the event may still come."""
    await bench.register()
    async with bench.calls() as calls:
        before = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        await bench.settle()
        await bench.end()
        await calls.parked("a wait for a signal of an ended process", before)
        after = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1)
        await calls.parked("a wait that begins after the end", after)
        (event,) = await bench.signals(1)
        for call in (before, after):
            expect("the event", await calls.served("the wait", call), event)


@registry_check
async def a_mirrored_event_serves_waits(bench: RegistryBench) -> None:
    """The event that mirrors a wait facet serves those who wait for it, as any other event."""
    await bench.register()
    kind = EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1)
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_nth, "p1", WAITING, 1)
        await bench.settle()
        await bench.registry.set_process_wait("p1", WaitState(kind=kind, since_ms=0))
        served = await calls.served(f"a wait for {WAITING!r}", call)
        expect("the type of the event", served.event_type, WAITING)


@registry_check
async def an_append_wakes_only_whom_it_serves(bench: RegistryBench) -> None:
    """One append runs the tasks of exactly those waits that it satisfies."""
    await bench.register("p1", "p2")
    registry = bench.registry
    async with bench.calls() as calls:
        others = [
            *(calls.start(registry.wait_event_nth, "p1", SIGNAL, n) for n in range(2, 20)),
            calls.start(registry.wait_event_nth, "p1", OTHER, 1),
            calls.start(registry.wait_event_nth, "p2", SIGNAL, 1),
        ]
        first = calls.start(registry.wait_event_nth, "p1", SIGNAL, 1)
        await bench.settle()
        before = [call.steps for call in others]
        await bench.signals(1)
        await calls.served("the wait for number 1", first)
        await bench.settle()
        woken = sum(call.steps > count for call, count in zip(others, before, strict=True))
        expect("the number of other waits that were woken", woken, 0)


@registry_check
async def a_refused_or_replayed_append_serves_nobody(bench: RegistryBench) -> None:
    """An append that writes no event satisfies no wait."""
    await bench.register()
    await bench.registry.append_event("p1", signal(1, "k"))
    async with bench.calls() as calls:
        call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 2)
        await bench.settle()
        await bench.registry.append_event("p1", signal(1, "k"))
        await expect_refused(
            "a known key with another payload",
            PluginReason.REPLAY_CONFLICT,
            bench.registry.append_event("p1", signal(2, "k")),
        )
        await calls.parked("a wait for number 2 after a replay and a refusal", call)
