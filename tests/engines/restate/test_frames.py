"""Frames of the protocol, however they are cut up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from lash_trio.engines.restate._frames import (
    CommandKind,
    JournalReader,
    RecordedCommand,
    pause_frame,
)
from tests.engines.restate import protocol

JOURNAL = [
    protocol.input_command(b'{"definition": "order"}'),
    protocol.promise_command("process.cancel_requested:1", 1),
    protocol.run_command("quote#1", 2),
    protocol.run_done(2, b"x" * 300),
    protocol.sleep_command("sleep#1", 3),
    protocol.output_command(b"done"),
]
COMMANDS = [
    RecordedCommand(kind=CommandKind.INPUT, name=""),
    RecordedCommand(kind=CommandKind.GET_PROMISE, name="process.cancel_requested:1"),
    RecordedCommand(kind=CommandKind.RUN, name="quote#1"),
    RecordedCommand(kind=CommandKind.SLEEP, name="sleep#1"),
    RecordedCommand(kind=CommandKind.OUTPUT, name="", value=b"done"),
]


@given(st.lists(st.integers(0, 600), max_size=8))
def test_commands_are_read_however_the_bytes_are_cut(cuts: list[int]) -> None:
    after = protocol.run_command("not recorded", 9)
    data = protocol.start(len(JOURNAL)) + b"".join(JOURNAL) + after
    reader = JournalReader()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        reader.feed(data[begin:end])
    assert reader.is_complete
    assert reader.commands == COMMANDS


def test_it_is_not_complete_before_the_last_entry() -> None:
    reader = JournalReader()
    reader.feed(protocol.start(2) + JOURNAL[0])
    assert not reader.is_complete
    reader.feed(JOURNAL[1])
    assert reader.is_complete


def test_what_does_not_begin_with_a_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start message first, got type 0x0400"):
        JournalReader().feed(JOURNAL[0])


@pytest.mark.parametrize(
    "body",
    [b"\x18", b"\x1b\x00", b"\x62\x7fshort", b"\x18" + b"\xff" * 11],
    ids=["no value", "a group", "a long field", "a long number"],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    data = len(body).to_bytes(4, "big")
    with pytest.raises(ValueError, match=r"number does not end|wire type|longer than"):
        JournalReader().feed(b"\x00\x00\x00\x00" + data + body)


def test_a_pause_says_why() -> None:
    ((kind, body),) = protocol.FrameReader().feed(pause_frame(570, "é" * 100))
    assert kind == protocol.ERROR
    assert body == protocol.message((1, 570), (2, "é" * 100), (9, 1))
