"""Ctrl-C and SIGTERM, with real signals to a real process."""

from __future__ import annotations

import signal
import subprocess
import textwrap
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import COMMAND, TIMEOUT_SECONDS, WriteFile, environment

SOURCE = """
    import time
    from pathlib import Path

    import trio
    from lash_trio import EffectError, ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    @definitions.process("polite")
    async def polite(ctx: ProcessContext, marker: str):
        try:
            await ctx.sleep(60)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.3)
                Path(marker).write_text("cleaned up")

    @definitions.process("deaf")
    async def deaf(ctx: ProcessContext):
        while True:
            try:
                await ctx.sleep(60)
            except EffectError:
                await trio.sleep(60)

    @definitions.process("shielded")
    async def shielded(ctx: ProcessContext):
        try:
            await ctx.sleep(60)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

    @definitions.process("blocking")
    async def blocking(ctx: ProcessContext):
        print("blocks", flush=True)
        time.sleep(60)
"""


class Program:
    """The command while it runs; what it writes to stderr is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.stderr = ""

    def read_until(self, words: str) -> None:
        assert self._process.stderr is not None
        while words not in self.stderr:
            line = self._process.stderr.readline().decode()
            assert line, f"ended without {words!r}: {self.stderr}"
            self.stderr += line

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, bytes]:
        """Its exit status and what it wrote to stdout."""
        stdout, stderr = self._process.communicate(timeout=TIMEOUT_SECONDS)
        self.stderr += stderr.decode()
        return self._process.returncode, stdout


@contextmanager
def running(*args: str | Path) -> Generator[Program]:
    with subprocess.Popen(
        [*COMMAND, "run", *map(str, args)],
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
    return write_file(SOURCE)


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        (signal.SIGINT, 130, "interrupted with Ctrl-C"),
        (signal.SIGTERM, 143, "ended with SIGTERM"),
    ],
)
def test_the_first_signal_asks_and_waits(
    number: signal.Signals, status: int, reason: str, file: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    with running(file, "polite", "--args", f'{{"marker": "{marker}"}}') as program:
        program.read_until("sleeps for ")
        program.send(number)
        assert program.end() == (status, b"")
    assert marker.read_text() == "cleaned up"
    assert f"is asked to end: {reason}" in program.stderr
    assert program.stderr.rstrip().endswith(f"was cancelled: {reason}")


def test_the_second_signal_stops_at_once(file: Path) -> None:
    with running(file, "deaf") as program:
        program.read_until("sleeps for ")
        program.send(signal.SIGINT)
        program.read_until("is asked to end")
        program.send(signal.SIGINT)
        assert program.end() == (130, b"")
    # And not cancelled, as it is after its grace.
    assert program.stderr.endswith("lash-trio: stopped; the process had not ended\n")


def test_different_signals_count_together(file: Path) -> None:
    with running(file, "deaf") as program:
        program.read_until("sleeps for ")
        program.send(signal.SIGTERM)
        program.read_until("is asked to end")
        program.send(signal.SIGINT)
        assert program.end() == (143, b"")


def test_what_does_not_give_way_is_left_behind(file: Path) -> None:
    with running(file, "shielded") as program:
        program.read_until("sleeps for ")
        program.send(signal.SIGINT)
        program.read_until("is asked to end")
        program.send(signal.SIGINT)
        assert program.end() == (130, b"")
    assert program.stderr.endswith("lash-trio: stopped at once\n")


def test_a_process_that_blocks_the_event_loop_can_be_stopped(file: Path) -> None:
    with running(file, "blocking") as program:
        program.read_until("blocks")
        program.send(signal.SIGINT)
        # Nothing tells when it has come, and two that come together are one.
        time.sleep(0.5)
        program.send(signal.SIGINT)
        assert program.end() == (130, b"")
    assert program.stderr.endswith("lash-trio: stopped at once\n")


def test_a_third_signal_does_not_wait_for_anything(write_file: WriteFile) -> None:
    patient = "import lash_trio.cli._interrupt as i\ni._UNWIND_SECONDS = 3600\n"
    path = write_file(patient + textwrap.dedent(SOURCE))
    with running(path, "blocking") as program:
        program.read_until("blocks")
        for _ in range(3):
            program.send(signal.SIGINT)
            time.sleep(0.3)
        assert program.end() == (130, b"")
    assert program.stderr.endswith("lash-trio: stopped at once\n")


def test_ctrl_c_while_the_file_is_imported(write_file: WriteFile) -> None:
    path = write_file("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    with running(path, "any") as program:
        program.read_until("importing")
        program.send(signal.SIGINT)
        assert program.end() == (130, b"")
    assert "Traceback" not in program.stderr
