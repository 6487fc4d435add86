"""What a journal keeps of an effect, and how a replay is compared with it.  Pure."""

from __future__ import annotations

import attrs

from ._converter import from_json, to_json
from ._errors import (
    EffectError,
    EffectErrorCode,
    PluginError,
    StepError,
    StoreError,
    WaitTimedOut,
)
from ._json import JsonValue, canonical_json, dump_checked, parse_json, reparse
from ._outcome import EffectOutcome
from ._result import EffectFailure, Err, Ok


@attrs.frozen(kw_only=True)
class JournalEntry:
    """One effect of a scope.

    Args:
        replay_key: finds it again.
        envelope: the canonical JSON of what was asked for.
        outcome: what came of it; None while only its due time is known.
        due_at_ms: when a sleep or a timeout is over, in milliseconds since the epoch.
        recorded_at_ms: when it was recorded, in milliseconds since the epoch.
        outcome_json: the JSON of the outcome, where whoever made the entry has it at
            hand; a journal may write it down as it is.  It says nothing new, so entries
            are equal without it.
    """

    replay_key: str
    envelope: str
    outcome: Ok[EffectOutcome] | Err[EffectFailure] | None = None
    due_at_ms: int | None = None
    recorded_at_ms: int = 0
    outcome_json: str | None = attrs.field(default=None, eq=False, repr=False)


UNRECORDED_CODES = frozenset(
    {
        # Somebody asked for the cancellation, and will ask again after a crash.
        EffectErrorCode.SLEEP_CANCELLED,
        EffectErrorCode.AWAIT_EVENT_CANCELLED,
        EffectErrorCode.CANCELLED,
        # The effect was not asked for rightly, or could not be asked for here.
        EffectErrorCode.EXECUTOR_CONSUMED,
        EffectErrorCode.EXECUTOR_UNAVAILABLE,
        EffectErrorCode.EXECUTOR_MISMATCH,
        EffectErrorCode.AWAIT_EVENT_KEY_MISMATCH,
        EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL,
        EffectErrorCode.SCOPE_CLOSED,
        EffectErrorCode.PATH_SHARED,
        # A store that could not be asked may answer the next time.
        EffectErrorCode.RUNTIME_STORE,
        EffectErrorCode.PROCESS_TASK_JOIN,
        EffectErrorCode.SCOPE_LEASE_HELD,
        EffectErrorCode.SCOPE_LEASE_LOST,
        EffectErrorCode.REPLAY_MISMATCH,
        EffectErrorCode.REPLAY_MISSING,
        EffectErrorCode.OUTCOME_TOO_LARGE,
    }
)
"""Errors that are no outcome of an effect: the next run tries again."""


def is_outcome(error: EffectError) -> bool:
    """Whether an error is an outcome of its effect, to be recorded and replayed."""
    return error.code not in UNRECORDED_CODES


def failure_of(error: EffectError) -> EffectFailure:
    """An error as data; :func:`error_of` makes it an error again."""
    details: dict[str, str] | None = None
    if isinstance(error, PluginError):
        details = {"reason": error.reason}
    elif isinstance(error, StepError):
        details = {"error_class": error.error_class, "error_message": error.error_message}
    return EffectFailure(code=error.code, message=error.message, details=details)


def error_of(failure: EffectFailure) -> EffectError:
    """The error that was recorded, of the class that callers react to."""
    details = failure.details or {}
    match failure.code:
        case EffectErrorCode.PLUGIN:
            return PluginError(details.get("reason", "unknown"), failure.message)
        case EffectErrorCode.STEP_FAILED:
            return StepError(
                failure.message,
                details.get("error_class", "Exception"),
                details.get("error_message", ""),
            )
        case EffectErrorCode.RUNTIME_STORE:
            return StoreError(failure.message)
        case EffectErrorCode.AWAIT_EVENT_TIMED_OUT:
            return WaitTimedOut(failure.message)
        case _:
            return EffectError(failure.code, failure.message)


