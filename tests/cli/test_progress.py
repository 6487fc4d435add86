"""The board, the plain lines, and the live view."""

from __future__ import annotations

import re
from io import StringIO

import pytest
import trio
from rich.console import Console
from trio.testing import MockClock

from lash_trio import (
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventSemantics,
    ProcessTerminalSemantics,
)
from lash_trio.cli._board import Board, Row
from lash_trio.cli._describe import Tone
from lash_trio.cli._live import LiveProgress
from lash_trio.cli._progress import Line, PlainProgress, open_progress
from tests.cli.support import Shown

DONE = ProcessAwaitOutput.success(None)
COMPLETED = ProcessEvent(
    process_id="p",
    sequence=2,
    event_type="process.completed",
    payload={},
    semantics=ProcessEventSemantics(
        terminal=ProcessTerminalSemantics(state=DONE.terminal_state, await_output=DONE)
    ),
    occurred_at_ms=0,
)
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_row_counts_its_steps() -> None:
    row = Row("p", 0.0)
    row.step_began("hash")
    row.step_began("hash")
    row.step_began("list")
    assert (row.doing, row.steps) == ("runs hash, list", "3 running")
    row.step_ended("hash", failed=False)
    row.step_ended("list", failed=True)
    assert (row.doing, row.steps) == ("runs hash", "1 done, 1 failed, 1 running")
    row.step_ended("hash", failed=False)
    assert (row.doing, row.steps) == ("runs", "2 done, 1 failed")


def test_a_row_names_a_few_of_many_steps() -> None:
    row = Row("p", 0.0)
    for name in "dcba":
        row.step_began(name)
    assert row.doing == "runs a, b, c, ..."


def test_the_board_follows_events() -> None:
    now = 10.0
    board = Board(lambda: now)
    board.begin()
    row = board.row("p")
    now = 12.5
    assert board.seconds() == 2.5
    board.event(
        ProcessEvent(process_id="p", sequence=1, event_type="tick", payload=1, occurred_at_ms=0)
    )
    assert row.state == "runs"
    board.event(COMPLETED)
    assert (row.state, row.ended_at) == ("completed", 2.5)
    row.step_began("late")
    assert row.doing == "completed"
    assert board.rows == (row,)


async def test_plain_lines(shown: Shown, mock_clock: MockClock) -> None:
    with shown.showing():
        mock_clock.jump(1.5)
        shown.heading("Heading")
        shown.line(Line(who="p\x1b", what="does\nthis", tone=Tone.BAD))
        shown.line(Line(who="p", what="does that", why="so there"))
    assert shown.text == (
        "\nHeading\n"
        "   1.50 s  p\\x1b: does\\nthis\n"
        "   1.50 s  p: does that - so there\n"
    )  # fmt: skip


async def test_plain_progress_tells_of_steps_now_and_then(
    shown: Shown, autojump_clock: MockClock
) -> None:
    with shown.showing(), trio.move_on_after(11):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shown.keep_fresh)
            row = shown.board.row("p")
            row.step_began("hash")
            row.step_began("hash")
            row.step_ended("hash", failed=False)
    # Once, and not again at ten seconds: nothing has changed.
    assert shown.text == "   5.00 s  steps: 1 done, 1 running\n"


async def test_the_live_view_shows_lines_and_a_table(autojump_clock: MockClock) -> None:
    stream = Terminal()
    console = Console(file=stream, force_terminal=True, width=80, _environ={"TERM": "xterm"})
    progress = LiveProgress(Board(), console)
    with progress.showing(), trio.move_on_after(0.35):
        progress.board.row("p").step_began("hash")
        progress.heading("Heading")
        progress.line(Line(who="q", what="[red]ends[/red]", why="done", tone=Tone.GOOD))
        await progress.keep_fresh()
    text = ANSI.sub("", stream.getvalue())
    assert "Heading" in text
    assert "0.00 s q: [red]ends[/red] - done" in text
    assert text.count("runs hash") >= 3, "drawn again and again"
    assert "0.3 s" in text
    after_the_table = stream.getvalue().rpartition("runs hash")[2]
    assert "\x1b[?25h" in after_the_table, "the cursor is back"
    assert "\x1b[2K" in after_the_table, "the table is gone"


async def test_an_ended_process_stops_counting(autojump_clock: MockClock) -> None:
    stream = Terminal()
    progress = LiveProgress(Board(), Console(file=stream, force_terminal=True, width=80))
    with progress.showing(), trio.move_on_after(5):
        progress.board.row("p")
        await trio.sleep(1)
        progress.board.event(COMPLETED)
        await progress.keep_fresh()
    text = ANSI.sub("", stream.getvalue())
    assert re.findall(r"completed +([0-9.]+) s", text)[-1] == "1.0"


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [
        (Terminal(), "xterm", LiveProgress),
        (Terminal(), "dumb", PlainProgress),
        (StringIO(), "xterm", PlainProgress),
    ],
)
def test_it_is_live_on_terminals_that_can(
    stream: StringIO, term: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    # Asked for by many CI services: colours then, but not in a file or a pipe.
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert type(open_progress(stream)) is kind
