"""``lash-trio demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import trio

from ._demo import DemoError, DemoRequest, Tally, tell_demo
from ._exits import exits_told
from ._file import existing_or_new, told
from ._interrupt import Interrupts
from ._print import note
from ._progress import Progress, open_progress


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--db",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Keep the process in this SQLite file, to look at it afterwards; else in one that goes.",
)
def demo(directory: Path | None, db: Path | None) -> None:
    """Kill a worker in the middle of its work, and see nothing lost.

    A worker, a program of its own, hashes the files of DIRECTORY (else those of
    lash_trio itself), is ended with SIGKILL when a part of them is done, and
    another one goes on.  What was recorded does not run again.

    \b
    Exit status:
      0    all was as promised
      1    it was not, which is a bug
      2    it could not be told
    """  # noqa: D301 - click's \b
    progress = open_progress(sys.stdout)
    interrupts = Interrupts(progress.last_words)
    tally: Tally | None = None
    with TemporaryDirectory(prefix="lash-trio-demo-") as room:
        request = DemoRequest(
            directory=(Path(__file__).parent.parent if directory is None else directory).resolve(),
            db=existing_or_new(Path(room, "processes.db") if db is None else db),
            room=Path(room),
        )
        with exits_told(interrupts):
            tally = told(lambda: _tell(request, progress, interrupts))
    if tally is not None and db is not None:
        note(f"lash-trio ps --all --db {db} lists what is in the file now")
    if interrupts.exit_status is not None:
        sys.exit(interrupts.exit_status)
    sys.exit(0 if tally is not None and tally.kept_its_word else 1)


def _tell(request: DemoRequest, progress: Progress, interrupts: Interrupts) -> Tally | None:
    try:
        return trio.run(_demo, request, progress, interrupts)
    except* DemoError as group:
        errors = group
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    raise click.UsageError(str(error)) from errors


async def _demo(request: DemoRequest, progress: Progress, interrupts: Interrupts) -> Tally | None:
    tally: Tally | None = None
    with interrupts.listening() as arrived, progress.showing(), trio.CancelScope() as whole:

        async def stop(reason: str) -> None:
            whole.cancel(reason)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts.serve, arrived, stop, whole.cancel)
            tally = await tell_demo(request, progress)
            nursery.cancel_scope.cancel("the demo has ended")
    return tally
