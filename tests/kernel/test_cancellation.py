"""Every way of cancelling an effect, and all pairs of ways, at every moment of its life.

The rule stands once, in :func:`expected`; the rest of the module makes it happen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    AwaitProcess,
    EffectError,
    EffectKind,
    InlineEffectHost,
    JsonValue,
    ScopedEffectController,
    ScopeState,
)
from lash_trio.kernel import StartedEffect
from tests.kernel.support import (
    TURN,
    Effect,
    RecordingController,
    Registry,
    await_ready,
    call,
    forever,
    process,
    ready,
    sleep,
)


class Way(Enum):
    """How the effect is cancelled."""

    HANDLE = "handle.cancel"
    SCOPE = "scope.cancel"
    DEADLINE = "deadline"
    OUTER = "cancel-scope"
    SIBLING = "dying-sibling"
    LEAVE = "leaving"


class Form(Enum):
    """How the effect is asked for."""

    START = "start"
    EXECUTE = "execute"
    ELSEWHERE = "execute-elsewhere"
    """By a task outside the scope's nursery, though inside the outer cancel scopes."""


class Moment(Enum):
    """When the effect is cancelled."""

    BEFORE = "before"
    ASKED = "asked"
    """In the very step that started it, so that its task has not begun."""
    RUNNING = "running"
    TICK_CANCEL = "same-tick-cancel-first"
    TICK_RESULT = "same-tick-result-first"
    AFTER = "after"


REQUESTED = (Way.HANDLE, Way.SCOPE)
RAISING = (Way.SIBLING, Way.LEAVE)
"""Ways that take the end of a task's step; the others act within one."""
WAYS = {
    Form.START: tuple(Way),
    Form.EXECUTE: (Way.SCOPE, Way.DEADLINE, Way.OUTER, Way.SIBLING),
    Form.ELSEWHERE: (Way.SCOPE, Way.DEADLINE, Way.OUTER, Way.SIBLING, Way.LEAVE),
}
CODES = {
    EffectKind.SLEEP: "runtime_effect_sleep_cancelled",
    EffectKind.AWAIT_EVENT: "runtime_effect_await_event_cancelled",
    EffectKind.DURABLE_STEP: "runtime_effect_cancelled",
    EffectKind.PROCESS: "runtime_effect_cancelled",
}


@attrs.frozen
class Case:
    form: Form
    kind: EffectKind
    moment: Moment
    ways: tuple[Way, ...]

    def __str__(self) -> str:
        ways = "+".join(way.value for way in self.ways)
        return f"{self.form.value}-{self.kind}-{self.moment.value}-{ways}"


def expected(case: Case) -> str:
    """The rule: how the effect ends, for who asked for it.

    A result that is there wins.  Otherwise what came from outside wins: the task
    that executes the effect gets Cancelled, and who asks the handle later hears
    that the scope is closed.  Otherwise the effect ends with the code of its kind.
    """
    # What a sleep waits for is the cancellation of trio's own scope; its result is
    # there when its task has run, and not yet when the time has come.
    at_once = case.kind is not EffectKind.SLEEP
    if case.moment is Moment.AFTER or (case.moment is Moment.TICK_RESULT and at_once):
        return "outcome"
    from_outside = set(case.ways) - set(REQUESTED)
    if case.form is Form.ELSEWHERE:
        # Leaving is nothing from outside for another task.  It reaches its effects
        # last, when those of the scope's nursery have ended; after that the scope
        # is closed.
        from_outside.discard(Way.LEAVE)
        if not from_outside and (
            case.ways == (Way.LEAVE,) or (Way.LEAVE in case.ways and case.moment is Moment.BEFORE)
        ):
            return "effect_scope_closed"
    if from_outside:
        return "effect_scope_closed" if case.form is Form.START else "Cancelled"
    return CODES[case.kind]


def first_reason(case: Case) -> str:
    """Whose reason stands in the text of a requested cancellation: the first one's."""
    ways = [way for way in case.ways if way in REQUESTED]
    if case.moment is Moment.BEFORE:
        # There is no handle yet when the scope is cancelled.
        ways.sort(key=lambda way: way is Way.HANDLE)
    return f"because of {ways[0].value}"


class Left(Exception):
    pass


class Died(Exception):
    pass


