"""Canonical JSON: one text for one value, wherever it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    EffectErrorCode,
    JsonObject,
    JsonValue,
    WireError,
    canonical_json,
    copy_json,
    dumps,
    json_hash,
    parse_json,
    stable_hash,
    text_hash,
)
from lash_trio.testing.strategies import json_objects, json_values
from tests.model.golden import HASH, INPUT, TEXT, envelope

CANONICAL: list[tuple[JsonValue, str]] = [
    (None, "null"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (1, "1"),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (0.1, "0.1"),
    (1e16, "1e+16"),
    (1e-7, "1e-07"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (2**53 + 1, "9007199254740993"),
    (2**64, "18446744073709551616"),
    (-(10**30), "-1000000000000000000000000000000"),
    ("", '""'),
    ("é€😀", '"é€😀"'),
    ('"\\/\b\f\n\r\t', '"\\"\\\\/\\b\\f\\n\\r\\t"'),
    ("\x00\x1f\x7f\u2028", '"\\u0000\\u001f\x7f\u2028"'),
    ([], "[]"),
    ({}, "{}"),
    ([1, [2, {"a": None}]], '[1,[2,{"a":null}]]'),
    ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
    # By code point: neither by UTF-16 unit, where 😀 comes before ｡, nor by length.
    ({"😀": 1, "｡": 2, "b": 3, "B": 4, "": 5, "aa": 6}, '{"":5,"B":4,"aa":6,"b":3,"｡":2,"😀":1}'),
    ({"2": 1, "10": 2, "1": 3}, '{"1":3,"10":2,"2":1}'),
]


CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(("value", "text"), CANONICAL)
def test_canonical_text(value: JsonValue, text: str) -> None:
    assert canonical_json(value) == text
    assert canonical_json(parse_json(text)) == text
    assert canonical_json(parse_json(text.encode())) == text


@given(json_values())
def test_every_value_comes_back_exactly(value: JsonValue) -> None:
    text = canonical_json(value)
    assert same(parse_json(text), value)
    assert canonical_json(parse_json(text)) == text
    # Another writer of JSON means the same value, so the text is the same.
    assert canonical_json(parse_json(json.dumps(value, indent=1))) == text


@given(st.integers(-(10**1000), 10**1000))
def test_integers_are_exact(number: int) -> None:
    assert canonical_json(number) == str(number)
    assert parse_json(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_bit_by_bit(number: float) -> None:
    assert same(parse_json(canonical_json(number)), number)


@given(json_objects(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: JsonObject, random: Any) -> None:
    def shuffled(node: JsonValue) -> JsonValue:
        if isinstance(node, dict):
            items = [(key, shuffled(item)) for key, item in node.items()]
            random.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in node] if isinstance(node, list) else node

    assert canonical_json(shuffled(value)) == canonical_json(value)
    assert json_hash(shuffled(value)) == json_hash(value)


@given(st.dictionaries(st.text(), st.none(), max_size=8))
def test_keys_are_sorted_by_code_point(value: JsonObject) -> None:
    keys = list(json.loads(canonical_json(value)))
    assert keys == sorted(keys, key=lambda key: [ord(character) for character in key])


def same(one: JsonValue, other: JsonValue) -> bool:
    """Equal, and of the same types all through: 1, 1.0 and True differ, and so does -0.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


# Copies


@given(json_values())
def test_a_copy_is_equal_and_shares_no_container(value: JsonValue) -> None:
    copied = copy_json(value)
    assert same(copied, value)
    shared = {id(node) for node in containers(value)} & {id(node) for node in containers(copied)}
    assert not shared


def containers(value: JsonValue) -> list[JsonValue]:
    items: list[JsonValue] = []
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, list):
        items = value
    else:
        return []
    return [value, *(inner for item in items for inner in containers(item))]


def test_tuples_become_lists() -> None:
    assert copy_json((1, (2, {"a": ()}))) == [1, [2, {"a": []}]]


class Text(str):
    """Not plain: who knows what its methods do."""

    __slots__ = ()


