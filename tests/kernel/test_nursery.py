"""Nurseries of a scope: keys of their own for children, and otherwise trio's."""

# What leaves a nursery has to be caught around the nursery.
# ruff: noqa: PT012

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import EffectError, EffectNursery, InlineEffectHost, ScopedEffectController
from tests.kernel.support import TURN, RecordingController, answer, code_of

HOST = InlineEffectHost()


async def tree(scope: ScopedEffectController, rng: random.Random) -> None:
    """Steps, nurseries and nested nurseries, of tasks that dawdle as the dice say."""

    async def dawdle() -> None:
        for _ in range(rng.randrange(6)):
            await trio.lowlevel.checkpoint()

    async def leaf(name: str) -> None:
        await dawdle()
        await scope.step(name, answer)
        await dawdle()
        await scope.step(name, answer)

    async def branch() -> None:
        await scope.step("before", answer)
        for _ in range(2):
            async with scope.open_nursery() as inner:
                for name in ("left", "right"):
                    inner.start_soon(leaf, name)
                    await dawdle()
        await scope.step("behind", answer)

    async with scope.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(branch)
        nursery.start_soon(leaf, "alone")
        await scope.step("in the block", answer)
        await dawdle()
        nursery.start_soon(leaf, "late")


async def run_tree(seed: int) -> list[str]:
    controller = RecordingController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        await tree(scope, random.Random(seed))
    return controller.seen


async def test_keys_do_not_depend_on_the_order_in_which_tasks_run() -> None:
    runs = [await run_tree(seed) for seed in range(20)]
    # The orders differ, or this would show nothing.
    assert len({tuple(run) for run in runs}) > 1
    assert len({tuple(sorted(run)) for run in runs}) == 1
    keys = runs[0]
    assert len(set(keys)) == len(keys)
    assert {
        "in the block#1",
        "nursery#1.1/before#1",
        "nursery#1.3/behind#1",
        "nursery#1.2/nursery#1.1/left#2",
        "nursery#1.2/nursery#2.2/right#1",
        "nursery#1.4/alone#2",
        "nursery#1.5/late#1",
    } <= set(keys)


async def test_a_step_may_be_called_nursery() -> None:
    controller = RecordingController()
    async with InlineEffectHost(controller).scoped(TURN) as scope:
        await scope.step("nursery", answer)
        async with scope.open_nursery() as nursery:
            nursery.start_soon(scope.step, "nursery", answer)
        await scope.step("nursery", answer)
    assert controller.seen == ["nursery#1", "nursery#2.1/nursery#1", "nursery#3"]


async def test_children_run_side_by_side(autojump_clock: MockClock) -> None:
    async with HOST.scoped(TURN) as scope:
        async with scope.open_nursery() as nursery:
            nursery.start_soon(scope.sleep, 3)
            nursery.start_soon(scope.sleep, 2)
        assert trio.current_time() == 3


async def test_errors_leave_in_groups_as_they_leave_trios() -> None:
    async def fail() -> None:
        raise KeyError("child")

    async with HOST.scoped(TURN) as scope:
        with pytest.raises(ExceptionGroup) as caught:
            async with scope.open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(trio.sleep_forever)
        assert [repr(error) for error in caught.value.exceptions] == ["KeyError('child')"]
        with pytest.raises(ExceptionGroup) as caught:
            async with scope.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise IndexError("block")
        assert [repr(error) for error in caught.value.exceptions] == ["IndexError('block')"]


async def test_its_cancel_scope_is_around_the_children() -> None:
    async with HOST.scoped(TURN) as scope:
        async with scope.open_nursery() as nursery:
            nursery.start_soon(scope.sleep, 1_000_000)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert nursery.cancel_scope.cancelled_caught
        # It is inside the block, so the scope is open still.
        await scope.sleep(0)


async def test_only_the_task_that_opened_it_starts_children() -> None:
    async def start(nursery: EffectNursery) -> None:
        with pytest.raises(EffectError) as caught:
            nursery.start_soon(scope.sleep, 0)
        assert caught.value.code == "effect_path_shared"
        assert "only the task that opened a nursery" in caught.value.message

    async def start_from_a_plain_child(nursery: EffectNursery) -> None:
        with pytest.raises(EffectError) as caught:
            nursery.start_soon(scope.sleep, 0)
        assert caught.value.code == "effect_path_shared"

    async with HOST.scoped(TURN) as scope, scope.open_nursery() as nursery:
        nursery.start_soon(start, nursery)
        async with trio.open_nursery() as plain:
            plain.start_soon(start_from_a_plain_child, nursery)


async def test_a_plain_child_of_a_child_is_refused() -> None:
    codes: list[str] = []
    async with HOST.scoped(TURN) as scope:

        async def grandchild() -> None:
            codes.append(await code_of(scope.sleep(0)))

        async def child() -> None:
            await scope.sleep(0)
            async with trio.open_nursery() as plain:
                plain.start_soon(grandchild)
            await scope.sleep(0)

        async with scope.open_nursery() as nursery:
            nursery.start_soon(child)
    assert codes == ["effect_path_shared"]


async def test_a_child_has_a_name() -> None:
    names: list[str] = []

    async def note() -> None:
        names.append(trio.lowlevel.current_task().name)

    async with HOST.scoped(TURN) as scope, scope.open_nursery() as nursery:
        nursery.start_soon(note, name="mine")
        nursery.start_soon(note)
    assert names[:1] == ["mine"] or names[1:] == ["mine"]
    assert any(name.endswith("test_a_child_has_a_name.<locals>.note") for name in names)


async def test_the_paths_of_ended_children_are_forgotten() -> None:
    async with HOST.scoped(TURN) as scope:
        async with scope.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(scope.sleep, 0)
        with pytest.raises(ExceptionGroup):
            async with scope.open_nursery() as nursery:
                nursery.start_soon(int, "no async function")  # type: ignore[arg-type]
        assert scope._paths._children == {}
