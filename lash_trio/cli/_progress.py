"""Progress on the screen: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TextIO

import attrs
import trio

from ._board import Board
from ._describe import Tone, one_line

_HEARTBEAT_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Line:
    """One thing that happened.

    Args:
        who: mostly the process.
        what: happened.
        why: that matters, where somebody explains it.
        tone: how it is meant.
    """

    who: str
    what: str
    why: str = ""
    tone: Tone = Tone.NORMAL


class Progress(ABC):
    """Shows lines, and between them how it goes.

    Args:
        board: what is known of the processes.
    """

    last_words: bytes = b""
    """What to write to the terminal where the program ends on the spot."""

    def __init__(self, board: Board) -> None:
        self.board = board

    @abstractmethod
    def showing(self) -> contextlib.AbstractContextManager[None]:
        """The block in which there is something to show."""

    @abstractmethod
    def heading(self, text: str) -> None:
        """Show what the lines to come are about."""

    @abstractmethod
    def line(self, line: Line) -> None:
        """Show that something happened."""

    @abstractmethod
    async def keep_fresh(self) -> None:
        """Show how it goes until cancelled."""


class PlainProgress(Progress):
    """Lines of text: no colours, nothing that moves.

    Args:
        board: what is known of the processes.
        stream: where they go.
    """

    def __init__(self, board: Board, stream: TextIO) -> None:
        super().__init__(board)
        self._stream = stream

    @contextlib.contextmanager
    def showing(self) -> Generator[None]:
        self.board.begin()
        yield

    def heading(self, text: str) -> None:
        print(f"\n{text}", file=self._stream, flush=True)

    def line(self, line: Line) -> None:
        text = f"{self.board.seconds():7.2f} s  {one_line(line.who)}: {one_line(line.what)}"
        if line.why:
            text += f" - {line.why}"
        print(text, file=self._stream, flush=True)

    async def keep_fresh(self) -> None:
        shown = 0
        while True:
            await trio.sleep(_HEARTBEAT_SECONDS)
            if self.board.steps_done != shown:
                shown = self.board.steps_done
                running = self.board.steps_running
                self.line(Line(who="steps", what=f"{shown} done, {running} running"))


def open_progress(stream: TextIO) -> Progress:
    """Progress on a stream: live where that is a terminal, plain lines elsewhere."""
    board = Board()
    if stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        # Loading rich takes a while, and plain lines do not need it.
        from ._live import live_progress

        return live_progress(board, stream)
    return PlainProgress(board, stream)
