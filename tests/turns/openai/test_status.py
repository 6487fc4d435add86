"""What error answers say, and when to come again."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lash_trio import JsonValue, LlmTerminalReason
from lash_trio.turns.openai._status import event_fault, status_fault

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
WEEK_MS = 7 * 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3000),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "1.5"}, 1500),
        ({"retry-after": "Tue, 01 Jan 2030 12:00:30 GMT"}, 30_000),
        ({"retry-after": "Tuesday, 01-Jan-30 12:00:30 GMT"}, 30_000),
        ({"retry-after": "Tue, 01 Jan 2030 11:00:00 GMT"}, 0),
        # The endpoint's clock is two minutes late: by its own clock it is 10 seconds.
        (
            {
                "retry-after": "Tue, 01 Jan 2030 11:58:10 GMT",
                "date": "Tue, 01 Jan 2030 11:58:00 GMT",
            },
            10_000,
        ),
        ({"retry-after-ms": "250", "retry-after": "1"}, 250),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1000),
        ({"retry-after": "99999999"}, WEEK_MS),
        ({"retry-after": "Sat, 01 Jan 2050 00:00:00 GMT"}, WEEK_MS),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Tue, 99 Jan 2030 12:00:30 GMT"}, None),
        ({"retry-after": "Tue, 01 Jan 2030 12:00:30 GMT", "date": "yesterday"}, 30_000),
    ],
)
def test_when_to_come_again(headers: dict[str, str], wait_ms: int | None) -> None:
    assert status_fault(429, headers, "", NOW).retry_after_ms == wait_ms


@pytest.mark.parametrize(
    ("status", "error", "code", "reason"),
    [
        (
            400,
            {"code": "context_length_exceeded", "message": "too long"},
            "context_length_exceeded",
            LlmTerminalReason.CONTEXT_OVERFLOW,
        ),
        (
            400,
            {"message": "This model's maximum context length is 8192 tokens."},
            "http_400",
            LlmTerminalReason.CONTEXT_OVERFLOW,
        ),
        (
            413,
            {"type": "exceed_context_size_error", "message": "exceeds the available context"},
            "exceed_context_size_error",
            LlmTerminalReason.CONTEXT_OVERFLOW,
        ),
        (
            503,
            {"message": "the context window service is down"},
            "http_503",
            LlmTerminalReason.PROVIDER_ERROR,
        ),
        (
            400,
            {"code": "content_filter", "message": "filtered"},
            "content_filter",
            LlmTerminalReason.CONTENT_FILTER,
        ),
        (400, {"code": None, "type": "", "message": 5}, "http_400", None),
        (401, "key?", "http_401", None),
        (401, {"code": 17, "type": "auth"}, "auth", None),
    ],
)
def test_what_went_wrong(
    status: int, error: JsonValue, code: str, reason: LlmTerminalReason | None
) -> None:
    fault = status_fault(status, {}, json.dumps({"error": error}), NOW)
    assert fault.code == code
    assert fault.terminal_reason is (reason or LlmTerminalReason.PROVIDER_ERROR)


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"code": "x", "message": "m"}}',
        '[{"error": {"code": "x", "message": "m"}}]',
        '{"code": "x", "message": "m"}',
        '{"code": "x", "detail": "m"}',
    ],
)
def test_error_objects_of_several_servers(body: str) -> None:
    fault = status_fault(400, {}, body, NOW)
    assert (fault.code, fault.message) == ("x", "the endpoint answered with status 400: m")


@pytest.mark.parametrize("body", ["", "<html>", "[]", "3", '"x"', '{"error": []}', '{"error'])
def test_bodies_that_explain_nothing(body: str) -> None:
    fault = status_fault(500, {}, body, NOW)
    assert fault.code == "http_500"
    assert fault.retryable


def test_the_endpoint_may_say_whether_to_try_again() -> None:
    assert status_fault(400, {"x-should-retry": "true"}, "", NOW).retryable
    assert not status_fault(500, {"x-should-retry": "false"}, "", NOW).retryable


def test_no_waiting_pays_the_bill() -> None:
    body = '{"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}'
    assert status_fault(429, {}, "", NOW).retryable
    assert not status_fault(429, {}, body, NOW).retryable


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"message": "died"}, True),
        ({"code": 502, "message": "bad gateway"}, True),
        ({"code": 400, "message": "bad request"}, False),
        ({"code": "insufficient_quota"}, False),
        ("died", True),
    ],
)
def test_errors_in_a_stream(error: JsonValue, retryable: bool) -> None:
    fault = event_fault(error, "raw")
    assert fault.retryable == retryable
    assert fault.raw == "raw"
