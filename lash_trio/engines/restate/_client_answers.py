"""What answers hold: the value under ``Ok``, or a member of it, as a class of the model."""

from __future__ import annotations

from typing import TypeVar

from ...model import JsonObject, JsonValue, StoreError, WireError, from_json

T = TypeVar("T")


def value_of(kind: type[T], answer: JsonObject) -> T:
    """The value of an answer.

    Raises:
        StoreError: it is another one.
    """
    return _read(kind, answer["Ok"])


def optional_of(kind: type[T], answer: JsonObject) -> T | None:
    """The value of an answer, or None; raises as :func:`value_of`."""
    value = answer["Ok"]
    return None if value is None else _read(kind, value)


def list_of(kind: type[T], answer: JsonObject) -> list[T]:
    """The values in a list that is the value of an answer; raises as :func:`value_of`."""
    return _list(kind, answer["Ok"])


def list_in(kind: type[T], answer: JsonObject, name: str) -> list[T]:
    """The values in a list that is a member of an answer; raises as :func:`value_of`."""
    return _list(kind, _member(answer, name))


def optional_in(kind: type[T], answer: JsonObject, name: str) -> T | None:
    """A member of an answer, or None; raises as :func:`value_of`."""
    value = _member(answer, name)
    return None if value is None else _read(kind, value)


def number_in(answer: JsonObject, name: str) -> int:
    """A number that is a member of an answer; raises as :func:`value_of`."""
    return _read(int, _member(answer, name))


def _member(answer: JsonObject, name: str) -> JsonValue:
    value = answer["Ok"]
    if not isinstance(value, dict):
        raise _wrong("an object", value)
    return value.get(name)


def _list(kind: type[T], values: JsonValue) -> list[T]:
    if not isinstance(values, list):
        raise _wrong("a list", values)
    return [_read(kind, value) for value in values]


def _read(kind: type[T], value: JsonValue) -> T:
    try:
        return from_json(kind, value)
    except WireError as error:
        raise StoreError(
            "the registry on Restate answered with what this version cannot read; is the "
            f"endpoint of another version?  {error}"
        ) from error


def _wrong(expected: str, value: JsonValue) -> StoreError:
    return StoreError(f"expected {expected} from the registry on Restate, got {value!r}")
