"""Selectors: JSON pointers (RFC 6901), constants, presence, templates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    InvalidValueError,
    JsonValue,
    PluginError,
    PluginReason,
    PointerSelector,
    PresentSelector,
    ProcessValueSelector,
    TemplateSelector,
    canonical_json,
    select_value,
)
from lash_trio.testing.strategies import json_values, value_selectors
from tests.model.support import refusing

# The document of RFC 6901, section 5, and what the RFC finds in it.
DOCUMENT: JsonValue = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
RFC_6901: list[tuple[str, JsonValue]] = [
    ("", DOCUMENT),
    ("/foo", ["bar", "baz"]),
    ("/foo/0", "bar"),
    ("/foo/1", "baz"),
    ("/", 0),
    ("/a~1b", 1),
    ("/c%d", 2),
    ("/e^f", 3),
    ("/g|h", 4),
    ("/i\\j", 5),
    ('/k"l', 6),
    ("/ ", 7),
    ("/m~0n", 8),
]
FOUND: list[tuple[JsonValue, str, JsonValue]] = [
    *((DOCUMENT, pointer, value) for pointer, value in RFC_6901),
    # First ~1, then ~0: "~01" is the key "~1", never "/".
    ({"~1": "tilde one", "/": "slash"}, "/~01", "tilde one"),
    ({"~0": 1}, "/~00", 1),
    ({"~": 1}, "/~0", 1),
    ({"//": {"~~": 1}}, "/~1~1/~0~0", 1),
    # A key that looks like an index, and an index that looks like a key.
    ({"0": "key", "01": "zero one", "-": "dash"}, "/0", "key"),
    ({"01": "zero one"}, "/01", "zero one"),
    ({"-": "dash"}, "/-", "dash"),
    ([["a", "b"], ["c"]], "/0/1", "b"),
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "/10", 10),
    # What is there is found, also when it is nothing much.
    ({"a": None}, "/a", None),
    ({"a": {"": {"": 1}}}, "/a//", 1),
    ([False], "/0", False),
]
NOT_FOUND: list[tuple[JsonValue, str]] = [
    (DOCUMENT, "/nothing"),
    (DOCUMENT, "/foo/2"),
    (DOCUMENT, "/foo/bar"),
    (DOCUMENT, "/foo/0/0"),
    ([1, 2], "/-"),
    ([1, 2], "/01"),
    ([1, 2], "/00"),
    ([1, 2], "/-1"),
    ([1, 2], "/+1"),
    ([1, 2], "/1.0"),
    ([1, 2], "/1e0"),
    ([1, 2], "/ 1"),
    ([1, 2], "/"),
    ([1, 2], "/\u0661"),
    ([1, 2], "/\u00b2"),
    ([1, 2], "/" + "9" * 5000),
    ("text", "/0"),
    (5, "/a"),
    (None, "/a"),
    ({}, "/"),
]


@pytest.mark.parametrize(("payload", "pointer", "value"), FOUND)
def test_a_pointer_that_finds_something(payload: JsonValue, pointer: str, value: JsonValue) -> None:
    assert select_value(payload, ProcessValueSelector.pointer(pointer)) == value
    assert select_value(payload, ProcessValueSelector.present(pointer)) is True


@pytest.mark.parametrize(("payload", "pointer"), NOT_FOUND)
def test_a_pointer_that_finds_nothing(payload: JsonValue, pointer: str) -> None:
    with pytest.raises(PluginError) as caught:
        select_value(payload, ProcessValueSelector.pointer(pointer))
    assert caught.value.reason == PluginReason.INVALID_SELECTOR
    assert repr(pointer) in caught.value.message
    assert canonical_json(payload)[:200] in caught.value.message
    assert select_value(payload, ProcessValueSelector.present(pointer)) is False


@pytest.mark.parametrize("cls", [PointerSelector, PresentSelector])
@pytest.mark.parametrize("wrong", ["a", "a/b", " /a", "#/a", "/~", "/~2", "/a~", "/~/a", 5, None])
def test_what_is_no_pointer_is_refused(cls: Any, wrong: Any) -> None:
    with pytest.raises(InvalidValueError, match="expected a JSON pointer"):
        cls(at=wrong)


def pointers(value: JsonValue, here: str = "") -> list[tuple[str, JsonValue]]:
    """Every pointer into a value, and what is there."""
    items: list[tuple[str, JsonValue]] = []
    if isinstance(value, dict):
        items = [(k.replace("~", "~0").replace("/", "~1"), v) for k, v in value.items()]
    elif isinstance(value, list):
        items = [(str(index), item) for index, item in enumerate(value)]
    below = [found for token, item in items for found in pointers(item, f"{here}/{token}")]
    return [(here, value), *below]


@given(json_values())
def test_every_part_of_a_value_is_found_by_its_pointer(payload: JsonValue) -> None:
    for pointer, value in pointers(payload):
        assert select_value(payload, ProcessValueSelector.pointer(pointer)) is value


@given(json_values(), value_selectors())
def test_a_selector_gives_a_value_or_the_typed_error(
    payload: JsonValue, selector: ProcessValueSelector
) -> None:
    with refusing(PluginReason.INVALID_SELECTOR):
        canonical_json(select_value(payload, selector))


@given(json_values(), json_values())
def test_payload_and_constant(payload: JsonValue, constant: JsonValue) -> None:
    assert select_value(payload, ProcessValueSelector.payload()) is payload
    assert select_value(payload, ProcessValueSelector.constant(constant)) is constant


def test_a_selector_of_another_kind_is_a_bug() -> None:
    with pytest.raises(TypeError, match="unknown selector"):
        select_value(None, ProcessValueSelector())


# Templates

POINTERS = {
    "name": ProcessValueSelector.pointer("/name"),
    "n": ProcessValueSelector.pointer("/n"),
    "all": ProcessValueSelector.payload(),
    "": ProcessValueSelector.constant("empty"),
    "odd name!": ProcessValueSelector.constant("odd"),
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{name} has {n}", "Ada has [1,2]"),
        ("{name}{name}", "AdaAda"),
        ("{all}", '{"n":[1,2],"name":"Ada"}'),
        ("{}", "empty"),
        ("{odd name!}", "odd"),
        # What names no field stays as it is.
        ("{unknown} {name}", "{unknown} Ada"),
        ("{ name }", "{ name }"),
        ("{name", "{name"),
        ("name}", "name}"),
        ("{", "{"),
        ("}{", "}{"),
        ("{{name}}", "{Ada}"),
        ("{na{n}me}", "{na[1,2]me}"),
    ],
)
def test_a_template(text: str, rendered: str) -> None:
    selector = ProcessValueSelector.template(text, POINTERS)
    assert select_value({"name": "Ada", "n": [1, 2]}, selector) == rendered


def test_a_value_is_not_taken_for_a_template() -> None:
    selector = ProcessValueSelector.template("{name} {n}", POINTERS)
    assert select_value({"name": "{n}", "n": "{name}"}, selector) == "{n} {name}"


def test_the_fields_of_a_template_may_be_templates() -> None:
    inner = ProcessValueSelector.template("<{name}>", POINTERS)
    outer = ProcessValueSelector.template("{a}{a}", {"a": inner})
    assert select_value({"name": "x", "n": 0}, outer) == "<x><x>"


def test_a_template_whose_field_finds_nothing_is_refused_though_it_is_not_used() -> None:
    with pytest.raises(PluginError, match="/name"):
        select_value({}, ProcessValueSelector.template("", POINTERS))


@pytest.mark.parametrize("value", [None, True, 0, -0.0, 1.5, [], {"b": 1, "a": 2}])
def test_values_in_templates_are_canonical_json(value: JsonValue) -> None:
    selector = ProcessValueSelector.template("{x}", {"x": ProcessValueSelector.payload()})
    assert select_value(value, selector) == canonical_json(value)


@given(st.text(), st.dictionaries(st.text(max_size=3), st.text(), max_size=3))
def test_a_template_without_its_names_stays_as_it_is(text: str, fields: dict[str, str]) -> None:
    unused = {name: value for name, value in fields.items() if f"{{{name}}}" not in text}
    constants = {name: ProcessValueSelector.constant(value) for name, value in unused.items()}
    assert select_value(None, ProcessValueSelector.template(text, constants)) == text


def test_the_fields_of_a_template_must_be_selectors_by_name() -> None:
    wrong: list[Any] = [{"a": "payload"}, {1: ProcessValueSelector.payload()}]
    for fields in wrong:
        with pytest.raises(InvalidValueError, match="selectors by name"):
            TemplateSelector(text="", fields=fields)


def test_changing_the_fields_later_does_not_change_the_template() -> None:
    fields = {"a": ProcessValueSelector.constant(1)}
    selector = ProcessValueSelector.template("{a}", fields)
    fields["a"] = ProcessValueSelector.constant(2)
    assert select_value(None, selector) == "1"
