"""JSON values: checked copies, canonical text, stable hashes.

Canonical JSON here means: keys sorted by code point, no white space, UTF-8,
integers exact, floats in their shortest round-trip form, no NaN and no
infinity, string keys only.  CPython's own encoder does all of that once the
value is known to be plain JSON, so that is all this module checks.

Integers may be as long as the interpreter is set to convert, 4300 digits unless
:func:`sys.set_int_max_str_digits` says otherwise: the limit is CPython's guard
against input that takes quadratic time, and it is the application's to lift.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from json.encoder import encode_basestring
from typing import Any, NoReturn, TypeAlias

from ._errors import EffectErrorCode, WireError

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
"""Anything JSON can say."""
JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object."""


def empty_object() -> JsonObject:
    """A new object without keys."""
    return {}


MAX_DEPTH = 200
"""How many lists and objects a value may have inside each other.

A fixed number, well below the interpreter's limit of recursion: whether a value is
refused must not depend on where in a program it is looked at, nor on the platform.
"""
MAX_DOCUMENT_DEPTH = 256
"""The same of a whole document: a value, and the objects of the model around it."""

# CPython converts integers of up to 640 digits whatever its limit is set to.
_HIGHEST = 10**640
_LOWEST = -_HIGHEST


def copy_json(value: object, max_depth: int = MAX_DEPTH) -> JsonValue:
    """Return a deep copy of a plain JSON value.

    Args:
        value: None, bool, int, float, str, and lists, tuples and dicts of them.
        max_depth: how many lists and objects may be inside each other.

    Returns:
        The copy; tuples have become lists, as they would on the wire.

    Raises:
        WireError: code ``invalid_json``, for anything JSON cannot say exactly: a
            NaN or an infinity, a key that is no string, another type, text with
            lone surrogates, integers of more digits than this interpreter
            converts, nesting too deep or in a circle.
    """
    try:
        copied: JsonValue = _copy(value, max_depth)
    except RecursionError:
        # The limit on the depth comes first, unless the caller is deep itself.
        _refuse("the value is nested too deeply for what is left of the stack")
    return copied


# The most frequent kinds come first: this runs for every value of every append.
# Subclasses are refused, so it is the class that decides and not isinstance.
def _copy(value: Any, room: int) -> Any:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is dict:
        if not room:
            _refuse_depth()
        room -= 1
        copied: dict[str, JsonValue] = {}
        for key, item in value.items():
            if type(key) is not str:
                _refuse(f"object keys must be strings, got {shown(key)}")
            if not key.isascii():
                _check_text(key)
            copied[key] = _copy(item, room)
        return copied
    if kind is str:
        if not value.isascii():
            _check_text(value)
        return value
    if kind is int:
        if not _LOWEST < value < _HIGHEST:
            _check_digits(value)
        return value
    if value is None or kind is bool:
        return value
    return _copy_other(value, room)


def _copy_other(value: Any, room: int) -> JsonValue:
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is list or kind is tuple:
        if not room:
            _refuse_depth()
        room -= 1
        return [_copy(item, room) for item in value]
    if kind is float:
        if not math.isfinite(value):
            _refuse(f"numbers must be finite, got {value!r}")
        return float(value)
    _refuse(f"expected plain JSON data, got {kind.__module__}.{kind.__qualname__}")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        _refuse(f"text must be valid Unicode, got a lone surrogate at {error.start}")


def _check_digits(number: int) -> None:
    try:
        str(number)
    except ValueError as error:
        _refuse(f"an integer is too long for this interpreter: {error}")


def _refuse_depth() -> NoReturn:
    _refuse("lists and objects are nested too deeply, or contain themselves")


def shown(value: object, length: int = 80) -> str:
    """A value for an error message: its type, and the beginning of its text."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number too long, a nesting too deep
        return type(value).__name__
    return f"{type(value).__name__} {text if len(text) <= length else text[: length - 3] + '...'}"


def _refuse(message: str) -> NoReturn:
    raise WireError(EffectErrorCode.INVALID_JSON, message)


def canonical_json(value: object) -> str:
    """Return the one JSON text of a plain JSON value.

    Args:
        value: as for :func:`copy_json`.

    Returns:
        Text with keys sorted by code point and no white space.

    Raises:
        WireError: code ``invalid_json``, as for :func:`copy_json`.
    """
    return dump_checked(copy_json(value))


def dump_checked(value: JsonValue) -> str:
    """Canonical JSON of a value that :func:`copy_json` has already returned.

    Raises:
        WireError: code ``invalid_json``, only where the stack is almost used up.
    """
    try:
        return _ENCODER.encode(value)
    except (ValueError, RecursionError) as error:
        raise WireError(
            EffectErrorCode.INVALID_JSON, f"cannot be written as JSON: {error}"
        ) from error


def dump_text(text: str) -> str:
    """Canonical JSON of a text, faster than :func:`canonical_json`.

    Raises:
        WireError: code ``invalid_json``, as for :func:`copy_json`.
    """
    if type(text) is not str:
        return canonical_json(text)
    if not text.isascii():
        _check_text(text)
    return encode_basestring(text)


def parse_json(text: str | bytes) -> JsonValue:
    """Parse JSON text strictly.

    Args:
        text: JSON as text or as UTF-8 bytes.

    Returns:
        The value.

    Raises:
        WireError: code ``invalid_json``, for text that is not JSON, is cut off,
            is not UTF-8, holds NaN or an infinity, repeats a key of an object,
            has integers of more digits than this interpreter converts, or is
            nested too deeply.
    """
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        value: object = _DECODER.decode(decoded)
    except WireError:
        raise
    except (ValueError, RecursionError) as error:
        raise WireError(EffectErrorCode.INVALID_JSON, f"expected JSON text: {error}") from error
    return copy_json(value, MAX_DOCUMENT_DEPTH)


def reparse(text: str) -> JsonValue:
    """What :func:`parse_json` would return for text that :func:`dump_checked` has made.

    Nothing in such text needs to be checked once more.
    """
    value: JsonValue
    # Nothing stands in front of it or behind it.
    value, _ = _UNCHECKED_DECODER.raw_decode(text)
    return value


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"numbers must be finite, got {name}")


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        _refuse(f"the key {shown(twice)} stands twice in one object")
    return value


# Made once: json.dumps and json.loads would make a new one for every call.  What has
# been checked contains no circle.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
_UNCHECKED_DECODER = json.JSONDecoder()


def json_hash(value: object) -> str:
    """SHA-256, in hex, of the canonical JSON of a plain JSON value.

    Raises:
        WireError: code ``invalid_json``, as for :func:`canonical_json`.
    """
    return text_hash(canonical_json(value))


def text_hash(text: str) -> str:
    """SHA-256, in hex, of the UTF-8 bytes of canonical JSON text."""
    return hashlib.sha256(text.encode()).hexdigest()
