"""Rules of waiting for the Nth event of a type."""

from __future__ import annotations

from ...model import WAITING, EventWait, PluginReason, WaitState
from ._calls import stepped_tasks
from ._registry_bench import OTHER, SIGNAL, RegistryBench, registry_check, request, signal
from ._rules import expect, expect_refused


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
        waits = [calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, 1) for _ in range(3)]
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


@registry_check
async def an_append_wakes_only_whom_it_serves(bench: RegistryBench) -> None:
    """One append runs the tasks of exactly those waits that it satisfies."""
    await bench.register("p1", "p2")
    wait = bench.registry.wait_event_nth
    async with bench.calls() as calls:
        first = calls.start(wait, "p1", SIGNAL, 1)
        others = [calls.start(wait, "p1", SIGNAL, ordinal) for ordinal in range(2, 20)]
        others += [calls.start(wait, "p1", OTHER, 1), calls.start(wait, "p2", SIGNAL, 1)]
        await bench.settle()
        with stepped_tasks() as stepped:
            await bench.signals(1)
            await calls.served("the wait for number 1", first)
            await bench.settle()
        woken = [call.task for call in others if call.task in stepped]
        expect("the number of other waits that were woken", len(woken), 0)


CHECKS = (
    a_wait_finds_an_event_that_is_there,
    a_wait_gets_an_event_that_comes,
    ordinals_count_one_type,
    every_waiter_gets_its_own_ordinal,
    all_who_wait_for_an_event_get_it,
    a_wait_is_not_served_too_early,
    a_cancelled_wait_steals_nothing,
    an_ordinal_is_at_least_one,
    an_undeclared_type_is_not_waited_for,
    the_end_does_not_end_waits_for_events,
    a_mirrored_event_serves_waits,
    a_refused_or_replayed_append_serves_nobody,
    an_append_wakes_only_whom_it_serves,
)
