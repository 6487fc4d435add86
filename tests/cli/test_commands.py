"""The command line: what it takes, what it refuses, what it prints where."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.support import Invoke, WriteFile

SOURCE = """
    import sys
    import trio
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    @definitions.process("echo", signals={"go": {"type": "object"}, "any": {}})
    async def echo(ctx: ProcessContext, **values):
        return values

    @definitions.process("add")
    async def add(ctx: ProcessContext, a: int, b: int = 1):
        return a + b

    @definitions.process("wait", signals=["go"])
    async def wait(ctx: ProcessContext):
        return [await ctx.wait_signal("go"), await ctx.wait_signal("go")]

    @definitions.process("prints")
    async def prints(ctx: ProcessContext):
        print("printed")

    busy = []

    async def work():
        busy.append(1)
        await trio.sleep(0.02)
        most = len(busy)
        busy.pop()
        return most

    @definitions.process("worker")
    async def worker(ctx: ProcessContext):
        return await ctx.step("work", work)

    @definitions.process("most_at_once")
    async def most_at_once(ctx: ProcessContext):
        children = [await ctx.start(worker) for _ in range(3)]
        return max([await child.result() for child in children])

    @definitions.process("fails")
    async def fails(ctx: ProcessContext):
        raise ValueError("no good")

    @definitions.process("not_json")
    async def not_json(ctx: ProcessContext):
        return object()

    @definitions.process("leaves")
    async def leaves(ctx: ProcessContext):
        sys.exit(7)

    @definitions.process("cancels_itself")
    async def cancels_itself(ctx: ProcessContext):
        await ctx.cancel(ctx.process_id, "changed its mind")
        await ctx.sleep(60)
"""


@pytest.fixture
def file(write_file: WriteFile) -> Path:
    return write_file(SOURCE)


def refused(result: Result) -> str:
    """The sentence of a usage error."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: ")
    return result.stderr.partition("Error: ")[2].strip()


def test_version(invoke: Invoke) -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"lash-trio, version {version('lash-trio')}\n"


def test_help_tells_the_exit_statuses(invoke: Invoke) -> None:
    assert "demo" in invoke("--help").stdout
    text = invoke("run", "--help").stdout
    for words in ("Exit status:", "130  it was cancelled by Ctrl-C", "143  ", "--signal", "stderr"):
        assert words in text


def test_a_result_is_one_line_of_json(invoke: Invoke, file: Path) -> None:
    args = {"text": "grün €\n", "n": [1, 2.5, None, True], "big": 10**30, "z": {"b": 1, "a": 2}}
    result = invoke("run", file, "echo", "--args", json.dumps(args))
    assert result.exit_code == 0
    assert result.stdout.endswith("}\n")
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == args
    assert "completed" in result.stderr


def test_defaults_of_arguments(invoke: Invoke, file: Path) -> None:
    assert invoke("run", file, "add", "--args", '{"a": 41}').stdout == "42\n"


def test_the_id_is_the_callers(invoke: Invoke, file: Path) -> None:
    assert "mine: starts" in invoke("run", file, "echo", "--id", "mine").stderr


def test_signals_in_their_order(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "wait", "--signal", 'go={"a": "="}', "--signal", "go")
    assert (result.exit_code, result.stdout) == (0, '[{"a": "="}, null]\n')


def test_what_a_process_prints_is_no_result(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "prints")
    assert result.stdout == "null\n"
    assert "printed" in result.stderr


@pytest.mark.parametrize(("options", "most"), [((), 3), (("--max-running", "1"), 1)])
def test_how_many_run_at_once(
    options: tuple[str, ...], most: int, invoke: Invoke, file: Path
) -> None:
    assert invoke("run", file, "most_at_once", *options).stdout == f"{most}\n"


def test_every_step_on_demand(invoke: Invoke, file: Path) -> None:
    assert "step work#1 done after" in invoke("run", "-v", file, "worker").stderr
    assert "work#1" not in invoke("run", file, "worker").stderr


def test_a_failure(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "fails")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "failed (execution, process_failed): no good" in result.stderr
    assert "Traceback" not in result.stderr
    assert "-v shows the traceback" in result.stderr


def test_the_traceback_of_a_failure(invoke: Invoke, file: Path) -> None:
    result = invoke("run", "-v", file, "fails")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert 'raise ValueError("no good")' in result.stderr


def test_a_result_that_is_no_json(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "not_json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "failed (execution, invalid_json): process 'not_json'" in result.stderr


def test_a_process_that_exits(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "leaves")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the process raised SystemExit, which ends programs and not processes" in result.stderr


def test_cancelled_by_somebody_else(invoke: Invoke, file: Path) -> None:
    result = invoke("run", file, "cancels_itself")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "was cancelled: changed its mind" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("echo", "--args", "{"), "Invalid value for '--args': expected JSON text: "),
        (("echo", "--args", ""), "Invalid value for '--args': expected JSON text: "),
        (("echo", "--args", "[1]"), "expected a JSON object with the arguments by name"),
        (("echo", "--args", '{"a": NaN}'), "numbers must be finite"),
        (("echo", "--args", '{"a": 1, "a": 2}'), "stands twice"),
        (("add", "--args", "{}"), "process 'add' takes the arguments a, b; got none"),
        (("add", "--args", '{"a": 1, "c": 2}'), "got a, c"),
        (("other",), "has no process 'other'; known are echo, add, wait, "),
        (("echo", "--signal", "go=1"), "signal.go"),
        (("echo", "--signal", "stop"), "signal.stop"),
        (("echo", "--signal", "go={"), "Invalid value for '--signal': expected JSON text: "),
        (("echo", "--signal", "a b=1"), "expected a signal name of ASCII letters"),
        (("echo", "--signal", "=1"), "expected a signal name of ASCII letters"),
        (("echo", "--id", " "), "id"),
        (("echo", "--max-running", "0"), "'--max-running'"),
        (("echo", "--unknown"), "--unknown"),
        ((), "PROCESS"),
    ],
)
def test_usage_errors(args: tuple[str, ...], words: str, invoke: Invoke, file: Path) -> None:
    assert words in refused(invoke("run", file, *args))


def test_a_missing_file(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "missing.py"
    assert refused(invoke("run", path, "echo")) == (
        f"{path} cannot be read: No such file or directory"
    )


def test_the_traceback_of_an_import(invoke: Invoke, write_file: WriteFile) -> None:
    path = write_file("raise ValueError('broken at the top')\n")
    brief = invoke("run", path, "echo")
    assert "raised ValueError: broken at the top (in its line 1)" in refused(brief)
    verbose = invoke("run", "-v", path, "echo")
    assert verbose.exit_code == 2
    assert "Traceback (most recent call last)" in verbose.stderr
