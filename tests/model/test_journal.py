"""What a journal keeps: errors as data and back, outcomes as text, differences."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectFailure,
    EffectOutcome,
    Err,
    JournalEntry,
    JsonValue,
    Ok,
    PluginError,
    PluginReason,
    StepError,
    StoreError,
    WaitTimedOut,
    WireError,
    canonical_json,
    check_same_envelope,
    dumps,
    error_of,
    failure_of,
    first_difference,
    from_json,
    is_outcome,
    outcome_from_text,
    outcome_text,
    to_json,
)
from lash_trio.testing.strategies import (
    effect_envelopes,
    effect_failures,
    effect_outcomes,
    json_values,
)


@pytest.mark.parametrize(
    "error",
    [
        EffectError("my_code", "what happened"),
        PluginError(PluginReason.LEASE_HELD, "held"),
        StepError("step 's' failed", "ValueError", "no"),
        WaitTimedOut("too late"),
        StoreError("the disk is full"),
    ],
)
def test_an_error_comes_back_as_what_callers_react_to(error: EffectError) -> None:
    failure = failure_of(error)
    again = error_of(from_json(EffectFailure, to_json(failure)))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


@given(effect_failures())
def test_any_recorded_failure_is_an_error_again(failure: EffectFailure) -> None:
    error = error_of(failure)
    assert (error.code, error.message) == (failure.code, failure.message)


def test_a_failure_without_its_details_is_still_an_error() -> None:
    plugin = error_of(EffectFailure(code="plugin", message="m"))
    assert isinstance(plugin, PluginError)
    assert plugin.reason == "unknown"
    step = error_of(EffectFailure(code="durable_step_failed", message="m"))
    assert isinstance(step, StepError)


@given(effect_outcomes())
def test_the_text_of_an_outcome(outcome: EffectOutcome) -> None:
    text = outcome_text(Ok(outcome))
    assert outcome_from_text(text) == Ok(outcome)
    assert outcome_text(outcome_from_text(text)) == text
    assert text == canonical_json({"Ok": to_json(outcome)})


@given(effect_failures())
def test_the_text_of_a_failure(failure: EffectFailure) -> None:
    assert outcome_from_text(outcome_text(Err(failure))) == Err(failure)


@pytest.mark.parametrize("text", ["", "null", "{}", '{"Ok":1}', '{"Err":{}}', '{"type":"nap"}'])
def test_text_that_is_no_outcome(text: str) -> None:
    with pytest.raises(WireError):
        outcome_from_text(text)


def test_a_cancellation_and_a_lost_store_are_no_outcomes() -> None:
    assert not is_outcome(EffectError(EffectErrorCode.CANCELLED, "no"))
    assert not is_outcome(EffectError(EffectErrorCode.SLEEP_CANCELLED, "no"))
    assert not is_outcome(EffectError(EffectErrorCode.AWAIT_EVENT_CANCELLED, "no"))
    assert not is_outcome(StoreError("the disk is full"))
    assert is_outcome(StepError("step 's' failed", "ValueError", "no"))
    assert is_outcome(PluginError(PluginReason.UNKNOWN_PROCESS, "no"))
    assert is_outcome(WaitTimedOut("late"))
    assert is_outcome(EffectError("of_a_host", "no"))


DIFFERENCES: list[tuple[JsonValue, JsonValue, str, JsonValue, JsonValue]] = [
    (1, 2, "$", 1, 2),
    (1, 1.0, "$", 1, 1.0),
    (1, True, "$", 1, True),
    ({"a": 1}, {"a": 2}, "$.a", 1, 2),
    ({"a": 1}, {"a": 1, "b": 2}, "$.b", "<absent>", 2),
    ({"a": 1, "b": 2}, {"b": 2}, "$.a", 1, "<absent>"),
    ({"b": 1, "a": 1}, {"b": 2, "a": 2}, "$.a", 1, 2),
    ([1, 2], [1, 3], "$[1]", 2, 3),
    ([1], [1, 2], "$[1]", "<absent>", 2),
    ([1, 2], [1], "$[1]", 2, "<absent>"),
    ({"a": [{"b": [0, 1]}]}, {"a": [{"b": [0, None]}]}, "$.a[0].b[1]", 1, None),
    ({"a": []}, {"a": {}}, "$.a", [], {}),
]


@pytest.mark.parametrize(("recorded", "got", "where", "one", "other"), DIFFERENCES)
def test_the_first_difference(
    recorded: JsonValue, got: JsonValue, where: str, one: JsonValue, other: JsonValue
) -> None:
    found = first_difference(recorded, got)
    assert repr(found) == repr((where, one, other))


@given(json_values(), json_values())
def test_a_difference_is_found_wherever_there_is_one(one: JsonValue, other: JsonValue) -> None:
    if canonical_json(one) != canonical_json(other):
        _, recorded, got = first_difference(one, other)
        assert canonical_json(recorded) != canonical_json(got)


@given(effect_envelopes(), effect_envelopes())
def test_another_envelope_under_a_key_is_refused(
    recorded: EffectEnvelope, asked: EffectEnvelope
) -> None:
    entry = JournalEntry(replay_key="k", envelope=dumps(recorded))
    check_same_envelope(entry, dumps(recorded), "s1")
    if dumps(asked) != entry.envelope:
        with pytest.raises(EffectError) as caught:
            check_same_envelope(entry, dumps(asked), "s1")
        assert caught.value.code == "effect_replay_mismatch"
        for part in ("'k'", "'s1'", "at $.", "recorded", "got"):
            assert part in caught.value.message


@given(st.text(min_size=1000, max_size=2000))
def test_a_long_difference_is_cut(text: str) -> None:
    entry = JournalEntry(replay_key="k", envelope=canonical_json({"a": text}))
    with pytest.raises(EffectError) as caught:
        check_same_envelope(entry, canonical_json({"a": text + "!"}), "s1")
    assert len(caught.value.message) < 900
