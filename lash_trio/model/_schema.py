"""Payloads against JSON Schema (draft 2020-12), through the jsonschema library."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ._errors import PluginError, PluginReason
from ._json import JsonObject, JsonValue, canonical_json, parse_json

PayloadCheck = Callable[[JsonValue], "str | None"]
"""Returns None for a good payload, else a sentence about the first fault."""


def compile_schema(schema: JsonObject) -> PayloadCheck | None:
    """Compile a schema.

    Returns:
        The check, or None where the schema admits everything.

    Raises:
        PluginError: reason ``invalid_registration``, for a schema that is none.
    """
    return _compile_text(canonical_json(schema)) if schema else None


# Many processes share few schemas; compiling one takes a millisecond.
@lru_cache(maxsize=256)
def _compile_text(text: str) -> PayloadCheck:
    # Imported here because it takes as long as half of trio, and most
    # programs declare no schema.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY, SchemaRegistry

    schema = parse_json(text)
    if not isinstance(schema, dict):
        raise PluginError(
            PluginReason.INVALID_REGISTRATION, f"a payload schema must be an object, got {text}"
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise PluginError(
            PluginReason.INVALID_REGISTRATION, f"expected a JSON Schema: {error.message}"
        ) from error
    # An explicit registry keeps references inside the schema: nothing is fetched.
    registry: SchemaRegistry = EMPTY_REGISTRY
    validator = Draft202012Validator(schema, registry=registry)

    def check(payload: JsonValue) -> str | None:
        try:
            fault = best_match(validator.iter_errors(payload))
        except Unresolvable as error:
            return f"the schema refers to {error.ref!r}, which is not part of it"
        return None if fault is None else f"at {fault.json_path}: {fault.message}"

    return check
