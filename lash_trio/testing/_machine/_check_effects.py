"""Runs a program of scopes, and holds what happened against the promise."""

from __future__ import annotations

import trio

from ...abc import EffectHost
from ...model import DurabilityTier
from .._conformance._host_bench import HostUnderTest
from .._schedule import run_seeded
from ._effect_facts import broken_rule
from ._effect_program import EffectProgram
from ._effect_run import EffectRunner, Known


def check_effect_program(
    under_test: HostUnderTest, program: EffectProgram, *, replays: bool | None = None
) -> None:
    """Run a program on a new host, and hold what happened against the promise.

    A host that replays gets the program twice: the second run has to find what the
    first one recorded, and nothing else.  It runs in a trio run of its own, in virtual
    time; so call it from outside of trio.

    Args:
        under_test: how to open the host, and a registry for the events.
        program: what to do.
        replays: whether the host replays what it has recorded; where None, durable
            hosts do.

    Raises:
        AssertionError: the promise was broken; the text tells how, with a trace.
    """

    async def main() -> None:
        async with under_test.open() as host:
            again = replays
            if again is None:
                again = host.durability_tier is DurabilityTier.DURABLE
            known = await _run(under_test, host, program, None)
            if again:
                await _run(under_test, host, program, known)

    run_seeded(main, seed=program.seed)


async def _run(
    under_test: HostUnderTest,
    host: EffectHost,
    program: EffectProgram,
    known: Known | None,
) -> Known:
    """One run; returns what a host that replays must know from then on."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with under_test.open_registry() as registry:
        runner = EffectRunner(host, registry, Known() if known is None else known)
        try:
            await runner.run(program.block)
            await runner.results()
        except Exception as error:
            # The host is somebody else's code, and may raise what it likes.
            trace = "\n".join(["what happened:", *runner.trace])
            raise AssertionError(f"the program was broken off by {error!r}\n{trace}") from error
    faults = list(runner.faults)
    for facts in runner.effects:
        fault = broken_rule(facts)
        if fault is not None:
            faults.append(f"{facts.key} ({facts.effect.kind}): {fault}")
    left = trio.lowlevel.current_statistics().tasks_living - tasks
    if left:
        faults.append(f"{left} tasks are left")
    if faults:
        run = "the first run" if known is None else "the second run"
        raise AssertionError("\n".join([*faults, f"what happened in {run}:", *runner.trace]))
    return runner.known()
