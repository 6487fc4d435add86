"""Endpoints to be killed: processes of the operating system that share one port.

It loads everything once and forks an endpoint for each line that it reads, since a program
that is to be killed again and again should not load for longer than it lives.  Run as
``python chaos_app.py PORT INGRESS_PORT LINES``.

Lines of its log LINES, each written by one call to a file opened for appending, so that
their order is the order of what they tell, whichever process wrote them:

``attempt <attempt> <pid> <process>``
    a run of a process's function begins.
``begin <attempt> <process> <step> <value>``
    a step begins, and will have this value, which no other run of it has.
``after <attempt> <process> <step> <value>``
    the code behind a step (or a wait) has its outcome: it is acknowledged.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
import sys
from pathlib import Path

import trio

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    WaitTimedOut,
)
from lash_trio.engines.restate import RestateEndpoint, RestateOptions, RestateProcessRegistry
from lash_trio.worker import HostedProcesses

NOTHING = "nothing"
"""What a job has for a signal that did not come in time."""

LONGEST_STEP_SECONDS = 0.2
OPTIONS = RestateOptions(park_after_seconds=0.2, first_retry_ms=20, longest_retry_ms=200)

definitions = ProcessDefinitions()
log = -1


def write(*words: str) -> None:
    os.write(log, (" ".join(words) + "\n").encode())


class Notes:
    """What one run of a process writes down."""

    def __init__(self, ctx: ProcessContext) -> None:
        self.ctx = ctx
        self.values: dict[str, JsonValue] = {}
        self._attempt = f"{os.getpid()}.{secrets.token_hex(4)}"
        write("attempt", self._attempt, str(os.getpid()), ctx.process_id)

    async def step(self, name: str) -> str:
        value = await self.ctx.step(name, self._work, name)
        self.acknowledged(name, value)
        return str(value)

    def acknowledged(self, name: str, value: JsonValue) -> None:
        write("after", self._attempt, self.ctx.process_id, name, str(value))
        self.values[name] = value

    async def _work(self, name: str) -> str:
        value = f"{name}-{secrets.token_hex(4)}"
        write("begin", self._attempt, self.ctx.process_id, name, value)
        await trio.sleep(random.uniform(0, LONGEST_STEP_SECONDS))
        return value


@definitions.process(
    "job",
    signals=["go", "hurry"],
    events=[ProcessEventType(name="progress", payload_schema={"type": "string"})],
)
async def job(ctx: ProcessContext) -> dict[str, JsonValue]:
    """Does everything that a process can; its result tells all that it got."""
    notes = Notes(ctx)
    first = await notes.step("first")
    child = await ctx.start("child", {"seconds": 0.05})
    await ctx.sleep(0.05)
    async with ctx.open_nursery() as nursery:
        nursery.start_soon(steps, notes, "left")
        nursery.start_soon(steps, notes, "right")
        nursery.start_soon(family, notes)
        nursery.start_soon(hurry, notes)
    await ctx.emit("progress", first)
    await child.signal("word", first)
    for number in (1, 2):
        notes.acknowledged(f"go{number}", await ctx.wait_signal("go"))
    notes.acknowledged("news", await ctx.wait_event(child.id, "news", 1))
    notes.acknowledged("child", str(await child.result()))
    await notes.step("last")
    return notes.values


async def steps(notes: Notes, branch: str) -> None:
    for number in range(3):
        await notes.step(f"{branch}{number}")
        await notes.ctx.sleep(0.02)


async def family(notes: Notes) -> None:
    """A child of a branch, which is heard to its end there."""
    child = await notes.ctx.start("child", {"seconds": 0})
    word = await notes.step("word")
    await child.signal("word", word)
    notes.acknowledged("grandchild", str(await child.result()))


async def hurry(notes: Notes) -> None:
    """A wait that ends by its time or by its signal, and in every run in the same way."""
    try:
        heard = await notes.ctx.wait_signal("hurry", timeout_seconds=1)
    except WaitTimedOut:
        heard = NOTHING
    notes.acknowledged("hurry", heard)
    await notes.step("hurried")


@definitions.process(
    "child",
    signals={"word": {"type": "string"}},
    events=[ProcessEventType(name="news", payload_schema={"type": "string"})],
)
async def child(ctx: ProcessContext, seconds: float) -> str:
    notes = Notes(ctx)
    await notes.step("c0")
    await ctx.sleep(seconds)
    word = str(await ctx.wait_signal("word"))
    notes.acknowledged("heard", word)
    await ctx.emit("news", word)
    await notes.step("c1")
    return word


async def main(port: int, ingress_port: int) -> None:
    listening = trio.socket.socket()
    # All endpoints listen here; the system spreads connections over those that live.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    await listening.bind(("127.0.0.1", port))
    listening.listen(128)
    async with RestateProcessRegistry(f"http://127.0.0.1:{ingress_port}") as registry:
        endpoint = RestateEndpoint(HostedProcesses(definitions), OPTIONS, registry=registry)
        await endpoint.serve([trio.SocketListener(listening)])


def serve(port: int, ingress_port: int, lines: Path) -> None:
    global log
    log = os.open(lines, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    # The killed ones are nobody's children but ours.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            random.seed()
            trio.run(main, port, ingress_port)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
