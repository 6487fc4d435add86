"""Endpoints and servers that die at random points, and processes that go on."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.engines.restate_server.server import Isolation, RestateServer, free_port

APP = Path(__file__).with_name("app.py")
PROCESSES = 60
ROUNDS = 5
KILLS = 5
BRANCHES = ("left", "middle", "right")


@attrs.define
class Endpoint:
    """An endpoint in a process of its own, which can be killed and started again."""

    notes: Path
    port: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(APP), str(self.port), str(self.notes)])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def wait_listening(self) -> None:
        with trio.fail_after(20):
            while True:
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", self.port)
                except OSError:
                    await trio.sleep(0.02)
                else:
                    await stream.aclose()
                    return


@asynccontextmanager
async def running(notes: Path) -> AsyncGenerator[Endpoint, None]:
    endpoint = Endpoint(notes)
    endpoint.start()
    try:
        await endpoint.wait_listening()
        yield endpoint
    finally:
        endpoint.kill()


async def start_all(server: RestateServer, process_ids: list[str]) -> None:
    for process_id in process_ids:
        await server.start_process(process_id, "chaos", {})


async def check_all(server: RestateServer, process_ids: list[str], notes: Path) -> Counter[str]:
    with trio.fail_after(100):
        for process_id in process_ids:
            await server.signal(process_id, "go", "gone")
        for process_id in process_ids:
            answer = await server.output(process_id)
            steps = [f"{b} {n} of {process_id}" for b in BRANCHES for n in range(ROUNDS)]
            assert answer.body == {"type": "success", "value": sorted([*steps, "gone"])}
    runs = count_runs(notes)
    assert len(runs) == len(process_ids) * len(BRANCHES) * ROUNDS
    # Otherwise nothing was killed in the middle of a step, and this has shown nothing.
    assert runs.total() > len(runs)
    return runs


async def wait_for_more_steps(notes: Path) -> None:
    """Wait until the endpoint is in the middle of its work, or has none left."""
    file = trio.Path(notes)
    size = (await file.stat()).st_size
    with trio.move_on_after(5):
        while (await file.stat()).st_size < size + 3000:  # noqa: ASYNC110
            await trio.sleep(0.01)


def count_runs(notes: Path) -> Counter[str]:
    """How often each step ran; none may once its outcome was acknowledged."""
    acknowledged: set[str] = set()
    runs: Counter[str] = Counter()
    for line in notes.read_text().splitlines():
        what, _, step = line.partition(" ")
        if what == "ran":
            assert step not in acknowledged, f"{step} ran again after its outcome was recorded"
            runs[step] += 1
        elif what == "acknowledged":
            acknowledged.add(step)
    return runs


async def test_an_endpoint_that_is_killed_again_and_again(
    own_server: RestateServer, tmp_path: Path
) -> None:
    chance = random.Random(1)
    notes = tmp_path / "notes"
    process_ids = [f"killed-{number}" for number in range(PROCESSES)]
    own_server.start()
    async with running(notes) as endpoint:
        await own_server.register(endpoint.port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_all, own_server, process_ids)
            for _ in range(KILLS):
                await wait_for_more_steps(notes)
                await trio.sleep(chance.uniform(0, 0.1))
                endpoint.kill()
                endpoint.start()
                await endpoint.wait_listening()
        runs = await check_all(own_server, process_ids, notes)
    print(f"{len(runs)} steps, {runs.total()} runs of them, {KILLS} kills of the endpoint")


async def test_a_server_that_is_killed_again_and_again(
    own_server: RestateServer, tmp_path: Path
) -> None:
    chance = random.Random(2)
    notes = tmp_path / "notes"
    process_ids = [f"survivor-{number}" for number in range(PROCESSES)]
    own_server.start()
    async with running(notes) as endpoint:
        await own_server.register(endpoint.port)
        await start_all(own_server, process_ids)
        for _ in range(KILLS):
            await trio.sleep(chance.uniform(0, 0.1))
            own_server.kill()
            await trio.to_thread.run_sync(own_server.start)
            await wait_for_more_steps(notes)
        runs = await check_all(own_server, process_ids, notes)
    print(f"{len(runs)} steps, {runs.total()} runs of them, {KILLS} kills of the server")


async def test_an_endpoint_that_is_stopped_and_continued(
    own_server: RestateServer, tmp_path: Path
) -> None:
    """The server gives up the one that does not answer; when it wakes it changes nothing."""
    notes = tmp_path / "notes"
    process_ids = [f"stopped-{number}" for number in range(PROCESSES)]
    own_server.more_environment |= {
        "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL": "500ms",
        "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT": "500ms",
    }
    own_server.start()
    async with running(notes) as endpoint:
        await own_server.register(endpoint.port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_all, own_server, process_ids)
            await wait_for_more_steps(notes)
            endpoint.signal(signal.SIGSTOP)
            await trio.sleep(3)
            endpoint.signal(signal.SIGCONT)
        runs = await check_all(own_server, process_ids, notes)
    print(f"{len(runs)} steps, {runs.total()} runs of them, one stop of 3 s")


def own_sockets(pid: int) -> set[str]:
    """The inodes of the sockets that a process has."""
    found = set[str]()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(descriptor.readlink().name)
    return {name.removeprefix("socket:[").removesuffix("]") for name in found}


def test_the_server_talks_to_this_machine_only(server: RestateServer, isolation: Isolation) -> None:
    own = own_sockets(server.pid)
    lines = {
        table: Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]
        for table in ("tcp", "tcp6", "udp", "udp6", "route")
    }
    sockets = {
        table: [each.split()[2] for each in lines[table] if each.split()[9] in own]
        for table in ("tcp", "tcp6", "udp", "udp6")
    }
    assert sockets["tcp"]
    # Little-endian, as the kernel prints them: 127.0.0.1, unspecified (listening), ::1, and
    # 127.0.0.1 inside IPv6.
    local = ("0100007F:", "00000000:", f"{'0' * 24}01000000:", f"{'0' * 32}:")
    mapped = "0000000000000000FFFF00000100007F:"
    others = [*sockets["tcp"], *sockets["tcp6"]]
    assert [each for each in others if not each.startswith((*local, mapped))] == []
    if isolation is Isolation.NAMESPACE:
        assert lines["route"] == [], "there is a way out of here that the server could take"
    else:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "\nSeccomp:\t2\n" in status, "the server could look up names"
        assert sockets["udp"] == sockets["udp6"] == []
