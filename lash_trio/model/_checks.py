"""Validators that several classes share: what they refuse can only be a bug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from attrs.validators import optional as optional

from ._errors import InvalidValueError
from ._json import JsonObject, shown

FieldT = TypeVar("FieldT")


def instance_of(kind: type[FieldT]) -> Callable[[object, attrs.Attribute[FieldT], FieldT], None]:
    """The field must be an instance of a class."""

    def check(_: object, field: attrs.Attribute[FieldT], value: FieldT) -> None:
        if not isinstance(value, kind):
            raise InvalidValueError(f"expected {field.name} to be {_a(kind)}, got {shown(value)}")

    return check


def tuple_of(
    kind: type[FieldT],
) -> Callable[[object, attrs.Attribute[tuple[FieldT, ...]], tuple[FieldT, ...]], None]:
    """The field must be a tuple of such items: a list could change under a frozen object."""

    def check(
        _: object, field: attrs.Attribute[tuple[FieldT, ...]], value: tuple[FieldT, ...]
    ) -> None:
        is_tuple(None, field, value)
        for number, item in enumerate(value):
            if not isinstance(item, kind):
                raise InvalidValueError(
                    f"expected item {number} of {field.name} to be {_a(kind)}, got {shown(item)}"
                )

    return check


def is_tuple(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """The field must be a tuple, of whatever."""
    if type(value) is not tuple:
        raise InvalidValueError(f"expected {field.name} to be a tuple, got {shown(value)}")


def is_object(_: object, field: attrs.Attribute[JsonObject], value: JsonObject) -> None:
    """The field must be a JSON object."""
    if type(value) is not dict:
        raise InvalidValueError(f"expected {field.name} to be a dict, got {shown(value)}")


def at_least(minimum: int) -> Callable[[object, attrs.Attribute[int], int], None]:
    """The field must be an integer, not a truth value, and not below ``minimum``."""

    def check(_: object, field: attrs.Attribute[int], value: int) -> None:
        if type(value) is not int or value < minimum:
            raise InvalidValueError(
                f"expected {field.name} to be an integer of at least {minimum}, got {shown(value)}"
            )

    return check


def _a(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOaeio' else 'a'} {kind.__name__}"
