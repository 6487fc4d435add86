"""The live view, on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import TIMEOUT_SECONDS, WriteFile, environment, run_command

# Makes the terminal the controlling one, so that Ctrl-C typed there is a SIGINT.
LAUNCH = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "lash_trio", *sys.argv[1:]])
"""
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")

SOURCE = """
    import trio
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    async def work(number: int) -> int:
        await trio.sleep(0.2)
        return number

    @definitions.process("works")
    async def works(ctx: ProcessContext):
        print("printed meanwhile")
        return [await ctx.step("work", work, number) for number in (1, 2, 3)]

    @definitions.process("shielded")
    async def shielded(ctx: ProcessContext):
        try:
            await ctx.sleep(60)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)
"""


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self.output = b""

    def read_until(self, words: bytes) -> None:
        while words not in self.output:
            assert self._read(), f"ended without {words!r}: {self.output!r}"

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        while self._read():
            pass
        return self._process.wait(TIMEOUT_SECONDS)

    @property
    def text(self) -> str:
        """What it wrote, without what steers the terminal."""
        return ANSI.sub(b"", self.output).decode()

    @property
    def cursor_is_back(self) -> bool:
        return self.output.rindex(SHOW_CURSOR) > self.output.rindex(HIDE_CURSOR)

    def _read(self) -> bytes:
        try:
            read = os.read(self._master, 65536)
        except OSError:  # how Linux says that nobody has the other side open
            read = b""
        self.output += read
        return read


@contextmanager
def on_terminal(*args: str | Path) -> Generator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    before = termios.tcgetattr(master)
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, *map(str, args)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=environment(),
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
        assert termios.tcgetattr(master) == before
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_run_is_shown_live_and_leaves_the_terminal_as_it_was(write_file: WriteFile) -> None:
    with on_terminal("run", write_file(SOURCE), "works") as terminal:
        assert terminal.end() == 0
    assert terminal.cursor_is_back
    assert len(re.findall(r"runs work +(. done, )?1 running", terminal.text)) >= 3
    assert "printed meanwhile" in terminal.text
    # For people the result is indented, and it comes last.
    assert terminal.text.endswith("[\r\n  1,\r\n  2,\r\n  3\r\n]\r\n")


def test_ctrl_c_typed_on_the_terminal(write_file: WriteFile) -> None:
    with on_terminal("run", write_file(SOURCE), "works") as terminal:
        terminal.read_until(b"runs work")
        terminal.type(b"\x03")
        assert terminal.end() == 130
    assert terminal.cursor_is_back
    assert "was cancelled: interrupted with Ctrl-C" in terminal.text


def test_the_cursor_is_back_also_where_the_program_ends_on_the_spot(write_file: WriteFile) -> None:
    with on_terminal("run", write_file(SOURCE), "shielded") as terminal:
        terminal.read_until(b"sleeps for ")
        for _ in range(3):
            terminal.type(b"\x03")
            time.sleep(0.3)
        assert terminal.end() == 130
    assert terminal.cursor_is_back
    assert terminal.text.endswith("lash-trio: stopped at once\r\n")


def test_the_demo_on_a_terminal_and_what_it_keeps(tmp_path: Path) -> None:
    db = tmp_path / "demo.db"
    with on_terminal("demo", "--db", db) as terminal:
        assert terminal.end() == 0
    assert terminal.cursor_is_back
    assert re.search(r"manifest-\w+ +runs +\d+ done", terminal.text)
    assert "recorded ones that ran again: 0" in terminal.text
    assert f"lash-trio ps --all --db {db} lists" in terminal.text.replace("\r\n", " ")
    (row,) = json.loads(run_command("ps", "--all", "--json", "--db", db).stdout)
    assert row["status"]["state"] == "completed"


def test_the_demo_can_be_stopped() -> None:
    with on_terminal("demo") as terminal:
        terminal.read_until(b"operating-system process")
        terminal.type(b"\x03")
        assert terminal.end() == 130
    assert terminal.cursor_is_back
    assert "Traceback" not in terminal.text
    (pid,) = re.findall(r"operating-system process (\d+)", terminal.text)
    # The worker that it had started is gone as well.
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
