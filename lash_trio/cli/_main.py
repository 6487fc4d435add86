"""The commands, on click."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import click
import trio

from .. import (
    JsonObject,
    JsonValue,
    ProcessAwaitOutput,
    ProcessFailure,
    ProcessSuccess,
    WorkerOptions,
)
from ._change import cancel, signal as signal_command, start, vacuum
from ._chat import chat
from ._demo_command import demo
from ._describe import printable
from ._exits import exits_told
from ._file import existing_or_new, told
from ._interrupt import Interrupts
from ._load import LoadError, load_definitions
from ._look import events, journal, ps, show
from ._parsing import parsed_args, parsed_signals
from ._progress import Progress, open_progress
from ._report import report
from ._restate import restate
from ._run import BadRequestError, RunRequest, SingleRun, new_process_id
from ._serve import worker
from ._stdout import stdout_to_stderr, write_result

COMPLETED, FAILED = 0, 1
_DEFAULT_MAX_RUNNING = WorkerOptions().max_running


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lash-trio", prog_name="lash-trio")
def command() -> None:
    """Structured concurrency for durable work in trio applications."""


@command.command()
@click.argument("source", metavar="MODULE")
@click.argument("process", metavar="PROCESS")
@click.option(
    "--args",
    metavar="JSON",
    default="{}",
    callback=parsed_args,
    help="The arguments of the process, by name, as a JSON object.",
)
@click.option(
    "--id",
    "process_id",
    metavar="ID",
    help="The id of the process; its name and a random part where left out.  Idempotency keys "
    "of steps follow from it.",
)
@click.option(
    "--signal",
    "signals",
    metavar="NAME[=JSON]",
    multiple=True,
    callback=parsed_signals,
    help="A signal to send, null being its payload where left out; may be given often.",
)
@click.option(
    "--max-running",
    metavar="N",
    type=click.IntRange(min=1),
    default=_DEFAULT_MAX_RUNNING,
    show_default=True,
    help="How many processes may run at once; waiting ones do not count.",
)
@click.option(
    "--db",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Keep the process in this SQLite file, so that the same command with the same --id goes "
    "on with it after a crash; in memory where left out.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every step, and tracebacks.")
def run(  # noqa: PLR0913 - one parameter for every option
    source: str,
    process: str,
    args: JsonObject,
    process_id: str | None,
    signals: tuple[tuple[str, JsonValue], ...],
    max_running: int,
    db: Path | None,
    verbose: bool,
) -> None:
    """Run PROCESS of MODULE to its end, in memory or in a file.

    MODULE is the path of a Python file or the name of a module.  It is imported; it
    must have a ProcessDefinitions at its top level.  The result goes to stdout as
    one JSON document: on one line, or indented where stdout is a terminal.  All
    else goes to stderr, also what MODULE prints.

    Signals are sent before the process begins, in the order given.  They are kept
    for it, so each is there when the process comes to wait for it.

    The first Ctrl-C or SIGTERM asks the process to end as cancelled and waits for
    it; the second one stops at once.  Processes that it has started and that run
    when it ends get ten seconds to end.

    With --db outcomes of steps are recorded, and the worker in this command runs the
    process and what it starts, no others of the file.  Ctrl-C and SIGTERM then cancel
    nothing: steps that run get ten seconds, and the process stays in the file.  The
    same command with the same --id, or a worker, goes on with it.

    \b
    Exit status:
      0    the process completed
      1    it failed, or was cancelled by somebody else
      2    it could not be started as asked
      4    the file given with --db cannot be used
      130  it was cancelled by Ctrl-C, or stopped by it
      143  the same by SIGTERM
    """  # noqa: D301 - click's \b
    progress = open_progress(sys.stderr)
    interrupts = Interrupts(progress.last_words)
    output: ProcessAwaitOutput | None = None
    try:
        with exits_told(interrupts), stdout_to_stderr():
            request = RunRequest(
                definitions=load_definitions(source, process),
                process=process,
                args=args,
                process_id=new_process_id(process) if process_id is None else process_id,
                signals=signals,
                worker=WorkerOptions(max_running=max_running),
                shows_steps=verbose,
            )
            file = None if db is None else existing_or_new(db)
            output = told(lambda: trio.run(_run, request, file, progress, interrupts))
    except LoadError as error:
        _show_traceback(error.__cause__, verbose)
        raise click.UsageError(str(error)) from error
    except BadRequestError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(_tell_end(output, interrupts, verbose))


for _each in (
    demo,
    chat,
    worker,
    start,
    ps,
    show,
    events,
    journal,
    report,
    signal_command,
    cancel,
    vacuum,
    restate,
):
    command.add_command(_each)


async def _run(
    request: RunRequest, file: Path | None, progress: Progress, interrupts: Interrupts
) -> ProcessAwaitOutput | None:
    if file is None or request.process_id is None:
        return await _run_single(SingleRun(request, progress), progress, interrupts)
    # It needs the extra.
    from ._run_on_file import place_in

    async with place_in(file, request.process_id) as place:
        return await _run_single(SingleRun(request, progress, place), progress, interrupts)


async def _run_single(
    single: SingleRun, progress: Progress, interrupts: Interrupts
) -> ProcessAwaitOutput | None:
    await single.register()
    # The signals outermost: one that is left over is delivered when the terminal is
    # back to normal.
    with interrupts.listening() as arrived, progress.showing():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts.serve, arrived, single.ask_to_end, single.stop)
            output = await single.run()
            nursery.cancel_scope.cancel("the process has ended")
    return output


def _tell_end(output: ProcessAwaitOutput | None, interrupts: Interrupts, verbose: bool) -> int:
    match output:
        case ProcessSuccess(value=value):
            write_result(value)
            return COMPLETED
        case ProcessFailure(raw={"traceback": str(text)}):
            click.echo(
                printable(text) if verbose else "lash-trio: -v shows the traceback", err=True
            )
            return FAILED
        case ProcessFailure():
            return FAILED
        case None if interrupts.first is not None:
            click.echo("lash-trio: stopped; the process had not ended", err=True)
            return interrupts.exit_status or FAILED
        case _:
            return interrupts.exit_status or FAILED


def _show_traceback(error: BaseException | None, verbose: bool) -> None:
    if verbose and error is not None:
        click.echo(printable("".join(traceback.format_exception(error))), err=True)
