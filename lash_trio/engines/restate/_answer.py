"""What handlers of the registry are asked, and how they answer.

A refusal is an answer like any other, ``{"Err": ...}``: Restate keeps it as the result of
the call, and does not try again.
"""

from __future__ import annotations

from typing import TypeVar

import attrs

from ...model import (
    EffectError,
    EffectErrorCode,
    InvalidValueError,
    JsonObject,
    JsonValue,
    LeaseHeldError,
    PluginError,
    StoreError,
    WireError,
    from_json,
    parse_json,
)

T = TypeVar("T")


@attrs.frozen
class Asked:
    """The members of a request.

    Args:
        members: by name.
    """

    members: JsonObject

    @staticmethod
    def of(body: bytes) -> Asked:
        """Read the body of a request.

        Raises:
            WireError: it is no JSON object.
        """
        value = parse_json(body)
        if not isinstance(value, dict):
            raise WireError(
                EffectErrorCode.INVALID_VALUE,
                f"expected a request as a JSON object, got a {type(value).__name__}",
            )
        return Asked(value)

    def take(self, kind: type[T], name: str) -> T:
        """A member that has to be there.

        Raises:
            WireError: it is not, or is nothing of the kind.
        """
        if self.members.get(name) is None:
            raise WireError(
                EffectErrorCode.INVALID_VALUE,
                f"expected a request with a member {name!r} ({kind.__name__}), got "
                f"{', '.join(map(repr, sorted(self.members))) or 'no members'}",
            )
        return from_json(kind, self.members[name])

    def find(self, kind: type[T], name: str) -> T | None:
        """A member that may be left out.

        Raises:
            WireError: it is nothing of the kind.
        """
        return None if self.members.get(name) is None else self.take(kind, name)

    def texts(self, name: str) -> list[str]:
        """A member that is a list of texts.

        Raises:
            WireError: it is none.
        """
        value = self.members.get(name)
        if not isinstance(value, list):
            raise WireError(
                EffectErrorCode.INVALID_VALUE,
                f"expected a request with a member {name!r}, a list of texts, got {value!r}",
            )
        return [from_json(str, each) for each in value]


def ok(value: JsonValue, appended: JsonObject | None = None) -> JsonObject:
    """The answer that has a value, and tells of the event that was written, if one was."""
    return {"Ok": value} if appended is None else {"Ok": value, "appended": appended}


def refusal(error: EffectError) -> JsonObject:
    """The answer that has an error."""
    told: JsonObject
    match error:
        case LeaseHeldError():
            told = {"class": "plugin", "reason": error.reason, "left_ms": error.left_ms}
        case PluginError():
            told = {"class": "plugin", "reason": error.reason}
        case StoreError():
            told = {"class": "store"}
        case _:
            told = {"class": "effect", "code": error.code}
    return {"Err": {**told, "message": error.message}}


def unwrap(answer: JsonValue) -> JsonValue:
    """The value that an answer has.

    Raises:
        EffectError: the error that it has.
        StoreError: it is no answer.
    """
    match answer:
        case {"Ok": value}:
            return value
        case {"Err": {"class": "plugin", "message": str(message), "left_ms": int(left_ms)}}:
            raise LeaseHeldError(message, left_ms)
        case {"Err": {"class": "plugin", "reason": str(reason), "message": str(message)}}:
            raise PluginError(reason, message)
        case {"Err": {"class": "store", "message": str(message)}}:
            raise StoreError(message)
        case {"Err": {"class": "effect", "code": "invalid_value", "message": str(message)}}:
            raise InvalidValueError(message)
        case {"Err": {"class": "effect", "code": str(code), "message": str(message)}}:
            raise EffectError(code, message)
        case _:
            raise StoreError(f"expected an answer with 'Ok' or 'Err', got {answer!r}")
