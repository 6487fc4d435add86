"""Parked processes in a program of their own: ``python -m benchmarks._parked FILE COUNT LOADED``.

Registers what is not there yet, drives all of it until it waits, and prints JSON: how long
that took, by how much the program has grown, and how long another process takes beside them.
So the second program on a file is one that recovers.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import sys
import time
from pathlib import Path

import trio

from lash_trio import (
    ProcessContext,
    ProcessDefinitions,
    Runtime,
    RuntimeParts,
    StartRequest,
    WorkerOptions,
)
from lash_trio.model import ProcessProvenance
from lash_trio.stores.sqlite import SqliteStores, open_sqlite

definitions = ProcessDefinitions()
_STARTS = 21


@definitions.process("park", signals=["go"])
async def park(ctx: ProcessContext) -> None:
    await ctx.step("begin", _begin)
    await ctx.wait_signal("go")


@definitions.process("pass_by")
async def pass_by(ctx: ProcessContext) -> None:
    await trio.lowlevel.checkpoint()


async def _begin() -> None:
    await trio.lowlevel.checkpoint()


async def register(stores: SqliteStores, count: int) -> None:
    """Register processes, as many at once as are good for a file."""

    async def some(numbers: range) -> None:
        for number in numbers:
            request = StartRequest(
                id=f"parked-{number:07}", provenance=ProcessProvenance.host("benchmark")
            )
            await stores.registry.register_process(definitions.registration("park", {}, request))

    async with trio.open_nursery() as nursery:
        for first in range(100):
            nursery.start_soon(some, range(first, count, 100))


async def main(path: str, count: int, loaded: int) -> None:
    async with open_sqlite(path) as stores:
        if not await stores.registry.list_non_terminal():
            await register(stores, count)
        options = WorkerOptions(max_loaded_parked=loaded)
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), worker=options)
        gc.collect()
        before = resident_bytes()
        started = time.perf_counter()
        async with Runtime(definitions, parts) as runtime:
            while True:
                now = runtime.worker.statistics()
                if now.parked + now.unloaded == count and now.parked <= loaded:
                    break
                # Rarely: looking takes longer the more there are.
                await trio.sleep(0.05 + count / 50_000)
            seconds = time.perf_counter() - started
            gc.collect()
            grown = resident_bytes() - before
            figures = {
                "seconds": seconds,
                "bytes": grown / count,
                "unloaded": now.unloaded,
                "start": await start_another(runtime),
            }
            print(json.dumps(figures), flush=True)


async def start_another(runtime: Runtime) -> float:
    """The median time from the start of a process that does nothing to its end, in seconds."""
    times: list[float] = []
    for _ in range(_STARTS):
        started = time.perf_counter()
        handle = await runtime.start(pass_by)
        await handle.result()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def resident_bytes() -> int:
    """The memory of this program that is in use; the most it ever was, where only that is known."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
