"""``lash-trio restate``: a server for development, endpoints, and their registration."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import attrs
import click
import trio

from .. import JsonObject, ProcessDefinitions
from ._exits import exits_told
from ._file import CommandError, F, json_option
from ._interrupt import Interrupts
from ._load import LoadError, load_all_definitions
from ._print import print_json, print_line
from ._restate_admin import Registration, register, require_extra
from ._restate_serve import EndpointRequest, EndpointServing
from ._restate_server import (
    LOOPBACK,
    Ports,
    Server,
    ServerRequest,
    find_server,
    free_ports,
    running_server,
)

ADMIN_VARIABLE = "LASH_TRIO_RESTATE_ADMIN"
INGRESS_VARIABLE = "LASH_TRIO_RESTATE_INGRESS"
_INGRESS_PORT, _ADMIN_PORT, _NODE_PORT, _ENDPOINT_PORT = 8080, 9070, 5122, 9080
_GRACE_SECONDS = 10.0


def default_data() -> Path:
    """Where a server keeps what it knows unless told otherwise."""
    import platformdirs

    return platformdirs.user_data_path("lash-trio", appauthor=False) / "restate"


@click.group()
def restate() -> None:
    """Work with a Restate server: start one, serve processes to it."""


def _port_option(name: str, default: int, what: str) -> Callable[[F], F]:
    return click.option(
        name,
        metavar="PORT",
        type=click.IntRange(0, 65535),
        default=default,
        show_default=True,
        help=f"{what}; 0 stands for any free one.",
    )


_grace_option = click.option(
    "--grace",
    "grace_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=_GRACE_SECONDS,
    show_default=True,
    help="How long running steps may go on in a drain.",
)


@restate.command()
@click.argument("source", metavar="[MODULE]", required=False)
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_data,
    show_default="in your data directory",
    help="Where the server keeps what it knows.",
)
@click.option("--temporary", is_flag=True, help="Keep nothing after the end, whatever --data says.")
@_port_option("--ingress-port", _INGRESS_PORT, "Where services are called")
@_port_option("--admin-port", _ADMIN_PORT, "Where endpoints are registered")
@_port_option("--node-port", _NODE_PORT, "Where the server talks to itself")
@_port_option("--port", _ENDPOINT_PORT, "Where the endpoint of MODULE is")
@_grace_option
@click.option(
    "--allow-release-check",
    is_flag=True,
    help="Start the server also where it cannot be kept from looking for new releases.",
)
@json_option
def dev(  # noqa: PLR0913 - one parameter for every option
    source: str | None,
    data: Path,
    temporary: bool,
    ingress_port: int,
    admin_port: int,
    node_port: int,
    port: int,
    grace_seconds: float,
    allow_release_check: bool,
    as_json: bool,
) -> None:
    """Run a Restate server on this machine, until told to stop.

    It listens on the loopback alone, sends no telemetry, and is kept from looking for
    new releases.  Once it is up, its addresses go to stdout.  With MODULE, the processes
    that it defines are served and registered as well.

    The server has to be there: 'npm install @restatedev/restate-server' in the working
    directory installs it.  It is looked for in LASH_TRIO_RESTATE_SERVER, on PATH, and in
    node_modules.

    The first Ctrl-C or SIGTERM drains the endpoint and ends the server, and the status is
    0.  The second one stops at once, with status 130 or 143.
    """
    require_extra()
    _log(as_json=as_json, verbose=False)
    program = find_server(os.environ)
    definitions = None if source is None else _definitions(source)
    ports = free_ports(ingress_port, admin_port, node_port)
    with contextlib.ExitStack() as held:
        if temporary:
            data = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="lash-trio-")))
        request = ServerRequest(
            program=program,
            data=data.resolve(),
            ports=ports,
            may_look_for_releases=allow_release_check,
        )
        serving = None
        if definitions is not None:
            serving = EndpointServing(
                EndpointRequest(
                    definitions=definitions,
                    host=LOOPBACK,
                    port=port,
                    grace_seconds=grace_seconds,
                    ingress_url=ports.ingress_url,
                )
            )
        development = _Development(request, serving, as_json)
        _run(development.run, development.drain, development.stop)


@restate.command(name="register")
@click.argument("url")
@click.option(
    "--admin",
    "admin_url",
    metavar="URL",
    envvar=ADMIN_VARIABLE,
    default=f"http://{LOOPBACK}:{_ADMIN_PORT}",
    show_default=True,
    show_envvar=True,
    help="The server.",
)
@click.option("--force", is_flag=True, help="Replace what is registered under this URL.")
@json_option
def register_command(url: str, admin_url: str, force: bool, as_json: bool) -> None:
    """Register the endpoint at URL with a Restate server.

    URL is where the server reaches the endpoint.  From then on, it calls the endpoint for
    new processes; those that have begun stay with the endpoint that they began with.

    \b
    Exit status:
      4    there is no server
      5    the server refused: it does not reach the endpoint, say, or URL is taken
    """  # noqa: D301 - click's \b
    require_extra()
    registration = _registration(url, admin_url, force)
    _tell_registered(trio.run(register, registration), as_json)


@restate.command()
@click.argument("source", metavar="MODULE")
@_port_option("--port", _ENDPOINT_PORT, "Where to listen")
@click.option(
    "--host",
    metavar="ADDRESS",
    default=LOOPBACK,
    show_default=True,
    help="The address to listen on.  Give --identity-key where others can reach it.",
)
@click.option(
    "--identity-key",
    "identity_keys",
    metavar="KEY",
    multiple=True,
    help="The public key (publickeyv1_...) of a server that may call; may be given often.",
)
@click.option(
    "--ingress",
    "ingress_url",
    metavar="URL",
    envvar=INGRESS_VARIABLE,
    default=f"http://{LOOPBACK}:{_INGRESS_PORT}",
    show_default=True,
    show_envvar=True,
    help="Where the server is called that keeps the rows and logs of the processes.",
)
@click.option(
    "--namespace",
    metavar="NAME",
    default="",
    help="Serve the processes of a namespace of that server's.",
)
@_grace_option
@click.option("--json", "as_json", is_flag=True, help="Log JSON, one document a line.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def serve(  # noqa: PLR0913 - one parameter for every option
    source: str,
    port: int,
    host: str,
    identity_keys: tuple[str, ...],
    ingress_url: str,
    namespace: str,
    grace_seconds: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Serve the processes that MODULE defines to Restate, until told to stop.

    MODULE is the path of a Python file or the name of a module.  Restate calls the endpoint
    once it is registered: 'lash-trio restate register URL'.  The endpoint calls Restate too,
    at the ingress, to write down what its processes do.  The log goes to stderr.

    The first Ctrl-C or SIGTERM drains: no new calls, running steps get their grace, the rest
    is handed back to Restate, and the status is 0.  The second one stops at once, with status
    130 or 143.
    """
    require_extra()
    _log(as_json=as_json, verbose=verbose)
    serving = EndpointServing(
        EndpointRequest(
            definitions=_definitions(source),
            host=host,
            port=port,
            identity_keys=identity_keys,
            grace_seconds=grace_seconds,
            ingress_url=ingress_url,
            namespace=namespace,
        )
    )
    _run(serving.run, serving.drain, serving.stop)


