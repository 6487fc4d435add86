"""The stock SDK's endpoint, served as its docs say: ``python -m benchmarks.restate.stock PORT``.

The same workflow as a user of the SDK would write it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TypedDict

import hypercorn
import hypercorn.asyncio
import restate

STOCK_SERVICE = "Stock"

workflow = restate.Workflow(STOCK_SERVICE)
# Of all processes on one machine alike, so the times can be compared.
now = time.monotonic
attempts: dict[str, int] = {}
awakeables: dict[str, str] = {}


class Args(TypedDict):
    count: int


class Asked(TypedDict):
    definition: str
    args: Args


class Signal(TypedDict):
    name: str
    ordinal: int


class Told(TypedDict):
    attempt: int
    times: list[float]


async def nothing(number: int) -> int:
    return number


@workflow.main()
async def run(ctx: restate.WorkflowContext, asked: Asked) -> Told:
    key = ctx.key()
    attempts[key] = attempts.get(key, 0) + 1
    times = [now()]
    for number in range(asked["args"]["count"]):
        match asked["definition"]:
            case "steps":
                await ctx.run_typed("nothing", nothing, number=number)
            case "listener":
                await ctx.promise(f"go:{number + 1}", type_hint=int).value()
            case _:
                name, future = ctx.awakeable(type_hint=int)
                awakeables[key] = name
                await future
        times.append(now())
    return {"attempt": attempts[key], "times": times}


@workflow.handler()
async def signal(ctx: restate.WorkflowSharedContext, asked: Signal) -> int:
    ordinal = asked["ordinal"]
    await ctx.promise(f"{asked['name']}:{ordinal}", type_hint=int).resolve(ordinal)
    return ordinal


@workflow.handler()
async def awakeable(ctx: restate.WorkflowSharedContext) -> str:
    """The name of what the process waits for; in a real program it would be a step's."""
    return awakeables[ctx.key()]


def main(port: int) -> None:
    config = hypercorn.Config()
    config.bind = [f"127.0.0.1:{port}"]
    app = restate.app(services=[workflow])
    # Its other kind of application has no types.
    asyncio.run(hypercorn.asyncio.serve(app, config))  # pyright: ignore[reportUnknownMemberType]


if __name__ == "__main__":
    main(int(sys.argv[1]))
