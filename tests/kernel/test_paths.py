"""Structural keys: the path of a task, the name, and its occurrence there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from lash_trio import EffectError, InlineEffectHost, ScopedEffectController
from lash_trio.kernel import TaskPath
from tests.kernel.support import TURN, RecordingController, answer, call, code_of


def test_a_key_is_the_path_the_name_and_its_occurrence() -> None:
    path = TaskPath("nursery#1.2/")
    assert path.next("fetch") == "nursery#1.2/fetch#1"
    assert path.next("store") == "nursery#1.2/store#1"
    assert path.peek("fetch") == "nursery#1.2/fetch#2"
    assert path.peek("fetch") == path.next("fetch")
    assert path.next("fetch") == "nursery#1.2/fetch#3"


def test_no_two_names_share_a_key() -> None:
    names = ["a", "a#1", "a/b", "a%2Fb", "a%23", "a#", "%", "%25", "nursery#1.1/a", "", " ", "ä"]
    keys = {TaskPath().next(name) for name in names}
    assert len(keys) == len(names)
    # Nor does a name look like the key of another path.
    assert TaskPath("nursery#1.1/").next("a") not in keys
    assert all(key.count("#") == 1 and "/" not in key for key in keys)


async def test_keys_of_a_scope_follow_the_task_of_the_block() -> None:
    controller = RecordingController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        await scope.sleep(0)
        await scope.step("quote", answer)
        await scope.step("quote", answer)
        await scope.sleep(0, "sleep")
        await scope.sleep(0, "a/b")
        assert scope.path is scope.path
    assert controller.seen == ["sleep#1", "quote#1", "quote#2", "sleep#2", "a%2Fb#1"]


async def test_an_executed_effect_keeps_the_path_of_its_task() -> None:
    controller = RecordingController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:

        async def outer() -> int:
            await scope.sleep(0)
            return 1

        await scope.step("outer", outer)
        await scope.sleep(0)
    assert controller.seen == ["outer#1", "sleep#1", "sleep#2"]


async def test_a_path_is_not_shared_between_two_tasks() -> None:
    controller = RecordingController()
    errors: list[EffectError] = []
    async with InlineEffectHost(controller).scoped(TURN) as scope:

        async def child() -> None:
            try:
                await scope.sleep(0)
            except EffectError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, name="a plain child")
        await scope.sleep(0)
    (error,) = errors
    assert error.code == "effect_path_shared"
    assert error.message.startswith("the task a plain child uses the path of the task ")
    assert "Start it with open_nursery() of the scope or context" in error.message
    assert controller.seen == ["sleep#1"]


@pytest.mark.parametrize("first", ["block", "child"])
async def test_a_plain_child_is_refused_whoever_is_first(first: str) -> None:
    # Else the keys would depend on which child comes first, and on when it ends.
    async with InlineEffectHost().scoped(TURN) as scope:
        if first == "block":
            await scope.sleep(0)
        for ask in conveniences(scope):
            codes: list[str] = []

            async def child(ask: Ask = ask, codes: list[str] = codes) -> None:
                codes.append(await code_of(ask()))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
            assert codes == ["effect_path_shared"]
        await scope.sleep(0)


Ask = Callable[[], Awaitable[object]]


def conveniences(scope: ScopedEffectController) -> list[Ask]:
    async def open_nursery() -> None:
        async with scope.open_nursery():
            pass

    return [lambda: scope.sleep(0), lambda: scope.step("a", answer), open_nursery]


async def test_a_started_effect_has_no_path() -> None:
    # Two of them would share one; what they ask for needs keys of the caller's.
    async with InlineEffectHost().scoped(TURN) as scope:
        handle = scope.start_effect(*call(lambda: scope.step("inner", answer)))
        assert await code_of(handle.result()) == "effect_path_shared"


async def test_two_scopes_have_paths_of_their_own() -> None:
    first, second = RecordingController(), RecordingController()
    async with InlineEffectHost(first).scoped(TURN) as one:
        async with InlineEffectHost(second).scoped(TURN) as two:
            await one.sleep(0)
            await two.sleep(0)
            async with one.open_nursery() as nursery:
                nursery.start_soon(one.sleep, 0)
    assert first.seen == ["sleep#1", "nursery#1.1/sleep#1"]
    assert second.seen == ["sleep#1"]
