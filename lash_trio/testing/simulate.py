"""The simulator: many tasks, workers and processes against one store, under faults.

``python -m lash_trio.testing.simulate --seeds 1000`` runs a thousand worlds.  Each
has virtual time, an order of tasks that its seed decides, and faults that it
draws: calls that are refused, answers that are lost, workers that are killed, and
workers that stall for longer than their leases last.  ``--store sqlite`` gives each
worker a SQLite file opened for itself, and kills it as ``kill -9`` does.  First it is checked that
nothing wrong happens; then the faults stop, and everything runnable must finish.

A seed that fails prints one command that replays it to the same trace.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import attrs

from ..abc import ProcessRegistry
from ..stores.memory import MemoryProcessRegistry
from ._schedule import run_seeded
from ._simulate._faults import FaultRates as FaultRates
from ._simulate._stores import (
    MemoryStore as MemoryStore,
    SimulatedProgram as SimulatedProgram,
    SimulatedStore as SimulatedStore,
)
from ._simulate._world import Violation as Violation, World, WorldOptions as WorldOptions


@attrs.frozen(kw_only=True)
class SimulationResult:
    """What came of one seed.

    Args:
        seed: which.
        trace: what happened, a line each, with the virtual time in seconds.
        violation: which part of the promise was broken, or None.
    """

    seed: int
    trace: tuple[str, ...]
    violation: str | None = None


def simulate(
    seed: int,
    open_registry: Callable[[], ProcessRegistry] = MemoryProcessRegistry,
    options: WorldOptions | None = None,
    *,
    open_store: Callable[[], AbstractContextManager[SimulatedStore]] | None = None,
) -> SimulationResult:
    """Run one seed; the same seed gives the same trace, also in another program.

    Args:
        seed: decides all that is left to chance.
        open_registry: makes the registry, inside of trio, that all programs share beside
            a journal in memory.
        options: how large the world is.
        open_store: makes a store of another kind, in place of that.
    """
    trace: list[str] = []

    async def main() -> None:
        opening = nullcontext(MemoryStore(open_registry())) if open_store is None else open_store()
        with opening as store:
            world = World(seed, store, WorldOptions() if options is None else options)
            try:
                await world.run()
            finally:
                trace.extend(world.trace)

    violation = None
    try:
        run_seeded(main, seed=seed)
    except Violation as broken:
        violation = str(broken)
    except BaseExceptionGroup as group:
        violations, others = group.split(Violation)
        if others is not None or violations is None:
            raise
        violation = str(violations)
    return SimulationResult(seed=seed, trace=tuple(trace), violation=violation)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        arguments: as of the command; those of this program where None.

    Returns:
        The exit status: 0 where every seed kept the promise, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m lash_trio.testing.simulate")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="run seeds 0 to N-1")
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--store", choices=("memory", "sqlite"), default="memory", help="the store to simulate"
    )
    which.add_argument(
        "--registry", metavar="MODULE:FACTORY", help="a registry to simulate, in place of a store"
    )
    options = parser.parse_args(arguments)
    open_registry = _registry_factory(options.registry)
    open_store = _sqlite() if options.store == "sqlite" else None
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    again = f" --registry {options.registry}" if options.registry else ""
    again += " --store sqlite" if open_store is not None else ""
    with _silence():
        for seed in seeds:
            result = simulate(seed, open_registry, open_store=open_store)
            if options.trace:
                print("\n".join(result.trace))
            if result.violation is not None:
                print(f"seed {seed} broke the promise: {result.violation}")
                print(f"python -m lash_trio.testing.simulate --seed {seed} --trace{again}")
                return 1
    print(f"{len(seeds)} seeds kept the promise")
    return 0


@contextmanager
def _silence() -> Generator[None]:
    """Log nothing: what is planted would be logged a thousand times, and means nothing."""
    logger = logging.getLogger("lash_trio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _registry_factory(name: str | None) -> Callable[[], ProcessRegistry]:
    if name is None:
        return MemoryProcessRegistry
    module, _, attribute = name.partition(":")
    factory: Callable[[], ProcessRegistry] = getattr(importlib.import_module(module), attribute)
    return factory


def _sqlite() -> Callable[[], AbstractContextManager[SimulatedStore]]:
    # Here, since it needs an extra.
    from .simulated_sqlite import simulated_sqlite

    return simulated_sqlite


if __name__ == "__main__":
    sys.exit(main())
