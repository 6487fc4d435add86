"""The one converter of the library, built when it is first needed.

Building it imports cattrs, which takes as long as a quarter of trio; a program
that only runs inline never needs it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from ._json import MAX_DOCUMENT_DEPTH, JsonValue, dump_checked, parse_json

if TYPE_CHECKING:
    from ._wire import Wire

T = TypeVar("T")


@lru_cache(maxsize=1)
def _wire() -> Wire:
    from ._wire import Wire

    return Wire()


def to_json(value: object) -> JsonValue:
    """A model object as plain JSON data.

    Args:
        value: an instance of any class of the model.

    Returns:
        Data that :func:`from_json` turns into an equal object.

    Raises:
        WireError: code ``invalid_json``, where a field holds what JSON cannot say;
            ``invalid_value``, where it holds an object of another class.
    """
    return _wire().to_json(value)


def from_json(kind: type[T], value: JsonValue) -> T:
    """A model object from plain JSON data.

    Args:
        kind: its class, or the base of a union: ``EffectCommand`` reads any command.
            ``Ok[A] | Err[B]`` works as well, but cannot be said to a type checker.
        value: the data; unknown fields are ignored.

    Raises:
        WireError: code ``unknown_tag`` or ``invalid_value``, or that of the check
            which an object of the class did not pass, for example
            ``runtime_effect_replay_required``; the text names the place, what was
            expected and what came.
    """
    return _wire().from_json(kind, value)


def dumps(value: object) -> str:
    """A model object as canonical JSON text.

    Raises:
        WireError: as for :func:`to_json`.
    """
    return dump_checked(to_json(value))


def dump_member(value: object) -> str:
    """The same of an object that is a member of another one, for who puts that together."""
    return dump_checked(_wire().to_json(value, MAX_DOCUMENT_DEPTH - 1))


def loads(kind: type[T], text: str | bytes) -> T:
    """A model object from JSON text or UTF-8 bytes.

    Raises:
        WireError: code ``invalid_json`` for what is not JSON, else as for
            :func:`from_json`.
    """
    return from_json(kind, parse_json(text))
