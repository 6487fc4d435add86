"""From a payload and the semantics of its type to what the event means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lash_trio.model import (
    PLAIN_SEMANTICS,
    ConstantDedupe,
    EventIdentityDedupe,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEventSemanticsSpec,
    ProcessTerminalSemantics,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWake,
    ProcessWakeDedupeKey,
    ProcessWakeSpec,
    SelectorDedupe,
    canonical_json,
    materialize_semantics,
    to_json,
)
from lash_trio.testing.strategies import await_outputs, json_values, semantics_specs
from tests.model.support import refusing

COMPLETED = ProcessTerminalState.COMPLETED
FAILED = ProcessTerminalState.FAILED
CANCELLED = ProcessTerminalState.CANCELLED
PAYLOAD = ProcessValueSelector.payload()
AT_OUTPUT = ProcessValueSelector.pointer("/await_output")


def ended(
    payload: JsonValue, state: ProcessTerminalState, at: ProcessValueSelector | None
) -> ProcessTerminalSemantics:
    spec = ProcessEventSemanticsSpec(terminal=ProcessTerminalSpec(state=state, await_output=at))
    semantics = materialize_semantics("p", 3, payload, spec)
    assert semantics.wake is None
    assert semantics.terminal is not None
    return semantics.terminal


def wake(payload: JsonValue, sequence: int = 3, **fields: Any) -> ProcessWake | None:
    fields.setdefault("input", PAYLOAD)
    spec = ProcessEventSemanticsSpec(wake=ProcessWakeSpec(**fields))
    semantics = materialize_semantics("p", sequence, payload, spec)
    assert semantics.terminal is None
    return semantics.wake


def test_no_semantics_is_the_one_plain_object() -> None:
    assert materialize_semantics("p", 1, {}, ProcessEventSemanticsSpec()) is PLAIN_SEMANTICS


# Ends


@given(await_outputs())
def test_an_await_output_is_taken_as_it_is(output: ProcessAwaitOutput) -> None:
    payload: JsonValue = {"await_output": to_json(output)}
    terminal = ended(payload, output.terminal_state, AT_OUTPUT)
    assert terminal == ProcessTerminalSemantics(state=output.terminal_state, await_output=output)


@given(json_values())
def test_without_a_selector_the_payload_is_the_value(payload: JsonValue) -> None:
    assert ended(payload, COMPLETED, None).await_output == ProcessAwaitOutput.success(payload)


def test_without_a_selector_nothing_is_taken_for_an_await_output() -> None:
    payload = to_json(ProcessAwaitOutput.cancelled("no"))
    assert ended(payload, COMPLETED, None).await_output == ProcessAwaitOutput.success(payload)


@pytest.mark.parametrize("value", ["text", 5, None, {"a": 1}, {"type": "unknown"}, ["x"]])
def test_any_other_value_becomes_an_output_of_the_types_end(value: JsonValue) -> None:
    text = value if isinstance(value, str) else canonical_json(value)
    outputs = {state: ended(value, state, PAYLOAD).await_output for state in ProcessTerminalState}
    assert outputs == {
        COMPLETED: ProcessAwaitOutput.success(value),
        FAILED: ProcessAwaitOutput.failure("process_failed", text, raw=value),
        CANCELLED: ProcessAwaitOutput.cancelled(text, raw=value),
    }


@pytest.mark.parametrize("state", list(ProcessTerminalState))
@given(output=await_outputs())
def test_status_and_await_output_never_contradict_each_other(
    state: ProcessTerminalState, output: ProcessAwaitOutput
) -> None:
    payload = to_json(output)
    if output.terminal_state is state:
        assert ended(payload, state, PAYLOAD).await_output == output
        return
    with pytest.raises(PluginError) as caught:
        ended(payload, state, PAYLOAD)
    assert caught.value.reason == PluginReason.INVALID_PAYLOAD
    assert f"a process that ends as {state}" in caught.value.message
    assert f"one that ends as {output.terminal_state}" in caught.value.message


def test_an_output_that_is_not_where_it_should_be_is_refused() -> None:
    with pytest.raises(PluginError) as caught:
        ended({}, COMPLETED, AT_OUTPUT)
    assert caught.value.reason == PluginReason.INVALID_SELECTOR


# Wakes


def test_a_wake_tells_text_as_it_is_and_anything_else_as_canonical_json() -> None:
    assert wake("hello") == ProcessWake(input="hello", dedupe_key="p:3")
    assert wake({"b": 1, "a": [None]}) == ProcessWake(input='{"a":[null],"b":1}', dedupe_key="p:3")
    named = ProcessValueSelector.template("{x}!", {"x": PAYLOAD})
    assert wake(5, input=named) == ProcessWake(input="5!", dedupe_key="p:3")


@pytest.mark.parametrize(
    ("condition", "wakes"),
    [
        (True, True),
        (False, False),
        (None, False),
        ("", False),
        ("no", True),
        # The seed's truth: every number is true.
        (0, True),
        (0.0, True),
        (1, True),
        ([], False),
        ([False], True),
        ({}, False),
        ({"a": False}, True),
    ],
)
def test_a_wake_on_a_condition(condition: JsonValue, wakes: bool) -> None:
    constant = ProcessValueSelector.constant(condition)
    assert (wake("hello", when=constant) is not None) is wakes
    selected = ProcessValueSelector.pointer("/when")
    assert (wake({"when": condition}, when=selected) is not None) is wakes


def test_a_wake_that_is_not_due_selects_nothing_else() -> None:
    nowhere = ProcessValueSelector.pointer("/nowhere")
    present = ProcessValueSelector.present("/nowhere")
    assert wake({}, when=present, input=nowhere) is None
    with pytest.raises(PluginError):
        wake({}, input=nowhere)
    with pytest.raises(PluginError):
        wake({}, when=nowhere)


def key(dedupe: ProcessWakeDedupeKey, payload: JsonValue, sequence: int) -> str:
    woken = wake(payload, sequence, dedupe_key=dedupe)
    assert woken is not None
    return woken.dedupe_key


def test_wakes_by_event_identity_are_all_different() -> None:
    assert key(EventIdentityDedupe(), "x", 1) == "p:1"
    assert key(EventIdentityDedupe(), "x", 2) == "p:2"


def test_wakes_by_constant_are_all_the_same() -> None:
    assert key(ConstantDedupe(key="once"), "x", 1) == "once"
    assert key(ConstantDedupe(key="once"), "y", 2) == "once"


def test_wakes_by_selector_are_the_same_where_the_value_is() -> None:
    by_id = SelectorDedupe(selector=ProcessValueSelector.pointer("/id"))
    assert key(by_id, {"id": "a", "n": 1}, 1) == key(by_id, {"id": "a", "n": 2}, 2) == "a"
    assert key(by_id, {"id": {"y": 1, "x": 2}}, 1) == key(by_id, {"id": {"x": 2, "y": 1}}, 2)
    assert key(by_id, {"id": 1}, 1) != key(by_id, {"id": 1.0}, 1)
    with pytest.raises(PluginError, match="/id"):
        key(by_id, {}, 1)


def test_an_event_may_end_its_process_and_wake() -> None:
    spec = ProcessEventSemanticsSpec(
        terminal=ProcessTerminalSpec(state=COMPLETED), wake=ProcessWakeSpec(input=PAYLOAD)
    )
    semantics = materialize_semantics("p", 3, "done", spec)
    assert semantics.terminal is not None
    assert semantics.wake == ProcessWake(input="done", dedupe_key="p:3")


@given(json_values(), semantics_specs())
def test_any_payload_and_semantics_give_a_meaning_or_the_typed_error(
    payload: JsonValue, spec: ProcessEventSemanticsSpec
) -> None:
    with refusing(PluginReason.INVALID_SELECTOR, PluginReason.INVALID_PAYLOAD):
        semantics = materialize_semantics("p", 1, payload, spec)
        assert (semantics.terminal is None) == (spec.terminal is None)
        assert spec.wake is not None or semantics.wake is None
        # What was understood once is understood again: it is plain data.
        assert materialize_semantics("p", 1, payload, spec) == semantics
        to_json(semantics)


def test_a_dedupe_key_of_another_kind_is_a_bug() -> None:
    with pytest.raises(TypeError, match="unknown dedupe key"):
        wake("x", dedupe_key=ProcessWakeDedupeKey())
