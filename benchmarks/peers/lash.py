"""lash_trio's part: ``python -m benchmarks.peers.lash MEASURE DB [--quick]``."""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    Runtime,
    RuntimeParts,
    WorkerOptions,
)
from lash_trio.stores.sqlite import SqliteOptions, open_sqlite

from ._plan import QUICK, Plan

definitions = ProcessDefinitions()
now = time.perf_counter
woken: list[float] = []


async def nothing(number: int) -> JsonValue:
    return number


@definitions.process("sequence")
async def sequence(ctx: ProcessContext, steps: int) -> int:
    for number in range(steps):
        await ctx.step("nothing", nothing, number)
    return steps


@definitions.process("timed")
async def timed(ctx: ProcessContext, steps: int) -> float:
    started = now()
    for number in range(steps):
        await ctx.step("nothing", nothing, number)
    return (now() - started) * 1000 / steps


@definitions.process("listener", signals=["go"])
async def listener(ctx: ProcessContext, signals: int) -> int:
    for _ in range(signals):
        await ctx.wait_signal("go")
        woken.append(now())
    return signals


@definitions.process("held")
async def held(ctx: ProcessContext, gate: str) -> str:
    await ctx.step("first", nothing, 1)
    await ctx.step("gate", passed, gate)
    await ctx.step("last", nothing, 2)
    return "done"


async def passed(gate: str) -> JsonValue:
    while not Path(gate).exists():
        await trio.sleep(0.05)
    return True


@asynccontextmanager
async def runtime(db: str, processes: int = 100) -> AsyncGenerator[Runtime, None]:
    # A worker's lease outlives its kill; it is as short here as a deployment would have it.
    async with open_sqlite(db, SqliteOptions(lease_ttl_ms=2_000)) as stores:
        options = WorkerOptions(max_running=processes, lease_ttl_ms=2_000)
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), worker=options)
        async with Runtime(definitions, parts) as opened:
            yield opened


async def step(db: str, plan: Plan) -> float:
    async with runtime(db) as opened:
        handle = await opened.start(timed, {"steps": plan.steps})
        return float(str(await handle.result()))


async def concurrent(db: str, plan: Plan) -> float:
    async with runtime(db, plan.processes) as opened:
        started = now()
        handles = [
            await opened.start(sequence, {"steps": plan.steps_each}) for _ in range(plan.processes)
        ]
        for handle in handles:
            await handle.result()
        return plan.processes * plan.steps_each / (now() - started)


async def signalled(db: str, plan: Plan) -> float:
    latencies: list[float] = []
    async with runtime(db) as opened:
        handle = await opened.start(listener, {"signals": plan.signals})
        for number in range(plan.signals):
            await trio.sleep(0.2)
            sent = now()
            await handle.signal("go", number)
            while len(woken) <= number:
                await trio.sleep(0.0005)
            latencies.append((woken[number] - sent) * 1000)
        await handle.result()
    return statistics.median(latencies)


async def be_killed(db: str, plan: Plan, gate: str) -> None:
    async with runtime(db, plan.recovered) as opened:
        for number in range(plan.recovered):
            await opened.start(held, {"gate": gate}, id=f"held-{number}")
        while opened.worker.statistics().running < plan.recovered:
            await trio.sleep(0.05)
        await trio.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)


async def recover(db: str, plan: Plan) -> None:
    async with runtime(db, plan.recovered) as opened:
        for number in range(plan.recovered):
            await (await opened.get(f"held-{number}")).result()


def main(measure: str, db: str, plan: Plan) -> None:
    gate = f"{db}.gate"
    match measure:
        case "step":
            figure = trio.run(step, db, plan)
        case "concurrent":
            figure = trio.run(concurrent, db, plan)
        case "signal":
            figure = trio.run(signalled, db, plan)
        case "killed":
            trio.run(be_killed, db, plan, gate)
            return
        case _:
            trio.run(recover, db, plan)
            figure = 0.0
    print(json.dumps(figure))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], QUICK if "--quick" in sys.argv else Plan())
