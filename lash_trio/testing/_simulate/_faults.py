"""Faults: what goes wrong, when a seed says so."""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import attrs
import trio

from ...abc import ProcessRegistry
from ...model import StoreError


@attrs.frozen(kw_only=True)
class FaultRates:
    """How often things go wrong, from 0 to 1 for each call.

    Args:
        refuse: a call fails before the store has done anything.
        lose_answer: the store does what was asked, and the answer is lost.
        delay: a call takes up to a second.
    """

    refuse: float = 0.02
    lose_answer: float = 0.02
    delay: float = 0.1


class Faults:
    """Draws faults, until they are switched off.

    Args:
        seed: decides which.
        rates: decides how often.
        note: writes a line of the trace.
    """

    def __init__(self, seed: int, rates: FaultRates, note: Callable[[str], None]) -> None:
        self._random = random.Random(seed)
        self._rates = rates
        self._note = note
        self.are_on = True

    def draw(self, rate: float) -> bool:
        """Whether something that happens this often happens now."""
        return self.are_on and self._random.random() < rate

    def between(self, least: float, most: float) -> float:
        """A number in a range."""
        return self._random.uniform(least, most)

    async def around(self, who: str, what: str, call: Callable[[], Awaitable[object]]) -> object:
        """Make a call, with what goes wrong around it."""
        if self.draw(self._rates.delay):
            await trio.sleep(self.between(0, 1))
        if self.draw(self._rates.refuse):
            self._note(f"{who}: {what} is refused")
            raise StoreError(f"planted: {what} was refused")
        result = await call()
        if self.draw(self._rates.lose_answer):
            self._note(f"{who}: the answer to {what} is lost")
            raise StoreError(f"planted: the answer to {what} was lost")
        return result


class FaultyRegistry:
    """A registry whose calls go wrong; made with :func:`faulty`.

    It stands for a whole port, each method of which goes wrong in the same way.
    """

    def __init__(self, inner: ProcessRegistry, who: str, faults: Faults) -> None:
        self._inner = inner
        self._who = who
        self._faults = faults
        self._stalled_until = 0.0

    def stall(self, seconds: float) -> None:
        """Let nothing through for a time, as if its program had been stopped."""
        self._stalled_until = trio.current_time() + seconds

    def __getattr__(self, name: str) -> Any:
        value: Any = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(value):
            return value

        async def call(*args: object, **kwargs: object) -> object:
            await self._wait_while_stalled()
            if name.startswith(("wait_", "await_")):
                return await value(*args, **kwargs)
            result = await self._faults.around(self._who, name, partial(value, *args, **kwargs))
            await self._wait_while_stalled()
            return result

        return call

    async def _wait_while_stalled(self) -> None:
        if trio.current_time() < self._stalled_until:
            await trio.sleep_until(self._stalled_until)


def faulty(registry: FaultyRegistry) -> ProcessRegistry:
    """The registry as a port, which is what it stands for."""
    return cast(ProcessRegistry, registry)