def outcome_text(outcome: Ok[EffectOutcome] | Err[EffectFailure]) -> str:
    """The canonical JSON of a recorded outcome."""
    match outcome:
        case Ok(value=value):
            return dump_checked({"Ok": to_json(value)})
        case Err(error=failure):
            return dump_checked({"Err": to_json(failure)})


def round_trip_outcome(
    outcome: Ok[EffectOutcome] | Err[EffectFailure],
) -> tuple[Ok[EffectOutcome] | Err[EffectFailure], str]:
    """An outcome as a replay will see it, and its canonical JSON."""
    text = outcome_text(outcome)
    value = reparse(text)
    if isinstance(outcome, Ok):
        return Ok(from_json(EffectOutcome, _member(value, "Ok"))), text
    return Err(from_json(EffectFailure, _member(value, "Err"))), text


def outcome_from_text(text: str) -> Ok[EffectOutcome] | Err[EffectFailure]:
    """A recorded outcome from its JSON.

    Raises:
        WireError: the text is no recorded outcome.
    """
    value = parse_json(text)
    if isinstance(value, dict) and "Err" in value:
        return Err(from_json(EffectFailure, value["Err"]))
    if isinstance(value, dict) and "Ok" in value:
        return Ok(from_json(EffectOutcome, value["Ok"]))
    return Ok(from_json(EffectOutcome, value))


def _member(value: JsonValue, name: str) -> JsonValue:
    return value[name] if isinstance(value, dict) else None


def check_same_envelope(entry: JournalEntry, envelope: str, scope_id: str) -> None:
    """Refuse another envelope under a recorded key.

    Args:
        entry: what was recorded.
        envelope: the canonical JSON of what is asked for now.
        scope_id: whose journal it is, for the text of the error.

    Raises:
        EffectError: code ``effect_replay_mismatch``, with the first difference.
    """
    if entry.envelope == envelope:
        return
    where, recorded, got = first_difference(parse_json(entry.envelope), parse_json(envelope))
    raise EffectError(
        EffectErrorCode.REPLAY_MISMATCH,
        f"the effect {entry.replay_key!r} of scope {scope_id!r} is not the one that was recorded: "
        f"at {where} recorded {_short(recorded)}, got {_short(got)}; the code that asks for it has "
        "changed since. Bring the recorded code back, or give the changed step another name",
    )


ABSENT = "<absent>"


def first_difference(
    recorded: JsonValue, got: JsonValue, where: str = "$"
) -> tuple[str, JsonValue, JsonValue]:
    """Where two different JSON values differ first, and what stands there.

    Args:
        recorded: the one.
        got: the other, not equal to it.
        where: the JSON path of both.

    Returns:
        The JSON path, and the two values there; ``<absent>`` stands for no value.
    """
    if isinstance(recorded, dict) and isinstance(got, dict):
        for key in sorted({*recorded, *got}):
            here = f"{where}.{key}"
            if key not in recorded:
                return here, ABSENT, got[key]
            if key not in got:
                return here, recorded[key], ABSENT
            if canonical_json(recorded[key]) != canonical_json(got[key]):
                return first_difference(recorded[key], got[key], here)
    if isinstance(recorded, list) and isinstance(got, list):
        for index, (one, other) in enumerate(zip(recorded, got, strict=False)):
            if canonical_json(one) != canonical_json(other):
                return first_difference(one, other, f"{where}[{index}]")
        index = min(len(recorded), len(got))
        if len(recorded) != len(got):
            return (
                f"{where}[{index}]",
                recorded[index] if index < len(recorded) else ABSENT,
                got[index] if index < len(got) else ABSENT,
            )
    return where, recorded, got


def _short(value: JsonValue) -> str:
    text = value if value == ABSENT else canonical_json(value)
    return str(text) if len(str(text)) <= 200 else f"{str(text)[:197]}..."
