"""Running the command, and progress that can be looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from click.testing import Result

from lash_trio.cli._board import Board
from lash_trio.cli._progress import PlainProgress

COMMAND = (sys.executable, "-m", "lash_trio")
TIMEOUT_SECONDS = 60

WriteFile = Callable[..., Path]
Invoke = Callable[..., Result]


class Shown(PlainProgress):
    """Plain progress whose lines can be looked at."""

    def __init__(self) -> None:
        self._text = StringIO()
        super().__init__(Board(), self._text)

    @property
    def text(self) -> str:
        return self._text.getvalue()

    @property
    def lines(self) -> list[str]:
        """The lines without their times."""
        return [line.partition(" s  ")[2] or line for line in self.text.splitlines()]


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child: nothing of this one steers colours or buffering."""
    steering = {"FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "PYTHONUNBUFFERED", "COLUMNS"}
    kept = {name: value for name, value in os.environ.items() if name not in steering}
    return kept | {"TERM": "xterm"} | variables


def run_command(*args: str | Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the command as a program of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_SECONDS,
        env=environment(**variables),
    )
