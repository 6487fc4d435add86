"""``lash-trio restate`` with a real server: what it starts, whom it asks, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from lash_trio import ProcessInput, ProcessProvenance, ProcessRegistration, to_json
from lash_trio.engines.restate import RestateProcessRegistry
from tests.engines.restate_server.server import (
    Isolation,
    RestateServer,
    free_port,
    server_program,
)

COMMAND = (sys.executable, "-m", "lash_trio", "restate")
TIMEOUT_SECONDS = 60
RELEASES = b"github"

SOURCE = """
from lash_trio import ProcessContext, ProcessDefinitions

definitions = ProcessDefinitions()

async def fetch(sku: str) -> int:
    return len(sku)

@definitions.process("order", signals=["approved"])
async def order(ctx: ProcessContext, sku: str):
    parcel = await ctx.start("ship", {"sku": sku})
    return [await parcel.result(), await ctx.wait_signal("approved")]

@definitions.process("ship")
async def ship(ctx: ProcessContext, sku: str):
    return await ctx.step("fetch", fetch, sku)
"""


@pytest.fixture(autouse=True)
def _isolated(isolation: Isolation) -> None:
    """Servers that the command starts are kept from the network too."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SOURCE)
    return path


@attrs.define
class Program:
    process: subprocess.Popen[str]

    def told(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.end()[1]
        return json.loads(line)

    def read_log(self, words: str) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"it ended without {words!r}")

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        if number is not None:
            self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return self.process.returncode, stderr


