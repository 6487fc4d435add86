"""What the handlers of the workflow are asked, and what they answer."""

from __future__ import annotations

import attrs

from ...model import (
    EffectError,
    EffectErrorCode,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
    WireError,
    canonical_json,
    parse_json,
    signal_event_type,
)
from ._ending import Refused, Returned
from ._vm import Failure

_BAD_REQUEST = 400
_NOT_FOUND = 404


@attrs.frozen
class AskedStart:
    """A process to run."""

    definition: str
    args: JsonObject

    @staticmethod
    def of(body: bytes) -> AskedStart:
        """Read it.

        Raises:
            WireError: it is none.
        """
        asked = _object(body)
        args = asked.get("args", {})
        if not isinstance(args, dict):
            raise _bad("args", "an object", args)
        return AskedStart(_text(asked, "definition"), args)


@attrs.frozen
class AskedSignal:
    """A signal to a process."""

    name: str
    event_type: str
    payload: JsonValue
    signal_id: str | None

    @staticmethod
    def of(body: bytes) -> AskedSignal:
        """Read it.

        Raises:
            PluginError: no signal can have this name.
            WireError: it is none.
        """
        asked = _object(body)
        name = _text(asked, "name")
        return AskedSignal(
            name, signal_event_type(name), asked.get("payload"), _text_or_none(asked, "signal_id")
        )


@attrs.frozen
class AskedCancel:
    """A process that is to end."""

    reason: str | None

    @staticmethod
    def of(body: bytes) -> AskedCancel:
        """Read it.

        Raises:
            WireError: it is none.
        """
        return AskedCancel(_text_or_none(_object(body), "reason"))


def returned(value: JsonObject) -> Returned:
    """The handler answers with an object."""
    return Returned(canonical_json(value).encode())


def refused(error: EffectError) -> Refused:
    """The handler does not do what it was asked."""
    is_unknown = isinstance(error, PluginError) and error.reason == PluginReason.UNKNOWN_PROCESS
    return Refused(Failure(code=_NOT_FOUND if is_unknown else _BAD_REQUEST, message=str(error)))


def event_bytes(payload: JsonValue, signal_id: str | None = None) -> bytes:
    """An event as the value of a promise."""
    event: JsonObject = {"payload": payload}
    if signal_id is not None:
        event["signal_id"] = signal_id
    return canonical_json(event).encode()


def signal_id_of(event: bytes | None) -> JsonValue:
    """The id of a signal, from the value of its promise."""
    value = None if event is None else parse_json(event.decode())
    return value.get("signal_id") if isinstance(value, dict) else None


def _object(body: bytes) -> JsonObject:
    try:
        value = parse_json(body.decode())
    except UnicodeDecodeError as error:
        raise WireError(EffectErrorCode.INVALID_JSON, f"expected JSON: {error}") from error
    if not isinstance(value, dict):
        raise WireError(EffectErrorCode.INVALID_JSON, f"expected a JSON object, got {value!r}")
    return value


def _text_or_none(asked: JsonObject, name: str) -> str | None:
    return None if asked.get(name) is None else _text(asked, name)


def _text(asked: JsonObject, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise _bad(name, "a string", value)
    return value


def _bad(name: str, expected: str, got: JsonValue) -> WireError:
    return WireError(EffectErrorCode.INVALID_JSON, f"expected {expected} as {name!r}, got {got!r}")
