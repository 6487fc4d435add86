"""Calls in tasks of their own, whose ends are looked at without waiting for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Set
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, TypeAlias, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ArgsT = TypeVarTuple("ArgsT")

Settle: TypeAlias = Callable[[], Awaitable[object]]
"""Waits until every task is blocked and nothing is under way."""

_ROUNDS = 20


class Call(Generic[T_co]):
    """One call in a task of its own.

    Args:
        function: makes the call.
    """

    def __init__(self, function: Callable[[], Awaitable[T_co]]) -> None:
        self._function = function
        self.ended = False
        self.cancelled = False
        self.task: trio.lowlevel.Task | None = None
        self._scope = trio.CancelScope()
        self._returned: list[T_co] = []
        self._raised: Exception | None = None

    def __repr__(self) -> str:
        if not self.ended:
            return "a call that goes on"
        if self.cancelled:
            return "a call that was cancelled"
        return repr(self._returned[0] if self._returned else self._raised)

    def cancel(self) -> None:
        """Cancel the call from outside."""
        self._scope.cancel()

    def result(self) -> T_co:
        """What it returned, or raises what it raised."""
        if self._raised is not None:
            raise self._raised
        if not self._returned:
            raise AssertionError(f"expected a call that has returned, got {self!r}")
        return self._returned[0]

    async def run(self) -> None:
        """Make the call; its error stays here."""
        self.task = trio.lowlevel.current_task()
        try:
            with self._scope:
                self._returned.append(await self._function())
        except Exception as error:  # noqa: BLE001
            # The check asks for it with `result`.
            self._raised = error
        self.cancelled = self._scope.cancelled_caught
        self.ended = True


class Calls:
    """Starts calls, and tells whether they go on."""

    def __init__(self, nursery: trio.Nursery, settle: Settle) -> None:
        self._nursery = nursery
        self._settle = settle

    def start(self, function: Callable[[*ArgsT], Awaitable[T]], *args: *ArgsT) -> Call[T]:
        """Start a call; it has made no step when this returns."""

        async def made() -> T:
            return await function(*args)

        call = Call(made)
        self._nursery.start_soon(call.run)
        return call

    async def parked(self, what: str, call: Call[T]) -> None:
        """Expect a call to go on.

        Raises:
            AssertionError: it has ended.
        """
        await self._settle()
        if call.ended:
            raise AssertionError(f"expected {what} to go on waiting, got {call!r}")

    async def ended(self, what: str, call: Call[T]) -> None:
        """Expect a call to end, in whatever way.

        Raises:
            AssertionError: everything has come to rest and it still waits.
        """
        for _ in range(_ROUNDS):
            if call.ended:
                return
            await self._settle()
        raise AssertionError(f"expected {what} to end, got one that waits for ever")

    async def served(self, what: str, call: Call[T]) -> T:
        """Expect a call to return; raises what it raises.

        Raises:
            AssertionError: it waits still, or was cancelled.
        """
        await self.ended(what, call)
        return call.result()

    async def cancelled(self, what: str, call: Call[T]) -> None:
        """Cancel a call and expect ``trio.Cancelled`` to come out of it.

        Raises:
            AssertionError: it goes on, or has ended otherwise.
        """
        call.cancel()
        await self.ended(what, call)
        if not call.cancelled:
            raise AssertionError(f"expected {what} to raise trio.Cancelled, got {call!r}")


class _CancelAtStep(trio.abc.Instrument):
    """Cancels a call when its task is about to make another step of the scheduler."""

    def __init__(self, call: Call[T], step: int) -> None:
        self._call = call
        self._steps_left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._call.task:
            self._steps_left -= 1
            if self._steps_left == 0:
                self._call.cancel()


@contextmanager
def cancelled_at_step(call: Call[T], step: int) -> Generator[None]:
    """Cancel a call while the block lasts: at once, or before its step after that many."""
    if step == 0:
        call.cancel()
    instrument = _CancelAtStep(call, step)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)


class _Stepped(trio.abc.Instrument):
    """Notes which tasks the scheduler runs."""

    def __init__(self) -> None:
        self.tasks: set[trio.lowlevel.Task | None] = set()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.tasks.add(task)


@contextmanager
def stepped_tasks() -> Generator[Set[trio.lowlevel.Task | None]]:
    """The tasks that run while the block lasts."""
    stepped = _Stepped()
    trio.lowlevel.add_instrument(stepped)
    try:
        yield stepped.tasks
    finally:
        trio.lowlevel.remove_instrument(stepped)


@asynccontextmanager
async def open_calls(settle: Settle) -> AsyncGenerator[Calls]:
    """Calls for the length of a block; those that go on at its end are cancelled."""
    async with trio.open_nursery() as nursery:
        yield Calls(nursery, settle)
        nursery.cancel_scope.cancel()
