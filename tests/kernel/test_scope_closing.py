"""A scope that is being cancelled from outside refuses effects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from lash_trio import (
    EffectError,
    InlineEffectHost,
    JsonValue,
    ListProcesses,
    ScopedEffectController,
    ScopeState,
    SessionScope,
)
from lash_trio.kernel import StartedEffect
from tests.kernel.support import (
    READY,
    TURN,
    RecordingController,
    Registry,
    answer,
    call,
    code_of,
    forever,
    sleep,
)


class Outside(Enum):
    """What cancels the block from outside."""

    DEADLINE = "deadline"
    CANCEL_SCOPE = "cancel scope"
    SIBLING = "dying sibling"


class Caller:
    """Runs the block of a scope where it can be cancelled from outside."""

    def __init__(self, outside: Outside) -> None:
        self.controller = RecordingController()
        self.host = InlineEffectHost(self.controller)
        self._outside = outside
        self._cancel_scope = trio.CancelScope()
        self._die = trio.Event()

    async def run(self, block: Callable[[ScopedEffectController], Awaitable[None]]) -> None:
        scope = self.host.scoped(TURN)
        try:
            with self._cancel_scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._sibling)
                    async with scope:
                        await block(scope)
                    nursery.cancel_scope.cancel()
        except* ZeroDivisionError:
            pass
        assert scope.state is ScopeState.CLOSED

    def cancel(self) -> None:
        match self._outside:
            case Outside.DEADLINE:
                self._cancel_scope.deadline = trio.current_time()
            case Outside.CANCEL_SCOPE:
                self._cancel_scope.cancel()
            case Outside.SIBLING:
                self._die.set()

    async def _sibling(self) -> None:
        await self._die.wait()
        raise ZeroDivisionError


Ask = Callable[[ScopedEffectController, Registry], Awaitable[object]]


async def start(scope: ScopedEffectController, _: Registry) -> None:
    scope.start_effect(*call(answer, "refused"))


ASKED: dict[str, Ask] = {
    "start_effect": start,
    "execute_effect": lambda scope, _: scope.execute_effect(*call(answer, "refused")),
    "sleep": lambda scope, _: scope.sleep(0),
    "step": lambda scope, _: scope.step("refused", answer),
    "await_event": lambda scope, registry: scope.await_event(registry, "p1", READY, 1),
    "process": lambda scope, registry: scope.process(
        registry, ListProcesses(session_scope=SessionScope(session_id="s1"))
    ),
}


@pytest.fixture(params=list(Outside), ids=lambda outside: outside.value)
def outside(request: pytest.FixtureRequest) -> Outside:
    assert isinstance(request.param, Outside)
    return request.param


@pytest.fixture(params=list(ASKED))
def ask(request: pytest.FixtureRequest) -> Ask:
    return ASKED[request.param]


@pytest.mark.parametrize("shield", [False, True])
async def test_an_effect_asked_in_finally_is_refused(
    outside: Outside, ask: Ask, shield: bool, registry: Registry
) -> None:
    codes: list[str] = []
    caller = Caller(outside)

    async def block(scope: ScopedEffectController) -> None:
        try:
            caller.cancel()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=shield):
                codes.append(await code_of(ask(scope, registry)))

    await caller.run(block)
    assert codes == ["effect_scope_closed"]
    assert caller.controller.seen == []


async def test_it_is_refused_in_a_handler_of_a_group_too(
    outside: Outside, ask: Ask, registry: Registry
) -> None:
    codes: list[str] = []
    caller = Caller(outside)

    async def block(scope: ScopedEffectController) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                caller.cancel()
        finally:
            codes.append(await code_of(ask(scope, registry)))

    await caller.run(block)
    assert codes == ["effect_scope_closed"]
    assert caller.controller.seen == []


async def test_it_is_refused_right_after_entry(ask: Ask, registry: Registry) -> None:
    # The cancellation comes in the one step that the scope takes to open.
    codes: list[str] = []
    controller = RecordingController()

    class CancelAtEntry(trio.abc.Instrument):
        def task_spawned(self, task: trio.lowlevel.Task) -> None:
            if "_watch_outer_cancellation" in task.name:
                outer.cancel()

    instrument = CancelAtEntry()
    trio.lowlevel.add_instrument(instrument)
    with trio.CancelScope() as outer:
        async with InlineEffectHost(controller).scoped(TURN) as scope:
            assert outer.cancel_called
            try:
                await trio.lowlevel.checkpoint()
            finally:
                codes.append(await code_of(ask(scope, registry)))
    trio.lowlevel.remove_instrument(instrument)
    assert codes == ["effect_scope_closed"]
    assert controller.seen == []


async def test_an_effect_that_unwinds_is_refused_its_own(outside: Outside) -> None:
    codes: list[str] = []
    caller = Caller(outside)

    async def block(scope: ScopedEffectController) -> None:
        async def effect() -> JsonValue:
            try:
                return await forever()
            finally:
                with trio.CancelScope(shield=True):
                    codes.append(await code_of(scope.execute_effect(*sleep(0, "refused"))))

        scope.start_effect(*call(effect))
        await wait_all_tasks_blocked()
        caller.cancel()
        await trio.sleep_forever()

    await caller.run(block)
    assert codes == ["effect_scope_closed"]
    assert caller.controller.seen == ["k1"]


async def test_a_task_that_was_not_told_yet_hears_of_it_as_cancelled(
    ask: Ask, registry: Registry
) -> None:
    # An error in place of Cancelled would go through the cancel scope of the caller.
    controller = RecordingController()
    with trio.CancelScope() as outer:
        async with InlineEffectHost(controller).scoped(TURN) as scope:
            outer.cancel()
            assert scope.state is ScopeState.CLOSING
            await ask(scope, registry)
            await trio.sleep_forever()
    assert outer.cancelled_caught
    assert controller.seen == []


async def test_a_deadline_that_meets_a_result_does_not_become_an_error() -> None:
    # The task of the block goes on with a result, when the deadline has passed already.
    gate = trio.Event()

    async def wait_for_gate() -> JsonValue:
        await gate.wait()
        return None

    with trio.CancelScope() as deadline:
        async with InlineEffectHost().scoped(TURN) as scope:

            async def pass_both() -> None:
                await wait_all_tasks_blocked()
                gate.set()
                deadline.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(pass_both)
                await scope.execute_effect(*call(wait_for_gate))
                await scope.execute_effect(*call(answer, "k2"))
            raise AssertionError("not reached")
    assert deadline.cancelled_caught


async def test_the_handle_of_an_effect_that_never_began() -> None:
    controller = RecordingController()
    handles: list[StartedEffect] = []
    with trio.CancelScope() as outer:
        async with InlineEffectHost(controller).scoped(TURN) as scope:
            outer.cancel()
            handles.append(scope.start_effect(*call(answer)))
            await handles[0].result()
    assert outer.cancelled_caught
    assert handles[0].done
    assert repr(handles[0]) == "<effect 'k1' abandoned>"
    handles[0].cancel("too late")
    assert await code_of(handles[0].result()) == "effect_scope_closed"
    assert controller.seen == []


async def test_a_shielded_block_is_refused() -> None:
    # It will not be told, so there is nothing else that it could hear.
    controller = RecordingController()
    with trio.CancelScope() as outer:
        async with InlineEffectHost(controller).scoped(TURN) as scope:
            outer.cancel()
            with trio.CancelScope(shield=True):
                assert await code_of(scope.execute_effect(*call(answer))) == "effect_scope_closed"
                with pytest.raises(EffectError) as caught:
                    scope.start_effect(*call(answer))
                assert caught.value.code == "effect_scope_closed"
                assert "the durable_step effect 'k1' needs the scope 't1'" in caught.value.message
    assert controller.seen == []


async def test_a_closed_scope_refuses(ask: Ask, registry: Registry) -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        pass
    assert await code_of(ask(scope, registry)) == "effect_scope_closed"


async def test_a_closed_scope_starts_nothing_for_a_cancelled_task() -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        pass
    with trio.CancelScope() as outer:
        outer.cancel()
        with pytest.raises(EffectError) as caught:
            scope.start_effect(*call(answer))
        await trio.lowlevel.checkpoint()
    assert caught.value.code == "effect_scope_closed"


async def test_a_refusal_is_a_checkpoint(ask: Ask, registry: Registry) -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        pass
    if ask is not start:
        with assert_checkpoints():
            await code_of(ask(scope, registry))


async def test_a_refusal_of_a_task_that_unwinds_lets_others_run() -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        pass
    task = trio.lowlevel.current_task()
    with trio.CancelScope() as outer:
        outer.cancel()
        try:
            await trio.lowlevel.checkpoint()
        finally:
            steps = task._schedule_points
            assert await code_of(scope.sleep(0)) == "effect_scope_closed"
            assert task._schedule_points == steps + 1


async def test_a_cancellation_inside_the_block_does_not_close_the_scope() -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        sibling = scope.start_effect(*call(answer, "k1"))
        with trio.CancelScope() as inside:
            inside.cancel()
            try:
                await scope.execute_effect(*call(answer, "k2"))
            finally:
                assert repr(scope) == "<turn scope 't1' open>"
        assert inside.cancelled_caught
        with trio.move_on_after(0):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
        assert repr(scope) == "<turn scope 't1' open>"
        await scope.execute_effect(*call(answer, "k3"))
        await sibling.result()
    assert scope.state is ScopeState.CLOSED


async def test_an_effect_in_a_finally_of_an_inner_cancellation_runs() -> None:
    async with InlineEffectHost().scoped(TURN) as scope:
        with trio.CancelScope() as inside:
            inside.cancel()
            try:
                await trio.lowlevel.checkpoint()
            finally:
                with trio.CancelScope(shield=True):
                    outcome = await scope.execute_effect(*call(answer))
        assert outcome.kind == "durable_step"
