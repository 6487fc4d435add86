"""The rules of appending an event, and the order in which they are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given

from lash_trio.model import (
    CANCEL_REQUESTED,
    CORE_EVENT_TYPES,
    PLAIN_SEMANTICS,
    CausalRef,
    DeclaredType,
    JsonValue,
    PluginError,
    PluginReason,
    PreparedAppend,
    ProcessAwaitOutput,
    ProcessCausalRef,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessStatus,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWakeSpec,
    RecordedEvent,
    Replay,
    SessionScope,
    prepare_append,
    terminal_event,
)
from lash_trio.testing.strategies import await_outputs, json_values

SESSION = SessionScope(session_id="s1")
STRICT = ProcessEventType(name="strict", payload_schema={"type": "object", "required": ["n"]})
ENDING = ProcessEventType(
    name="ending",
    payload_schema={"type": "object", "required": ["ok"]},
    semantics=ProcessEventSemanticsSpec(
        terminal=ProcessTerminalSpec(
            state=ProcessTerminalState.COMPLETED,
            await_output=ProcessValueSelector.pointer("/result"),
        )
    ),
)
WAKING = ProcessEventType(
    name="waking",
    semantics=ProcessEventSemanticsSpec(wake=ProcessWakeSpec(input=ProcessValueSelector.payload())),
)
TYPES = (ProcessEventType(name="plain"), STRICT, ENDING, WAKING, *CORE_EVENT_TYPES)


@attrs.frozen(kw_only=True)
class Target:
    """A process, as the rules see it."""

    id: str = "p1"
    declared: dict[str, DeclaredType] = attrs.field(
        factory=lambda: {event_type.name: DeclaredType(event_type) for event_type in TYPES}
    )
    is_terminal: bool = False
    wake_target: SessionScope | None = None
    caused_by: CausalRef | None = None


RUNNING = Target()
ENDED = Target(is_terminal=True)


def request(
    event_type: str, payload: Any = None, key: str | None = None
) -> ProcessEventAppendRequest:
    return ProcessEventAppendRequest(
        event_type=event_type, payload=payload, replay=None if key is None else Replay(key=key)
    )


def append(
    asked: ProcessEventAppendRequest,
    target: Target = RUNNING,
    recorded: RecordedEvent | None = None,
    sequence: int = 5,
) -> PreparedAppend:
    return prepare_append(target, asked, recorded, sequence, 1_000)


def refused(
    asked: ProcessEventAppendRequest,
    target: Target = RUNNING,
    recorded: RecordedEvent | None = None,
) -> PluginError:
    with pytest.raises(PluginError) as caught:
        append(asked, target, recorded)
    assert caught.value.code == "plugin"
    assert "'p1'" in caught.value.message or "payload" in caught.value.message
    return caught.value


def record(prepared: PreparedAppend) -> RecordedEvent:
    """What a store keeps under the replay key."""
    assert prepared.content_hash is not None
    return RecordedEvent(content_hash=prepared.content_hash, event=prepared.event)


# Plain events


def test_a_plain_event() -> None:
    prepared = append(request("plain", {"n": 1}))
    assert prepared == PreparedAppend(
        event=ProcessEvent(
            process_id="p1",
            sequence=5,
            event_type="plain",
            payload={"n": 1},
            occurred_at_ms=1_000,
        ),
        status=None,
        wake_delivery=None,
        content_hash=None,
        replayed=False,
    )
    assert prepared.event.semantics is PLAIN_SEMANTICS


def test_the_payload_of_the_event_is_a_copy() -> None:
    payload: dict[str, JsonValue] = {"items": [1]}
    prepared = append(request("plain", payload))
    payload["items"] = None
    assert prepared.event.payload == {"items": [1]}
    assert append(request("plain", (1, (2,)))).event.payload == [1, [2]]


def test_a_plain_event_with_a_key_has_a_content_hash() -> None:
    one = append(request("plain", {"a": 1, "b": 2}, key="k"))
    assert one.event.replay == Replay(key="k")
    assert one.content_hash == append(request("plain", {"b": 2, "a": 1}, key="k")).content_hash
    for other in (
        request("plain", {"a": 1, "b": 3}, key="k"),
        request("plain", {"a": 1, "b": 2.0}, key="k"),
        request("waking", {"a": 1, "b": 2}, key="k"),
    ):
        assert append(other).content_hash != one.content_hash


def test_an_empty_replay_key_is_none() -> None:
    prepared = append(request("plain", key=""))
    assert prepared.content_hash is None
    assert refused(request(CANCEL_REQUESTED, key="")).reason == "event_replay_required"


def test_plain_events_may_follow_the_end() -> None:
    for event_type in ("plain", "waking", "process.waiting", "process.resumed"):
        assert append(request(event_type), ENDED).event.sequence == 5
    strict = append(request("strict", {"n": 1}), ENDED)
    assert strict.status is None
    assert append(request(CANCEL_REQUESTED, {}, key="k"), ENDED).status is None


# Replay


def test_a_known_key_with_the_same_content_gives_the_first_event() -> None:
    first = append(request("plain", {"a": 1}, key="k"), sequence=2)
    again = append(request("plain", {"a": 1}, key="k"), recorded=record(first), sequence=9)
    assert again.replayed
    assert again.event is first.event
    assert again.status is None


def test_a_replayed_end_does_not_end_again() -> None:
    asked = terminal_event("p1", ProcessAwaitOutput.success(1))
    first = append(asked)
    assert first.status is not None
    again = append(asked, ENDED, record(first))
    assert again.replayed
    assert again.status is None


def test_a_replayed_wake_is_delivered_again_under_the_same_id() -> None:
    target = Target(wake_target=SESSION)
    first = append(request("waking", "hello", key="k"), target, sequence=2)
    again = append(request("waking", "hello", key="k"), target, record(first), sequence=9)
    assert first.wake_delivery is not None
    assert again.wake_delivery == first.wake_delivery


def test_a_known_key_with_other_content_is_a_conflict() -> None:
    recorded = record(append(request("plain", 1, key="k"), sequence=2))
    for other in (request("plain", 2, key="k"), request("waking", 1, key="k")):
        error = refused(other, recorded=recorded)
        assert error.reason == PluginReason.REPLAY_CONFLICT
        assert "event 2 ('plain') under the replay key 'k'" in error.message
        assert repr(other.event_type) in error.message


# Each refusal alone


def test_an_undeclared_type_is_refused() -> None:
    error = refused(request("unknown"))
    assert error.reason == PluginReason.UNDECLARED_EVENT_TYPE
    assert "declares no event type 'unknown'" in error.message
    for declared in RUNNING.declared:
        assert declared in error.message


@pytest.mark.parametrize(
    "event_type",
    [CANCEL_REQUESTED, "ending", "process.completed", "process.failed", "process.cancelled"],
)
def test_a_missing_replay_key_is_refused(event_type: str) -> None:
    error = refused(request(event_type, {"ok": 1, "result": 1, "await_output": 1}))
    assert error.reason == PluginReason.REPLAY_REQUIRED
    assert repr(event_type) in error.message


def test_a_payload_against_the_schema_is_refused() -> None:
    error = refused(request("strict", {"m": 1}))
    assert error.reason == PluginReason.INVALID_PAYLOAD
    assert "'strict'" in error.message
    assert "at $: 'n' is a required property" in error.message


@pytest.mark.parametrize("payload", [float("nan"), {1: 2}, object(), "\ud800", {"a": {1}}])
def test_a_payload_that_is_no_json_is_refused(payload: Any) -> None:
    error = refused(request("plain", payload))
    assert error.reason == PluginReason.INVALID_PAYLOAD
    assert "is no JSON" in error.message


def test_a_second_end_is_refused() -> None:
    error = refused(request("ending", {"ok": 1, "result": 2}, key="k"), ENDED)
    assert error.reason == PluginReason.PROCESS_TERMINAL
    assert "'ending' would end it again" in error.message


def test_a_selector_that_finds_nothing_is_refused() -> None:
    error = refused(request("ending", {"ok": 1}, key="k"))
    assert error.reason == PluginReason.INVALID_SELECTOR
    assert "something at '/result'" in error.message


# The order: a request that breaks two rules is refused for the first of them

NO_JSON: dict[str, Any] = {"n": float("nan")}
CONFLICT = RecordedEvent(
    content_hash="another",
    event=ProcessEvent(
        process_id="p1", sequence=1, event_type="plain", payload=None, occurred_at_ms=0
    ),
)
ORDER: list[tuple[str, str, Callable[[], PluginError]]] = [
    # (refused for, though also, how)
    (
        "invalid_payload",
        "event_replay_conflict",
        lambda: refused(request("plain", NO_JSON, key="k"), recorded=CONFLICT),
    ),
    (
        "event_replay_conflict",
        "undeclared_event_type",
        lambda: refused(request("unknown", 1, key="k"), recorded=CONFLICT),
    ),
    (
        "event_replay_conflict",
        "invalid_payload",
        lambda: refused(request("strict", {}, key="k"), recorded=CONFLICT),
    ),
    (
        "event_replay_conflict",
        "process_terminal",
        lambda: refused(request("ending", {"ok": 1, "result": 1}, key="k"), ENDED, CONFLICT),
    ),
    (
        "event_replay_required",
        "invalid_payload",
        lambda: refused(request("ending", {"result": 1})),
    ),
    (
        "event_replay_required",
        "process_terminal",
        lambda: refused(request("ending", {"ok": 1, "result": 1}), ENDED),
    ),
    (
        "event_replay_required",
        "invalid_selector",
        lambda: refused(request("process.completed", {})),
    ),
    (
        "invalid_payload",
        "process_terminal",
        lambda: refused(request("ending", {"result": 1}, key="k"), ENDED),
    ),
    (
        "invalid_payload",
        "invalid_selector",
        lambda: refused(request("ending", {}, key="k")),
    ),
    (
        "process_terminal",
        "invalid_selector",
        lambda: refused(request("ending", {"ok": 1}, key="k"), ENDED),
    ),
]


@pytest.mark.parametrize(
    ("first", "how"),
    [pytest.param(first, how, id=f"{first}-{second}") for first, second, how in ORDER],
)
def test_the_first_rule_that_is_broken_is_the_one_that_is_told(
    first: str, how: Callable[[], PluginError]
) -> None:
    assert how().reason == first


def test_an_undeclared_type_needs_no_key_and_has_no_schema() -> None:
    # Undeclared comes before the key, the schema and the end: those belong to the type.
    target = attrs.evolve(ENDED, declared={})
    for name in ("ending", CANCEL_REQUESTED, "strict"):
        assert refused(request(name), target).reason == PluginReason.UNDECLARED_EVENT_TYPE


def test_a_known_key_is_answered_before_all_other_rules() -> None:
    # The first event is what was asked for, though nothing of this would be accepted now.
    first = append(request("ending", {"ok": 1, "result": 1}, key="k"))
    target = attrs.evolve(ENDED, declared={})
    again = append(request("ending", {"ok": 1, "result": 1}, key="k"), target, record(first))
    assert again.replayed
    assert again.event is first.event


# Ends


@given(await_outputs())
def test_the_event_that_ends_a_process_sets_its_status(output: ProcessAwaitOutput) -> None:
    prepared = append(terminal_event("p1", output))
    status = prepared.status
    assert isinstance(status, ProcessStatus)
    assert status.is_terminal
    assert status.await_output == output
    assert status.terminal_state is output.terminal_state
    assert prepared.event.event_type == f"process.{output.terminal_state}"
    assert prepared.event.replay == Replay(key="process:p1:terminal")
    terminal = prepared.event.semantics.terminal
    assert terminal is not None
    assert terminal.await_output == output


def test_notes_of_the_end_stand_beside_the_output() -> None:
    output = ProcessAwaitOutput.success(1)
    asked = terminal_event("p1", output, {"unread": ["signal.go"], "await_output": "overwritten"})
    assert asked.payload == {
        "unread": ["signal.go"],
        "await_output": {"type": "success", "value": 1},
    }


@given(json_values())
def test_asking_for_a_cancel_twice_is_asking_once(payload: JsonValue) -> None:
    one = ProcessEventAppendRequest.cancel_requested("p1", "enough")
    assert one == ProcessEventAppendRequest.cancel_requested("p1", "enough")
    assert one.payload == {"reason": "enough"}
    assert one.event_type == CANCEL_REQUESTED
    assert one.replay is not None
    keys = {
        other.replay.key
        for other in (
            one,
            ProcessEventAppendRequest.cancel_requested("p1", None),
            ProcessEventAppendRequest.cancel_requested("p2", "enough"),
            ProcessEventAppendRequest.cancel_requested("p1", "other"),
        )
        if other.replay is not None
    }
    assert len(keys) == 4
    assert append(one).status is None
    keyed = request("plain", payload).with_replay_key("k")
    assert keyed == request("plain", payload, key="k")


# Wakes


def test_a_wake_needs_a_target() -> None:
    assert append(request("waking", "hello")).wake_delivery is None
    assert append(request("waking", "hello")).event.semantics.wake is not None


def test_the_delivery_of_a_wake() -> None:
    target = Target(
        wake_target=SessionScope(session_id="s1", agent_frame_id="f"),
        caused_by=ProcessCausalRef(process_id="p0"),
    )
    delivery = append(request("waking", {"b": 1, "a": 2}), target).wake_delivery
    assert delivery is not None
    assert delivery.wake_id.startswith("wake:")
    assert delivery.target_session_id == "s1"
    assert delivery.target_scope_id == "session:s1/frame:f"
    assert (delivery.process_id, delivery.sequence, delivery.event_type) == ("p1", 5, "waking")
    assert delivery.dedupe_key == "p1:5"
    assert delivery.input == '{"a":2,"b":1}'
    assert delivery.process_caused_by == ProcessCausalRef(process_id="p0")
    assert delivery.created_at_ms == 1_000
    assert delivery.turn_text == (
        'Background process wake\nProcess: p1\nEvent: waking #5\nWake input:\n{"a":2,"b":1}'
    )


def test_the_target_of_a_request_comes_before_that_of_the_process() -> None:
    other = SessionScope(session_id="s2")
    asked = attrs.evolve(request("waking", "hello"), wake_target_scope=other)
    for target in (RUNNING, Target(wake_target=SESSION)):
        delivery = append(asked, target).wake_delivery
        assert delivery is not None
        assert delivery.target_session_id == "s2"


def test_a_wake_is_the_same_wake_by_target_and_dedupe_key() -> None:
    def wake_id(target: SessionScope, sequence: int, process_id: str = "p1") -> str:
        woken = Target(id=process_id, wake_target=target)
        delivery = append(request("waking"), woken, sequence=sequence).wake_delivery
        assert delivery is not None
        return delivery.wake_id

    frame = SessionScope(session_id="s1", agent_frame_id="f")
    assert wake_id(SESSION, 5) == wake_id(SESSION, 5)
    ids = [wake_id(SESSION, 5), wake_id(frame, 5), wake_id(SESSION, 6), wake_id(SESSION, 5, "p2")]
    assert len(set(ids)) == len(ids)


def test_what_has_no_wake_delivers_none() -> None:
    target = Target(wake_target=SESSION)
    assert append(request("plain"), target).wake_delivery is None
    assert append(request("strict", {"n": 1}), target).wake_delivery is None
    assert append(terminal_event("p1", ProcessAwaitOutput.success(1)), target).wake_delivery is None
