"""An open registry under a program: starts its calls, and looks at what came."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import TypeAlias

import attrs
import trio
from trio.testing import MockClock

from ...abc import ProcessRegistry
from ...model import ProcessLease
from ._explain import Seen, patience_ms
from ._program import Action, Advance, CancelWait, Interrupted, StartWait
from ._running import NoResult, Raised, RunningCall, outcome_of
from ._step import CallStep, LeaseTable
from ._views import Eye, Refusal
from ._vocabulary import REGISTRATIONS

_PATIENCE = 200
"""How often a store is given time to settle, until a call counts as one that hangs."""

PROBE = "p0"
"""Registered first, so that the registry's time is known."""


class Timeline:
    """The time of a program: trio's mock clock and the registry's, moved together.

    Args:
        clock: trio's.
        advance_ms: moves the registry's.
    """

    def __init__(self, clock: MockClock, advance_ms: Sequence[Callable[[int], object]]) -> None:
        self._clock = clock
        self._advance_ms = advance_ms
        self._start = clock.current_time()
        self.now_ms = 0

    def at(self, now_ms: float) -> float:
        """The time of trio's clock at a time of the program."""
        return self._start + now_ms / 1000

    def advance(self, duration_ms: int) -> None:
        """Move time on."""
        self.now_ms += duration_ms
        # From the start, so that rounding does not add up.
        self._clock.jump(self.at(self.now_ms) - self._clock.current_time())
        for advance_ms in self._advance_ms:
            advance_ms(duration_ms)


@attrs.frozen
class Started:
    """An action under way."""

    action: Action
    running: RunningCall | None = None
    wait: int | None = None
    number: int = 0
    deadline_ms: float | None = None


CountThere: TypeAlias = Callable[[StartWait], int]


class Bench:
    """An open registry, the waits that go on in it, and the leases that it gave.

    Args:
        registry: the registry.
        timeline: the time.
        leases: what was claimed so far, in an earlier opening too.
        eye: looks at what comes.
    """

    def __init__(
        self, registry: ProcessRegistry, timeline: Timeline, leases: LeaseTable, eye: Eye
    ) -> None:
        self.registry = registry
        self.leases = leases
        self._eye = eye
        self.waits: dict[int, RunningCall] = {}
        self._timeline = timeline
        self._waits_started = 0

    def start(self, action: Action, nursery: trio.Nursery, there: CountThere) -> Started:
        """Start an action in a task of its own.

        Args:
            action: what to do.
            nursery: owns the task.
            there: tells how many events there are for a wait to count from.
        """
        match action:
            case StartWait():
                return self._start_wait(action, there(action) + action.ahead, nursery)
            case CancelWait(number):
                going = list(self.waits)
                wait = going[number % len(going)] if going else None
                if wait is not None:
                    nursery.start_soon(_soon, self.waits[wait].cancel)
                return Started(action, wait=wait)
            case Advance():
                nursery.start_soon(_soon, lambda: self._timeline.advance(action.duration_ms))
                return Started(action)
            case Interrupted(step, after):
                running = self._call(step)
                if after == 0:
                    running.cancel()
                else:
                    nursery.start_soon(_cancel_later, running, after)
                nursery.start_soon(running.run)
                return Started(action, running)
            case CallStep():
                running = self._call(action)
                nursery.start_soon(running.run)
                return Started(action, running)

    async def come_to_rest(
        self, started: Sequence[Started], settle: Callable[[], Awaitable[object]]
    ) -> None:
        """Wait until actions have done what they do, and nothing is under way.

        Raises:
            AssertionError: one of them goes on that must not.
        """
        calls = [each for each in started if not isinstance(each.action, StartWait)]
        for _ in range(_PATIENCE):
            await settle()
            if all(each.running is None or each.running.has_ended for each in calls):
                return
        going = [each.action for each in calls if each.running and not each.running.has_ended]
        raise AssertionError(f"expected {going} to end, got calls that go on")

    def forget_waits(self, but: Container[int]) -> None:
        """Forget the waits that have ended."""
        self.waits = {number: wait for number, wait in self.waits.items() if number in but}

    def look(self, started: Started) -> Seen:
        """What has become of an action."""
        running = started.running
        if running is None:
            return Seen(started.action, wait=started.wait)
        view = self.view(running)
        if isinstance(started.action, StartWait) and not isinstance(view, Refusal):
            view = None
        return Seen(started.action, view, started.wait, started.number, started.deadline_ms)

    def view(self, running: RunningCall) -> object:
        """What has become of a call, as a view."""
        return self._seen(running.end)

    def _seen(self, end: object) -> object:
        if isinstance(end, Raised):
            raise AssertionError(
                f"expected a result or a PluginError, got {type(end.error).__name__}: {end.error}"
            ) from end.error
        return end if isinstance(end, (Refusal, NoResult)) else self._eye.see(end)

    def calls(self, step: CallStep) -> Callable[[], Awaitable[object]]:
        """What makes the call of a step."""
        return lambda: step.call(self.registry, self.leases)

    async def read(self, step: CallStep) -> object:
        """Make a call here and now; returns the view of what came."""
        return self._seen(await outcome_of(self.calls(step)))

    def keep_leases(self, started: Sequence[Started]) -> None:
        """Add what was claimed to the table; called between actions, in their order."""
        for each in started:
            step = each.action.step if isinstance(each.action, Interrupted) else each.action
            if each.running is None or not isinstance(each.running.end, ProcessLease):
                continue
            lease, known = each.running.end, self.leases.claimed
            if type(step).__name__ == "Claim":
                if lease.lease_token in {one.lease_token for one in known}:
                    raise AssertionError(
                        f"expected every claim to have a lease token of its own, got {lease!r} "
                        "a second time"
                    )
                known.append(lease)

    @property
    def tasks_waiting(self) -> int:
        """How many waits go on."""
        return sum(running.end is NoResult.RUNNING for running in self.waits.values())

    def _start_wait(self, action: StartWait, number: int, nursery: trio.Nursery) -> Started:
        deadline_ms = None
        if action.timeout_ms is not None:
            # From now on, whatever happens before the task gets to run.
            deadline_ms = self._timeline.now_ms + patience_ms(action.timeout_ms)
        running = RunningCall(
            lambda: self._wait(action, number),
            math.inf if deadline_ms is None else self._timeline.at(deadline_ms),
        )
        wait = self._waits_started
        self._waits_started += 1
        self.waits[wait] = running
        nursery.start_soon(running.run)
        return Started(action, running, wait, number, deadline_ms)

    async def _wait(self, action: StartWait, number: int) -> object:
        process, registry = action.process, self.registry
        match action.kind:
            case "nth":
                return await registry.wait_event_nth(process, action.type, number)
            case "after":
                return await registry.wait_event_after(process, action.type, number)
            case "next":
                return await registry.wait_next_event(process, number)
            case "end":
                return await registry.await_process(process)
            case other:
                raise ValueError(f"expected a kind of wait, got {other!r}")

    def _call(self, step: CallStep) -> RunningCall:
        return RunningCall(self.calls(step))


async def open_eye(registry: ProcessRegistry) -> Eye:
    """Register the probe, and see what time it is for the registry."""
    record = await registry.register_process(REGISTRATIONS["plain"](PROBE))
    return Eye(record.created_at_ms)


async def _soon(function: Callable[[], object]) -> None:
    function()


async def _cancel_later(running: RunningCall, rounds: int) -> None:
    for _ in range(rounds):
        await trio.lowlevel.cancel_shielded_checkpoint()
    running.cancel()
