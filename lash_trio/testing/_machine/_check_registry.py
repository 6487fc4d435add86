"""Runs a program on one registry, and compares every step with the model."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial

import trio
from trio.testing import MockClock

from ...abc import ProcessRegistry
from .._conformance._registry_bench import RegistryUnderTest
from .._schedule import run_seeded
from ._bench import PROBE, Bench, Started, Timeline, open_eye
from ._explain import expected_of, explanations
from ._invariants import broken_invariant, leak
from ._model import ModelRegistry
from ._program import Action, RegistryProgram, Reopen, Together
from ._running import NoResult
from ._step import CallStep, LeaseTable
from ._steps_reads import CountEvents, ListAll, ListNonTerminal, ListSeen, ReadEvents, ReadWakes
from ._views import Eye, fits
from ._vocabulary import NOTE, PROCESSES, SESSIONS


def check_registry_program(under_test: RegistryUnderTest, program: RegistryProgram) -> None:
    """Run a program on a new registry, and compare every step with the model.

    It runs in a trio run of its own, in virtual time; so call it from outside of trio.

    Args:
        under_test: how to open the registry, and to move its clock.
        program: what to do.

    Raises:
        AssertionError: registry and model disagree; the text tells after which step,
            what was expected and what came.
    """
    if program.reopens and under_test.reopen is None:
        raise ValueError("the program reopens its registry, but `reopen` was not given")
    clock = MockClock()

    async def main() -> None:
        timeline = Timeline(clock, [under_test.advance_ms])
        await _Check(under_test, timeline).run(program)

    run_seeded(main, seed=program.seed, clock=clock)


ROUNDS = 10
"""How often a disagreement is looked at again: a thread of the store may have been slow."""

READS: tuple[CallStep, ...] = (
    ListAll(),
    ListNonTerminal(),
    *(ListSeen(scope) for scope in SESSIONS),
    *(ReadEvents(process) for process in PROCESSES),
    *(ReadWakes(process) for process in PROCESSES),
    *(CountEvents(process, NOTE, 2**40) for process in PROCESSES),
)
"""What is read after every step."""


class _Check:
    """One program on one registry."""

    def __init__(self, under_test: RegistryUnderTest, timeline: Timeline) -> None:
        self._under_test = under_test
        self._timeline = timeline
        self._leases = LeaseTable()
        self._model = ModelRegistry()
        self._model.register(PROBE, "plain", None)
        self._eye: Eye | None = None

    async def run(self, program: RegistryProgram) -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        number = 0
        for opening, steps in self._openings(program):
            async with opening as registry:
                if self._eye is None:
                    self._eye = await open_eye(registry)
                bench = Bench(registry, self._timeline, self._leases, self._eye)
                await self._run_steps(bench, steps, number)
            number += len(steps) + 1
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            raise AssertionError(f"expected no task to be left after the program, got {left} more")

    def _openings(
        self, program: RegistryProgram
    ) -> Iterator[tuple[AbstractAsyncContextManager[ProcessRegistry], list[Action | Together]]]:
        opening = self._under_test.open()
        part: list[Action | Together] = []
        for step in program.steps:
            if not isinstance(step, Reopen):
                part.append(step)
            elif self._under_test.reopen is not None:
                yield opening, part
                opening, part = self._under_test.reopen(), []
        yield opening, part

    async def _run_steps(
        self, bench: Bench, steps: Sequence[Action | Together], number: int
    ) -> None:
        failure: AssertionError | None = None
        async with trio.open_nursery() as nursery:
            try:
                for offset, step in enumerate(steps):
                    with told(number + offset + 1, step):
                        await self._run_step(bench, step, nursery)
                await self._end_waits(bench)
            except AssertionError as error:
                # Raised outside the nursery, so that no group comes of it.
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _run_step(self, bench: Bench, step: Action | Together, nursery: trio.Nursery) -> None:
        model = self._model
        actions = step.actions if isinstance(step, Together) else (step,)
        started = [
            bench.start(action, nursery, lambda w: model.there(w.process, w.kind, w.type))
            for action in actions
        ]
        self._model = await self._explained(bench, started)
        bench.keep_leases(started)
        bench.forget_waits(but=self._model.waits)

    async def _explained(self, bench: Bench, started: Sequence[Started]) -> ModelRegistry:
        """The state of the model that fits, once all has come to rest."""
        await bench.come_to_rest(started, self._under_test.settle)
        failure: AssertionError | None = None
        for _ in range(ROUNDS):
            try:
                return self._explain(bench, started, [(s, await bench.read(s)) for s in READS])
            except AssertionError as error:
                failure = error
                await self._under_test.settle()
        raise AssertionError("nothing was tried") if failure is None else failure

    def _explain(
        self, bench: Bench, started: Sequence[Started], now: Sequence[tuple[CallStep, object]]
    ) -> ModelRegistry:
        broken = broken_invariant(now)
        if broken is not None:
            raise AssertionError(broken)
        seen = [bench.look(each) for each in started]
        waits = {number: bench.view(running) for number, running in bench.waits.items()}
        faults: list[str] = []
        for one in explanations(self._model, seen, waits, bench.leases):
            fault = one.fault or _snapshot_fault(one.model, now, bench.leases)
            fault = fault or leak(bench.registry, one.model, bench.tasks_waiting)
            if fault is None:
                return one.model
            faults.append(fault)
        raise AssertionError("\n  or ".join(list(dict.fromkeys(faults))[:6]))

    async def _end_waits(self, bench: Bench) -> None:
        for running in bench.waits.values():
            running.cancel()
        await self._under_test.settle()
        for number, running in bench.waits.items():
            if running.end is not NoResult.CANCELLED:
                raise AssertionError(
                    f"expected wait {number} to raise trio.Cancelled, got {bench.view(running)!r}"
                )
        self._model.waits.clear()
        left = leak(bench.registry, self._model, waiting=0)
        if left is not None:
            raise AssertionError(left)


def _snapshot_fault(
    model: ModelRegistry, now: Sequence[tuple[CallStep, object]], leases: LeaseTable
) -> str | None:
    for step, came in now:
        expected = expected_of(partial(step.expect, model, leases))
        if not fits(expected, came):
            return f"expected {step!r} to come to {expected!r} then, got {came!r}"
    return None


@contextmanager
def told(number: int, step: object) -> Generator[None]:
    """Say of which step an AssertionError is."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"step {number}, {step!r}:\n  {error}") from error
