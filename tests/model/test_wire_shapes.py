"""How classes look on the wire, and what is read and refused there."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from lash_trio import model as m
from lash_trio.model import (
    EffectErrorCode,
    InvocationScope,
    JsonValue,
    WireError,
    from_json,
    loads,
    to_json,
)
from lash_trio.model._wire import from_json as read_with, make_converter
from tests.model.golden_shapes import GOLDEN
from tests.model.support import UNION_BASES, by_name

EXAMPLES = [
    pytest.param(base, value, wire, id=f"{base.__name__}-{type(value).__name__}")
    for base, examples in GOLDEN.items()
    for value, wire in examples
]


@pytest.mark.parametrize("base", UNION_BASES, ids=by_name)
def test_every_member_of_every_union_has_an_example(base: type) -> None:
    shown: set[type] = {type(value) for value, _ in GOLDEN[base]}
    members: list[type] = base.__subclasses__()
    assert shown == {member for member in members if getattr(m, member.__name__, "") is member}


@pytest.mark.parametrize(("base", "value", "wire"), EXAMPLES)
def test_the_shape(base: type, value: object, wire: JsonValue) -> None:
    assert to_json(value) == wire
    assert from_json(base, wire) == value


@pytest.mark.parametrize("base", UNION_BASES, ids=by_name)
def test_the_tags_of_a_union_differ_and_collide_with_no_field(base: Any) -> None:
    classes: list[Any] = [type(value) for value, _ in GOLDEN[base]]
    assert len({cls.tag for cls in classes}) == len(classes)
    for cls in classes:
        fields = {field.metadata.get("wire", field.name) for field in attrs.fields(cls)}
        assert getattr(base, "tag_name", None) not in fields


@pytest.mark.parametrize(("base", "value", "wire"), EXAMPLES)
def test_unknown_fields_are_ignored(base: type, value: object, wire: JsonValue) -> None:
    if isinstance(wire, dict) and hasattr(base, "tag_name"):
        assert from_json(base, {**wire, "from_the_future": {"a": [1]}}) == value
    else:
        assert base in (m.ProcessValueSelector, m.ProcessWakeDedupeKey)


@pytest.mark.parametrize("base", UNION_BASES, ids=by_name)
def test_an_unknown_tag_is_named_with_the_known_ones(base: Any) -> None:
    unknown: list[JsonValue] = ["from_the_future", {"from_the_future": 1}]
    if hasattr(base, "tag_name"):
        unknown = [{base.tag_name: "from_the_future"}]
    for wire in unknown:
        with pytest.raises(WireError) as caught:
            from_json(base, wire)
        assert caught.value.code == EffectErrorCode.UNKNOWN_TAG
        assert "from_the_future" in caught.value.message
        for value, _ in GOLDEN[base]:
            assert type(value).tag in caught.value.message  # type: ignore[attr-defined]


@pytest.mark.parametrize("base", UNION_BASES, ids=by_name)
@pytest.mark.parametrize("wire", [None, 1, [], {}, [["a", "b"]], {"type": 1}, {"type": None}])
def test_what_has_no_tag_is_refused(base: Any, wire: JsonValue) -> None:
    with pytest.raises(WireError):
        from_json(base, wire)


def test_a_selector_is_refused_with_a_body_it_cannot_have() -> None:
    refused: list[JsonValue] = [
        {"payload": None},
        "pointer",
        {"pointer": "/a", "const": 1},
        {"pointer": 5},
        {"pointer": "no slash"},
        {"template": "text"},
        {"template": {"fields": {}}},
        {"template": {"template": "", "fields": [["a", "payload"]]}},
        {"template": {"template": "", "fields": {"a": "unknown"}}},
    ]
    for wire in refused:
        with pytest.raises(WireError):
            from_json(m.ProcessValueSelector, wire)


def test_an_envelope() -> None:
    command = m.EffectCommand.sleep(250)
    envelope = m.EffectEnvelope(
        invocation=m.Invocation.effect(
            InvocationScope.for_turn("s", "t", 1, 0),
            effect_id="e",
            kind=command.kind,
            replay_key="k",
            caused_by=m.TurnCausalRef(session_id="s", turn_id="t"),
        ),
        command=command,
    )
    assert to_json(envelope) == {
        "invocation": {
            "scope": {"session_id": "s", "turn_id": "t", "turn_index": 1, "protocol_iteration": 0},
            "subject": {"type": "effect", "effect_id": "e", "kind": "sleep"},
            "caused_by": {"type": "turn", "session_id": "s", "turn_id": "t"},
            "replay": {"key": "k"},
        },
        "command": {"type": "sleep", "duration_ms": 250},
    }


def test_an_event_type_with_semantics() -> None:
    event_type = m.ProcessEventType(
        name="done",
        payload_schema={"type": "object"},
        semantics=m.ProcessEventSemanticsSpec(
            terminal=m.ProcessTerminalSpec(
                state=m.ProcessTerminalState.FAILED,
                await_output=m.ProcessValueSelector.pointer("/error"),
            ),
            wake=m.ProcessWakeSpec(
                input=m.ProcessValueSelector.payload(),
                when=m.ProcessValueSelector.present("/wake"),
                dedupe_key=m.ConstantDedupe(key="k"),
            ),
        ),
    )
    assert to_json(event_type) == {
        "name": "done",
        "payload_schema": {"type": "object"},
        "semantics": {
            "terminal": {"state": "failed", "await_output": {"pointer": "/error"}},
            "wake": {
                "input": "payload",
                "when": {"present": "/wake"},
                "dedupe_key": {"const": "k"},
            },
        },
    }


def test_a_lease() -> None:
    lease = m.ProcessLease(
        process_id="p",
        owner_id="o",
        lease_token="t",
        fencing_token=3,
        claimed_at_epoch_ms=10,
        expires_at_epoch_ms=20,
    )
    assert to_json(lease) == {
        "schema_version": 1,
        "process_id": "p",
        "owner_id": "o",
        "lease_token": "t",
        "fencing_token": 3,
        "claimed_at_epoch_ms": 10,
        "expires_at_epoch_ms": 20,
    }


def test_optional_fields_may_be_absent_or_null() -> None:
    absent = loads(InvocationScope, '{"session_id":"s"}')
    assert absent == loads(InvocationScope, '{"session_id":"s","turn_id":null}')
    assert absent == InvocationScope(session_id="s")
    assert to_json(m.AwaitEventOutcome(payload=1, timed_out=True)) == {
        "type": "await_event",
        "payload": 1,
        "timed_out": True,
    }


def test_bytes_are_base64_text() -> None:
    attachment = m.LlmAttachment(media_type="image/png", data=b"\x00\xff")
    assert to_json(attachment) == {"media_type": "image/png", "data": "AP8="}
    assert from_json(m.LlmAttachment, {"media_type": "image/png", "data": "AP8="}) == attachment
    assert to_json(m.LlmAttachment(media_type="image/png")) == {"media_type": "image/png"}
    refused: list[JsonValue] = ["AP8", "AP9=", "AP8=\n", "A P8=", "é", 5, None, [0, 255]]
    for wire in refused:
        with pytest.raises(WireError, match="expected base64 text"):
            from_json(m.LlmAttachment, {"media_type": "image/png", "data": wire})


NOTHING_IS_COERCED: list[tuple[type, JsonValue]] = [
    (m.SleepCommand, {"type": "sleep", "duration_ms": "5"}),
    (m.SleepCommand, {"type": "sleep", "duration_ms": 5.0}),
    (m.SleepCommand, {"type": "sleep", "duration_ms": True}),
    (m.SleepCommand, {"type": "sleep", "duration_ms": None}),
    (m.SleepCommand, {"type": "sleep", "duration_ms": [5]}),
    (m.ProcessScope, {"type": "process", "process_id": 5}),
    (m.ProcessScope, {"type": "process", "process_id": True}),
    (m.ProcessScope, {"type": "process", "process_id": ["p"]}),
    (m.ProcessListFilter, {"waiting": 1}),
    (m.ProcessListFilter, {"waiting": "true"}),
    (m.ProcessListFilter, {"status": 1}),
    (m.ProcessListFilter, {"status": "RUNNING"}),
    (m.InvocationScope, {"session_id": "s", "turn_index": "1"}),
    (m.InvocationScope, {"session_id": "s", "turn_index": True}),
    (m.InvocationScope, {"session_id": "s", "turn_index": 1.0}),
    (m.TransferProcesses, {**GOLDEN[m.ProcessCommand][2][1], "process_ids": "p1"}),  # type: ignore[dict-item]
    (m.TransferProcesses, {**GOLDEN[m.ProcessCommand][2][1], "process_ids": {"p1": 1}}),  # type: ignore[dict-item]
    (m.ProcessEventType, {"name": "t", "payload_schema": []}),
    (m.ProcessEventType, {"name": "t", "payload_schema": [["type", "object"]]}),
    (m.FunctionInput, {"type": "function", "name": "f", "args": "x"}),
    (m.SwitchAgentFrame, {"type": "switch_agent_frame", "frame_id": "f", "initial_nodes": {}}),
    (m.EffectFailure, {"code": "c", "message": "m", "details": {"a": 1}}),
    (m.EffectFailure, {"code": "c", "message": "m", "details": [["a", "b"]]}),
    (m.ExecCodeOutcome, {"type": "exec_code", "result": {"Err": 5}}),
    (m.ExecCodeOutcome, {"type": "exec_code", "result": "Err"}),
    (m.ExecCodeOutcome, {"type": "exec_code", "result": {"Err": "a", "Ok": None}}),
    (m.ExecCodeOutcome, {"type": "exec_code", "result": {"err": "a"}}),
    (m.Replay, "k"),
    (m.Replay, [["key", "k"]]),
]


@pytest.mark.parametrize(("cls", "wire"), NOTHING_IS_COERCED)
def test_nothing_is_coerced(cls: type, wire: JsonValue) -> None:
    with pytest.raises(WireError, match="expected"):
        from_json(cls, wire)


@pytest.mark.parametrize(
    ("cls", "wire", "message"),
    [
        (
            m.ProcessEventType,
            {"name": "t", "payload_schema": [["type", "object"]]},
            "expected an object, got list [['type', 'object']] @ $.payload_schema",
        ),
        (
            m.EffectFailure,
            {"code": "c", "message": "m", "details": [["a", "b"]]},
            "expected an object, got list [['a', 'b']] @ $.details",
        ),
        (
            m.EffectFailure,
            {"code": "c", "message": "m", "details": {"a": 1}},
            "expected str, got int 1 @ $.details['a']",
        ),
        (
            m.ProcessesListed,
            {"op": "list", "entries": "all"},
            "expected a list, got str 'all' @ $.entries",
        ),
        (
            m.LlmMessage,
            {"role": "user", "blocks": [{"type": "text", "text": "a"}, {"type": "text"}]},
            "the field 'text' is missing @ $.blocks[1].text",
        ),
        (
            m.LlmMessage,
            {"role": "robot", "blocks": []},
            "expected LlmRole, one of user, assistant, system, got str 'robot' @ $.role",
        ),
    ],
)
def test_a_refusal_says_what_was_expected_what_came_and_where(
    cls: type, wire: JsonValue, message: str
) -> None:
    with pytest.raises(WireError) as caught:
        from_json(cls, wire)
    assert caught.value.message == f"expected {cls.__name__} as JSON: {message}"


def test_results_are_read_by_what_they_hold() -> None:
    either: Any = m.Ok[m.SleepCommand] | m.Err[str]
    assert from_json(either, {"Err": "no"}) == m.Err("no")
    assert from_json(either, {"Ok": {"type": "sleep", "duration_ms": 1}}) == m.Ok(
        m.EffectCommand.sleep(1)
    )
    only_ok: Any = m.Ok[str]
    assert from_json(only_ok, {"Ok": "yes"}) == m.Ok("yes")
    with pytest.raises(WireError, match="the one key Ok, got dict"):
        from_json(only_ok, {"Err": "no"})
    with pytest.raises(WireError, match="expected Ok or Err as JSON: expected str, got int 5"):
        from_json(either, {"Err": 5})


def test_a_class_of_an_application_has_no_place_on_the_wire() -> None:
    class Tagged(m.EffectCommand):
        tag = "mine"

    class Untagged(m.EffectCommand):
        pass

    # A converter that is built after the classes are there, as it is in a program that
    # writes no JSON before.
    converter = make_converter()
    assert {Tagged, Untagged} <= set(m.EffectCommand.__subclasses__())
    with pytest.raises(WireError, match="got str 'mine'"):
        read_with(m.EffectCommand, {"type": "mine"}, converter)
    sleep = read_with(m.EffectCommand, {"type": "sleep", "duration_ms": 1}, converter)
    assert sleep == m.EffectCommand.sleep(1)
