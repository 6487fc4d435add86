"""The host that tells what happens."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from lash_trio import (
    EffectError,
    InlineEffectHost,
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessFailedError,
    StepError,
    open_runtime,
)
from lash_trio.cli._watch import WatchedHost, WatchedStep, Watcher

definitions = ProcessDefinitions()


class Notes(Watcher):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def step_began(self, step: WatchedStep) -> None:
        self.lines.append(f"{step.process_id} {step.name} {step.key} began")

    def step_ended(self, step: WatchedStep, *, seconds: float, failed: bool) -> None:
        self.lines.append(f"{step.key} {'failed' if failed else 'done'}")

    def child_started(self, child_id: str) -> None:
        self.lines.append(f"{child_id} started")


async def fail() -> JsonValue:
    raise ValueError("no")


async def succeed() -> JsonValue:
    return "yes"


@definitions.process("p")
async def p(ctx: ProcessContext) -> JsonValue:
    with pytest.raises(StepError):
        await ctx.step("fail", fail)
    await ctx.sleep(1)
    child = await ctx.start("child")
    await child.output()
    return await ctx.step("succeed", succeed)


@definitions.process("child")
async def child(ctx: ProcessContext) -> None:
    await ctx.start("unknown")


async def test_steps_and_children_are_told_of(autojump_clock: MockClock) -> None:
    notes = Notes()
    async with open_runtime(definitions, host=WatchedHost(notes, InlineEffectHost())) as runtime:
        handle = await runtime.start(p, id="p")
        assert await handle.result() == "yes"
        with pytest.raises(ProcessFailedError):
            await (await runtime.get("p/start:child#1")).result()
    assert notes.lines == [
        "p fail fail#1 began",
        "fail#1 failed",
        "p/start:child#1 started",
        "p succeed succeed#1 began",
        "succeed#1 done",
    ]


async def test_a_blank_scope_is_refused_as_by_any_host() -> None:
    from lash_trio import EffectScope

    with pytest.raises(EffectError, match="missing_effect_scope_id"):
        WatchedHost(Notes(), InlineEffectHost()).scoped(EffectScope.process(" "))