class World:
    """A caller with a scope in its nursery, and a conductor outside of all that."""

    def __init__(self, case: Case, registry: Registry, clock: MockClock) -> None:
        self.case = case
        self.registry = registry
        self.clock = clock
        self.controller = RecordingController()
        self.deadline = trio.CancelScope()
        self.outer = trio.CancelScope()
        self.opened = trio.Event()
        self.go = trio.Event()
        self.asked = trio.Event()
        self.ended = trio.Event()
        self.die = trio.Event()
        self.leave = trio.Event()
        self.finish = trio.Event()
        self.gate = trio.Event()
        self.completed = False
        self.handle: StartedEffect | None = None
        self.scope: ScopedEffectController | None = None
        self.ending: str | EffectError | None = None

    # The effect.

    def effect(self) -> Effect:
        match self.case.kind:
            case EffectKind.SLEEP:
                return sleep(1)
            case EffectKind.AWAIT_EVENT:
                return await_ready(self.registry)
            case EffectKind.PROCESS:
                return process(self.registry, AwaitProcess(process_id="p1"))
            case _:
                return call(self.wait_for_gate)

    async def wait_for_gate(self) -> JsonValue:
        await self.gate.wait()
        return None

    def complete(self) -> None:
        """Let the effect end; in this very step, and once."""
        if self.completed:
            return
        self.completed = True
        match self.case.kind:
            case EffectKind.SLEEP:
                self.clock.jump(1)
            case EffectKind.AWAIT_EVENT:
                self.registry.append_now(ready())
            case EffectKind.PROCESS:
                self.registry.end_now()
            case _:
                self.gate.set()

    # The ways.

    def cancel(self, *ways: Way) -> None:
        for way in ways:
            match way:
                case Way.HANDLE:
                    assert self.handle is not None
                    self.handle.cancel("because of handle.cancel")
                case Way.SCOPE:
                    assert self.scope is not None
                    self.scope.cancel("because of scope.cancel")
                case Way.DEADLINE:
                    self.deadline.deadline = trio.current_time()
                    # To look at it makes it fire, and not only in the next tick.
                    assert self.deadline.cancel_called
                case Way.OUTER:
                    self.outer.cancel()
                case Way.SIBLING:
                    self.die.set()
                case Way.LEAVE:
                    self.leave.set()

    def act(self) -> None:
        """All that happens within one step."""
        if self.case.moment is Moment.BEFORE:
            return  # the conductor has done it
        if self.case.moment is Moment.TICK_RESULT:
            self.complete()
        self.cancel(*(way for way in self.case.ways if way not in RAISING))

    # The tasks.

    async def run(self) -> str | EffectError:
        with trio.fail_after(60):
            async with trio.open_nursery() as outside:
                outside.start_soon(self.caller)
                await self.opened.wait()
                await self.conduct()
                self.finish.set()
            if self.handle is not None:
                await self.watch_result()
        assert self.scope is not None
        assert self.scope.state is ScopeState.CLOSED
        assert self.ending is not None
        return self.ending

    async def conduct(self) -> None:
        match self.case.moment:
            case Moment.BEFORE:
                late = {Way.HANDLE} | ({Way.LEAVE} if self.case.form is Form.START else set())
                self.cancel(*(way for way in self.case.ways if way not in late))
                await wait_all_tasks_blocked()
                self.go.set()
                await wait_all_tasks_blocked()
                return
            case Moment.ASKED:
                return
            case Moment.AFTER:
                await wait_all_tasks_blocked()
                self.complete()
        await wait_all_tasks_blocked()
        raising = [way for way in self.case.ways if way in RAISING]
        if raising:
            # They act in the step in which they raise.
            self.cancel(*raising)
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
        else:
            self.act()
        if self.case.moment is Moment.TICK_CANCEL:
            self.complete()
        await wait_all_tasks_blocked()

    async def caller(self) -> None:
        host = InlineEffectHost(self.controller)
        try:
            with self.deadline, self.outer:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.sibling)
                    if self.case.form is Form.ELSEWHERE:
                        nursery.start_soon(self.execute)
                    with suppress(Left):
                        async with host.scoped(TURN) as self.scope:
                            self.opened.set()
                            await self.block()
                    await self.ended.wait()
                    nursery.cancel_scope.cancel()
        except* Died:
            pass

    async def sibling(self) -> None:
        await self.die.wait()
        self.act()
        raise Died

    async def block(self) -> None:
        match self.case.form:
            case Form.START:
                await self.start()
            case Form.EXECUTE:
                await self.execute()
        if Way.LEAVE in self.case.ways:
            await self.leave.wait()
            self.act()
            raise Left
        await self.finish.wait()

    async def start(self) -> None:
        assert self.scope is not None
        await self.wait_to_ask()
        self.handle = self.scope.start_effect(*self.effect())
        self.ended.set()
        match self.case.moment:
            case Moment.BEFORE if Way.HANDLE in self.case.ways:
                self.cancel(Way.HANDLE)
            case Moment.ASKED:
                self.act()
        if Way.LEAVE in self.case.ways and self.case.moment in (Moment.BEFORE, Moment.ASKED):
            raise Left

    async def execute(self) -> None:
        await self.wait_to_ask()
        assert self.scope is not None
        try:
            await self.scope.execute_effect(*self.effect())
        except EffectError as error:
            self.ending = error
        except trio.Cancelled:
            self.ending = "Cancelled"
            raise
        else:
            self.ending = "outcome"
        finally:
            self.ended.set()

    async def wait_to_ask(self) -> None:
        if self.case.moment is Moment.BEFORE:
            with trio.CancelScope(shield=True):
                await self.go.wait()
        else:
            await self.opened.wait()

    async def watch_result(self) -> None:
        assert self.handle is not None
        assert self.handle.done
        try:
            await self.handle.result()
        except EffectError as error:
            self.ending = error
        else:
            self.ending = "outcome"


