"""An endpoint in an operating-system process of its own, that notes what its steps do.

Run as ``python app.py PORT NOTES``; each step appends a line to the file NOTES.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateEndpoint, RestateOptions
from lash_trio.worker import HostedProcesses

definitions = ProcessDefinitions()
NOTES = Path(sys.argv[2])
ROUNDS = 5


def note(text: str) -> None:
    # One write of one line: appends of several processes do not mix.
    with NOTES.open("ab", buffering=0) as notes:
        notes.write(f"{text}\n".encode())


async def work(process_id: str, name: str) -> str:
    note(f"ran {process_id} {name}")
    await trio.sleep(0.02)
    return f"{name} of {process_id}"


async def branch(ctx: ProcessContext, name: str, done: list[JsonValue]) -> None:
    for number in range(ROUNDS):
        step = f"{name} {number}"
        done.append(await ctx.step(step, work, ctx.process_id, step))
        # Whoever sees this line knows that the outcome before it was acknowledged.
        note(f"acknowledged {ctx.process_id} {step}")
        await ctx.sleep(0.02)


@definitions.process("chaos", signals=["go"])
async def chaos(ctx: ProcessContext) -> list[JsonValue]:
    done: list[JsonValue] = []
    async with ctx.open_nursery() as nursery:
        for name in ("left", "middle", "right"):
            nursery.start_soon(branch, ctx, name, done)
    done.append(await ctx.wait_signal("go"))
    return [*sorted(str(each) for each in done)]


async def main() -> None:
    options = RestateOptions(park_after_seconds=0.2, first_retry_ms=20, longest_retry_ms=200)
    await RestateEndpoint(HostedProcesses(definitions), options).serve_tcp(int(sys.argv[1]))


if __name__ == "__main__":
    note(f"started {os.getpid()}")
    trio.run(main)
