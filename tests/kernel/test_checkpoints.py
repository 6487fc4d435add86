"""Every public async function is a checkpoint, also when it need not wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

import attrs
import pytest
import trio
from trio.testing import assert_checkpoints

from lash_trio import (
    AwaitProcess,
    CancelProcess,
    InlineEffectController,
    InlineEffectHost,
    ListProcesses,
    ProcessAwaitOutput,
    ScopedEffectController,
    SessionScope,
    request_process_cancel,
)
from lash_trio.abc import EffectHandle
from lash_trio.kernel import EventWaiters, run_process_command
from tests.kernel.support import (
    READY,
    TURN,
    Registry,
    answer,
    await_ready,
    call,
    process,
    ready,
    sleep,
)

CANCEL = CancelProcess(process_id="p1")
AWAIT = AwaitProcess(process_id="p1")
LIST = ListProcesses(session_scope=SessionScope(session_id="s1"))


@attrs.frozen
class World:
    """An open scope, an ended effect, and a registry in which nothing has to be waited for."""

    scope: ScopedEffectController
    nursery: trio.Nursery
    ended: EffectHandle
    registry: Registry


@pytest.fixture
async def world(registry: Registry) -> AsyncGenerator[World, None]:
    await registry.append_event("p1", ready("here"))
    await registry.complete_process("p1", ProcessAwaitOutput.success("ended"))
    async with trio.open_nursery() as nursery:
        async with InlineEffectHost().scoped(TURN) as scope:
            ended = scope.start_effect(*call(answer))
            await ended.result()
            yield World(scope, nursery, ended, registry)
        nursery.cancel_scope.cancel()


async def return_none() -> None:
    return None


async def open_and_leave(_: World) -> None:
    async with InlineEffectHost().scoped(TURN):
        pass


async def aclose(world: World) -> None:
    scope = await InlineEffectHost().scoped_in(world.nursery, TURN)
    await scope.aclose()


async def aclose_again(world: World) -> None:
    with trio.CancelScope(shield=True):
        scope = await InlineEffectHost().scoped_in(world.nursery, TURN)
        await scope.aclose()
    await scope.aclose()


async def found(_: World) -> None:
    async def look() -> str:
        return "found"

    await EventWaiters().wait("p1", (READY, 1), look)


async def path_of_own(world: World, ask: Callable[[], Awaitable[object]]) -> None:
    # A fixture's scope belongs to the fixture's task.
    world.scope._paths.own_root()
    await ask()


FUNCTIONS: dict[str, Callable[[World], Awaitable[object]]] = {
    "opening and leaving": open_and_leave,
    "execute_effect, sleep": lambda w: w.scope.execute_effect(*sleep(0)),
    "execute_effect, call": lambda w: w.scope.execute_effect(*call(return_none)),
    "execute_effect, await_event": lambda w: w.scope.execute_effect(*await_ready(w.registry)),
    "execute_effect, process write": lambda w: w.scope.execute_effect(*process(w.registry, CANCEL)),
    "execute_effect, process read": lambda w: w.scope.execute_effect(*process(w.registry, LIST)),
    "execute_effect, process await": lambda w: w.scope.execute_effect(*process(w.registry, AWAIT)),
    "sleep": lambda w: path_of_own(w, lambda: w.scope.sleep(0)),
    "step": lambda w: path_of_own(w, lambda: w.scope.step("a", return_none)),
    "await_event": lambda w: path_of_own(
        w, lambda: w.scope.await_event(w.registry, "p1", READY, 1)
    ),
    "process": lambda w: path_of_own(w, lambda: w.scope.process(w.registry, LIST)),
    "result": lambda w: w.ended.result(),
    "scoped_in": lambda w: InlineEffectHost().scoped_in(w.nursery, TURN),
    "aclose": aclose,
    "aclose again": aclose_again,
    "controller, call": lambda _: InlineEffectController().execute_effect(*call(return_none)),
    "controller, process": lambda w: InlineEffectController().execute_effect(
        *process(w.registry, LIST)
    ),
    "executor, sleep": lambda _: sleep(0)[1].execute(sleep(0)[0]),
    "executor, await_event": lambda w: await_ready(w.registry)[1].execute(
        await_ready(w.registry)[0]
    ),
    "run_process_command, write": lambda w: run_process_command(w.registry, CANCEL),
    "run_process_command, read": lambda w: run_process_command(w.registry, AWAIT),
    "request_process_cancel": lambda w: request_process_cancel(w.registry, "p1", None),
    "EventWaiters.wait": found,
}


@pytest.fixture(params=list(FUNCTIONS))
def function(request: pytest.FixtureRequest) -> Callable[[World], Awaitable[object]]:
    return FUNCTIONS[request.param]


async def test_it_is_a_checkpoint(
    world: World, function: Callable[[World], Awaitable[object]]
) -> None:
    with assert_checkpoints():
        await function(world)


async def test_it_raises_cancelled_where_it_is_cancelled(
    world: World, function: Callable[[World], Awaitable[object]]
) -> None:
    with trio.CancelScope() as cancel_scope:
        cancel_scope.cancel()
        await function(world)
        raise AssertionError("it has no cancellation point")
    assert cancel_scope.cancelled_caught


async def test_to_wait_for_a_request_to_close_is_a_checkpoint() -> None:
    async with trio.open_nursery() as nursery:
        scope = await InlineEffectHost().scoped_in(nursery, TURN)
        await scope.aclose()
        with assert_checkpoints():
            await scope.wait_close_requested()
