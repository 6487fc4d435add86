"""Error answers: what they say of the call, and when to come again.

Source: RFC 9110 (section 10.2.3, ``Retry-After``); the error object of the
chat-completions API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import attrs

from ...model import JsonValue, LlmTerminalReason, WireError, parse_json
from ._faults import Fault
from ._options import OpenAIErrorCode

_RETRYABLE_STATUS = frozenset({408, 409, 425, 429})
_NOT_SUPPORTED = frozenset({501, 505})
# No waiting brings money, or a right, back.
_FINAL_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
)
_OVERFLOW_CODES = frozenset({"context_length_exceeded", "string_above_max_length"})
_OVERFLOW_WORDS = re.compile(
    r"maximum context length|context (length|window|size)|prompt is too long|"
    r"too many (input )?tokens|exceeds? the (available|model'?s) context",
    re.IGNORECASE,
)
_FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "content_filtered",
        "responsibleaipolicyviolation",
    }
)
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
_LONGEST_WAIT_MS = 7 * 24 * 3600 * 1000


@attrs.frozen(kw_only=True)
class _Said:
    """What an error object says."""

    code: str | None = None
    type: str | None = None
    message: str | None = None
    status: int | None = None


def status_fault(
    status: int, headers: Mapping[str, str], body: str, received_at: datetime
) -> Fault:
    """The fault of an answer that is no 2xx.

    Args:
        status: of the answer.
        headers: of the answer; looked up case-insensitively or in lower case.
        body: as far as it was read.
        received_at: for a date in ``Retry-After``, where the answer has none of its own.
    """
    said = _said(_parsed(body))
    message = said.message or body.strip() or "the answer is empty"
    return attrs.evolve(
        _fault(said, status, message, body),
        retryable=_retryable(said, status, headers),
        retry_after_ms=_retry_after_ms(headers, received_at),
    )


def event_fault(error: JsonValue, raw: str) -> Fault:
    """The fault of an error object in a response that had begun well."""
    said = _said({"error": error})
    return attrs.evolve(
        _fault(said, said.status, said.message or "the endpoint gives no reason", raw),
        # The request was understood; most of what can still happen passes.
        retryable=said.code not in _FINAL_CODES
        and (said.status is None or _retryable(said, said.status, {})),
    )


def _fault(said: _Said, status: int | None, message: str, raw: str) -> Fault:
    where = "in its stream" if status is None else f"with status {status}"
    default = OpenAIErrorCode.ENDPOINT_ERROR if status is None else f"http_{status}"
    reason = _terminal_reason(said, status, message)
    return Fault(
        code=said.code or said.type or default,
        message=f"the endpoint answered {where}: {message}",
        raw=raw,
        terminal_reason=reason,
    )


def _terminal_reason(said: _Said, status: int | None, message: str) -> LlmTerminalReason:
    code = (said.code or said.type or "").lower()
    if code in _OVERFLOW_CODES:
        return LlmTerminalReason.CONTEXT_OVERFLOW
    if code in _FILTER_CODES:
        return LlmTerminalReason.CONTENT_FILTER
    if status in {None, 400, 413, 422} and _OVERFLOW_WORDS.search(message):
        return LlmTerminalReason.CONTEXT_OVERFLOW
    return LlmTerminalReason.PROVIDER_ERROR


def _retryable(said: _Said, status: int, headers: Mapping[str, str]) -> bool:
    # The endpoint knows better than any table (a header of the official API).
    match headers.get("x-should-retry", "").strip().lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            pass
    if said.code in _FINAL_CODES or said.type in _FINAL_CODES:
        return False
    return status in _RETRYABLE_STATUS or (500 <= status < 600 and status not in _NOT_SUPPORTED)


def _retry_after_ms(headers: Mapping[str, str], received_at: datetime) -> int | None:
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _SECONDS.fullmatch(milliseconds):
        return min(round(float(milliseconds)), _LONGEST_WAIT_MS)
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(round(float(text) * 1000), _LONGEST_WAIT_MS)
    due = _date(text)
    if due is None:
        return None
    # By the endpoint's own clock where it tells it: the two may differ by more
    # than the wait.
    now = _date(headers.get("date", "")) or received_at
    wait_ms = round((due - now).total_seconds() * 1000)
    return max(0, min(wait_ms, _LONGEST_WAIT_MS))


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _parsed(body: str) -> JsonValue:
    try:
        return parse_json(body)
    except WireError:
        return None


def _said(value: JsonValue) -> _Said:
    # Several gateways wrap the object into a list, some leave the wrapper out.
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return _Said()
    error = value.get("error", value)
    if isinstance(error, str):
        return _Said(message=error)
    if not isinstance(error, dict):
        return _Said()
    code = error.get("code")
    return _Said(
        code=_text(code),
        type=_text(error.get("type")),
        message=_text(error.get("message")) or _text(error.get("detail")),
        status=_status(code),
    )


def _status(value: JsonValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 100 <= value < 600 else None


def _text(value: JsonValue) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
