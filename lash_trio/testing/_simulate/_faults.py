"""Faults: what goes wrong, when a seed says so."""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import attrs
import trio

from ...abc import ProcessRegistry
from ...model import ProcessLease, ProcessLeaseCompletion, StoreError

_HELD_UP = ("append_event", "complete_leased_process")
"""Writes that may come in later than others of the same owner."""

T = TypeVar("T")
Call: TypeAlias = Callable[[], Awaitable[object]]


@attrs.frozen(kw_only=True)
class FaultRates:
    """How often things go wrong, from 0 to 1 for each call.

    Args:
        refuse: a call fails before the store has done anything.
        lose_answer: the store does what was asked, and the answer is lost.
        delay: a call takes up to a second.
        hold_up: an event or an outcome that is written under a lease comes in seconds
            later, perhaps when the lease is over, and whoever wrote it has given it up.
    """

    refuse: float = 0.02
    lose_answer: float = 0.02
    delay: float = 0.1
    hold_up: float = 0.1


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

    def held_up(self) -> float | None:
        """For how many seconds a write is held up, or None where it is not."""
        return self.between(1, 8) if self.draw(self._rates.hold_up) else None

    def between(self, least: float, most: float) -> float:
        """A number in a range."""
        return self._random.uniform(least, most)

    def choose(self, choices: Sequence[T]) -> T:
        """One of several."""
        # Without a draw where there is nothing to choose.
        return choices[0] if len(choices) == 1 else self._random.choice(choices)

    async def before(self, who: str, what: str) -> None:
        """What goes wrong before a call is made."""
        if self.draw(self._rates.delay):
            await trio.sleep(self.between(0, 1))
        if self.draw(self._rates.refuse):
            self._note(f"{who}: {what} is refused")
            raise StoreError(f"planted: {what} was refused")

    async def around(self, who: str, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, with what goes wrong around it."""
        await self.before(who, what)
        result = await call()
        if self.draw(self._rates.lose_answer):
            self._note(f"{who}: the answer to {what} is lost")
            raise StoreError(f"planted: the answer to {what} was lost")
        return result


class Stall:
    """Times at which a program gets nothing through, as if it had been stopped."""

    def __init__(self) -> None:
        self.until = 0.0
        self._ended = trio.Event()

    def begin(self, seconds: float) -> None:
        """Let nothing through for a time."""
        self.until = trio.current_time() + seconds

    def end(self) -> None:
        """Let everything through, for good."""
        self._ended.set()

    async def wait(self) -> None:
        """Wait while it lasts.  A checkpoint only where it does."""
        while trio.current_time() < self.until and not self._ended.is_set():
            with trio.move_on_at(self.until):
                await self._ended.wait()


@attrs.frozen(kw_only=True)
class Asked:
    """A call on its way to the store.

    Args:
        who: who makes it.
        name: of the method.
        call: makes it.
        lease: under which lease, if under one.
        process_id: whose lease is given back, if one is.
    """

    who: str
    name: str
    call: Call
    lease: ProcessLease | None = None
    process_id: str | None = None


class Wire(Protocol):
    """What lies between a program and its store."""

    def deliver_late(self, asked: Asked, when: float) -> None:
        """See that a call reaches the store at a time of trio's clock; nobody hears of it."""
        ...

    async def deliver(self, asked: Asked) -> object:
        """Make a call of the store, and see that no owner writes whose lease is over."""
        ...


@attrs.frozen(kw_only=True)
class Between:
    """What lies between one program and the store.

    Args:
        faults: what goes wrong.
        wire: delivers calls.
        stall: when nothing gets through.
    """

    faults: Faults
    wire: Wire
    stall: Stall = attrs.field(factory=Stall)


class FaultyRegistry:
    """A registry whose calls go wrong; use it with :func:`faulty`.

    It stands for a whole port, each method of which goes wrong in the same way.
    """

    def __init__(self, inner: ProcessRegistry, who: str, between: Between) -> None:
        self._inner = inner
        self._who = who
        self._faults = between.faults
        self._wire = between.wire
        self._stall = between.stall

    def __getattr__(self, name: str) -> Any:
        value: Any = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(value):
            return value

        async def call(*args: object, **kwargs: object) -> object:
            made = partial(value, *args, **kwargs)
            if name.startswith(("wait_", "await_")):
                await self._stall.wait()
                return await made()
            asked = self._asked(name, made, (*args, *kwargs.values()))
            try:
                await self._stall.wait()
            except trio.Cancelled:
                if asked.lease is not None:
                    # What has gone out comes in, however late, and whether or not
                    # somebody still wants it.
                    self._wire.deliver_late(asked, self._stall.until)
                raise
            seconds = self._faults.held_up() if asked.lease and name in _HELD_UP else None
            if seconds is not None:
                self._wire.deliver_late(asked, trio.current_time() + seconds)
                raise StoreError(f"planted: {name} is held up")
            deliver = partial(self._wire.deliver, asked)
            result = await self._faults.around(self._who, name, deliver)
            await self._stall.wait()
            return result

        return call

    def _asked(self, name: str, call: Call, arguments: Sequence[object]) -> Asked:
        leases = [each for each in arguments if isinstance(each, ProcessLease)]
        given_back = [each for each in arguments if isinstance(each, ProcessLeaseCompletion)]
        return Asked(
            who=self._who,
            name=name,
            call=call,
            lease=leases[0] if leases else None,
            process_id=given_back[0].process_id if given_back else None,
        )


def faulty(registry: FaultyRegistry) -> ProcessRegistry:
    """The registry as a port, which is what it stands for."""
    return cast(ProcessRegistry, registry)
