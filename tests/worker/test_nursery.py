"""Nurseries of a process: keys, groups, and who holds the running slot."""

from __future__ import annotations

import pytest
import trio

from lash_trio import (
    EffectError,
    EffectErrorCode,
    JsonValue,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    StepError,
    WorkerOptions,
)

from .support import HookedRegistry, register, result_of, send, settled, worker, working

ONE_AT_A_TIME = WorkerOptions(max_running=1)


async def test_children_run_side_by_side(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        async with ctx.open_nursery() as nursery:
            for seconds in (3, 1, 2):
                nursery.start_soon(ctx.sleep, seconds)
        return trio.current_time()

    assert await result_of(registry, definitions, p) == 3


async def test_errors_leave_in_a_group_and_cancel_the_others(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012
            async with ctx.open_nursery() as nursery:
                nursery.start_soon(ctx.sleep, 100)
                nursery.start_soon(ctx.step, "fail", fail)
        (error,) = failed.value.exceptions
        assert isinstance(error, StepError)
        return trio.current_time()

    assert await result_of(registry, definitions, p) == 0


async def test_an_error_of_the_block_leaves_in_a_group_too(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012
            async with ctx.open_nursery() as nursery:
                nursery.start_soon(ctx.sleep, 100)
                raise KeyError("block")
        return repr(failed.value.exceptions[0])

    assert await result_of(registry, definitions, p) == "KeyError('block')"


async def test_a_nursery_can_be_cancelled(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(ctx.sleep, 100)
            await ctx.sleep(1)
            nursery.cancel_scope.cancel()
        return trio.current_time()

    assert await result_of(registry, definitions, p) == 1


async def test_only_its_own_task_starts_children_in_a_nursery(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """A start that is refused must not count as a task either."""

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        codes: list[JsonValue] = []

        async with ctx.open_nursery() as nursery:

            async def child() -> None:
                with pytest.raises(EffectError) as refused:
                    nursery.start_soon(ctx.sleep, 1)
                codes.append(refused.value.code)

            nursery.start_soon(child)
        await ctx.sleep(5)
        return codes

    one = worker(registry, definitions)
    await register(registry, definitions, p)
    async with working(one):
        await trio.sleep(2)
        assert one.statistics().parked == 1
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.success([EffectErrorCode.PATH_SHARED.value])


async def test_a_process_is_parked_when_all_its_tasks_are(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(ctx.sleep, 10)
            nursery.start_soon(ctx.sleep, 20)
            await trio.sleep(5)

    one = worker(registry, definitions)
    await register(registry, definitions, p)
    async with working(one):
        for at, running in [(3, 1), (8, 0), (12, 0), (18, 0)]:
            await trio.sleep_until(at)
            statistics = one.statistics()
            assert (statistics.running, statistics.parked) == (running, 1 - running), at
        await registry.await_process("p")


async def test_children_that_end_before_the_block_does_leave_no_trace(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(ctx.sleep, 1)
            nursery.start_soon(trio.sleep, 1)
            await trio.sleep(2)
            await ctx.sleep(2)
            nursery.start_soon(ctx.sleep, 2)

    one = worker(registry, definitions)
    await register(registry, definitions, p)
    async with working(one):
        for at, running in [(1.5, 1), (3, 0), (5, 0)]:
            await trio.sleep_until(at)
            statistics = one.statistics()
            assert (statistics.running, statistics.parked) == (running, 1 - running), at
        await registry.await_process("p")


async def test_the_end_of_the_last_child_lets_nobody_in_between(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """The process goes on at once: it was never without something to do."""
    order: list[str] = []

    @definitions.process("other")
    async def other(ctx: ProcessContext) -> None:
        order.append("other")

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async def child() -> None:
            await trio.sleep(1)
            order.append("child")

        async with ctx.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(child)
        order.append("parent")
        await trio.sleep(1)
        order.append("end")

    await register(registry, definitions, p)
    async with working(worker(registry, definitions, ONE_AT_A_TIME)):
        await settled()
        await register(registry, definitions, other, "other")
        await registry.await_process("other")
    assert order == ["child", "child", "parent", "end", "other"]


@pytest.mark.parametrize("how", ["end", "raise", "cancel", "empty"])
async def test_no_slot_is_left_taken_however_a_nursery_ends(
    registry: HookedRegistry, definitions: ProcessDefinitions, how: str
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        async def child(number: int) -> None:
            await ctx.sleep(number)
            if how == "raise" and number == 2:
                raise ValueError

        with trio.CancelScope() as scope:
            try:
                async with ctx.open_nursery() as nursery:
                    for number in range(0 if how == "empty" else 4):
                        nursery.start_soon(child, number)
                    if how == "cancel":
                        await ctx.sleep(2)
                        scope.cancel()
            except* ValueError:
                pass
        await trio.sleep(1)
        await ctx.wait_signal("go")

    one = worker(registry, definitions, ONE_AT_A_TIME)
    await register(registry, definitions, p)
    async with working(one):
        await trio.sleep(10)
        assert (one.statistics().running, one.statistics().parked) == (0, 1)
        await send(registry, "signal.go")
        assert (await registry.await_process("p")).tag == "success"
        await settled()
        assert one.statistics().running == 0


async def test_nurseries_may_be_nested(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        total: list[JsonValue] = []

        async def leaf(n: int) -> int:
            total.append(n)
            return n

        async def branch(n: int) -> None:
            async with ctx.open_nursery() as inner:
                for leaf_number in range(3):
                    inner.start_soon(ctx.step, "leaf", leaf, 10 * n + leaf_number)

        async with ctx.open_nursery() as outer:
            for number in range(3):
                outer.start_soon(branch, number)
        return total

    total = await result_of(registry, definitions, p)
    assert isinstance(total, list)
    assert sorted(map(str, total)) == ["0", "1", "10", "11", "12", "2", "20", "21", "22"]
