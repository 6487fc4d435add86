"""Starts workers, and stops them in every way but a friendly one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import apsw

PROGRAM = Path(__file__).parent / "program.py"


class Workers:
    """Worker processes on one file; none is left when the block is left."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.path = directory / "x.db"
        self.lines = directory / "lines.txt"
        self.lines.touch()
        self.alive: list[int] = []
        self._server = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.path), str(self.lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pid in tuple(self.alive):
            self.kill(pid)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()

    def start(self) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(b"\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        self.alive.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        self.alive.remove(pid)
        os.kill(pid, signal.SIGKILL)

    def query(self, statement: str) -> list[tuple[apsw.SQLiteValue, ...]]:
        """Rows of the file, beside whoever writes it."""
        connection = apsw.Connection(str(self.path))
        try:
            connection.set_busy_timeout(5000)
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def running(self) -> int:
        """How many processes have not ended."""
        ((count,),) = self.query("SELECT count(*) FROM processes WHERE state = 'running'")
        return int(str(count))

    def words(self, first: str) -> list[list[str]]:
        """The lines of the log that begin with a word, without it."""
        lines = [line.split() for line in self.lines.read_text().splitlines()]
        return [words[1:] for words in lines if words[0] == first]


def wait_until(is_so: object, seconds: float = 30) -> None:
    """Look until something is so."""
    assert callable(is_so)
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.01)
