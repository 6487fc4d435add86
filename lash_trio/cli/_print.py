"""Results on stdout: JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from .. import JsonValue
from ._describe import Tone, one_line

# Loading rich takes as long as all the rest of the command, and JSON does not need it.
if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_ENDLESS = 100_000
_AGES = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))

Cell = str | tuple[str, Tone]


def print_json(value: JsonValue) -> None:
    """One JSON document on one line."""
    # JSON is UTF-8, whatever the locale says.
    click.echo(json.dumps(value, ensure_ascii=False).encode())


def print_line(text: str, tone: Tone = Tone.NORMAL) -> None:
    """One line of text."""
    _print(_text((text, tone)))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """A table; in a pipe each row is one line, however long."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    _print(table)


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Names and values, one pair a line."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in fields:
        grid.add_row(name, _text(value))
    _print(grid)


def note(text: str) -> None:
    """Something worth knowing that is no result: to stderr."""
    click.echo(f"lash-trio: {one_line(text)}", err=True)


def time_text(at_ms: int) -> str:
    """A time of day here, to the millisecond."""
    when = datetime.fromtimestamp(at_ms / 1000).astimezone()
    return when.isoformat(sep=" ", timespec="milliseconds")


def age_text(duration_ms: int) -> str:
    """A duration in its largest unit."""
    for unit_ms, unit in _AGES:
        if abs(duration_ms) >= unit_ms:
            return f"{duration_ms // unit_ms} {unit}"
    return f"{duration_ms} ms"


def _text(cell: Cell) -> Text:
    from rich.text import Text

    text, tone = (cell, Tone.NORMAL) if isinstance(cell, str) else cell
    return Text(one_line(text), style=tone.value)


def _print(what: RenderableType) -> None:
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout, width=None if is_terminal else _ENDLESS, highlight=False, soft_wrap=False
    )
    with console.capture() as captured:
        console.print(what)
    # Through click, which writes to a pipe whatever the locale says.
    for line in captured.get().splitlines():
        click.echo(line.rstrip())
