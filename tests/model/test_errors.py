"""Errors: a stable code, a sentence, and what a caller can tell apart."""

from __future__ import annotations

import copy

import pytest

from lash_trio.model import (
    EffectError,
    EffectErrorCode,
    InvalidValueError,
    LeaseHeldError,
    PluginError,
    PluginReason,
    ScopeLeaseHeldError,
    StepError,
    StoreError,
    WaitTimedOut,
    WireError,
)

ERRORS: list[tuple[EffectError, str, str]] = [
    (EffectError("my_code", "what happened"), "my_code", "what happened"),
    (WireError(EffectErrorCode.UNKNOWN_TAG, "no such tag"), "unknown_tag", "no such tag"),
    (InvalidValueError("that is a bug"), "invalid_value", "that is a bug"),
    (PluginError(PluginReason.LEASE_HELD, "held"), "plugin", "held"),
    (LeaseHeldError("held", 5), "plugin", "held"),
    (ScopeLeaseHeldError("held", 5), "effect_scope_lease_held", "held"),
    (StoreError("the disk is full"), "runtime_store", "the disk is full"),
    (StepError("step 's' failed", "ValueError", "no"), "durable_step_failed", "step 's' failed"),
    (WaitTimedOut("too late"), "runtime_effect_await_event_timed_out", "too late"),
]


@pytest.mark.parametrize(("error", "code", "message"), ERRORS)
def test_an_error(error: EffectError, code: str, message: str) -> None:
    assert error.code == code
    # Codes go into stores and over wires: text, not a member of an enumeration.
    assert type(error.code) is str
    assert error.message == message
    assert str(error) == f"{code}: {message}"


@pytest.mark.parametrize(("error", "code", "message"), ERRORS)
def test_a_copy_of_an_error_is_the_same_error(error: EffectError, code: str, message: str) -> None:
    copied = copy.copy(error)
    assert type(copied) is type(error)
    assert (copied.code, copied.message, str(copied)) == (code, message, str(error))
    assert vars(copied) == vars(error)


def test_what_tells_the_subclasses_apart() -> None:
    assert isinstance(InvalidValueError("x"), ValueError)
    assert isinstance(WireError("code", "x"), ValueError)
    plugin = PluginError(PluginReason.LEASE_HELD, "held")
    assert plugin.reason == "process_lease_held"
    assert type(plugin.reason) is str
    assert PluginError("my_reason", "x").reason == "my_reason"
    held = LeaseHeldError("held", 5)
    assert (held.reason, held.left_ms) == ("process_lease_held", 5)
    assert ScopeLeaseHeldError("held", 5).left_ms == 5
    step = StepError("step 's' failed", "ValueError", "no")
    assert (step.error_class, step.error_message) == ("ValueError", "no")


def test_codes_and_reasons_are_unique_snake_case() -> None:
    for names in (list(EffectErrorCode), list(PluginReason)):
        values = [name.value for name in names]
        assert len(set(values)) == len(values)
        assert all(value == value.lower().strip("_") and " " not in value for value in values)


def test_the_codes_of_the_design() -> None:
    assert set(EffectErrorCode) >= {
        "runtime_effect_invocation_subject",
        "runtime_effect_invocation_kind",
        "runtime_effect_replay_required",
        "missing_effect_scope_id",
        "runtime_effect_wrong_outcome",
        "runtime_effect_attachment_missing_reference",
        "runtime_effect_attachment_media_type",
        "runtime_effect_attachment_store",
        "runtime_effect_local_executor_consumed",
        "runtime_effect_local_executor_unavailable",
        "runtime_effect_local_executor_mismatch",
        "runtime_effect_await_event_key_mismatch",
        "runtime_effect_await_event_invalid_ordinal",
        "runtime_effect_sleep_cancelled",
        "runtime_effect_await_event_cancelled",
        "runtime_effect_cancelled",
        "runtime_effect_process_task_join",
        "effect_scope_closed",
        "effect_replay_mismatch",
        "effect_replay_missing",
        "effect_scope_lease_lost",
        "plugin",
        "runtime_store",
    }
