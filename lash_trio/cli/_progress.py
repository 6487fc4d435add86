"""Progress on the screen: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TextIO

import attrs
import trio
from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ._board import Board, Row
from ._describe import Tone, one_line

_REFRESH_SECONDS = 0.1
_HEARTBEAT_SECONDS = 5.0

SHOW_CURSOR = b"\x1b[?25h\r\n"
"""What brings a terminal back from the live view when there is no time for more."""


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


class LiveProgress(Progress):
    """Lines above a table of the processes that keeps moving.

    Args:
        board: what is known of the processes.
        console: a terminal.
    """

    last_words = SHOW_CURSOR

    def __init__(self, board: Board, console: Console) -> None:
        super().__init__(board)
        self._console = console
        # Refreshed by `keep_fresh`, not by a thread of rich.
        self._live = Live(
            console=console, auto_refresh=False, transient=True, get_renderable=self._table
        )
        self._spinner = Spinner("line")

    @contextlib.contextmanager
    def showing(self) -> Generator[None]:
        self.board.begin()
        with self._live:
            yield

    def heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def line(self, line: Line) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify="right", style="dim", no_wrap=True, min_width=8)
        grid.add_column()
        said = Text().append(f"{one_line(line.who)}: ", style="cyan")
        said.append(one_line(line.what), style=line.tone.value)
        if line.why:
            said.append(f" - {line.why}", style="dim")
        grid.add_row(f"{self.board.seconds():.2f} s", said)
        self._console.print(grid)

    async def keep_fresh(self) -> None:
        while True:
            self._live.refresh()
            await trio.sleep(_REFRESH_SECONDS)

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(overflow="ellipsis", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for row in self.board.rows:
            table.add_row(*self._cells(row))
        return Padding(table, (1, 0, 0, 2)) if self.board.rows else Text()

    def _cells(self, row: Row) -> tuple[RenderableType, ...]:
        ended = row.ended_at is not None
        until = self.board.seconds() if row.ended_at is None else row.ended_at
        return (
            Text("*", style="dim") if ended else self._spinner,
            Text(one_line(row.process_id), style="dim" if ended else "cyan"),
            Text(one_line(row.doing), style="dim" if ended else "none"),
            Text(row.steps, style="dim"),
            Text(f"{until - row.began_at:.1f} s", style="dim"),
        )


def open_progress(stream: TextIO) -> Progress:
    """Progress on a stream: live where that is a terminal, plain lines elsewhere."""
    board = Board()
    if stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        return LiveProgress(board, Console(file=stream, highlight=False))
    return PlainProgress(board, stream)
