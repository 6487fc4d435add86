"""A Restate server of one's own, that can reach nothing but this machine."""

from __future__ import annotations

import enum
import fcntl
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from lash_trio.cli._restate_confined import can_confine, confined

SERVICE = "LashProcess"

HOW_TO_RUN = (
    "these tests run where there is no network but the loopback, so that the server cannot look "
    "for new releases: run them with `python -m nox -s restate`"
)
CONFINED_VARIABLE = "RESTATE_CONFINED"
HOW_TO_INSTALL = (
    "these tests need the Restate server: `npm install @restatedev/restate-server` and name the "
    "program node_modules/@restatedev/restate-server-<system>/bin/restate-server in the variable "
    "RESTATE_SERVER; `python -m nox -s restate` does both"
)

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


class Isolation(enum.Enum):
    """What keeps the server from looking for new releases."""

    NAMESPACE = "a network namespace that has nothing but a loopback"
    CONFINED = "a filter of system calls: no sockets but for streams, so no look-ups of names"


def isolation_here() -> Isolation:
    """Refuse to go on where nothing keeps the server; make the loopback of a namespace work."""
    names = [name for _, name in socket.if_nameindex()]
    if names != ["lo"]:
        assert os.environ.get(CONFINED_VARIABLE), f"{HOW_TO_RUN}; here are {names}"
        assert can_confine(), f"{HOW_TO_RUN}; there is no filter of system calls here"
        return Isolation.CONFINED
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
    return Isolation.NAMESPACE


def server_program() -> Path:
    """Where the server is."""
    named = os.environ.get("RESTATE_SERVER") or shutil.which("restate-server")
    assert named, HOW_TO_INSTALL
    assert Path(named).is_file(), f"{named} is no program; {HOW_TO_INSTALL}"
    return Path(named)


_ports = itertools.count(20_000)


def free_port() -> int:
    """A port that no connection gets by chance while who listens on it is down."""
    for port in _ports:
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there are always more numbers")


@attrs.frozen
class Answer:
    status: int
    body: Any


@attrs.define
class RestateServer:
    """The server, and its clients."""

    directory: Path
    more_environment: dict[str, str] = attrs.field(factory=dict[str, str])
    ingress_port: int = attrs.field(factory=free_port)
    admin_port: int = attrs.field(factory=free_port)
    node_port: int = attrs.field(factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text()

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "RESTATE_BASE_DIR": str(self.directory / "data"),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_BIND_PORT": str(self.node_port),
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.ingress_port}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.admin_port}",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
            "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MB",
            **self.more_environment,
        }
        command = [str(server_program()), "--no-logo", "--node-name", "test"]
        if isolation_here() is Isolation.CONFINED:
            # It may be started by a thread that ends before it.
            command = confined(command, ends_with_parent=False)
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )
        deadline = time.monotonic() + 60
        while not self._is_up():
            assert self.process.poll() is None, f"the server has ended: {self.log[-2000:]}"
            assert time.monotonic() < deadline, f"the server is not up: {self.log[-2000:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def _is_up(self) -> bool:
        urls = (
            f"http://127.0.0.1:{self.admin_port}/health",
            f"http://127.0.0.1:{self.ingress_port}/restate/health",
        )
        try:
            return all(_ask("GET", url, None, 2).status == 200 for url in urls)
        except OSError:
            return False

    async def admin(self, method: str, path: str, body: object = None) -> Answer:
        return await _ask_in_thread(method, f"http://127.0.0.1:{self.admin_port}{path}", body)

    async def ingress(self, method: str, path: str, body: object = None) -> Answer:
        return await _ask_in_thread(method, f"http://127.0.0.1:{self.ingress_port}{path}", body)

    async def register(self, port: int) -> Answer:
        return await self.admin(
            "POST", "/deployments", {"uri": f"http://127.0.0.1:{port}", "force": True}
        )

    async def start_process(self, process_id: str, definition: str, args: dict[str, object]) -> str:
        answer = await self.ingress(
            "POST",
            f"/{SERVICE}/{process_id}/run/send",
            {"definition": definition, "args": args},
        )
        assert answer.status == 202, answer
        return str(answer.body["invocationId"])

    async def signal(
        self, process_id: str, name: str, payload: object = None, signal_id: str | None = None
    ) -> int:
        asked = {"name": name, "payload": payload, "signal_id": signal_id}
        answer = await self.ingress("POST", f"/{SERVICE}/{process_id}/signal", asked)
        assert answer.status == 200, answer
        return int(answer.body["ordinal"])

    async def cancel(self, process_id: str, reason: str | None) -> bool:
        answer = await self.ingress("POST", f"/{SERVICE}/{process_id}/cancel", {"reason": reason})
        assert answer.status == 200, answer
        return bool(answer.body["is_first"])

    async def output(self, process_id: str) -> Answer:
        return await self.ingress("GET", f"/restate/workflow/{SERVICE}/{process_id}/attach")

    async def query(self, text: str) -> list[dict[str, Any]]:
        answer = await self.admin("POST", "/query", {"query": text})
        assert answer.status == 200, answer
        rows = answer.body["rows"]
        assert isinstance(rows, list)
        return rows

    async def invocation(self, process_id: str) -> dict[str, Any]:
        (row,) = await self.query(
            "select id, status, last_failure, retry_count, pinned_service_protocol_version "
            "from sys_invocation where target_handler_name = 'run' "
            f"and target_service_key = '{process_id}'"
        )
        return row

    async def pause_reason(self, process_id: str) -> str:
        """Why an invocation is paused, as operators see it."""
        row = await self.wait_status(process_id, "paused")
        events = await self.query(
            f"select event_type, event_json from sys_journal_events where id = '{row['id']}'"
        )
        (event,) = [json.loads(e["event_json"]) for e in events if e["event_type"] == "Paused"]
        return str(event["last_failure"]["error_message"])

    async def resume(self, process_id: str) -> None:
        row = await self.invocation(process_id)
        answer = await self.admin("PATCH", f"/invocations/{row['id']}/resume")
        assert answer.status in (200, 202), answer

    async def wait_status(self, process_id: str, status: str) -> dict[str, Any]:
        row: dict[str, Any] = {}
        with trio.move_on_after(20):
            # The server does not tell when it changes.
            while (row := await self.invocation(process_id))["status"] != status:  # noqa: ASYNC110
                await trio.sleep(0.05)
            return row
        raise AssertionError(f"{process_id} did not become {status}: {row}")


async def _ask_in_thread(method: str, url: str, body: object) -> Answer:
    return await trio.to_thread.run_sync(
        partial(_ask, method, url, body, 60), abandon_on_cancel=True
    )


def _ask(method: str, url: str, body: object, timeout: float) -> Answer:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json", "accept": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, _parsed(response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _parsed(error.read()))


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
