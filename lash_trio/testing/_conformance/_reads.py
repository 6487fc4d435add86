"""Rules of reading a log."""

from __future__ import annotations

from collections.abc import Sequence

from ...model import EffectErrorCode, ProcessEvent
from ._registry_bench import OTHER, SIGNAL, RegistryBench, registry_check, request, signal
from ._rules import expect, expect_error


def _numbers(events: Sequence[ProcessEvent]) -> list[int]:
    return [event.sequence for event in events]


@registry_check
async def events_after_a_number_are_in_order(bench: RegistryBench) -> None:
    """``events_after`` returns all events with a higher number, in the order of their numbers."""
    await bench.register()
    appended = await bench.signals(1, 2, 3)
    for after in range(5):
        events = await bench.registry.events_after("p1", after)
        expect(f"the events after {after}", events, appended[after:])


@registry_check
async def a_limit_takes_the_first(bench: RegistryBench) -> None:
    """``events_after`` with a limit returns the first events above the number."""
    await bench.register()
    await bench.signals(1, 2, 3, 4)
    for after, limit, numbers in ((0, 2, [1, 2]), (1, 2, [2, 3]), (2, 9, [3, 4]), (0, 0, [])):
        events = await bench.registry.events_after("p1", after, limit)
        expect(f"{limit} events after {after}", _numbers(events), numbers)


@registry_check
async def recent_events_are_the_last(bench: RegistryBench) -> None:
    """``recent_events`` returns the last events, in the order of their numbers."""
    await bench.register()
    await bench.signals(1, 2, 3)
    for limit, numbers in ((2, [2, 3]), (3, [1, 2, 3]), (9, [1, 2, 3]), (0, [])):
        events = await bench.registry.recent_events("p1", limit)
        expect(f"the {limit} most recent events", _numbers(events), numbers)


@registry_check
async def events_are_counted_through_a_number(bench: RegistryBench) -> None:
    """``count_events_through`` counts the events of a type up to a number, that one included."""
    await bench.register()
    for asked in (signal(1), request(OTHER), signal(2), signal(3)):
        await bench.registry.append_event("p1", asked)
    for through, count in enumerate((0, 1, 1, 2, 3, 3)):
        counted = await bench.registry.count_events_through("p1", SIGNAL, through)
        expect(f"the number of {SIGNAL!r} through {through}", counted, count)
    counted = await bench.registry.count_events_through("p1", OTHER, 4)
    expect(f"the number of {OTHER!r} through 4", counted, 1)


@registry_check
async def a_type_without_events_counts_none(bench: RegistryBench) -> None:
    """``count_events_through`` is zero for a type that has no event."""
    await bench.register()
    await bench.signals(1)
    counted = await bench.registry.count_events_through("p1", OTHER, 1)
    expect(f"the number of {OTHER!r}", counted, 0)


@registry_check
async def a_read_list_is_the_readers(bench: RegistryBench) -> None:
    """Changing a list that a read returned does not change the log."""
    await bench.register()
    await bench.signals(1, 2)
    for events in (
        await bench.registry.events_after("p1", 0),
        await bench.registry.recent_events("p1", 2),
    ):
        events.clear()
        expect("the numbers in the log", _numbers(await bench.log()), [1, 2])


@registry_check
async def a_limit_is_not_negative(bench: RegistryBench) -> None:
    """``events_after`` and ``recent_events`` refuse a negative limit."""
    await bench.register()
    await bench.signals(1, 2)
    code = EffectErrorCode.INVALID_VALUE
    await expect_error("events_after", code, bench.registry.events_after("p1", 0, -1))
    await expect_error("recent_events", code, bench.registry.recent_events("p1", -1))


CHECKS = (
    events_after_a_number_are_in_order,
    a_limit_takes_the_first,
    recent_events_are_the_last,
    events_are_counted_through_a_number,
    a_type_without_events_counts_none,
    a_read_list_is_the_readers,
    a_limit_is_not_negative,
)
