"""``lash-trio worker``: a real one, and the commands beside it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lash_trio.cli._load import LoadError, load_all_definitions
from lash_trio.cli._logs import TextFormatter, json_formatter
from tests.cli.support import (
    COMMAND,
    TIMEOUT_SECONDS,
    Invoke,
    WriteFile,
    environment,
)

SOURCE = """
    import time
    from pathlib import Path

    import trio
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()
    others = ProcessDefinitions()

    async def fetch():
        return 42

    @definitions.process("order", signals=["approved"])
    async def order(ctx: ProcessContext):
        print("printed by the process", flush=True)
        return [await ctx.step("fetch", fetch), await ctx.wait_signal("approved")]

    async def slow():
        await trio.sleep(0.6)
        return "done"

    @definitions.process("slow")
    async def slow_(ctx: ProcessContext):
        return await ctx.step("slow", slow)

    @others.process("endless")
    async def endless(ctx: ProcessContext):
        await trio.sleep(3600)

    @others.process("leaves")
    async def leaves(ctx: ProcessContext):
        raise SystemExit(3)
"""


class Program:
    """The command while it runs; its log is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said = ""

    def read_until(self, words: str) -> None:
        assert self.process.stderr is not None
        while words not in self.said:
            line = self.process.stderr.readline().decode()
            assert line, f"ended without {words!r}: {self.said}"
            self.said += line

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Its exit status and what it wrote to stdout."""
        if number is not None:
            self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=TIMEOUT_SECONDS)
        self.said += stderr.decode()
        return self.process.returncode, stdout.decode()


@contextmanager
def running(*args: str | Path) -> Generator[Program]:
    with subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@pytest.fixture
def file(write_file: WriteFile) -> Path:
    return write_file(SOURCE, "shop.py")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def on(invoke: Invoke, db: Path) -> Callable[..., Any]:
    """Runs a command on the file in this interpreter, and returns its JSON."""

    def run(*args: str | Path) -> Any:
        result = invoke(*args, "--db", db, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


def test_a_worker_and_the_commands_beside_it(on: Callable[..., Any], file: Path, db: Path) -> None:
    with running("worker", file, "--db", db, "--owner", "w1", "--json") as worker:
        worker.read_until("the worker works on")
        on("start", f"{file}:order", "--id", "order-1")
        on("start", f"{file}:order", "--id", "order-2")
        with running("events", "order-1", "--follow", "--json", "--db", db) as follower:
            assert follower.process.stdout is not None
            waiting = json.loads(follower.process.stdout.readline())
            assert waiting["event_type"] == "process.waiting"
            shown = on("show", "order-1")
            assert shown["process"]["wait"]["kind"]["name"] == "approved"
            assert shown["recorded_count"] == 1
            assert [row["id"] for row in on("ps")] == ["order-1", "order-2"]
            until(lambda: "wait" in on("show", "order-2")["process"])
            # Each command is heard by the worker while it runs.
            on("signal", "order-1", "approved", '{"by": "ada"}')
            on("cancel", "order-2", "--reason", "sold out")
            status, rest = follower.end()
        assert status == 0
        assert follower.said == ""
        types = [json.loads(line)["event_type"] for line in rest.splitlines()]
        assert types[0] == "signal.approved"
        assert types[-1] == "process.completed"
        with running("events", "order-2", "--follow", "--db", db) as follower:
            assert follower.end()[1].splitlines()[-1].endswith("was cancelled: sold out")
        status, printed = worker.end(signal.SIGTERM)
    assert status == 0
    assert printed == "printed by the process\n" * 2
    value = on("show", "order-1")["process"]["status"]["await_output"]["value"]
    assert value == [42, {"by": "ada"}]
    log = [json.loads(line) for line in worker.said.splitlines()]
    ours = [line for line in log if line["logger"] == "lash_trio.command"]
    assert [line["message"].split(":")[0] for line in ours] == [
        f"the worker works on {db}",
        "the worker drains (once more stops at once)",
        "the worker has drained",
    ]
    assert ours[0]["owner_id"] == "w1"
    assert ours[0]["processes"] == ["order", "slow", "endless", "leaves"]
    assert all({"timestamp", "level", "message"} < set(line) for line in log)


def test_sigterm_lets_a_running_step_end_and_leaves_the_rest(
    on: Callable[..., Any], file: Path, db: Path
) -> None:
    on("start", f"{file}:order", "--id", "waits")
    on("start", f"{file}:slow", "--id", "slow")
    with running("worker", file, "--db", db) as worker:
        worker.read_until("the worker works on")
        until(lambda: "wait" in on("show", "waits")["process"])
        assert worker.end(signal.SIGTERM)[0] == 0
    assert "the worker has drained" in worker.said
    assert "owner_id=" in worker.said
    # The step was given its grace; the wait is left for the next worker.
    assert on("show", "slow")["process"]["status"]["state"] == "completed"
    left = on("show", "waits")
    assert left["process"]["status"] == {"state": "running"}
    assert "lease" not in left


def test_the_second_signal_stops_at_once(on: Callable[..., Any], file: Path, db: Path) -> None:
    on("start", f"{file}:endless", "--id", "endless")
    with running("worker", file, "--db", db, "--grace", "60") as worker:
        worker.read_until("the worker works on")
        until(lambda: on("show", "endless").get("lease", {}).get("is_alive"))
        worker.process.send_signal(signal.SIGINT)
        worker.read_until("drains (once more stops at once)")
        assert worker.end(signal.SIGINT)[0] == 130
    assert "has drained" not in worker.said
    assert on("show", "endless")["process"]["status"] == {"state": "running"}


def test_following_ends_with_ctrl_c(on: Callable[..., Any], file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    on("signal", "order-1", "approved")
    with running("events", "order-1", "--follow", "--json", "--db", db) as follower:
        assert follower.process.stdout is not None
        assert json.loads(follower.process.stdout.readline())["sequence"] == 1
        assert follower.end(signal.SIGINT) == (130, "")
    assert "Traceback" not in follower.said


@pytest.mark.parametrize("options", [(), ("--follow",)])
def test_who_reads_the_output_may_go(
    options: tuple[str, ...], on: Callable[..., Any], file: Path, db: Path
) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    for number in range(3):
        on("signal", "order-1", "approved", str(number))
    command = shlex.join([*COMMAND, "events", "order-1", "--json", *options, "--db", str(db)])
    if options:
        # A line is written after the reader has gone.
        command = f"({command}; echo status $? >&2) | (read line; echo read)"
    else:
        command = f"({command}; echo status $? >&2) | true"
    with subprocess.Popen(
        ["bash", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as shell:
        try:
            until(lambda: on("signal", "order-1", "approved") and shell.poll() is not None)
            stderr = shell.communicate(timeout=TIMEOUT_SECONDS)[1].decode()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert stderr == "status 1\n"


def test_a_process_that_exits_is_told(on: Callable[..., Any], file: Path, db: Path) -> None:
    on("start", f"{file}:leaves")
    with running("worker", file, "--db", db) as worker:
        assert worker.end()[0] == 1
    assert "the process raised SystemExit, which ends programs and not processes" in worker.said


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (("missing.py",), 2, "missing.py cannot be read"),
        (("no_such_module",), 2, "there is no file and no module no_such_module"),
        (("{file}", "--lease", "0"), 2, "--lease"),
        (("{file}", "--max-running", "0"), 2, "--max-running"),
        (("{file}", "--db", "{directory}"), 4, "{directory}"),
    ],
)
def test_a_worker_that_cannot_start(
    args: tuple[str, ...], status: int, words: str, invoke: Invoke, file: Path, db: Path
) -> None:
    names = {"file": file, "directory": file.parent}
    result = invoke("worker", "--db", db, *(arg.format(**names) for arg in args))
    assert result.exit_code == status
    assert words.format(**names) in result.stderr
    assert "Traceback" not in result.stderr


def test_all_definitions_of_a_file_together(file: Path, imports: None) -> None:
    together = load_all_definitions(file)
    assert [known.name for known in together] == ["order", "slow", "endless", "leaves"]
    (types,) = (known.event_types for known in together if known.name == "order")
    assert [event_type.name for event_type in types] == ["signal.approved"]
    file.write_text(file.read_text().replace('"endless"', '"order"'))
    with pytest.raises(LoadError, match="has the process 'order' in several ProcessDefinitions"):
        load_all_definitions(file)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("a.b", logging.WARNING, "x.py", 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_line_of_the_log_has_its_ids() -> None:
    line = TextFormatter().format(record("left\nalone", process_id='a"b', n=2))
    assert line.endswith('WARNING a.b: left\\nalone process_id="a\\"b" n=2')
    document = json.loads(json_formatter().format(record("left\nalone", process_id="a", n=2)))
    timestamp = document.pop("timestamp")
    assert timestamp.endswith("+00:00")
    assert document == {
        "level": "WARNING",
        "logger": "a.b",
        "message": "left\nalone",
        "process_id": "a",
        "n": 2,
    }


def test_a_traceback_in_the_log_cannot_steer_a_terminal() -> None:
    made = record("broke")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = TextFormatter().format(made)
    assert "ValueError: \\x1b[2J" in text
    assert "\x1b" not in text


def until(holds: Callable[[], object]) -> None:
    """Looks again until something holds; the commands take their time to look."""
    deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never held"
