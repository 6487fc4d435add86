"""Rules of checkpoints and cancellation, for every method of the port."""

from __future__ import annotations

from collections.abc import Awaitable

import attrs
import trio
from trio.testing import assert_checkpoints

from ...abc import ProcessRegistry
from ._calls import cancelled_at_step, open_calls
from ._methods import (
    AWAIT_PROCESS,
    READS,
    WIDE_READS,
    WIDE_WRITES,
    WRITES,
    Invoke,
    Picture,
    Target,
    picture,
    prepare,
)
from ._registry_bench import RegistryCheck, RegistryUnderTest
from ._rules import expect_that, named_check

_STEPS = 6
"""After how many steps of the scheduler a write is cancelled at the latest."""


@named_check
async def every_method_checkpoints(under_test: RegistryUnderTest) -> None:
    """Every method is a checkpoint, also where it need not wait."""
    for name, invoke in {**WRITES, **WIDE_WRITES, **READS, **AWAIT_PROCESS, **WIDE_READS}.items():
        async with under_test.open() as registry:
            target = await _prepared(registry, name)
            async with open_calls(under_test.settle) as calls:
                call = calls.start(_checkpointing, name, invoke(registry, target))
                await calls.served(name, call)


async def _checkpointing(name: str, call: Awaitable[object]) -> None:
    try:
        with assert_checkpoints():
            await call
    except AssertionError as error:
        raise AssertionError(f"expected {name} to be a checkpoint, got one that is none") from error


@named_check
async def every_method_raises_the_cancellation(under_test: RegistryUnderTest) -> None:
    """Every method raises ``trio.Cancelled`` where it is called in a cancelled scope."""
    for name, invoke in {**WRITES, **WIDE_WRITES, **READS, **AWAIT_PROCESS, **WIDE_READS}.items():
        async with under_test.open() as registry:
            target = await _prepared(registry, name)
            with trio.CancelScope() as scope:
                scope.cancel()
                await invoke(registry, target)
            expect_that(
                scope.cancelled_caught,
                f"expected {name} in a cancelled scope to raise trio.Cancelled, got a return",
            )


@named_check
async def a_cancelled_write_is_all_or_nothing(under_test: RegistryUnderTest) -> None:
    """A write that is cancelled has not begun, or has finished; one that returned has finished."""
    for name, invoke in {**WRITES, **WIDE_WRITES}.items():
        before, _ = await _cancelled(under_test, None, 0)
        after, _ = await _cancelled(under_test, invoke, None)
        expect_that(before != after, f"expected {name} to write something, got {after!r}")
        for step in range(_STEPS):
            got, returned = await _cancelled(under_test, invoke, step)
            expect_that(
                got == after or (got == before and not returned),
                f"expected {name}, {'that returned' if returned else 'cancelled'} in step {step}, "
                f"to leave {after!r}{'' if returned else f' or {before!r}'}, got {got!r}",
            )


async def _cancelled(
    under_test: RegistryUnderTest, invoke: Invoke | None, step: int | None
) -> tuple[Picture, bool]:
    """What a write leaves that is cancelled in a step, or never; and whether it returned."""
    returned = False
    async with under_test.open() as registry:
        target = await prepare(registry)
        if invoke is not None:
            async with open_calls(under_test.settle) as calls:
                call = calls.start(invoke, registry, target)
                if step is None:
                    await calls.served("the write", call)
                else:
                    with cancelled_at_step(call, step):
                        await calls.ended("a cancelled write", call)
                returned = not call.cancelled
                if returned:
                    call.result()
        return await picture(registry, under_test.advance_ms), returned


async def _prepared(registry: ProcessRegistry, name: str) -> Target:
    target = await prepare(registry)
    if name not in AWAIT_PROCESS:
        return target
    # It would wait for ever where nothing ends the process.
    await WRITES["complete_process"](registry, attrs.evolve(target, process_id="p2"))
    return attrs.evolve(target, process_id="p2")


CHECKS: tuple[RegistryCheck, ...] = (
    every_method_checkpoints,
    every_method_raises_the_cancellation,
    a_cancelled_write_is_all_or_nothing,
)
