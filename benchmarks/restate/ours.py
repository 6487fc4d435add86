"""lash_trio's endpoint: ``python -m benchmarks.restate.ours PORT [INGRESS]``.

With the URL of the server's ingress, the processes have logs.
"""

from __future__ import annotations

import sys
import time
from contextlib import AsyncExitStack

import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateEndpoint, RestateProcessRegistry
from lash_trio.worker import HostedProcesses

definitions = ProcessDefinitions()
# Of all processes on one machine alike, so the times can be compared.
now = time.monotonic
attempts: dict[str, int] = {}


async def nothing(number: int) -> JsonValue:
    return number


def note_attempt(key: str) -> int:
    attempts[key] = attempts.get(key, 0) + 1
    return attempts[key]


@definitions.process("steps")
async def steps(ctx: ProcessContext, count: int) -> JsonValue:
    attempt = note_attempt(ctx.process_id)
    times: list[JsonValue] = [now()]
    for number in range(count):
        await ctx.step("nothing", nothing, number)
        times.append(now())
    return {"attempt": attempt, "times": times}


@definitions.process("listener", signals=["go"])
async def listener(ctx: ProcessContext, count: int) -> JsonValue:
    attempt = note_attempt(ctx.process_id)
    times: list[JsonValue] = [now()]
    for _ in range(count):
        await ctx.wait_signal("go")
        times.append(now())
    return {"attempt": attempt, "times": times}


async def main(port: int, ingress: str | None) -> None:
    async with AsyncExitStack() as stack:
        registry = None
        if ingress is not None:
            registry = await stack.enter_async_context(RestateProcessRegistry(ingress))
        await RestateEndpoint(HostedProcesses(definitions), registry=registry).serve_tcp(port)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
