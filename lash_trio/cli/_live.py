"""The live view, on rich."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TextIO

import trio
from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ._board import Board, Row
from ._describe import one_line
from ._progress import Line, Progress

_REFRESH_SECONDS = 0.1
_SHOW_CURSOR = b"\x1b[?25h\r\n"


class LiveProgress(Progress):
    """Lines above a table of the processes that keeps moving.

    Args:
        board: what is known of the processes.
        console: a terminal.
    """

    last_words = _SHOW_CURSOR

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


def live_progress(board: Board, stream: TextIO) -> LiveProgress:
    """The live view on a stream that is a terminal."""
    return LiveProgress(board, Console(file=stream, highlight=False))
