"""Rules of replay keys."""

from __future__ import annotations

from ...model import PluginReason
from ._registry_bench import (
    OTHER,
    SIGNAL,
    RegistryBench,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused
from ._wakes import WAKEABLE, WAKING


@registry_check
async def a_known_key_returns_the_first_event(bench: RegistryBench) -> None:
    """An append under a known key with the same content returns the first event, with no new one."""
    await bench.register()
    first = await bench.registry.append_event("p1", signal(1, "k"))
    await bench.signals(2)
    bench.advance_ms(5)
    again = await bench.registry.append_event("p1", signal(1, "k"))
    expect("the event of the repeated append", again.event, first.event)
    expect("the length of the log", len(await bench.log()), 2)


@registry_check
async def a_replay_says_that_it_is_one(bench: RegistryBench) -> None:
    """``replayed`` is false for the append that wrote the event, and true for later ones."""
    await bench.register()
    first = await bench.registry.append_event("p1", signal(1, "k"))
    again = await bench.registry.append_event("p1", signal(1, "k"))
    unkeyed = await bench.registry.append_event("p1", signal(1))
    replayed = [first.replayed, again.replayed, unkeyed.replayed]
    expect("replayed of first, again and unkeyed", replayed, [False, True, False])


@registry_check
async def a_known_key_with_another_payload_is_a_conflict(bench: RegistryBench) -> None:
    """A known key with another payload is refused."""
    await bench.register()
    await bench.registry.append_event("p1", signal(1, "k"))
    await expect_refused(
        "a known key with another payload",
        PluginReason.REPLAY_CONFLICT,
        bench.registry.append_event("p1", signal(2, "k")),
    )
    expect("the length of the log", len(await bench.log()), 1)


@registry_check
async def a_known_key_with_another_type_is_a_conflict(bench: RegistryBench) -> None:
    """A known key with another event type is refused."""
    await bench.register()
    await bench.registry.append_event("p1", request(SIGNAL, {}, "k"))
    await expect_refused(
        "a known key with another type",
        PluginReason.REPLAY_CONFLICT,
        bench.registry.append_event("p1", request(OTHER, {}, "k")),
    )
    expect("the length of the log", len(await bench.log()), 1)


@registry_check
async def the_order_of_fields_is_no_content(bench: RegistryBench) -> None:
    """Payloads that differ in the order of their fields have the same content."""
    await bench.register()
    first = await bench.registry.append_event("p1", request(SIGNAL, {"a": 1, "b": 2}, "k"))
    again = await bench.registry.append_event("p1", request(SIGNAL, {"b": 2, "a": 1}, "k"))
    expect("the event of the repeated append", again.event.sequence, first.event.sequence)


@registry_check
async def events_without_key_are_all_new(bench: RegistryBench) -> None:
    """Appends of equal content without replay key, or with an empty one, are events of their own."""
    await bench.register()
    for asked in (signal(1), signal(1), signal(1, ""), signal(1, "")):
        await bench.registry.append_event("p1", asked)
    expect("the length of the log", len(await bench.log()), 4)


@registry_check
async def a_refused_append_leaves_its_key_free(bench: RegistryBench) -> None:
    """An append that was refused does not stand under its replay key."""
    await bench.register()
    await expect_refused(
        "an undeclared type",
        PluginReason.UNDECLARED_EVENT_TYPE,
        bench.registry.append_event("p1", request("no.such", {}, "k")),
    )
    appended = await bench.registry.append_event("p1", signal(1, "k"))
    expect("the number under the key", appended.event.sequence, 1)


@registry_check
async def a_replayed_wake_is_the_same_wake(bench: RegistryBench) -> None:
    """A replayed append returns the wake delivery of the first, and lists no second wake."""
    await bench.registry.register_process(WAKEABLE)
    first = await bench.registry.append_event("p1", request(WAKING, {}, "k"))
    again = await bench.registry.append_event("p1", request(WAKING, {}, "k"))
    expect("the wake of the replayed append", again.wake_delivery, first.wake_delivery)
    wakes = await bench.registry.wake_events_after("p1", 0)
    expect("the wake events", wakes, [first.event])


CHECKS = (
    a_known_key_returns_the_first_event,
    a_replay_says_that_it_is_one,
    a_known_key_with_another_payload_is_a_conflict,
    a_known_key_with_another_type_is_a_conflict,
    the_order_of_fields_is_no_content,
    events_without_key_are_all_new,
    a_refused_append_leaves_its_key_free,
    a_replayed_wake_is_the_same_wake,
)
