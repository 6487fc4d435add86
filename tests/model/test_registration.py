"""What makes a registration complete, valid, and the same as another one."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given

from lash_trio.model import (
    CORE_EVENT_TYPES,
    InvalidValueError,
    JsonObject,
    PluginError,
    PluginReason,
    PreparedToolCall,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ProcessRunning,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWakeSpec,
    SessionScope,
    check_same_registration,
    dumps,
    from_json,
    json_hash,
    loads,
    prepare_registration,
    to_json,
)
from lash_trio.testing.strategies import process_registrations

CALL = PreparedToolCall(call_id="c", tool_name="t", args={})
EXTERNAL = ProcessInput.external({})
HOST = ProcessProvenance.host("demo")
CORE_NAMES = [
    "process.cancel_requested",
    "process.waiting",
    "process.resumed",
    "process.completed",
    "process.failed",
    "process.cancelled",
]


def asked(**fields: Any) -> ProcessRegistration:
    defaults: dict[str, Any] = {"id": "p1", "input": EXTERNAL, "provenance": HOST}
    return ProcessRegistration(**{**defaults, **fields})


def declared(*names: str) -> list[ProcessEventType]:
    return [ProcessEventType(name=name) for name in names]


def refusal(registration: ProcessRegistration) -> str:
    with pytest.raises(PluginError) as caught:
        prepare_registration(registration)
    assert caught.value.code == "plugin"
    assert caught.value.reason == PluginReason.INVALID_REGISTRATION
    beginning = f"process {registration.id!r} cannot be registered: "
    assert caught.value.message.startswith(beginning)
    return caught.value.message.removeprefix(beginning)


def test_the_core_event_types_are_added() -> None:
    prepared = prepare_registration(asked(event_types=declared("signal.go")))
    names = [event_type.name for event_type in prepared.registration.event_types]
    assert names == ["signal.go", *CORE_NAMES]
    assert [core.name for core in CORE_EVENT_TYPES] == CORE_NAMES


def test_the_terminal_core_types_end_a_process_with_the_output_at_its_place() -> None:
    ends = {
        core.name: core.semantics.terminal
        for core in CORE_EVENT_TYPES
        if core.semantics.terminal is not None
    }
    at = ProcessValueSelector.pointer("/await_output")
    assert ends == {
        f"process.{state}": ProcessTerminalSpec(state=state, await_output=at)
        for state in ProcessTerminalState
    }
    assert all(core.semantics.wake is None for core in CORE_EVENT_TYPES)
    assert all(core.payload_schema == {} for core in CORE_EVENT_TYPES)


@given(process_registrations())
def test_preparing_is_idempotent(registration: ProcessRegistration) -> None:
    prepared = prepare_registration(registration)
    again = prepare_registration(prepared.registration)
    assert again == prepared
    assert prepared.registration_hash == json_hash(to_json(prepared.registration))
    stored = loads(ProcessRegistration, dumps(prepared.registration))
    assert prepare_registration(stored) == prepared


@given(process_registrations())
def test_the_row_of_a_registration(registration: ProcessRegistration) -> None:
    prepared = prepare_registration(registration)
    record = prepared.record(123)
    assert record.created_at_ms == record.updated_at_ms == 123
    assert record.status == ProcessRunning()
    assert not record.is_terminal
    assert record.wait is None
    assert record.registration_hash == prepared.registration_hash
    for field in attrs.fields(ProcessRegistration):
        assert getattr(record, field.name) == getattr(prepared.registration, field.name)


def test_what_the_caller_changes_later_does_not_reach_the_row() -> None:
    args: JsonObject = {"items": [1]}
    schema: JsonObject = {"type": "object"}
    prepared = prepare_registration(
        asked(
            input=ProcessInput.function("f", args),
            event_types=[ProcessEventType(name="t", payload_schema=schema)],
        )
    )
    args["items"] = "changed"
    schema["type"] = "changed"
    assert prepared.registration.input == ProcessInput.function("f", {"items": [1]})
    assert prepared.registration.event_types[0].payload_schema == {"type": "object"}
    assert prepared.registration_hash == json_hash(to_json(prepared.registration))


# Idempotent by hash


def test_the_same_registration_is_the_same() -> None:
    record = prepare_registration(asked()).record(1)
    check_same_registration(record, prepare_registration(asked()))
    explicit = prepare_registration(asked(event_types=list(CORE_EVENT_TYPES)))
    check_same_registration(record, explicit)


@pytest.mark.parametrize(
    "other",
    [
        {"input": ProcessInput.external({"a": 1})},
        {"input": ProcessInput.function("f"), "env_ref": None},
        {"provenance": ProcessProvenance.host("other")},
        {"event_types": declared("signal.go")},
        {"wake_target": SessionScope(session_id="s")},
    ],
)
def test_another_registration_under_the_id_is_a_conflict(other: dict[str, Any]) -> None:
    record = prepare_registration(asked()).record(1)
    prepared = prepare_registration(asked(**other))
    with pytest.raises(PluginError) as caught:
        check_same_registration(record, prepared)
    assert caught.value.reason == PluginReason.REGISTRATION_CONFLICT
    assert record.registration_hash[:12] in caught.value.message
    assert prepared.registration_hash[:12] in caught.value.message
    assert "'p1'" in caught.value.message


# Inputs and environments


@pytest.mark.parametrize(
    ("process_input", "env_ref"),
    [
        (ProcessInput.tool_call(CALL), "env"),
        (ProcessInput.function("f"), "env"),
        (ProcessInput.function("f"), None),
        (ProcessInput.session_turn({}, {}), None),
        (EXTERNAL, None),
    ],
)
def test_inputs_with_the_environments_they_may_have(
    process_input: ProcessInput, env_ref: str | None
) -> None:
    prepared = prepare_registration(asked(input=process_input, env_ref=env_ref))
    assert prepared.registration.env_ref == env_ref


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"input": ProcessInput.tool_call(CALL)},
            "an input of type tool_call needs an env_ref, got none",
        ),
        (
            {"input": EXTERNAL, "env_ref": "env"},
            "an input of type external must not have an env_ref, got 'env'",
        ),
        (
            {"input": ProcessInput.session_turn({}, {}), "env_ref": "env"},
            "an input of type session_turn must not have an env_ref, got 'env'",
        ),
        ({"input": ProcessInput.tool_call(CALL), "env_ref": " "}, "its env_ref is blank"),
        ({"input": ProcessInput.function(" ")}, "the name of its definition is blank"),
        ({"id": ""}, "its id is blank"),
        ({"id": " \n"}, "its id is blank"),
        (
            {"provenance": ProcessProvenance.host(" ")},
            "the host profile id of its provenance is blank",
        ),
        (
            {"provenance": ProcessProvenance.session(SessionScope(session_id=""), "demo")},
            "the session id of its originator is blank",
        ),
        (
            {"wake_target": SessionScope(session_id=" ")},
            "the session id of its wake target is blank",
        ),
        ({"event_types": declared(" ")}, "it declares an event type with a blank name"),
        ({"event_types": declared("a", "b", "a")}, "it declares event type 'a' twice"),
        (
            {"event_types": [*declared("a"), *CORE_EVENT_TYPES, CORE_EVENT_TYPES[0]]},
            "it declares event type 'process.cancel_requested' twice",
        ),
        (
            {"input": ProcessInput.external(float("nan"))},
            "it cannot be written as JSON: numbers must be finite, got nan",
        ),
        (
            {"input": ProcessInput.function("f", {"a": object()})},  # type: ignore[dict-item]
            "it cannot be written as JSON: expected plain JSON data, got builtins.object",
        ),
        (
            {"event_types": [ProcessEventType(name="a", payload_schema={"type": "thing"})]},
            "the payload schema of 'a': expected a JSON Schema: 'thing' is not valid",
        ),
        (
            {"event_types": [ProcessEventType(name="a", payload_schema={"pattern": "("})]},
            "the payload schema of 'a': expected a JSON Schema: '(' is not a 'regex'",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str) -> None:
    assert refusal(asked(**fields)).startswith(message)


# Terminal types


def ending(state: ProcessTerminalState, output: ProcessValueSelector | None) -> ProcessEventType:
    spec = ProcessTerminalSpec(state=state, await_output=output)
    return ProcessEventType(name="end", semantics=ProcessEventSemanticsSpec(terminal=spec))


@pytest.mark.parametrize("state", [ProcessTerminalState.FAILED, ProcessTerminalState.CANCELLED])
def test_a_failed_or_cancelled_end_must_say_where_its_output_is(
    state: ProcessTerminalState,
) -> None:
    assert refusal(asked(event_types=[ending(state, None)])) == (
        f"its terminal event type 'end' ends it as {state} "
        "and so must say where the await output is"
    )
    prepare_registration(asked(event_types=[ending(state, ProcessValueSelector.payload())]))


def test_a_completed_end_may_leave_it_out() -> None:
    prepare_registration(asked(event_types=[ending(ProcessTerminalState.COMPLETED, None)]))


# Core types


@pytest.mark.parametrize("core", CORE_EVENT_TYPES, ids=lambda core: core.name)
def test_a_core_type_keeps_its_end_and_its_payload(core: ProcessEventType) -> None:
    expected = (
        f"it declares the core event type {core.name!r} with another end or payload schema; "
        "only a wake may be added to a core type"
    )
    other_end = ending(ProcessTerminalState.COMPLETED, ProcessValueSelector.pointer("/other"))
    with_end = attrs.evolve(core, semantics=other_end.semantics)
    assert refusal(asked(event_types=[with_end])) == expected
    with_schema = attrs.evolve(core, payload_schema={"type": "object"})
    assert refusal(asked(event_types=[with_schema])) == expected
    if core.semantics.terminal is not None:
        plain = ProcessEventType(name=core.name)
        assert refusal(asked(event_types=[plain])) == expected


@pytest.mark.parametrize("core", CORE_EVENT_TYPES, ids=lambda core: core.name)
def test_a_wake_may_be_added_to_a_core_type(core: ProcessEventType) -> None:
    wake = ProcessWakeSpec(input=ProcessValueSelector.payload())
    waking = attrs.evolve(core, semantics=attrs.evolve(core.semantics, wake=wake))
    prepared = prepare_registration(asked(event_types=[waking]))
    types = prepared.registration.event_types
    assert types[0] == waking
    assert sorted(one.name for one in types) == sorted(CORE_NAMES)


# What can only be a bug is refused when the object is made


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": 5}, "expected id to be a str, got int 5"),
        ({"input": {"type": "external"}}, "expected input to be a ProcessInput, got dict"),
        ({"provenance": "demo"}, "expected provenance to be a ProcessProvenance, got str 'demo'"),
        ({"event_types": "ab"}, "expected item 0 of event_types to be a ProcessEventType"),
        ({"event_types": ["signal.go"]}, "got str 'signal.go'"),
        ({"env_ref": 5}, "expected env_ref to be a str, got int 5"),
        ({"wake_target": "s"}, "expected wake_target to be a SessionScope, got str 's'"),
    ],
)
def test_wrong_types_are_refused_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        asked(**fields)
    assert message in caught.value.message


def test_event_types_may_be_any_iterable() -> None:
    one = asked(event_types=declared("a"))
    assert one == asked(event_types=tuple(declared("a")))
    assert one == asked(event_types=iter(declared("a")))
    assert from_json(ProcessRegistration, to_json(one)) == one
