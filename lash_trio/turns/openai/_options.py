"""What can be set about a model endpoint, and the codes of what can go wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import attrs

from ...model import InvalidValueError, JsonObject

_N = TypeVar("_N", int, float)


class OpenAIErrorCode(StrEnum):
    """Why there is no answer, where the endpoint itself has given no code.

    An endpoint that answers with an error object and a code in it is quoted: the
    ``code`` of the call error is then the endpoint's, such as ``rate_limit_exceeded``.
    """

    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_FAILED = "tls_failed"
    WRITE_TIMEOUT = "write_timeout"
    READ_TIMEOUT = "read_timeout"
    CONNECTION_LOST = "connection_lost"
    TRANSPORT_FAILED = "transport_failed"
    STREAM_INCOMPLETE = "stream_incomplete"
    MALFORMED_RESPONSE = "malformed_response"
    UNEXPECTED_CONTENT_TYPE = "unexpected_content_type"
    RESPONSE_TOO_LARGE = "response_too_large"
    UNSUPPORTED_REQUEST = "unsupported_request"
    ENDPOINT_ERROR = "endpoint_error"


class OutputCapField(StrEnum):
    """By which field an endpoint takes the cap of output tokens."""

    MAX_COMPLETION_TOKENS = "max_completion_tokens"
    MAX_TOKENS = "max_tokens"


def _positive(_: object, attribute: attrs.Attribute[_N], value: _N) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidValueError(
            f"{attribute.name} must be a finite number above zero, got {value!r}"
        )


def _no_headers() -> Mapping[str, str]:
    return {}


def _no_fields() -> JsonObject:
    return {}


@attrs.frozen(kw_only=True)
class OpenAIOptions:
    """Waits, limits and dialect of an endpoint.

    Args:
        connect_seconds: for how long a connection may take, TLS included.
        write_seconds: for how long one write of the request may take.
        read_seconds: the longest silence of the endpoint, not the length of an answer.
        max_line_bytes: the longest line of a stream; an event's data is one.
        max_response_bytes: the longest response.
        stream: whether to ask for a stream; an endpoint may answer in one piece all the same.
        output_cap_field: the official API wants ``max_completion_tokens``, some other
            servers know ``max_tokens`` only.
        send_reasoning: whether reasoning goes back with the message that it belongs to,
            as ``reasoning_content``; most endpoints refuse that, some need it.
        headers: sent with every request; may hold secrets, and is in no representation.
        extra_body: fields that every request body gets besides, for what only one
            endpoint knows; they win over this provider's own.
        keep_request_body: whether responses and errors carry the request's JSON, with
            the bytes of attachments left out.
    """

    connect_seconds: float = attrs.field(default=10.0, validator=_positive)
    write_seconds: float = attrs.field(default=60.0, validator=_positive)
    read_seconds: float = attrs.field(default=120.0, validator=_positive)
    max_line_bytes: int = attrs.field(default=1024 * 1024, validator=_positive)
    max_response_bytes: int = attrs.field(default=32 * 1024 * 1024, validator=_positive)
    stream: bool = True
    output_cap_field: OutputCapField = attrs.field(
        default=OutputCapField.MAX_COMPLETION_TOKENS, converter=OutputCapField
    )
    send_reasoning: bool = False
    headers: Mapping[str, str] = attrs.field(factory=_no_headers, repr=False)
    extra_body: JsonObject = attrs.field(factory=_no_fields)
    keep_request_body: bool = False
