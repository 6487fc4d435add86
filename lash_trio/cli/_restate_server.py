"""A Restate server for development: finding the program, starting it, ending it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from ._file import CommandError, MissingExtraError
from ._restate_admin import is_healthy
from ._restate_confined import can_confine, confined

_INVOCATIONS = 10_000
SERVER_VARIABLE = "LASH_TRIO_RESTATE_SERVER"
LOOPBACK = "127.0.0.1"

_PROGRAM = "restate-server"
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_START_SECONDS = 60
_END_SECONDS = 20
_LINES_TOLD = 5
# It would send every call of an endpoint through them.
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})

HOW_TO_INSTALL = (
    "install it with `npm install @restatedev/restate-server` in the working directory; it is "
    f"looked for in the variable {SERVER_VARIABLE}, on PATH, and in node_modules of the working "
    "directory and of those above it"
)


class ServerError(CommandError):
    """The server cannot be started, or has ended."""


@attrs.frozen(kw_only=True)
class Ports:
    """Where the server listens, on the loopback.

    Args:
        ingress: for callers of services.
        admin: for registrations and questions.
        node: for its own messages.
    """

    ingress: int
    admin: int
    node: int

    @property
    def ingress_url(self) -> str:
        """Where services are called."""
        return f"http://{LOOPBACK}:{self.ingress}"

    @property
    def admin_url(self) -> str:
        """Where endpoints are registered."""
        return f"http://{LOOPBACK}:{self.admin}"


@attrs.frozen(kw_only=True)
class ServerRequest:
    """What to start.

    Args:
        program: the server.
        data: a directory, made where it is not there.
        ports: where it listens.
        may_look_for_releases: whether to start it also where it cannot be kept from that.
    """

    program: Path
    data: Path
    ports: Ports
    may_look_for_releases: bool = False

    @property
    def log(self) -> Path:
        """The file that the server writes its log to."""
        return self.data / "server.log"


@attrs.frozen
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    log: Path
    begin_of_log: int

    async def wait(self) -> None:
        """Wait for its end, which is an error; runs until cancelled.

        Raises:
            ServerError: it has ended.
        """
        await trio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)
        raise self.ended()

    def ended(self) -> ServerError:
        """The error that it has ended, with its last words."""
        with self.log.open("rb") as log:
            log.seek(self.begin_of_log)
            lines = log.read().decode(errors="replace").splitlines()
        last = "".join(f"\n  {line.strip()}" for line in lines[-_LINES_TOLD:] if line.strip())
        return ServerError(
            f"the server has ended with status {self.process.returncode}; its log: {self.log}{last}"
        )


def find_server(environment: Mapping[str, str]) -> Path:
    """The program.

    Args:
        environment: of this process.

    Raises:
        MissingExtraError: it cannot be found.
    """
    named = environment.get(SERVER_VARIABLE)
    if named:
        if shutil.which(named) is None:
            raise MissingExtraError(
                f"{SERVER_VARIABLE} names {named!r}, which is no program; {HOW_TO_INSTALL}"
            )
        return _behind_script(Path(named))
    on_path = shutil.which(_PROGRAM, path=environment.get("PATH"))
    if on_path is not None:
        return _behind_script(Path(on_path))
    here = Path.cwd()
    for directory in (here, *here.parents):
        found = directory / "node_modules" / "@restatedev" / _platform_package() / "bin" / _PROGRAM
        if found.is_file():
            return found
    raise MissingExtraError(f"there is no Restate server; {HOW_TO_INSTALL}")


def free_ports(ingress: int, admin: int, node: int) -> Ports:
    """The ports to use: any free one stands for 0.

    Raises:
        ServerError: a port is taken.
    """
    with contextlib.ExitStack() as held:
        # All at once, so that no port is found twice.
        found = [_bound(held, port) for port in (ingress, admin, node)]
    return Ports(ingress=found[0], admin=found[1], node=found[2])


@asynccontextmanager
async def running_server(request: ServerRequest) -> AsyncGenerator[Server, None]:
    """Start a server; it is up inside of the block, and gone after it.

    Raises:
        ServerError: it did not start.
    """
    command = [str(request.program), "--no-logo", "--node-name", "development"]
    if can_confine():
        command = confined(command)
    elif not request.may_look_for_releases:
        raise ServerError(
            "the server looks for new releases on the internet, and on this system it cannot be "
            "kept from that; --allow-release-check starts it all the same"
        )
    request.data.mkdir(parents=True, exist_ok=True)
    # Behind what it may hold: maybe another server is writing to it.
    with request.log.open("ab") as log:
        begin = log.tell()
        # Not in a thread: the server gets a signal when the thread that started it ends.
        process = subprocess.Popen(  # noqa: ASYNC220
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(request),
            # Ctrl-C is for this program, which ends the server when it needs it no more.
            start_new_session=True,
        )
    try:
        server = Server(process, request.log, begin)
        await _wait_until_up(server, request.ports)
        yield server
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_end, process)


def _environment(request: ServerRequest) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name.lower() not in _PROXIES}
    ports = request.ports
    return kept | {
        "RESTATE_BASE_DIR": str(request.data),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_IP": LOOPBACK,
        "RESTATE_BIND_PORT": str(ports.node),
        "RESTATE_INGRESS__BIND_ADDRESS": f"{LOOPBACK}:{ports.ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"{LOOPBACK}:{ports.admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        # For services that say nothing about it; ours do.
        "RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": "100ms",
        "RESTATE_DEFAULT_RETRY_POLICY__MAX_INTERVAL": "10s",
        # Who is loaded takes one, and its calls of the registry wait for another.
        "RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT": str(_INVOCATIONS),
        # One machine, one user.
        "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
        "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MB",
        "RESTATE_LOG_FORMAT": "compact",
        "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
    }


async def _wait_until_up(server: Server, ports: Ports) -> None:
    urls = (f"{ports.admin_url}/health", f"{ports.ingress_url}/restate/health")
    with trio.move_on_after(_START_SECONDS):
        while server.process.poll() is None:
            if all([await is_healthy(url) for url in urls]):
                return
            await trio.sleep(0.05)
        raise server.ended()
    raise ServerError(f"the server is not up after {_START_SECONDS} s; its log: {server.log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _bound(held: contextlib.ExitStack, port: int) -> int:
    one = held.enter_context(socket.socket())
    # As servers do: connections of one that has just ended do not count.
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((LOOPBACK, port))
    except OSError as error:
        raise ServerError(
            f"port {port} of {LOOPBACK} cannot be used: {error.strerror}; does another server run? "
            "0 stands for any free port"
        ) from error
    return int(one.getsockname()[1])


def _platform_package() -> str:
    machine = platform.machine().lower()
    return f"{_PROGRAM}-{sys.platform}-{_MACHINES.get(machine, machine)}"


def _behind_script(program: Path) -> Path:
    """The program itself, where npm has put a script before it that only starts it."""
    script = Path(shutil.which(program) or program).resolve()
    if script.suffix != ".js":
        return script
    package = script.parent.parent
    beside = [package.parent, package / "node_modules" / "@restatedev"]
    for directory in beside:
        found = directory / _platform_package() / "bin" / _PROGRAM
        if found.is_file():
            return found
    return script
