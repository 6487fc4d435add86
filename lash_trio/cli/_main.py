"""The commands, on click."""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Generator
from pathlib import Path

import click
import trio

from .. import (
    JsonObject,
    JsonValue,
    PluginError,
    ProcessAwaitOutput,
    ProcessFailure,
    ProcessSuccess,
    WireError,
    WorkerOptions,
    parse_json,
    signal_event_type,
)
from ._demo import tell_demo
from ._describe import printable
from ._interrupt import Interrupts
from ._load import LoadError, load_definitions
from ._progress import Progress, open_progress
from ._run import BadRequestError, RunRequest, SingleRun
from ._stdout import stdout_to_stderr, write_result

COMPLETED, FAILED = 0, 1
_DEFAULT_MAX_RUNNING = WorkerOptions().max_running


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lash-trio", prog_name="lash-trio")
def command() -> None:
    """Structured concurrency for durable work in trio applications."""


@command.command()
def demo() -> None:
    """Tell what lash_trio is about in a few seconds.

    A process with steps side by side, a sleep, a signal that comes before anybody
    waits for it, a child process, a cancel with its reason, and a drain.
    """
    progress = open_progress(sys.stdout)
    interrupts = Interrupts(progress.last_words)
    with _exits_told(interrupts):
        trio.run(_demo, progress, interrupts)
    sys.exit(interrupts.exit_status or 0)


def _parsed_args(_: click.Context, __: click.Parameter, text: str) -> JsonObject:
    parsed = _parsed_json(text)
    if not isinstance(parsed, dict):
        raise click.BadParameter(
            f"""expected a JSON object with the arguments by name, as '{{"n": 1}}', got {text!r}"""
        )
    return parsed


def _parsed_signals(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, JsonValue], ...]:
    return tuple(_parsed_signal(text) for text in texts)


def _parsed_signal(text: str) -> tuple[str, JsonValue]:
    name, equals, payload = text.partition("=")
    try:
        signal_event_type(name)
    except PluginError as error:
        raise click.BadParameter(error.message) from error
    return name, _parsed_json(payload) if equals else None


def _parsed_json(text: str) -> JsonValue:
    try:
        return parse_json(text)
    except WireError as error:
        raise click.BadParameter(f"{error.message}; got {text!r}") from error


@command.command()
@click.argument("file", metavar="FILE.py", type=click.Path(path_type=Path))
@click.argument("process", metavar="PROCESS")
@click.option(
    "--args",
    metavar="JSON",
    default="{}",
    callback=_parsed_args,
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
    callback=_parsed_signals,
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
    file: Path,
    process: str,
    args: JsonObject,
    process_id: str | None,
    signals: tuple[tuple[str, JsonValue], ...],
    max_running: int,
    verbose: bool,
) -> None:
    """Run PROCESS of FILE.py to its end, in memory.

    FILE.py is imported; it must have a ProcessDefinitions at its top level.  The
    result goes to stdout as one JSON document: on one line, or indented where
    stdout is a terminal.  All else goes to stderr, also what FILE.py prints.

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
        with _exits_told(interrupts), stdout_to_stderr():
            request = RunRequest(
                definitions=load_definitions(file, process),
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


async def _demo(progress: Progress, interrupts: Interrupts) -> None:
    with interrupts.listening() as arrived, progress.showing(), trio.CancelScope() as whole:

        async def stop(reason: str) -> None:
            whole.cancel(reason)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts.serve, arrived, stop, whole.cancel)
            await tell_demo(progress)
            nursery.cancel_scope.cancel("the demo has ended")


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


@contextlib.contextmanager
def _exits_told(interrupts: Interrupts) -> Generator[None]:
    """Turn exceptions that end a program into an exit status."""
    try:
        yield
        interrupts.ignore_more()
    except* KeyboardInterrupt:
        # Ctrl-C where nobody listens for it, for example while the file is imported.
        interrupts.note(signal.SIGINT)
    except* SystemExit:
        click.echo(
            "lash-trio: the process raised SystemExit, which ends programs and not processes; "
            "return a value, or raise another exception",
            err=True,
        )


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
