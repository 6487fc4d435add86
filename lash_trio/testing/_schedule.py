"""Runs of trio that can be repeated: virtual time, and an order of tasks that a seed decides.

Trio runs the tasks that are ready in an order that it draws, so that nobody comes
to rely on one.  It has no public way to say how it draws.  What pytest-trio and
trio's own plugin for hypothesis do is to switch on its deterministic mode and seed
its generator; this module does the same, and is the only one that knows of it.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio.testing import MockClock

T = TypeVar("T")

_DETERMINISTIC = "_ALLOW_DETERMINISTIC_SCHEDULING"
_GENERATOR = "_r"


@contextmanager
def seeded_scheduling(seed: int) -> Generator[None]:
    """Make runs of trio that begin inside the block schedule their tasks by a seed.

    Args:
        seed: the same seed gives the same order, also in another operating-system
            process.

    Raises:
        RuntimeError: this version of trio does not offer it any more.
    """
    scheduler = vars(importlib.import_module("trio._core._run"))
    generator = scheduler.get(_GENERATOR)
    if not isinstance(generator, random.Random) or _DETERMINISTIC not in scheduler:
        raise RuntimeError(
            f"trio {trio.__version__} has no generator of its task order where this version of "
            "lash_trio.testing looks for it, so runs cannot be repeated; use another trio, or "
            "a newer lash_trio"
        )
    before = generator.getstate()
    was_deterministic = scheduler[_DETERMINISTIC]
    scheduler[_DETERMINISTIC] = True
    generator.seed(seed)
    try:
        yield
    finally:
        scheduler[_DETERMINISTIC] = was_deterministic
        generator.setstate(before)


def run_seeded(
    function: Callable[[], Awaitable[T]],
    *,
    seed: int,
    clock: MockClock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """Run an async function in a run of its own, in virtual time and seeded order.

    Args:
        function: what to run.
        seed: of the order of tasks.
        clock: the virtual time; one that jumps to the next deadline whenever all
            tasks wait, where None.
        instruments: watch the run.

    Returns:
        What the function returned; what it raises is raised.
    """
    time = MockClock(autojump_threshold=0) if clock is None else clock

    async def main() -> T:
        return await function()

    with seeded_scheduling(seed):
        return trio.run(main, clock=time, instruments=instruments)
