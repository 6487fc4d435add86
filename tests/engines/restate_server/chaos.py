"""A server and two endpoints behind one address, and who kills and stops them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import trio

from tests.engines.restate_server.server import RestateServer, free_port

PROGRAM = Path(__file__).with_name("chaos_app.py")
ENDPOINTS = 2
KINDS = {"endpoint killed": 5, "both killed": 1, "endpoint stopped": 2, "server killed": 2}
"""What happens, and how often in ten times."""

OUTCOMES_BETWEEN = 10
"""So many steps and waits come to their end between two such things, on the average."""

AWAKE_SECONDS = 1
"""For how long one that goes on may do what was sent to it before, and given to another since."""

_REFUSED = 400

QUICK_TO_GIVE_UP = {
    # The server has to notice an endpoint that is stopped, and to have a connection to each.
    "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL": "1s",
    "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT": "1s",
    "RESTATE_WORKER__INVOKER__HTTP2_STREAMS_PER_CONNECTION_LIMIT": "8",
}


class Endpoints:
    """Endpoints that share a port; none is left when the block is left."""

    def __init__(self, directory: Path, ingress_port: int) -> None:
        self.port = free_port()
        self.lines = directory / "lines.txt"
        self.lines.touch()
        self.alive: list[int] = []
        self._log = os.open(self.lines, os.O_WRONLY | os.O_APPEND)
        self.output = directory / "endpoints.log"
        command = [sys.executable, str(PROGRAM), str(self.port), str(ingress_port), str(self.lines)]
        with self.output.open("wb") as output:
            self._forks = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pid in tuple(self.alive):
            self.kill(pid)
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._forks.stdin.close()
        self._forks.wait(10)
        self._forks.stdout.close()
        os.close(self._log)

    async def start_all(self, server: RestateServer) -> None:
        """Start as many as there are to be, and make them known."""
        for _ in range(ENDPOINTS):
            await self.start()
        with trio.fail_after(30):
            # It asks an endpoint what it serves.
            while (await server.register(self.port)).status >= _REFUSED:  # noqa: ASYNC110
                await trio.sleep(0.1)

    async def until_at_work(self) -> None:
        """Wait until they have begun with something."""
        with trio.fail_after(30):
            while not self.lines.stat().st_size:  # noqa: ASYNC110
                await trio.sleep(0.01)

    async def start(self) -> int:
        pid = await trio.to_thread.run_sync(self._fork)
        self.alive.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        self.alive.remove(pid)
        os.kill(pid, signal.SIGKILL)

    def stop(self, pid: int) -> None:
        """Stop one."""
        os.kill(pid, signal.SIGSTOP)
        os.write(self._log, f"stopped {pid}\n".encode())

    async def go_on(self, pid: int) -> None:
        """Have one go on that was stopped, until it knows what it has missed."""
        os.kill(pid, signal.SIGCONT)
        await trio.sleep(AWAKE_SECONDS)
        os.write(self._log, f"awake {pid}\n".encode())

    def _fork(self) -> int:
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._forks.stdin.write(b"\n")
        self._forks.stdin.flush()
        return int(self._forks.stdout.readline())


@attrs.frozen
class Mischief:
    """Kills and stops what works, at random moments.

    Args:
        server: that may be killed.
        endpoints: that may be killed or stopped.
        chance: decides when, whom and how.
    """

    server: RestateServer
    endpoints: Endpoints
    chance: random.Random
    done: Counter[str] = attrs.field(factory=Counter[str], init=False)
    progress: Progress = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Progress(self.endpoints.lines), takes_self=True),
    )

    async def go_on_and_on(self) -> None:
        """Until cancelled; whoever was stopped goes on then, whoever was killed is back."""
        while True:
            for kind in self.chance.sample(list(KINDS), sum(KINDS.values()), counts=KINDS.values()):
                await self._until_more_is_done()
                with trio.CancelScope(shield=True):
                    await self._do(kind)
                self.done[kind] += 1

    async def _do(self, kind: str) -> None:
        match kind:
            case "server killed":
                self.server.kill()
                await trio.sleep(self.chance.uniform(0, 0.2))
                await trio.to_thread.run_sync(self.server.start)
            case "endpoint stopped":
                pid = self.chance.choice(self.endpoints.alive)
                self.endpoints.stop(pid)
                # From before the server gives it up until long after.
                await trio.sleep(self.chance.uniform(0.5, 5))
                if self.chance.random() < 0.5:
                    # While the other one is replaced, nobody does the work.
                    await self._replace(next(each for each in self.endpoints.alive if each != pid))
                await self.endpoints.go_on(pid)
            case "both killed":
                for pid in tuple(self.endpoints.alive):
                    self.endpoints.kill(pid)
                await trio.sleep(self.chance.uniform(0, 0.2))
                for _ in range(ENDPOINTS):
                    await self.endpoints.start()
            case _:
                await self._replace(self.chance.choice(self.endpoints.alive))

    async def _replace(self, pid: int) -> None:
        self.endpoints.kill(pid)
        await trio.sleep(self.chance.uniform(0, 0.2))
        await self.endpoints.start()

    async def _until_more_is_done(self) -> None:
        """Wait until there was some progress: a machine that is slow shall get on, too."""
        wanted = self.progress.look() + self.chance.randint(0, 2 * OUTCOMES_BETWEEN)
        with trio.move_on_after(10):
            while self.progress.look() < wanted:  # noqa: ASYNC110
                await trio.sleep(0.005)
        await trio.sleep(self.chance.uniform(0, 0.1))


@attrs.define
class Progress:
    """How many outcomes are acknowledged."""

    lines: Path
    _read_bytes: int = 0
    _outcomes: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]])

    def look(self) -> int:
        """How many there are by now."""
        with self.lines.open("rb") as lines:
            lines.seek(self._read_bytes)
            # A line is written by one call, so that there are no halves.
            new = lines.read()
        self._read_bytes += len(new)
        for line in new.decode().splitlines():
            match line.split(" "):
                case ["after", _, process_id, name, _]:
                    self._outcomes.add((process_id, name))
                case _:
                    pass
        return len(self._outcomes)
