"""Payloads against the JSON Schema of their type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lash_trio.model import (
    DeclaredType,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessEventType,
    WireError,
)
from lash_trio.testing.strategies import json_values


def fault(schema: JsonObject, payload: JsonValue) -> str | None:
    return DeclaredType(ProcessEventType(name="t", payload_schema=schema)).fault(payload)


@given(json_values())
def test_an_empty_schema_admits_everything(payload: JsonValue) -> None:
    assert fault({}, payload) is None


@pytest.mark.parametrize(
    ("schema", "good", "bad", "message"),
    [
        ({"type": "integer"}, 1, "1", "at $: '1' is not of type 'integer'"),
        # JSON knows one kind of number; truth values are none.
        ({"type": "integer"}, 1.0, True, "at $: True is not of type 'integer'"),
        ({"type": "number"}, 0.5, None, "at $: None is not of type 'number'"),
        ({"const": 1}, 1.0, True, "at $: 1 was expected"),
        (
            {"properties": {"a": {"items": {"type": "string"}}}},
            {"a": ["x"]},
            {"a": ["x", 1]},
            "at $.a[1]: 1 is not of type 'string'",
        ),
        ({"required": ["n"]}, {"n": None}, {}, "at $: 'n' is a required property"),
        ({"multipleOf": 0.01}, 0.5, 0.005, "at $: 0.005 is not a multiple of 0.01"),
        (
            {"$defs": {"n": {"type": "null"}}, "$ref": "#/$defs/n"},
            None,
            1,
            "at $: 1 is not of type 'null'",
        ),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {}, 1, "at $: 1 is not"),
    ],
)
def test_good_and_bad_payloads(
    schema: JsonObject, good: JsonValue, bad: JsonValue, message: str
) -> None:
    declared = DeclaredType(ProcessEventType(name="t", payload_schema=schema))
    for _ in range(2):  # compiled at the first, kept for the second
        assert declared.fault(good) is None
        assert (declared.fault(bad) or "").startswith(message)


def test_a_long_fault_is_cut() -> None:
    told = fault({"type": "integer"}, "x" * 10_000)
    assert told is not None
    assert len(told) < 600


def tree(depth: int) -> JsonValue:
    value: JsonValue = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("schema", "payload", "message"),
    [
        ({"$ref": "#/$defs/missing"}, 1, "refers to '/$defs/missing', which is not part of it"),
        ({"$ref": "https://example.com/x"}, 1, "'https://example.com/x', which is not part of it"),
        ({"$ref": "#"}, 1, "refers to itself without end"),
        (
            {"allOf": [{"items": {"anyOf": [{"not": {"allOf": [{"$ref": "#"}]}}]}}]},
            tree(190),
            "nested too deeply",
        ),
        ({"multipleOf": 0.1}, 10**400, "a number is too large to compare"),
    ],
)
def test_what_cannot_be_checked_is_a_fault(
    schema: JsonObject, payload: JsonValue, message: str
) -> None:
    assert message in (fault(schema, payload) or "")


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", asked.append)
    told = fault({"$ref": "http://localhost/schema.json"}, 1)
    assert told == "the schema refers to 'http://localhost/schema.json', which is not part of it"
    assert asked == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "thing"},
        {"type": 5},
        {"pattern": "("},
        {"properties": []},
        {"required": "n"},
        {"minimum": "1"},
        {"$ref": 5},
        {"enum": {}},
    ],
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(PluginError, match="expected a JSON Schema") as caught:
        fault(schema, None)
    assert caught.value.reason == PluginReason.INVALID_REGISTRATION


@pytest.mark.parametrize("schema", [{"a": float("nan")}, {1: 2}, {"a": object()}])
def test_a_schema_that_is_no_json_is_refused(schema: Any) -> None:
    with pytest.raises(WireError):
        fault(schema, None)


def test_a_schema_that_is_changed_later_does_not_change_what_was_compiled() -> None:
    schema: JsonObject = {"type": "integer"}
    declared = DeclaredType(ProcessEventType(name="t", payload_schema=schema))
    assert declared.fault(1) is None
    schema["type"] = "string"
    assert declared.fault(1) is None
