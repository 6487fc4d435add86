"""Values that come out of the sandbox, as JSON of bounded size.

A list that holds one list ten times, which holds another ten times, and so on, is
small in the sandbox and would fill the memory here: it is measured as it is copied.
"""

from __future__ import annotations

import math
from datetime import date, time
from typing import cast

from ...model import JsonValue

_MAX_DEPTH = 100
# CPython converts this many to decimal whatever its limit is set to.
_MAX_INT_BITS = 2_000


class NotPlain(Exception):
    """A value that is no JSON, or too much of it."""


def plain(value: object, max_bytes: int) -> JsonValue:
    """A copy as JSON.

    Args:
        value: what the sandbox made.
        max_bytes: about how much text it may come to.

    Returns:
        The copy; tuples and sets have become lists, dates and times their ISO text, and
        integers as keys text.

    Raises:
        NotPlain: it holds something else, or is too large or too deep.
    """
    return _Copy(max_bytes).of(value, _MAX_DEPTH)


class _Copy:
    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._max_bytes = max_bytes

    def of(self, value: object, room: int) -> JsonValue:
        self._charge(1)
        match value:
            case None | bool():
                return value
            case int():
                if value.bit_length() > _MAX_INT_BITS:
                    raise NotPlain("an integer is too long")
                self._charge(value.bit_length() // 3)
                return value
            case float():
                if not math.isfinite(value):
                    raise NotPlain(f"numbers must be finite, got {value!r}")
                return value
            case str():
                self._charge(len(value.encode()))
                return value
            case date() | time():
                return value.isoformat()
            case dict():
                return self._object(cast("dict[object, object]", value), room)
            case list() | tuple() | set() | frozenset():
                self._check(room)
                items = cast("list[object]", value)
                return [self.of(item, room - 1) for item in items]
            case _:
                raise NotPlain(f"a value of type {_name(value)} cannot leave the sandbox")

    def _object(self, value: dict[object, object], room: int) -> JsonValue:
        self._check(room)
        copied: dict[str, JsonValue] = {}
        for key, item in value.items():
            text = str(self.of(key, 1)) if isinstance(key, int | str) else None
            if text is None:
                raise NotPlain(f"keys must be text, got one of type {_name(key)}")
            copied[text] = self.of(item, room - 1)
        return copied

    def _check(self, room: int) -> None:
        if room <= 0:
            raise NotPlain(f"lists and objects are nested more than {_MAX_DEPTH} deep")

    def _charge(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise NotPlain(f"a value is larger than {self._max_bytes} bytes")


def _name(value: object) -> str:
    # A class of the sandbox carries its own name.
    return str(getattr(value, "name", type(value).__name__))[:80]
