"""Payloads against JSON Schema (draft 2020-12), through the jsonschema library."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from ._errors import PluginError, PluginReason
from ._json import JsonObject, JsonValue, canonical_json, parse_json

PayloadCheck = Callable[[JsonValue], "str | None"]
"""Returns None for a good payload, else a sentence about the first fault."""

_SHOWN_LENGTH = 500
"""How much of a fault is told: jsonschema's text may quote the whole payload."""


def compile_schema(schema: JsonObject) -> PayloadCheck | None:
    """Compile a schema.

    Returns:
        The check, or None where the schema admits everything.

    Raises:
        PluginError: reason ``invalid_registration``, for a schema that is none.
        WireError: code ``invalid_json``, for a schema that is not even JSON.
    """
    return _compile_text(canonical_json(schema)) if schema else None


# Many processes share few schemas; compiling one takes a millisecond.
@lru_cache(maxsize=256)
def _compile_text(text: str) -> PayloadCheck:
    # Imported here because it takes as long as half of trio, and most
    # programs declare no schema.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import (
        SchemaError,
        best_match,  # pyright: ignore[reportUnknownVariableType]
    )
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY, SchemaRegistry

    schema: Any = parse_json(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise PluginError(
            PluginReason.INVALID_REGISTRATION, f"expected a JSON Schema: {_cut(error.message)}"
        ) from error
    except RecursionError as error:
        raise PluginError(
            PluginReason.INVALID_REGISTRATION, "expected a JSON Schema, got one nested too deeply"
        ) from error
    # An explicit registry keeps references inside the schema: nothing is fetched.
    registry: SchemaRegistry = EMPTY_REGISTRY
    validator: Any = Draft202012Validator(schema, registry=registry)

    def check(payload: JsonValue) -> str | None:
        try:
            fault = cast("Any", best_match(validator.iter_errors(payload)))
        except Unresolvable as error:
            return f"the schema refers to {error.ref!r}, which is not part of it"
        except RecursionError:
            return "the payload is nested too deeply, or the schema refers to itself without end"
        except OverflowError as error:
            return f"a number is too large to compare: {error}"
        return None if fault is None else f"at {fault.json_path}: {_cut(fault.message)}"

    return check


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."