@contextmanager
def running(*args: str | Path, before: Sequence[str] = ()) -> Generator[Program]:
    with subprocess.Popen(
        [*before, *COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LASH_TRIO_RESTATE_SERVER": str(server_program())},
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=TIMEOUT_SECONDS
    )


def own_ports() -> list[str]:
    return [
        word
        for name in ("--ingress-port", "--admin-port", "--node-port")
        for word in (name, str(free_port()))
    ]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def asked(told: Any) -> RestateServer:
    """The clients of a server that the command has started."""
    ingress, admin = (int(told[name].rpartition(":")[2]) for name in ("ingress", "admin"))
    return RestateServer(Path(told["data"]), ingress_port=ingress, admin_port=admin, node_port=1)


async def test_a_server_and_an_endpoint_in_one_command(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    args: tuple[str | Path, ...] = (
        "dev",
        file,
        "--json",
        "--data",
        data,
        "--port",
        "0",
        *own_ports(),
    )
    for number, interrupt in enumerate((signal.SIGTERM, signal.SIGINT)):
        with running(*args) as program:
            told = program.told()
            assert [each["name"] for each in told["endpoint"]["services"]].count("LashProcess") == 1
            server = asked(told)
            process_id = f"order-{number}"
            await server.start_process(process_id, "order", {"sku": "lamp"})
            await server.signal(process_id, "approved", "yes")
            answer = await server.output(process_id)
            assert answer.body == {"type": "success", "value": [4, "yes"]}
            async with RestateProcessRegistry(told["ingress"]) as registry:
                (last,) = await registry.recent_events(process_id, 1)
                assert last.event_type == "process.completed"
            if number == 1:
                # What the first server knew is there.
                assert (await server.output("order-0")).body["value"] == [4, "yes"]
            status, log = program.end(interrupt)
            assert status == 0, log
            assert "the endpoint has drained" in log
            assert is_gone(told["pid"])


def test_a_temporary_server_leaves_nothing(tmp_path: Path) -> None:
    with running("dev", "--json", "--temporary", *own_ports()) as program:
        told = program.told()
        assert Path(told["log"]).is_file()
        assert program.end(signal.SIGINT)[0] == 0
    assert is_gone(told["pid"])
    assert not Path(told["data"]).exists()


def test_a_server_that_dies_ends_the_command_with_its_last_words(tmp_path: Path) -> None:
    with running("dev", "--json", "--data", tmp_path / "data", *own_ports()) as program:
        told = program.told()
        os.kill(told["pid"], signal.SIGKILL)
        status, log = program.end()
    assert status == 1
    assert f"the server has ended with status -9; its log: {told['log']}" in log
    assert "Traceback" not in log


async def test_a_served_module_is_registered_and_drains(server: RestateServer, file: Path) -> None:
    admin = f"http://127.0.0.1:{server.admin_port}"
    ingress = f"http://127.0.0.1:{server.ingress_port}"
    options = ("--port", "0", "--ingress", ingress, "--namespace", "served")
    with running("serve", file, *options) as endpoint:
        line = endpoint.read_log("the endpoint serves at")
        url = line.partition("serves at ")[2].split()[0]
        first = run("register", url, "--admin", admin, "--json")
        assert first.returncode == 0, first.stderr
        told = json.loads(first.stdout)
        assert told["url"] == url
        (revision,) = [s["revision"] for s in told["services"] if s["name"] == "LashProcess"]
        again = run("register", url, "--admin", admin, "--force", "--json")
        (forced,) = [
            s["revision"]
            for s in json.loads(again.stdout)["services"]
            if s["name"] == "LashProcess"
        ]
        assert forced > revision
        shown = run("register", url, "--admin", admin, "--force")
        assert f"{url} is registered as dp_" in shown.stdout
        assert f"LashProcess, revision {forced + 1}" in shown.stdout
        async with RestateProcessRegistry(ingress, "served") as registry:
            await registry.register_process(shipment("parcel-1"))
            with trio.fail_after(20):
                output = await registry.await_process("parcel-1")
        status, log = endpoint.end(signal.SIGTERM)
    assert to_json(output) == {"type": "success", "value": 4}
    assert status == 0
    assert "the endpoint has drained" in log


def shipment(process_id: str) -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.function("ship", {"sku": "lamp"}),
        provenance=ProcessProvenance.host("test"),
    )


def test_an_endpoint_that_is_not_there_or_not_ours_is_refused(server: RestateServer) -> None:
    admin = f"http://127.0.0.1:{server.admin_port}"
    nobody = run("register", f"http://127.0.0.1:{free_port()}", "--admin", admin)
    # The server speaks HTTP, but it is no endpoint.
    stranger = run("register", admin, "--admin", admin)
    for refused in (nobody, stranger):
        assert refused.returncode == 5
        assert f"the server at {admin} refused http://127.0.0.1:" in refused.stderr
        assert "Traceback" not in refused.stderr


class NameServer:
    """Takes note of what it is asked, at the address of last resort."""

    def __init__(self) -> None:
        self.questions: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> NameServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while question := self._socket.recv(2000):
            self.questions.append(question)


# Both C libraries then ask 127.0.0.1.
NO_RESOLVER = (
    *("unshare", "--map-root-user", "--mount", "sh", "-c"),
    'mount --bind /dev/null /etc/resolv.conf && exec "$@"',
    "sh",
)
UNCONFINED = (
    "import lash_trio.cli, lash_trio.cli._restate_server as server\n"
    "server.confined = list\n"
    "lash_trio.cli.main()\n"
)


def test_the_server_does_not_ask_for_the_address_of_releases(isolation: Isolation) -> None:
    plain = ["dev", "--json", "--temporary"]
    if isolation is Isolation.CONFINED:
        # Here the other half would really ask, and that is not wanted.
        with running(*plain, *own_ports()) as program:
            assert_confined(program.told()["pid"])
        return
    with NameServer() as names:
        # It would, if it could: otherwise what follows shows nothing.
        env = os.environ | {"LASH_TRIO_RESTATE_SERVER": str(server_program())}
        with subprocess.Popen(
            [*NO_RESOLVER, sys.executable, "-c", UNCONFINED, "restate", *plain, *own_ports()],
            env=env,
            stdout=subprocess.PIPE,
        ) as free:
            assert free.stdout is not None
            assert free.stdout.readline()
            wait_for_questions(names)
            free.terminate()
        assert any(RELEASES in question for question in names.questions)
        names.questions.clear()
        with running(*plain, *own_ports(), before=NO_RESOLVER) as program:
            told = program.told()
            assert_confined(told["pid"])
            # It looks as soon as it starts, and tries for some seconds.
            time.sleep(3)
            assert program.end(signal.SIGTERM)[0] == 0
    assert names.questions == []


def assert_confined(pid: int) -> None:
    assert "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()


def wait_for_questions(names: NameServer) -> None:
    deadline = time.monotonic() + 10
    while not names.questions and time.monotonic() < deadline:
        time.sleep(0.05)
