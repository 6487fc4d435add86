"""Text for terminals: on one line, cut off where it gets long."""

from __future__ import annotations

from .. import JsonValue, canonical_json

_PAYLOAD_LENGTH = 100


def brief(value: JsonValue) -> str:
    """A JSON value as text, cut off where it gets long."""
    text = canonical_json(value)
    if len(text) > _PAYLOAD_LENGTH:
        text = text[: _PAYLOAD_LENGTH - 3] + "..."
    return one_line(text)


def one_line(text: str) -> str:
    """Text without line ends and control characters: it cannot steer a terminal."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def printable(text: str) -> str:
    """Text without control characters; line ends and tabs stay."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else _escaped(each) for each in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
