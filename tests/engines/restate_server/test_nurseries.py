"""Concurrent steps, and a replay that follows them whatever the order of tasks."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import trio

from lash_trio import ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateProcessRegistry
from lash_trio.model import MAX_SEQUENCE, ProcessEventType, to_json
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import (
    SOON_PARKED,
    serving,
    serving_with_registry,
    wait_until_parked,
)

SEEDS = 100
# The hundred seeds of processes with logs are run without a server.
LOGGED = 20


async def test_concurrent_steps_replay_under_many_seeds_of_the_scheduler(
    server: RestateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()
    attempts: Counter[str] = Counter()

    async def work(name: str) -> str:
        runs[name] += 1
        return name

    async def child(ctx: ProcessContext, name: str, seen: list[object]) -> None:
        seen.append(await ctx.step(f"{name}-1", work, f"{ctx.process_id} {name} 1"))
        await ctx.wait_signal(f"go-{name}")
        seen.append(await ctx.step(f"{name}-2", work, f"{ctx.process_id} {name} 2"))

    @definitions.process("fan", signals=["go-a", "go-b", "go-c"])
    async def fan(ctx: ProcessContext) -> int:
        attempts[ctx.process_id] += 1
        seen: list[object] = []
        async with ctx.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(child, ctx, name, seen)
        return len(seen)

    async def drive(number: int) -> None:
        process_id = f"fan-{number}"
        await server.start_process(process_id, "fan", {})
        await server.wait_status(process_id, "suspended")
        for name in random.Random(number).sample("abc", 3):
            await server.signal(process_id, f"go-{name}")
        answer = await server.output(process_id)
        assert answer.body == {"type": "success", "value": 6}, answer

    # trio shuffles the tasks of each step of the scheduler by this generator.
    monkeypatch.setattr("trio._core._run._r", random.Random(7))
    async with serving(server, definitions, SOON_PARKED) as endpoint:
        for first in range(0, SEEDS, 25):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + 25):
                    nursery.start_soon(drive, number)
        await wait_until_parked(endpoint)
    assert set(runs.values()) == {1}
    assert len(runs) == SEEDS * 6
    assert all(attempts[f"fan-{number}"] >= 2 for number in range(SEEDS))


async def test_concurrent_waits_in_logs_replay(
    server: RestateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()
    attempts: Counter[str] = Counter()

    async def work(name: str) -> str:
        runs[name] += 1
        return name

    async def branch(ctx: ProcessContext, name: str, seen: list[object]) -> None:
        seen.append(await ctx.step("first", work, f"{ctx.process_id} {name} 1"))
        if name == "c":
            child = await ctx.start("echo")
            await child.signal("word", name)
            seen.append(await child.result())
        seen.append(await ctx.wait_signal(f"go-{name}", timeout_seconds=1000))
        seen.append(await ctx.emit("told", name))
        seen.append(await ctx.step("second", work, f"{ctx.process_id} {name} 2"))

    @definitions.process("echo", signals=["word"])
    async def echo(ctx: ProcessContext) -> str:
        return str(await ctx.wait_signal("word"))

    @definitions.process(
        "fan", signals=["go-a", "go-b", "go-c"], events=[ProcessEventType(name="told")]
    )
    async def fan(ctx: ProcessContext) -> int:
        attempts[ctx.process_id] += 1
        seen: list[object] = []
        async with ctx.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(branch, ctx, name, seen)
        return len(seen)

    async def drive(registry: RestateProcessRegistry, number: int) -> None:
        process_id = f"logged-fan-{number}"
        await server.start_process(process_id, "fan", {})
        # Between the two it has been given up and begun again, whatever it was doing.
        await server.wait_status(process_id, "suspended")
        for name in random.Random(number).sample("abc", 3):
            await server.signal(process_id, f"go-{name}", name)
        with trio.fail_after(120):
            output = to_json(await registry.await_process(process_id))
        assert output == {"type": "success", "value": 13}, output
        assert await registry.count_events_through(process_id, "told", MAX_SEQUENCE) == 3

    monkeypatch.setattr("trio._core._run._r", random.Random(11))
    async with serving_with_registry(server, definitions, SOON_PARKED) as (endpoint, registry):
        for first in range(0, LOGGED, 5):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + 5):
                    nursery.start_soon(drive, registry, number)
        await wait_until_parked(endpoint)
    assert set(runs.values()) == {1}
    assert len(runs) == LOGGED * 6
    assert all(attempts[f"logged-fan-{number}"] >= 2 for number in range(LOGGED))
