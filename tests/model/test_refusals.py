"""What is not JSON, or not of the class, is a `WireError`, and never another exception."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from lash_trio.model import (
    EffectCommand,
    EffectErrorCode,
    JsonValue,
    ProcessEvent,
    ProcessValueSelector,
    TurnScope,
    WireError,
    canonical_json,
    copy_json,
    dumps,
    from_json,
    loads,
    parse_json,
    to_json,
)
from lash_trio.testing.strategies import for_class, json_values
from tests.model.support import READABLE, by_name, fewer_examples, loads_or_refuses

SOME = fewer_examples(6)

NASTY_TEXTS = [
    "",
    "null",
    "[]",
    "{}",
    '"turn"',
    "0",
    "-",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 5000,
    "-" + "9" * 5000,
    '{"a":1,"a":1}',
    '{"type":"turn","type":"turn","session_id":"s","turn_id":"t"}',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '{"\\ud800":1}',
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000,
    '{"a":' * 100_000 + "1" + "}" * 100_000,
    '{"template":{"template":"","fields":{"a":' * 5000,
    "\ufeff{}",
    "{} {}",
    "'a'",
    "{'a':1}",
    "[1,]",
    "// comment",
    "\x00",
    '"\x00"',
    '"\ud800"',
]
NASTY_BYTES = [b"\xff", b"\xc3(", b"\xed\xa0\x80", b'"\xed\xa0\x80"', b"\xef\xbb\xbf{}", b"\x00{}"]


@pytest.mark.parametrize("cls", READABLE, ids=by_name)
def test_nasty_text_is_refused_or_read(cls: type[Any]) -> None:
    for text in NASTY_TEXTS:
        read = loads_or_refuses(cls, text)
        assert isinstance(read, (cls, WireError)), text[:80]
    for raw in NASTY_BYTES:
        assert isinstance(loads_or_refuses(cls, raw), WireError), raw


# Few of the classes have a shape that arbitrary data can hit, so that one example for
# all classes finds as much as one for each.
@given(st.binary(max_size=200))
@example(b"{}")
@example(b'"payload"')
def test_arbitrary_bytes(raw: bytes) -> None:
    for cls in READABLE:
        assert isinstance(loads_or_refuses(cls, raw), (cls, WireError))


@given(st.text(max_size=200))
def test_arbitrary_text(text: str) -> None:
    for cls in READABLE:
        assert isinstance(loads_or_refuses(cls, text), (cls, WireError))


@given(json_values())
def test_arbitrary_json(value: JsonValue) -> None:
    text = json.dumps(value)
    for cls in READABLE:
        assert isinstance(loads_or_refuses(cls, text), (cls, WireError))


# That text was cut is seen before its class matters.
@given(st.data(), st.sampled_from(READABLE))
def test_truncated_json(data: st.DataObject, cls: type[Any]) -> None:
    raw = dumps(data.draw(for_class(cls))).encode()
    cut = data.draw(st.integers(0, len(raw) - 1))
    # Nothing shorter is JSON: every text here is an object, a list or a string.
    with pytest.raises(WireError) as caught:
        loads(cls, raw[:cut])
    assert caught.value.code == EffectErrorCode.INVALID_JSON


REPLACEMENTS: list[JsonValue] = [10**5, "turn", [[]], {"type": {}}]


@st.composite
def mutations(draw: st.DrawFn, value: JsonValue) -> JsonValue:
    """The value with one node of it replaced, removed, renamed or added."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 2)) == 0:
        return draw(json_values() | st.sampled_from(REPLACEMENTS))
    if isinstance(value, list):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], draw(mutations(value[index])), *value[index + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    match draw(st.sampled_from(["change", "remove", "rename", "add"])):
        case "change":
            return {**value, key: draw(mutations(value[key]))}
        case "remove":
            return {name: item for name, item in value.items() if name != key}
        case "rename":
            return {f"{name}_" if name == key else name: item for name, item in value.items()}
        case _:
            return {**value, draw(st.text(max_size=3)): draw(json_values())}


@pytest.mark.parametrize("cls", READABLE, ids=by_name)
def test_mutated_json(cls: type[Any]) -> None:
    @SOME
    @given(st.data(), for_class(cls))
    def check(data: st.DataObject, value: object) -> None:
        mutated = data.draw(mutations(to_json(value)))
        read = loads_or_refuses(cls, json.dumps(mutated))
        if not isinstance(read, WireError):
            # What is read has the class, can be written, and stays what it is.
            assert isinstance(read, cls)
            assert from_json(cls, to_json(read)) == read

    check()


def test_deep_data_that_no_parser_has_seen() -> None:
    deep: JsonValue = "payload"
    for _ in range(3000):
        deep = {"template": {"template": "", "fields": {"a": deep}}}
    with pytest.raises(WireError, match="nested too deeply") as caught:
        from_json(ProcessValueSelector, deep)
    assert caught.value.code == EffectErrorCode.INVALID_JSON


def test_an_object_that_holds_what_is_not_of_the_fields_type_cannot_be_written() -> None:
    wrong: Any = EffectCommand
    for value in (
        wrong.checkpoint("after_work"),
        wrong.process("start"),
        wrong.llm_call({"model": "m"}),
        wrong.tool_call(None),
        wrong.durable_step("s", object()),
        wrong.durable_step("s", {1: 2}),
        wrong.durable_step("s", {"a": {1, 2}}),
        wrong.durable_step("s", float("nan")),
        wrong.durable_step("s", "\ud800"),
        wrong.durable_step("s", 10**5000),
        EffectCommand(),
        object(),
    ):
        with pytest.raises(WireError):
            to_json(value)


def test_the_recorded_code_of_a_refusal_is_the_first_of_its_parts() -> None:
    with pytest.raises(WireError) as caught:
        loads(TurnScope, "{")
    assert caught.value.code == "invalid_json"
    with pytest.raises(WireError) as caught:
        loads(EffectCommand, '{"type":"nap"}')
    assert caught.value.code == "unknown_tag"
    with pytest.raises(WireError) as caught:
        loads(EffectCommand, '{"type":"sleep"}')
    assert caught.value.code == "invalid_value"


def test_a_refusal_names_every_fault_with_its_place() -> None:
    with pytest.raises(WireError) as caught:
        loads(ProcessEvent, '{"process_id":5,"sequence":"1","event_type":null,"payload":1}')
    message = caught.value.message
    assert "expected ProcessEvent as JSON" in message
    assert "expected str, got int 5 @ $.process_id" in message
    assert "expected int, got str '1' @ $.sequence" in message
    assert "expected str, got NoneType None @ $.event_type" in message
    assert "the field 'occurred_at_ms' is missing" in message


def test_a_long_value_is_cut_in_a_refusal() -> None:
    with pytest.raises(WireError) as caught:
        from_json(TurnScope, ["x" * 10_000])
    assert len(caught.value.message) < 300


# Integers of more digits than the interpreter converts

LONG = 10**5000


def test_long_integers_are_refused_both_ways() -> None:
    refusals: list[Callable[[], object]] = [
        lambda: parse_json("1" + "0" * 5000),
        lambda: copy_json(LONG),
        lambda: copy_json({"a": [-LONG]}),
        lambda: canonical_json(LONG),
        lambda: copy_json({LONG: 1}),
    ]
    for refused in refusals:
        with pytest.raises(WireError) as caught:
            refused()
        assert caught.value.code == EffectErrorCode.INVALID_JSON
    # The longest that is always converted, and the first that needs a look at the limit.
    for number in (10**640 - 1, 10**640, -(10**640), 10**4299):
        assert parse_json(canonical_json(number)) == number


def test_long_integers_are_exact_where_the_interpreter_is_set_to_convert_them() -> None:
    program = (
        "from lash_trio.model import DurableStepCommand, dumps, loads\n"
        "command = DurableStepCommand(step_id='s', input=10**5000 + 7)\n"
        "assert loads(DurableStepCommand, dumps(command)) == command\n"
    )
    subprocess.run([sys.executable, "-X", "int_max_str_digits=0", "-c", program], check=True)


# Nesting: a fixed limit, wherever in a program a value is looked at


def nested(depth: int) -> JsonValue:
    value: JsonValue = 0
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def from_deep_inside(frames: int, value: JsonValue) -> JsonValue:
    return copy_json(value) if frames == 0 else from_deep_inside(frames - 1, value)


def test_the_limit_of_nesting_does_not_depend_on_the_stack() -> None:
    for frames in (0, 200):
        assert from_deep_inside(frames, nested(200)) == nested(200)
        with pytest.raises(WireError, match="nested too deeply, or contain themselves"):
            from_deep_inside(frames, nested(201))


def test_what_contains_itself_is_refused() -> None:
    circle: list[object] = []
    circle.append({"again": circle})
    with pytest.raises(WireError, match="contain themselves"):
        copy_json(circle)


def test_what_is_accepted_as_a_value_can_be_written_and_read_inside_a_document() -> None:
    event = ProcessEvent(
        process_id="p", sequence=1, event_type="t", payload=copy_json(nested(200)), occurred_at_ms=0
    )
    assert loads(ProcessEvent, dumps(event)) == event


def test_a_stack_that_is_almost_used_up_gives_the_typed_error() -> None:
    def descend() -> JsonValue:
        try:
            return descend()
        except RecursionError:
            return copy_json(nested(150))

    with pytest.raises(WireError, match="what is left of the stack"):
        descend()
