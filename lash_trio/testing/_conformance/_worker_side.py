"""Rules of what spares a worker work; a registry that leaves it as it is keeps them too."""

from __future__ import annotations

import attrs

from ...model import (
    EventWait,
    OperatorWait,
    ProcessEndWait,
    ProcessEventAppendRequest,
    ProcessInput,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
)
from ._registry_bench import OTHER, PLAIN, SIGNAL, RegistryBench, registry_check
from ._rules import expect, expect_that

_SLEEP = SleepWait(key="k", due_at_ms=1)


async def _claimable(
    bench: RegistryBench, *skip: str, limit: int = 500, parked: bool = True
) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = await bench.registry.list_claimable(
            "me", skip, after=after, limit=limit, parked=parked
        )
        found.extend(record.id for record in page.records)
        after = page.next_after
        if after is None:
            return found


@registry_check
async def what_can_be_claimed_is_listed(bench: RegistryBench) -> None:
    """Processes that nobody else holds are listed, in pages, by id; ended ones are not."""
    await bench.register("p3", "p1", "p5", "p2", "p4")
    await bench.end("p4")
    await bench.claim("me")
    for limit in (1, 2, 500):
        found = await _claimable(bench, limit=limit)
        expect(f"what can be claimed, by {limit}", found, ["p1", "p2", "p3", "p5"])
        found = await _claimable(bench, "p1", "p3", "nobody", limit=limit)
        expect(f"what else can be claimed, by {limit}", found, ["p2", "p5"])


@registry_check
async def what_another_holds_can_be_claimed_once_it_is_over(bench: RegistryBench) -> None:
    """A process whose lease was given back or has expired is listed again."""
    await bench.register()
    await bench.claim("other", 1_000)
    page = await bench.registry.list_claimable("me")
    expect_that(
        page.next_expiry_ms in (None, 1_000),
        f"expected the next lease to end in 1000 ms, if that is told; got {page.next_expiry_ms}",
    )
    bench.advance_ms(1_000)
    expect("what can be claimed after the lease", await _claimable(bench), ["p1"])


@registry_check
async def who_has_what_it_waits_for_is_ready(bench: RegistryBench) -> None:
    """A process is ready when one of its events or ends is there, and no sooner."""
    await bench.register("p1", "p2", "p3")
    waits: dict[str, list[WaitKind]] = {
        "p1": [
            _SLEEP,
            SignalWait(key="k", name="ready", event_type=SIGNAL, ordinal=2),
        ],
        "p2": [EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1)],
        "p3": [ProcessEndWait(key="k", process_id="p1")],
    }
    expect("who is ready at first", await bench.registry.find_ready(waits), set[str]())
    await bench.signals(1)
    expect("who is ready after one signal", await bench.registry.find_ready(waits), {"p2"})
    await bench.signals(2)
    expect("who is ready after two", await bench.registry.find_ready(waits), {"p1", "p2"})
    await bench.end()
    expect("who is ready after the end", await bench.registry.find_ready(waits), set(waits))


@registry_check
async def who_is_asked_to_end_is_ready(bench: RegistryBench) -> None:
    """A process that was asked to end, or waits for one that is not there, is ready."""
    await bench.register("p1", "p2", "p3")
    await bench.registry.append_event(
        "p1", ProcessEventAppendRequest.cancel_requested("p1", "enough")
    )
    waits: dict[str, list[WaitKind]] = {
        "p1": [_SLEEP],
        "p2": [_SLEEP],
        "p3": [ProcessEndWait(key="k", process_id="nobody")],
    }
    expect("who is ready", await bench.registry.find_ready(waits), {"p1", "p3"})


