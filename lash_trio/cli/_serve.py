"""``lash-trio worker``: runs the processes of a file."""

from __future__ import annotations

import logging
import os
import socket
import sys
import uuid
from pathlib import Path

import attrs
import click
import trio

from .. import ProcessDefinitions, Runtime, RuntimeParts, WorkerOptions
from ._exits import exits_told
from ._file import db_option, existing_or_new, opened, told
from ._interrupt import Interrupts
from ._load import LoadError, load_all_definitions

_logger = logging.getLogger("lash_trio.command")
_DEFAULTS = WorkerOptions()


@attrs.frozen(kw_only=True)
class ServeRequest:
    """What a worker works on, and how.

    Args:
        definitions: what it can run.
        db: the file with the processes.
        owner_id: whose leases they are.
        options: how it works; the leases of scopes last as long as those of processes.
    """

    definitions: ProcessDefinitions
    db: Path
    owner_id: str
    options: WorkerOptions


class Serving:
    """A worker that works until it is told to drain.

    Args:
        request: what it works on.
    """

    def __init__(self, request: ServeRequest) -> None:
        self._request = request
        self._draining = trio.Event()
        self._whole = trio.CancelScope()
        self.has_drained = False

    async def run(self) -> None:
        """Work until it has drained, or has been stopped.

        Raises:
            StoreError: the file cannot be used.
        """
        from ..stores.sqlite import SqliteOptions

        request = self._request
        options = SqliteOptions(lease_ttl_ms=request.options.lease_ttl_ms)
        with self._whole:
            async with opened(request.db, options) as stores:
                parts = RuntimeParts(
                    registry=stores.registry,
                    host=stores.host(owner_id=request.owner_id),
                    worker=request.options,
                    owner_id=request.owner_id,
                )
                async with Runtime(request.definitions, parts):
                    self._log("works on %s", str(request.db))
                    await self._draining.wait()
            self._log("has drained")
            self.has_drained = True

    async def drain(self, reason: str) -> None:
        """Claim nothing new; what runs gets its grace, and the leases are given back."""
        self._log("drains (once more stops at once): %s", reason)
        self._draining.set()
        await trio.lowlevel.checkpoint()

    def stop(self) -> None:
        """Stop at once; what runs is stopped from outside and can be driven again."""
        self._whole.cancel("stopped by a second signal")

    def _log(self, message: str, *args: object) -> None:
        names = [known.name for known in self._request.definitions]
        ids = {"owner_id": self._request.owner_id, "processes": names}
        _logger.info(f"the worker {message}", *args, extra=ids)


@click.command()
@click.argument("source", metavar="MODULE")
@db_option
@click.option(
    "--max-running",
    metavar="N",
    type=click.IntRange(min=1),
    default=_DEFAULTS.max_running,
    show_default=True,
    help="How many processes may run at once; waiting ones do not count.",
)
@click.option(
    "--lease",
    "lease_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=_DEFAULTS.lease_ttl_ms / 1000,
    show_default=True,
    help="How long the processes of a worker that was killed stay its own.",
)
@click.option(
    "--grace",
    "grace_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=_DEFAULTS.drain_grace_seconds,
    show_default=True,
    help="How long running processes may go on in a drain.",
)
@click.option("--owner", "owner_id", metavar="NAME", help="What the worker is called.")
@click.option("--json", "as_json", is_flag=True, help="Log JSON, one document a line.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def worker(  # noqa: PLR0913 - one parameter for every option
    source: str,
    db: Path,
    max_running: int,
    lease_seconds: float,
    grace_seconds: float,
    owner_id: str | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Run the processes that MODULE defines, until told to stop.

    MODULE is the path of a Python file or the name of a module.  All processes of
    the file that have not ended are run, those to come as well; outcomes of steps
    are recorded, and a process that was run before gets the recorded ones back.
    Several workers may share a file.  The log goes to stderr.

    The first Ctrl-C or SIGTERM drains: nothing new is claimed, running processes
    get their grace, leases are given back, and the status is 0.  What has not ended
    then stays in the file, and the next worker goes on with it.  The second one
    stops at once, with status 130 or 143.
    """
    from ._logs import log_to_stderr

    log_to_stderr(as_json=as_json, verbose=verbose)
    try:
        definitions = load_all_definitions(source)
    except LoadError as error:
        raise click.UsageError(str(error)) from error
    serving = Serving(
        ServeRequest(
            definitions=definitions,
            db=existing_or_new(db),
            owner_id=_owner_id() if owner_id is None else owner_id,
            options=WorkerOptions(
                max_running=max_running,
                lease_ttl_ms=int(lease_seconds * 1000),
                drain_grace_seconds=grace_seconds,
            ),
        )
    )
    interrupts = Interrupts()
    with exits_told(interrupts):
        told(lambda: trio.run(_serve, serving, interrupts))
    sys.exit(0 if serving.has_drained else interrupts.exit_status or 1)


async def _serve(serving: Serving, interrupts: Interrupts) -> None:
    with interrupts.listening() as arrived:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts.serve, arrived, serving.drain, serving.stop)
            await serving.run()
            nursery.cancel_scope.cancel("the worker has ended")


def _owner_id() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
