"""The wait of a row as events, and the report of a deleted session."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    InvalidValueError,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCompleted,
    ProcessHandleGrant,
    ProcessInput,
    ProcessProvenance,
    ProcessRecord,
    SessionScope,
    SignalWait,
    SleepWait,
    WaitState,
    check_limit,
    delete_report,
    resumed_event,
    to_json,
    waiting_event,
)
from lash_trio.testing.strategies import process_records, wait_states

ROW = ProcessRecord(
    id="p1",
    registration_hash="h",
    input=ProcessInput.external(),
    provenance=ProcessProvenance.host("demo"),
)
WAIT = WaitState(kind=SignalWait(key="k", name="go", event_type="signal.go", ordinal=1), since_ms=5)


def test_a_new_wait_is_an_event() -> None:
    event = waiting_event(ROW, WAIT)
    assert event is not None
    assert event.event_type == "process.waiting"
    assert event.replay is None
    assert event.payload == {
        "wait": {
            "kind": {
                "kind": "signal",
                "key": "k",
                "name": "go",
                "event_type": "signal.go",
                "ordinal": 1,
            },
            "since_ms": 5,
        }
    }


def test_the_same_wait_again_is_none_whenever_it_began() -> None:
    waiting = attrs.evolve(ROW, wait=WAIT)
    assert waiting_event(waiting, WAIT) is None
    assert waiting_event(waiting, attrs.evolve(WAIT, since_ms=99)) is None
    other = WaitState(kind=SleepWait(key="k", due_at_ms=1), since_ms=5)
    assert waiting_event(waiting, other) is not None


def test_the_end_of_a_wait_is_an_event() -> None:
    event = resumed_event(attrs.evolve(ROW, wait=WAIT))
    assert event is not None
    assert event.event_type == "process.resumed"
    assert event.payload == {"wait": to_json(WAIT)}
    assert resumed_event(ROW) is None


def test_what_has_ended_cannot_wait() -> None:
    status = ProcessCompleted(await_output=ProcessAwaitOutput.success(1))
    with pytest.raises(PluginError) as caught:
        waiting_event(attrs.evolve(ROW, status=status), WAIT)
    assert caught.value.reason == PluginReason.PROCESS_TERMINAL
    assert caught.value.message == "process 'p1' has ended (completed) and cannot wait"


@given(process_records(), wait_states())
def test_rows_of_all_kinds(record: ProcessRecord, wait: WaitState) -> None:
    assert (resumed_event(record) is None) == (record.wait is None)
    if record.is_terminal:
        # Ending a process clears its wait.
        assert record.wait is None
        with pytest.raises(PluginError):
            waiting_event(record, wait)
    else:
        same = record.wait is not None and record.wait.kind == wait.kind
        assert (waiting_event(record, wait) is None) == same


def grant(process_id: str, frame: str | None = None) -> ProcessHandleGrant:
    scope = SessionScope(session_id="s1", agent_frame_id=frame)
    return ProcessHandleGrant(session_scope=scope, process_id=process_id)


def test_the_report_of_a_deletion() -> None:
    report = delete_report(
        "s1",
        [grant("d"), grant("a"), grant("a", "frame"), grant("c"), grant("b")],
        still_granted={"b", "c"},
        running={"a", "b"},
    )
    assert report.session_id == "s1"
    assert report.revoked_handle_count == 5
    assert report.revoked_process_ids == ("a", "b", "c", "d")
    # d has ended, so that nobody sees it any more orphans nothing.
    assert report.orphaned_process_ids == ("a",)
    assert report.preserved_process_ids == ("b", "c")


IDS = st.sets(st.sampled_from("abcde"))


@given(st.lists(st.sampled_from("abcde")), IDS, IDS)
def test_every_revoked_process_is_orphaned_preserved_or_has_ended(
    revoked: list[str], still_granted: set[str], running: set[str]
) -> None:
    report = delete_report("s1", [grant(one) for one in revoked], still_granted, running)
    orphaned, preserved = set(report.orphaned_process_ids), set(report.preserved_process_ids)
    assert report.revoked_handle_count == len(revoked)
    assert set(report.revoked_process_ids) == set(revoked)
    assert not orphaned & preserved
    assert orphaned <= running
    assert set(revoked) - orphaned - preserved == set(revoked) - running - still_granted


def test_the_scope_of_a_session_and_of_a_frame_of_it() -> None:
    assert SessionScope(session_id="s").id == "session:s"
    assert SessionScope(session_id="s", agent_frame_id="f").id == "session:s/frame:f"
    assert SessionScope(session_id="s", agent_frame_id="").id == "session:s"


def test_a_limit_is_zero_or_more() -> None:
    assert check_limit(0) == 0
    assert check_limit(5) == 5
    with pytest.raises(InvalidValueError, match="zero or more, got -1"):
        check_limit(-1)
