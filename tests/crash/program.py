"""The program that the tests of this directory kill: workers on one file.

It loads everything once and forks a worker for each line that it reads, since a
program that is to be killed hundreds of times should not load for longer than it
lives.  Every worker is a process of the operating system of its own.

Lines of its log, each written by one call to a file opened for appending:
``ran <process> <step> <fencing token> <nanoseconds> <pid>`` before a step works,
``sent <process> <payload>`` once a signal is acknowledged.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import trio

from lash_trio import (
    JsonValue,
    PluginError,
    ProcessContext,
    ProcessDefinitions,
    ProcessListFilter,
    Runtime,
    RuntimeParts,
    WorkerOptions,
)
from lash_trio.stores.sqlite import SqliteOptions, open_sqlite

TTL_MS = 600
STEPS = 6

definitions = ProcessDefinitions()
log = -1


def write(*words: object) -> None:
    os.write(log, (" ".join(map(str, words)) + "\n").encode())


async def work(ctx: ProcessContext, name: str, busy_ms: int) -> JsonValue:
    token = ctx._parts.lease().fencing_token
    write("ran", ctx.process_id, name, token, time.time_ns(), os.getpid())
    await trio.sleep(busy_ms / 1000)
    return name


async def step(ctx: ProcessContext, name: str, busy_ms: int) -> None:
    async def run(busy_ms: int) -> JsonValue:
        return await work(ctx, name, busy_ms)

    await ctx.step(name, run, busy_ms)


@definitions.process("job", signals=["go"])
async def job(ctx: ProcessContext) -> JsonValue:
    for number in range(STEPS):
        await step(ctx, f"s{number}", 3)
    child = await ctx.start("child")
    async with ctx.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(step, ctx, f"n{number}", 5)
    await ctx.sleep(0.02)
    got = [await ctx.wait_signal("go"), await ctx.wait_signal("go")]
    return [got, await child.result()]


@definitions.process("child")
async def child(ctx: ProcessContext) -> str:
    await step(ctx, "c0", 3)
    await ctx.sleep(0.01)
    await step(ctx, "c1", 3)
    return "child"


@definitions.process("stuck")
async def stuck(ctx: ProcessContext) -> str:
    """Works until it is stopped; its emit and its end are what a stale owner would write."""
    await step(ctx, "first", 0)
    while True:
        await trio.sleep(0.005)
        if time.time() > float(os.environ["STUCK_UNTIL"]):
            break
    await step(ctx, "second", 0)
    return f"by {os.getpid()}"


async def send_one(runtime: Runtime) -> None:
    """Send a signal to some job; only what was acknowledged is written down."""
    jobs = await runtime.registry.list_processes(ProcessListFilter(definition="job"))
    if jobs:
        handle = await runtime.get(random.choice(jobs).id)
        payload = f"{os.getpid()}-{time.time_ns()}"
        try:
            await handle.signal("go", payload)
        except PluginError:
            return
        write("sent", handle.id, payload)


async def main(path: str) -> None:
    options = SqliteOptions(lease_ttl_ms=TTL_MS, poll_seconds=0.02)
    worker = WorkerOptions(
        lease_ttl_ms=TTL_MS, poll_seconds=0.05, max_running=4, max_loaded_parked=2
    )
    async with open_sqlite(path, options) as stores:
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), worker=worker)
        async with Runtime(definitions, parts) as runtime:
            while True:
                await send_one(runtime)
                await trio.sleep(random.uniform(0, 0.1))


def serve(path: str, lines: str) -> None:
    global log
    log = os.open(lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    # The killed ones are nobody's children but ours.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            random.seed()
            trio.run(main, path)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
