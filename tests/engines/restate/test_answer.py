"""Answers of handlers carry values and refusals both ways."""

from __future__ import annotations

import pytest

from lash_trio import EffectError, InvalidValueError, JsonValue, PluginError, StoreError
from lash_trio.engines.restate._answer import Asked, ok, refusal, unwrap
from lash_trio.model import LeaseHeldError, WireError

ERRORS = [
    PluginError("unknown_process", "there is none"),
    LeaseHeldError("it is held", 5),
    StoreError("it is gone"),
    InvalidValueError("it is negative"),
    EffectError("some_code", "it is so"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_refusal_is_raised_as_it_was(error: EffectError) -> None:
    with pytest.raises(type(error)) as raised:
        unwrap(refusal(error))
    assert type(raised.value) is type(error)
    assert vars(raised.value) == vars(error)


@pytest.mark.parametrize("value", [None, 0, "text", [1], {"Err": 1}])
def test_a_value_is_returned(value: JsonValue) -> None:
    assert unwrap(ok(value)) == value
    assert ok(value, {"sequence": 1}) == {"Ok": value, "appended": {"sequence": 1}}


@pytest.mark.parametrize("answer", [None, [], {}, {"Err": {}}, {"Err": {"class": "plugin"}}])
def test_what_is_no_answer_is_a_failure_of_the_store(answer: JsonValue) -> None:
    with pytest.raises(StoreError, match="expected an answer with 'Ok' or 'Err'"):
        unwrap(answer)


def test_members_that_are_missing_or_wrong_are_named() -> None:
    asked = Asked({"a": 1, "b": None, "c": ["x", 2]})
    assert asked.find(int, "b") is None
    assert asked.find(int, "none") is None
    with pytest.raises(WireError, match=r"a member 'b' \(int\), got 'a', 'b', 'c'"):
        asked.take(int, "b")
    for name in ("a", "b", "c", "none"):
        with pytest.raises(WireError):
            asked.texts(name)
