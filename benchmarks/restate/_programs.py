"""The programs that are measured, each a process of the operating system."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from ._http import Client
from ._sides import Peer

LOOPBACK = "127.0.0.1"
_OUR_SERVICE = "LashProcess"
_STOCK_SERVICE = "Stock"
_START_SECONDS = 60
_END_SECONDS = 30
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


@attrs.define
class Server:
    """A server of the run's own."""

    ingress_url: str
    ingress: Client
    admin: Client
    _called: dict[str, int] = attrs.field(factory=dict[str, int])

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.admin.ask("GET", "/version")["version"])

    def protocol_versions(self) -> dict[str, list[int]]:
        """The versions of the protocol that were spoken, by service."""
        query = (
            "select distinct target_service_name as service, "
            "pinned_service_protocol_version as version from sys_invocation "
            "where pinned_service_protocol_version is not null order by 1, 2"
        )
        found: dict[str, list[int]] = {}
        for row in self.admin.ask("POST", "/query", {"query": query})["rows"]:
            found.setdefault(row["service"], []).append(row["version"])
        return found

    def journal_entries(self) -> object:
        """In which states invocations are, and how much is written down of them."""
        query = (
            "select status, count(1) as invocations, sum(journal_size) as entries "
            "from sys_invocation where status <> 'completed' group by status order by status"
        )
        rows = self.admin.ask("POST", "/query", {"query": query})["rows"]
        return tuple(tuple(row.values()) for row in rows)

    def peer(self, service: str, port: int) -> Peer:
        """The endpoint on a port."""

        def call() -> None:
            # Two of ours serve the same workflow: the server calls the last one registered.
            if self._called.get(service) != port:
                asked = {"uri": f"http://{LOOPBACK}:{port}", "force": True}
                self.admin.ask("POST", "/deployments", asked)
                self._called[service] = port

        return Peer(service=service, ingress=self.ingress, call=call, written=self.journal_entries)


@attrs.frozen
class Programs:
    """All that is measured."""

    server: Server
    stock: Peer
    ours: Peer
    logged: Peer


@contextmanager
def running(directory: Path) -> Generator[Programs]:
    """Start everything; it is gone after the block.

    Args:
        directory: for the logs of the endpoints.
    """
    bring_up_loopback()
    with ExitStack() as stack:
        server = stack.enter_context(_server())
        ports = free_ports(3)
        for port, (name, *arguments) in zip(
            ports, (("stock",), ("ours",), ("ours", server.ingress_url)), strict=True
        ):
            stack.enter_context(_endpoint(directory, name, port, arguments))
        yield Programs(
            server,
            server.peer(_STOCK_SERVICE, ports[0]),
            server.peer(_OUR_SERVICE, ports[1]),
            server.peer(_OUR_SERVICE, ports[2]),
        )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    with ExitStack() as stack:
        # All at once, so that no port is found twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def bring_up_loopback() -> None:
    """Make the loopback of a new network namespace work; does nothing elsewhere."""
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        return
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


@contextmanager
def _server() -> Generator[Server]:
    """The server for development, which is kept from looking for new releases."""
    command = [sys.executable, "-m", "lash_trio", "restate", "dev", "--temporary", "--json"]
    for name in ("ingress", "admin", "node"):
        command += [f"--{name}-port", "0"]
    environment = {"LASH_TRIO_RESTATE_SERVER": os.environ.get("RESTATE_SERVER", "")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment | os.environ) as process:
        assert process.stdout is not None
        with _ended(process):
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the Restate server did not start")
            told = json.loads(line)
            yield Server(told["ingress"], Client(told["ingress"]), Client(told["admin"]))


@contextmanager
def _endpoint(directory: Path, name: str, port: int, arguments: Sequence[str]) -> Generator[None]:
    log = directory / f"{name}-{port}.log"
    command = [sys.executable, "-m", f"benchmarks.restate.{name}", str(port), *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    with _ended(process):
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the endpoint {name} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Generator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
