"""What is typed after an option or argument, as values."""

from __future__ import annotations

import re

import click

from .. import JsonObject, JsonValue, PluginError, WireError, parse_json, signal_event_type

_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d{1,9})([smhdw])")


def parsed_json(_: click.Context, __: click.Parameter, text: str | None) -> JsonValue:
    """A JSON document; null where it was left out."""
    return None if text is None else json_of(text)


def parsed_args(_: click.Context, __: click.Parameter, text: str) -> JsonObject:
    """The arguments of a process."""
    parsed = json_of(text)
    if not isinstance(parsed, dict):
        raise click.BadParameter(
            f"""expected a JSON object with the arguments by name, as '{{"n": 1}}', got {text!r}"""
        )
    return parsed


def parsed_signals(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, JsonValue], ...]:
    """Signals, each as ``NAME`` or ``NAME=JSON``."""
    return tuple(_signal_of(text) for text in texts)


def parsed_signal_name(_: click.Context, __: click.Parameter, text: str) -> str:
    """The name of a signal."""
    return _checked_name(text)


def parsed_duration_ms(_: click.Context, __: click.Parameter, text: str) -> int:
    """A whole number and a unit, as ``30d``, in milliseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"expected a whole number and one of the units s, m, h, d and w, as '30d', got {text!r}"
        )
    return int(match[1]) * _UNIT_MS[match[2]]


def parsed_target(_: click.Context, __: click.Parameter, text: str) -> tuple[str, str]:
    """A file or module and a process in it, as ``MODULE:PROCESS``."""
    source, colon, process = text.rpartition(":")
    if not (colon and source and process):
        raise click.BadParameter(
            f"expected a file or module and a process in it, as 'orders.py:order', got {text!r}"
        )
    return source, process


def json_of(text: str) -> JsonValue:
    """JSON text as a value.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        return parse_json(text)
    except WireError as error:
        raise click.BadParameter(f"{error.message}; got {text!r}") from error


def _signal_of(text: str) -> tuple[str, JsonValue]:
    name, equals, payload = text.partition("=")
    return _checked_name(name), json_of(payload) if equals else None


def _checked_name(name: str) -> str:
    try:
        signal_event_type(name)
    except PluginError as error:
        raise click.BadParameter(error.message) from error
    return name