@registry_check
async def who_is_parked_is_listed_when_there_is_something_for_it(bench: RegistryBench) -> None:
    """Without parked rows, whoever has something to do is listed all the same."""
    waits: dict[str, WaitKind] = {
        "p1": SignalWait(key="k", name="ready", event_type=SIGNAL, ordinal=2),
        "p2": EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1),
        "p3": ProcessEndWait(key="k", process_id="p1"),
        "p4": SleepWait(key="k", due_at_ms=(await _now_ms(bench)) + 5_000),
        "p5": OperatorWait(code="c", message="m"),
        "p6": SignalWait(key="k", name="ready", event_type=SIGNAL, ordinal=1),
        "p7": EventWait(key="k", process_id="p1", event_type=OTHER, ordinal=1),
    }
    for process_id in waits:
        await bench.registry.register_process(
            attrs.evolve(PLAIN, id=process_id, input=ProcessInput.function("f"))
        )
    # It came before the row says that it is waited for.
    await bench.registry.append_event("p1", ProcessEventAppendRequest(event_type=OTHER))
    for process_id, kind in waits.items():
        wait = WaitState(kind=kind, since_ms=1, sole=process_id != "p6")
        await bench.registry.set_process_wait(process_id, wait)
    await _expect_listed(bench, "at first", "p5", "p6", "p7")
    await bench.signals(1)
    await _expect_listed(bench, "after one signal", "p2")
    await bench.signals(2)
    await _expect_listed(bench, "after two signals", "p1", "p2")
    await bench.end()
    await _expect_listed(bench, "after the end", "p2", "p3")
    bench.advance_ms(6_000)
    await _expect_listed(bench, "when it is due", "p4")
    await bench.registry.clear_process_wait("p4")
    await _expect_listed(bench, "when it waits no longer", "p4")


@registry_check
async def who_is_asked_to_end_is_listed(bench: RegistryBench) -> None:
    """Without parked rows, one that was asked to end is listed."""
    await bench.registry.register_process(attrs.evolve(PLAIN, input=ProcessInput.function("f")))
    kind = SignalWait(key="k", name="ready", event_type=SIGNAL, ordinal=1)
    await bench.registry.set_process_wait("p1", WaitState(kind=kind, since_ms=1, sole=True))
    request = ProcessEventAppendRequest.cancel_requested("p1", "enough")
    await bench.registry.append_event("p1", request)
    await _expect_listed(bench, "after the request", "p1")


async def _expect_listed(bench: RegistryBench, when: str, *process_ids: str) -> None:
    """These are listed, whoever else is."""
    for limit in (2, 500):
        found = set(await _claimable(bench, limit=limit, parked=False))
        expect(f"who is not listed {when}", set(process_ids) - found, set[str]())


async def _now_ms(bench: RegistryBench) -> int:
    """What the registry takes for now: the time of an event of a process that is of no interest."""
    await bench.registry.register_process(attrs.evolve(PLAIN, id="clock"))
    appended = await bench.registry.append_event(
        "clock", ProcessEventAppendRequest(event_type=SIGNAL)
    )
    return appended.event.occurred_at_ms


@registry_check
async def who_listens_is_told_of_every_event(bench: RegistryBench) -> None:
    """A listener is told of every event and of the end, with ordinals, while it listens."""
    await bench.register("p1", "p2")
    told: set[tuple[str, str, int]] = set()

    def tell(process_id: str, event_type: str, ordinal: int) -> None:
        told.add((process_id, event_type, ordinal))

    listening = bench.registry.listen(tell)
    if listening is None:
        # The registry cannot do it, and says so.
        return
    with listening:
        await bench.signals(1, 2)
        await bench.signals(3, process_id="p2")
        await bench.end("p2")
        await bench.settle()
    expected = {
        ("p1", SIGNAL, 1),
        ("p1", SIGNAL, 2),
        ("p2", SIGNAL, 1),
        ("p2", "process.completed", 1),
        ("p2", "", 0),
    }
    expect("what a listener was told", told, expected)
    await bench.signals(4)
    await bench.settle()
    expect("what it was told after it had left", told, expected)


CHECKS = (
    what_can_be_claimed_is_listed,
    what_another_holds_can_be_claimed_once_it_is_over,
    who_has_what_it_waits_for_is_ready,
    who_is_asked_to_end_is_ready,
    who_is_parked_is_listed_when_there_is_something_for_it,
    who_is_asked_to_end_is_listed,
    who_listens_is_told_of_every_event,
)