@attrs.define
class _Development:
    """A server, and maybe an endpoint beside it."""

    request: ServerRequest
    serving: EndpointServing | None
    as_json: bool
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)
    _whole: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def run(self) -> None:
        with self._whole:
            async with running_server(self.request) as server, trio.open_nursery() as nursery:
                nursery.start_soon(server.wait)
                registered: JsonObject | None = None
                if self.serving is not None:
                    url = await nursery.start(self.serving.run)
                    admin_url = self.request.ports.admin_url
                    # What runs here is what is meant, whatever was registered before.
                    registered = await register(_registration(url, admin_url, is_forced=True))
                self._tell(server, registered)
                await self._asked.wait()
                nursery.cancel_scope.cancel("asked to end")

    async def drain(self, reason: str) -> None:
        if self.serving is not None:
            await self.serving.drain(reason)
        self._asked.set()
        await trio.lowlevel.checkpoint()

    def stop(self) -> None:
        self._whole.cancel("stopped by a second signal")

    def _tell(self, server: Server, registered: JsonObject | None) -> None:
        ports: Ports = self.request.ports
        if self.as_json:
            told: JsonObject = {
                "ingress": ports.ingress_url,
                "admin": ports.admin_url,
                "node": ports.node,
                "data": str(self.request.data),
                "log": str(self.request.log),
                "pid": server.process.pid,
            }
            if registered is not None:
                told["endpoint"] = registered
            print_json(told)
        else:
            print_line(f"Services are called at  {ports.ingress_url}")
            print_line(f"Endpoints register at   {ports.admin_url}")
            print_line(f"It keeps its data in    {self.request.data}")
            if registered is not None:
                _tell_registered(registered, as_json=False)
            print_line("Ctrl-C ends it.")
        sys.stdout.flush()


def _run(
    work: Callable[[], Awaitable[None]],
    drain: Callable[[str], Awaitable[None]],
    stop: Callable[[], None],
) -> None:
    """Run something until a signal drains it, and end the program."""
    interrupts = Interrupts()
    is_stopped = False

    def note_and_stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        stop()

    async def run_listening() -> None:
        with interrupts.listening() as arrived:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(interrupts.serve, arrived, drain, note_and_stop)
                await work()
                nursery.cancel_scope.cancel("it has ended")

    with exits_told(interrupts), _errors_told():
        trio.run(run_listening)
    sys.exit((interrupts.exit_status or 1) if is_stopped else 0)


@contextlib.contextmanager
def _errors_told() -> Generator[None]:
    """Let an error for the user out of the groups that nurseries put it into."""
    try:
        yield
    except ExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, CommandError):
            raise error from None
        raise


def _log(*, as_json: bool, verbose: bool) -> None:
    from ._logs import log_to_stderr

    log_to_stderr(as_json=as_json, verbose=verbose)
    # It would have a line for every request.
    logging.getLogger("httpx2").setLevel(logging.DEBUG if verbose else logging.WARNING)


def _definitions(source: str) -> ProcessDefinitions:
    try:
        return load_all_definitions(source)
    except LoadError as error:
        raise click.UsageError(str(error)) from error


def _registration(url: str, admin_url: str, is_forced: bool) -> Registration:
    from ..engines.restate import PROCESS_SERVICE

    return Registration(url=url, admin_url=admin_url, force=is_forced, services=(PROCESS_SERVICE,))


def _tell_registered(told: JsonObject, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    print_line(f"{told['url']} is registered as {told['deployment']}")
    services = told["services"]
    assert isinstance(services, list)
    for service in services:
        assert isinstance(service, dict)
        print_line(f"  {service['name']}, revision {service['revision']}")
