"""Lines of a descriptor: whatever the chunks, no thread, nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from lash_trio.cli._lines import Lines


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def rest(lines: Lines) -> list[str]:
    found: list[str] = []
    while (line := await lines.next()) is not None:
        found.append(line)
    return found


async def test_lines_come_as_they_are_written(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    lines = Lines(reading)
    os.write(writing, b"one\r\ntwo\nth")
    assert [await lines.next(), await lines.next()] == ["one", "two"]
    with trio.move_on_after(0.05) as waited:
        await lines.next()
    assert waited.cancelled_caught, "half a line is none"
    os.write(writing, "ree \N{EURO SIGN}".encode()[:-1])
    os.write(writing, b"\xac\n\n\xff")
    os.close(writing)
    assert await rest(lines) == ["three \N{EURO SIGN}", "", "\N{REPLACEMENT CHARACTER}"]


async def test_a_regular_file(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("a\nb")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert await rest(Lines(descriptor)) == ["a", "b"]
    finally:
        os.close(descriptor)


async def test_nothing_at_all(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(writing)
    assert await rest(Lines(reading)) == []
