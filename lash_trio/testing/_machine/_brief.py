"""How programs are printed: as Python that makes them, to be pasted into a test."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import cast

import attrs

_WIDTH = 80


@attrs.frozen(repr=False)
class Brief:
    """Shows itself as the call that makes it, without what is there by default."""

    def __repr__(self) -> str:
        return _laid_out(f"{type(self).__name__}(", list(_arguments(self)), ")")


def fields_of(instance: Brief) -> tuple[attrs.Attribute[object], ...]:
    """The fields of a part of a program; none has a default that is made anew each time."""
    fields: tuple[attrs.Attribute[object], ...] = attrs.fields(type(instance))
    return fields


def _arguments(instance: Brief) -> Iterator[str]:
    for field in fields_of(instance):
        value: object = getattr(instance, field.name)
        if field.default is attrs.NOTHING:
            yield _shown(value)
        elif value != field.default:
            yield f"{field.name}={_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return _laid_out("(", [_shown(item) for item in items], ",)" if len(items) == 1 else ")")
    return repr(value)


def _laid_out(begin: str, parts: Sequence[str], end: str) -> str:
    line = f"{begin}{', '.join(parts)}{end}"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    body = textwrap.indent(",\n".join(parts), "    ")
    return f"{begin}\n{body},\n{end.lstrip(',')}"