class Number(int):
    """Not plain either."""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "finite, got nan"),
        (float("inf"), "finite, got inf"),
        ([float("-inf")], "finite, got -inf"),
        ({1: 2}, "object keys must be strings, got int 1"),
        ({None: 2}, "object keys must be strings, got NoneType None"),
        ({("a",): 2}, "object keys must be strings, got tuple"),
        ({Text("a"): 2}, "object keys must be strings, got Text 'a'"),
        (Text("a"), "expected plain JSON data"),
        (Number(1), "Number"),
        (b"bytes", "builtins.bytes"),
        ({1, 2}, "builtins.set"),
        (1j, "builtins.complex"),
        (object(), "builtins.object"),
        ("\ud800", "lone surrogate at 0"),
        (["ab\udfff"], "lone surrogate at 2"),
        ({"\ud800": 1}, "lone surrogate"),
    ],
)
def test_what_json_cannot_say_exactly_is_refused(value: object, message: str) -> None:
    for operation in (copy_json, canonical_json, json_hash):
        with pytest.raises(WireError) as caught:
            operation(value)
        assert caught.value.code == EffectErrorCode.INVALID_JSON
        assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1,"b":2,"a":1}', "the key str 'a' stands twice"),
        ('[{"a":{"k":1,"k":1}}]', "the key str 'k' stands twice"),
        ("[NaN]", "finite, got NaN"),
        ("-Infinity", "finite, got -Infinity"),
        ("1e400", "finite, got inf"),
        ('"\\ud83d"', "lone surrogate"),
        ("[1,2", "expected JSON text"),
        ("", "expected JSON text"),
        ("[1] [2]", "Extra data"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
    ],
)
def test_text_that_is_refused(text: str, message: str) -> None:
    for read in (text, text.encode()):
        with pytest.raises(WireError) as caught:
            parse_json(read)
        assert caught.value.code == EffectErrorCode.INVALID_JSON
        assert message in caught.value.message


def test_bytes_must_be_utf_8() -> None:
    assert parse_json('"é"'.encode()) == "é"
    for raw in ('"é"'.encode("latin-1"), '"é"'.encode("utf-16"), b'"\xed\xa0\x80"'):
        with pytest.raises(WireError, match="expected JSON text"):
            parse_json(raw)


# Hashes


def test_the_hash_of_an_envelope_is_the_golden_one() -> None:
    assert dumps(envelope(INPUT)) == TEXT
    assert stable_hash(envelope(INPUT)) == HASH
    assert text_hash(TEXT) == HASH


def test_the_hash_does_not_depend_on_insertion_order() -> None:
    backwards: JsonValue = {"a": {"｡": 10**40, "é": "😀"}, "z": [1, 1.5, -0.0, True, None]}
    assert stable_hash(envelope(backwards)) == HASH


TOLD_APART: list[JsonValue] = [
    {"z": 1},
    {"z": 1.0},
    {"z": True},
    {"z": "1"},
    {"z": [1]},
    {"y": 1},
    {},
    None,
]


@pytest.mark.parametrize("other", TOLD_APART)
def test_the_hash_tells_inputs_apart_that_python_takes_for_equal(other: JsonValue) -> None:
    equal = [
        one for one in TOLD_APART if stable_hash(envelope(one)) == stable_hash(envelope(other))
    ]
    assert len(equal) == 1
    assert same(equal[0], other)


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_the_hash_is_the_same_in_another_process(seed: str) -> None:
    program = (
        "import sys; sys.path[:] = sys.argv[1].split('\\n')\n"
        "from tests.model.golden import INPUT, envelope\n"
        "from lash_trio.model import stable_hash\n"
        "print(stable_hash(envelope(INPUT)))"
    )
    done = subprocess.run(
        # The checkout comes last, so that the installed package is the one that is found.
        [sys.executable, "-c", program, "\n".join([*sys.path, str(CHECKOUT)])],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == HASH


def test_the_hash_of_what_json_cannot_say_is_a_typed_error() -> None:
    wrong: Any = {"a": object()}
    with pytest.raises(WireError) as caught:
        stable_hash(envelope(wrong))
    assert caught.value.code == EffectErrorCode.INVALID_JSON
