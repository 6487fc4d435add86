"""Runs a program on two registries side by side, and demands the same of both.

The model says what matters; this says everything: rows, events, hashes, wake ids and
errors are compared as they go over the wire.  Times count from the beginning, and
lease tokens, which are drawn by chance, are left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import cast

import attrs
import trio
from trio.testing import MockClock

from ...model import JsonValue, ProcessEvent, to_json
from .._conformance._registry_bench import OpenRegistry, RegistryUnderTest
from .._schedule import run_seeded
from ._bench import PROBE, Bench, Started, Timeline
from ._check_registry import READS, ROUNDS, told
from ._program import (
    Action,
    Advance,
    Interrupted,
    RegistryProgram,
    Reopen,
    StartWait,
    Together,
)
from ._running import NoResult, Raised, outcome_of
from ._step import LeaseTable
from ._steps_reads import ReadEvents
from ._views import Eye, Refusal
from ._vocabulary import REGISTRATIONS

_READ_EVERY = 5
"""After how many steps all is read: a store with a file takes its time for that."""

_TIMES = frozenset(
    {
        "created_at_ms",
        "updated_at_ms",
        "occurred_at_ms",
        "claimed_at_epoch_ms",
        "expires_at_epoch_ms",
    }
)


def check_registries_agree(
    first: RegistryUnderTest, second: RegistryUnderTest, program: RegistryProgram
) -> None:
    """Run a program on two new registries side by side, and compare them step by step.

    What the program does at once is done in its order here, and what it interrupts is
    left to finish, since registries may well differ in who comes first.  It runs in a
    trio run of its own, in virtual time; so call it from outside of trio.

    Args:
        first: how to open one registry, and to move its clock.
        second: the same for the other.
        program: what to do.

    Raises:
        AssertionError: they disagree; the text tells after which step, and how.
    """
    if program.reopens and (first.reopen is None or second.reopen is None):
        raise ValueError("the program reopens its registries, but `reopen` was not given for both")
    clock = MockClock()

    async def main() -> None:
        timeline = Timeline(clock, [first.advance_ms, second.advance_ms])
        await _Pair((first, second), timeline).run(program)

    run_seeded(main, seed=program.seed, clock=clock)


@attrs.define
class _Side:
    """One of the two."""

    under_test: RegistryUnderTest
    leases: LeaseTable = attrs.field(factory=LeaseTable)
    base_ms: int = 0


class _Pair:
    """Two registries that are done the same to."""

    def __init__(
        self, under_test: tuple[RegistryUnderTest, RegistryUnderTest], timeline: Timeline
    ) -> None:
        self._sides = tuple(_Side(each) for each in under_test)
        self._timeline = timeline

    async def run(self, program: RegistryProgram) -> None:
        part: list[tuple[int, Action]] = []
        opened = False
        for number, step in enumerate(program.steps, 1):
            if isinstance(step, Reopen):
                await self._run_part(part, again=opened)
                part, opened = [], True
            else:
                part += [(number, action) for action in _one_by_one(step)]
        await self._run_part(part, again=opened)

    async def _run_part(self, part: Sequence[tuple[int, Action]], again: bool) -> None:
        async with AsyncExitStack() as opened:
            benches: list[Bench] = []
            for side in self._sides:
                opening: OpenRegistry | None = (
                    side.under_test.reopen if again else side.under_test.open
                )
                assert opening is not None
                registry = await opened.enter_async_context(opening())
                record = await registry.register_process(REGISTRATIONS["plain"](PROBE))
                side.base_ms = record.created_at_ms
                benches.append(Bench(registry, self._timeline, side.leases, Eye(side.base_ms)))
            await self._run_actions(benches, part)

    async def _run_actions(
        self, benches: Sequence[Bench], part: Sequence[tuple[int, Action]]
    ) -> None:
        failure: AssertionError | None = None
        async with trio.open_nursery() as nursery:
            try:
                for number, action in part:
                    with told(number, action):
                        await self._run_action(benches, action, nursery)
                        if number % _READ_EVERY == 0 or (number, action) == part[-1]:
                            await self._agreeing(lambda: self._compare_reads(benches))
            except AssertionError as error:
                # Raised outside the nursery, so that no group comes of it.
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _run_action(
        self, benches: Sequence[Bench], action: Action, nursery: trio.Nursery
    ) -> None:
        there = await _there(benches[0], action) if isinstance(action, StartWait) else 0
        # There is one time for both.
        acting = benches[:1] if isinstance(action, Advance) else benches
        started = [bench.start(action, nursery, lambda _: there) for bench in acting]
        await benches[0].come_to_rest(started, self._settle)
        await self._agreeing(lambda: self._compare_ends(benches, started))
        for bench, each in zip(acting, started, strict=True):
            bench.keep_leases([each])
        for bench in benches:
            bench.forget_waits(but=_going(bench))

    async def _agreeing(self, compare: Callable[[], Awaitable[None]]) -> None:
        failure: AssertionError | None = None
        for _ in range(ROUNDS):
            try:
                await compare()
            except AssertionError as error:
                failure = error
                await self._settle()
            else:
                return
        if failure is not None:
            raise failure

    async def _settle(self) -> None:
        for side in self._sides:
            await side.under_test.settle()

    async def _compare_ends(self, benches: Sequence[Bench], started: Sequence[Started]) -> None:
        what = f"what came of {started[0].action!r}"
        self._same(what, [each.running.end for each in started if each.running is not None])
        for number in benches[0].waits:
            ends = [bench.waits[number].end for bench in benches]
            self._same(f"what has come of wait {number}", ends)

    async def _compare_reads(self, benches: Sequence[Bench]) -> None:
        for step in READS:
            reads = [await outcome_of(bench.calls(step)) for bench in benches]
            self._same(f"{step!r} then", reads)

    def _same(self, what: str, ends: Sequence[object]) -> None:
        if len(ends) == 2 and ends[0] == ends[1]:
            return
        exact = [_exact(end, side.base_ms) for side, end in zip(self._sides, ends, strict=False)]
        if len(exact) == 2 and exact[0] != exact[1]:
            raise AssertionError(
                f"expected both to agree about {what}; the first says {exact[0]!r}, "
                f"the second {exact[1]!r}"
            )


def _one_by_one(step: Action | Together) -> Iterator[Action]:
    """The actions of a step, without what registries may differ in."""
    for action in step.actions if isinstance(step, Together) else (step,):
        yield action.step if isinstance(action, Interrupted) else action


async def _there(bench: Bench, wait: StartWait) -> int:
    """How many events there are for a wait to count from."""
    events = await outcome_of(bench.calls(ReadEvents(wait.process)))
    if not isinstance(events, list):
        return 0
    found = cast("list[ProcessEvent]", events)
    return (
        sum(event.event_type == wait.type for event in found) if wait.kind == "nth" else len(found)
    )


def _going(bench: Bench) -> list[int]:
    return [number for number, wait in bench.waits.items() if wait.end is NoResult.RUNNING]


def _exact(end: object, base_ms: int) -> object:
    """All that can be compared of what came."""
    if isinstance(end, Raised):
        return f"{type(end.error).__name__}: {end.error}"
    if isinstance(end, Refusal):
        return sorted(end.reasons)
    if isinstance(end, NoResult):
        return end
    if isinstance(end, list):
        return [_exact(item, base_ms) for item in cast("list[object]", end)]
    return _relative(to_json(end), base_ms)


def _relative(value: JsonValue, base_ms: int) -> JsonValue:
    match value:
        case dict():
            return {
                key: _since(item, base_ms) if key in _TIMES else _relative(item, base_ms)
                for key, item in value.items()
                if key != "lease_token"
            }
        case list():
            return [_relative(item, base_ms) for item in value]
        case _:
            return value


def _since(value: JsonValue, base_ms: int) -> JsonValue:
    return value - base_ms if isinstance(value, int) else value
