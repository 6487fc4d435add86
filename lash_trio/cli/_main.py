"""The commands, on click."""

from __future__ import annotations

import sys
import traceback

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
from ._interrupt import Interrupts
from ._load import LoadError, load_definitions
from ._look import events, journal, ps, show
from ._parsing import parsed_args, parsed_signals
from ._progress import Progress, open_progress
from ._report import report
from ._run import BadRequestError, RunRequest, SingleRun
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
@click.option("-v", "--verbose", is_flag=True, help="Show every step, and tracebacks.")
def run(  # noqa: PLR0913 - one parameter for every option
    source: str,
    process: str,
    args: JsonObject,
    process_id: str | None,
    signals: tuple[tuple[str, JsonValue], ...],
    max_running: int,
    verbose: bool,
) -> None:
    """Run PROCESS of MODULE to its end, in memory.

    MODULE is the path of a Python file or the name of a module.  It is imported; it
    must have a ProcessDefinitions at its top level.  The result goes to stdout as
    one JSON document: on one line, or indented where stdout is a terminal.  All
    else goes to stderr, also what MODULE prints.

    Signals are sent before the process begins, in the order given.  They are kept
    for it, so each is there when the process comes to wait for it.

    The first Ctrl-C or SIGTERM asks the process to end as cancelled and waits for
    it; the second one stops at once.  Processes that it has started and that run
    when it ends get ten seconds to end.

    \b
    Exit status:
      0    the process completed
      1    it failed, or was cancelled by somebody else
      2    it could not be started as asked
      130  it was cancelled by Ctrl-C
      143  it was cancelled by SIGTERM
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
                process_id=process_id,
                signals=signals,
                worker=WorkerOptions(max_running=max_running),
                shows_steps=verbose,
            )
            output = trio.run(_run, request, progress, interrupts)
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
):
    command.add_command(_each)


async def _run(
    request: RunRequest, progress: Progress, interrupts: Interrupts
) -> ProcessAwaitOutput | None:
    single = SingleRun(request, progress)
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
