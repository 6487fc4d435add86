"""Events in words."""

from __future__ import annotations

import pytest

from lash_trio import (
    EventWait,
    JsonValue,
    ProcessAwaitOutput,
    ProcessEndWait,
    ProcessEvent,
    ProcessEventSemantics,
    ProcessTerminalSemantics,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
    to_json,
)
from lash_trio.cli._describe import Tone, brief, describe, one_line, printable, tone_of

ESCAPE = "\x1b"


def event(event_type: str, payload: JsonValue = None) -> ProcessEvent:
    return ProcessEvent(
        process_id="p", sequence=1, event_type=event_type, payload=payload, occurred_at_ms=0
    )


def ended(output: ProcessAwaitOutput) -> ProcessEvent:
    return ProcessEvent(
        process_id="p",
        sequence=1,
        event_type=f"process.{output.terminal_state}",
        payload={"await_output": to_json(output)},
        semantics=ProcessEventSemantics(
            terminal=ProcessTerminalSemantics(state=output.terminal_state, await_output=output)
        ),
        occurred_at_ms=0,
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            SignalWait(key="k", name="approve", event_type="signal.approve", ordinal=3),
            "waits for the signal approve (number 3)",
        ),
        (
            EventWait(key="k", process_id="q", event_type="tick", ordinal=2),
            "waits for tick (number 2) of q",
        ),
        (SleepWait(key="k", due_at_ms=2500), "sleeps for 1.5 s"),
        (SleepWait(key="k", due_at_ms=60_999), "sleeps for 60 s"),
        (ProcessEndWait(key="k", process_id="q"), "waits for the end of q"),
    ],
)
def test_a_wait(kind: WaitKind, words: str) -> None:
    waiting = event("process.waiting", {"wait": to_json(WaitState(kind=kind, since_ms=1000))})
    assert describe(waiting) == words
    assert tone_of(waiting) is Tone.QUIET


@pytest.mark.parametrize(
    ("happened", "words", "tone"),
    [
        (event("process.resumed", {}), "goes on", Tone.QUIET),
        (
            event("process.cancel_requested", {"reason": "late"}),
            "is asked to end: late",
            Tone.BAD,
        ),
        (
            event("process.cancel_requested", {"reason": None}),
            "is asked to end: no reason was given",
            Tone.BAD,
        ),
        (event("signal.approve", {"by": "me"}), 'gets the signal approve {"by":"me"}', Tone.NORMAL),
        (event("signal.approve"), "gets the signal approve", Tone.NORMAL),
        (event("tick", 1), "tick 1", Tone.NORMAL),
        (ended(ProcessAwaitOutput.success({"secret": 1})), "completed", Tone.GOOD),
        (
            ended(ProcessAwaitOutput.failure("boom", "it\nbroke")),
            "failed (execution, boom): it\\nbroke",
            Tone.BAD,
        ),
        (ended(ProcessAwaitOutput.cancelled("late")), "was cancelled: late", Tone.BAD),
    ],
)
def test_an_event(happened: ProcessEvent, words: str, tone: Tone) -> None:
    assert describe(happened) == words
    assert tone_of(happened) is tone


def test_a_long_payload_is_cut_off() -> None:
    text = brief(["x" * 1000])
    assert len(text) == 100
    assert text.endswith("xxx...")


def test_text_of_others_cannot_steer_the_terminal() -> None:
    assert one_line(f"a{ESCAPE}[2J\r\nb\x9b") == "a\\x1b[2J\\r\\nb\\x9b"
    assert printable(f"a{ESCAPE}[2J\n\tb") == "a\\x1b[2J\n\tb"
    assert ESCAPE not in describe(event("tick", {"text": f"{ESCAPE}[2J"}))
    assert one_line("grün €") == "grün €"