def sets_of_ways(form: Form) -> Iterator[tuple[Way, ...]]:
    """Each way, and all pairs; in both orders where a step has an order."""
    for way in WAYS[form]:
        yield (way,)
    for pair in itertools.permutations(WAYS[form], 2):
        raising = [way in RAISING for way in pair]
        if not any(raising) or raising == [False, True] or pair == RAISING:
            yield pair


def cases() -> Iterator[Case]:
    for form, kind, moment in itertools.product(Form, CODES, Moment):
        if moment is Moment.ASKED and form is not Form.START:
            continue
        for ways in sets_of_ways(form):
            if moment is Moment.ASKED and Way.SIBLING in ways:
                continue  # it cannot die in the step of the block
            tick = moment in (Moment.TICK_CANCEL, Moment.TICK_RESULT)
            if tick and form is Form.ELSEWHERE and Way.LEAVE in ways:
                continue  # it reaches the effect some ticks later
            yield Case(form, kind, moment, ways)


@pytest.mark.parametrize("case", tuple(cases()), ids=str)
async def test_cancellation(case: Case, registry: Registry, mock_clock: MockClock) -> None:
    world = World(case, registry, mock_clock)
    ending = await world.run()
    if isinstance(ending, EffectError):
        assert ending.code == expected(case)
        if ending.code == CODES[case.kind]:
            assert ending.message == (
                f"the {case.kind} effect 'k1' was cancelled: {first_reason(case)}"
            )
    else:
        assert ending == expected(case)
    assert world.controller.recorded == (["k1"] if expected(case) == "outcome" else [])
    begins = case.moment not in (Moment.BEFORE, Moment.ASKED)
    assert world.controller.seen == (["k1"] if begins else [])
    assert registry.statistics().tasks_waiting == 0


class UnwindingWorld(World):
    """The effect takes its time to unwind, and the second way comes meanwhile."""

    def __init__(self, case: Case, registry: Registry, clock: MockClock) -> None:
        super().__init__(case, registry, clock)
        self.release = trio.Event()

    async def wait_for_gate(self) -> JsonValue:
        try:
            return await super().wait_for_gate()
        finally:
            with trio.CancelScope(shield=True):
                await self.release.wait()

    def act(self) -> None:
        pass

    async def conduct(self) -> None:
        for way in self.case.ways:
            await wait_all_tasks_blocked()
            self.cancel(way)
        await wait_all_tasks_blocked()
        assert self.ending is None
        assert self.handle is None or not self.handle.done
        self.release.set()
        await wait_all_tasks_blocked()


def unwinding_cases() -> Iterator[Case]:
    for form in (Form.START, Form.EXECUTE):
        for first, second in itertools.permutations(WAYS[form], 2):
            if second is Way.LEAVE and first not in REQUESTED:
                continue  # the block has been left already
            yield Case(form, EffectKind.DURABLE_STEP, Moment.RUNNING, (first, second))


@pytest.mark.parametrize("case", tuple(unwinding_cases()), ids=str)
async def test_the_rule_holds_to_the_end_of_unwinding(
    case: Case, registry: Registry, mock_clock: MockClock
) -> None:
    world = UnwindingWorld(case, registry, mock_clock)
    ending = await world.run()
    if isinstance(ending, EffectError):
        assert ending.code == expected(case)
        assert ending.code != CODES[case.kind] or first_reason(case) in ending.message
    else:
        assert ending == expected(case)
    assert world.controller.recorded == []


async def test_cancelled_passes_through_untouched() -> None:
    seen: list[trio.Cancelled] = []

    async def effect() -> JsonValue:
        try:
            return await forever()
        except trio.Cancelled as cancelled:
            seen.append(cancelled)
            raise

    with trio.CancelScope() as outer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_when_blocked, outer)
            try:
                async with InlineEffectHost().scoped(TURN) as scope:
                    try:
                        await scope.execute_effect(*call(effect))
                    except trio.Cancelled as cancelled:
                        seen.append(cancelled)
                        raise
            except trio.Cancelled as cancelled:
                seen.append(cancelled)
                raise
    assert outer.cancelled_caught
    in_the_effect, at_the_caller, behind_the_block = seen
    assert in_the_effect is at_the_caller is behind_the_block


async def cancel_when_blocked(cancel_scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    cancel_scope.cancel()
