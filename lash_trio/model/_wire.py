"""JSON both ways for every class of the model, through one cattrs converter.

The rules, which are the seed's: a union is tagged inside the object, with the
member's ``tag`` under the base's ``tag_name``; an optional field that is None is
left out; :class:`Ok` and :class:`Err` are ``{"Ok": ...}`` and ``{"Err": ...}``;
unknown fields are ignored on reading; an unknown tag is an error that names it
and the known ones.  Nothing is coerced: ``"5"`` is no integer.  Bytes, which no
envelope has, are base64 text.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError

from ._errors import EffectError, EffectErrorCode, WireError
from ._event_type import ProcessValueSelector, ProcessWakeDedupeKey
from ._json import MAX_DOCUMENT_DEPTH, JsonValue, copy_json
from ._result import Err, Ok
from ._wire_unions import (
    base_writer,
    external_reader,
    external_writer,
    is_result,
    is_tagged_base,
    members_of,
    result_reader,
    tagged_reader,
    write_err,
    write_ok,
)
from ._wire_values import (
    class_reader,
    class_writer,
    exactly,
    is_json,
    is_mapping,
    is_tuple,
    json_reader,
    mapping_reader,
    read_bytes,
    read_enum,
    tuple_reader,
    write_bytes,
    write_enum,
    write_json,
)

T = TypeVar("T")


class Wire:
    """A converter, and the two ways through it."""

    def __init__(self) -> None:
        self._converter = make_converter()

    def to_json(self, value: object, max_depth: int = MAX_DOCUMENT_DEPTH) -> JsonValue:
        """See :func:`lash_trio.model.to_json`; what is part of a document has less depth."""
        return to_json(value, self._converter, max_depth)

    def from_json(self, kind: type[T], value: JsonValue) -> T:
        """See :func:`lash_trio.model.from_json`."""
        return from_json(kind, value, self._converter)


def to_json(value: object, converter: Converter, max_depth: int = MAX_DOCUMENT_DEPTH) -> JsonValue:
    """See :func:`lash_trio.model.to_json`."""
    try:
        return copy_json(converter.unstructure(value), max_depth)
    except WireError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except (AttributeError, TypeError, ValueError) as error:
        # A field holds an object that is not of the field's type.
        raise WireError(
            EffectErrorCode.INVALID_VALUE, f"cannot write {type(value).__name__} as JSON: {error}"
        ) from error


def from_json(kind: type[T], value: JsonValue, converter: Converter) -> T:
    """See :func:`lash_trio.model.from_json`."""
    try:
        return converter.structure(value, kind)
    except RecursionError as error:
        raise _too_deep() from error
    except (BaseValidationError, EffectError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(kind, error) from error


def make_converter() -> Converter:
    """Build the converter; it takes some milliseconds, so build it once."""
    # The members of a union are found as the subclasses of its base, so the lazily
    # loaded ones must be there before the converter is built.
    import_module("._turn_effects", __package__)
    converter = Converter(detailed_validation=True)
    for kind in (str, int, bool, float):
        converter.register_structure_hook(kind, exactly(kind))
    converter.register_structure_hook(bytes, read_bytes)
    converter.register_unstructure_hook(bytes, write_bytes)
    converter.register_structure_hook(StrEnum, read_enum)
    converter.register_unstructure_hook(StrEnum, write_enum)
    converter.register_structure_hook_factory(is_mapping, partial(mapping_reader, converter))
    converter.register_structure_hook_factory(is_tuple, partial(tuple_reader, converter))
    converter.register_structure_hook_factory(is_json, json_reader)
    converter.register_unstructure_hook_func(is_json, write_json)
    converter.register_structure_hook_factory(attrs.has, partial(class_reader, converter))
    converter.register_unstructure_hook_factory(attrs.has, partial(class_writer, converter))
    converter.register_structure_hook_factory(is_result, partial(result_reader, converter))
    converter.register_unstructure_hook(Ok, partial(write_ok, converter))
    converter.register_unstructure_hook(Err, partial(write_err, converter))
    converter.register_structure_hook_factory(is_tagged_base, partial(tagged_reader, converter))
    converter.register_unstructure_hook_factory(is_tagged_base, partial(base_writer, converter))
    for base in (ProcessValueSelector, ProcessWakeDedupeKey):
        converter.register_structure_hook(base, external_reader(converter, base))
        converter.register_unstructure_hook(base, base_writer(converter, base))
        for member in members_of(base).values():
            converter.register_structure_hook(member, external_reader(converter, base))
            converter.register_unstructure_hook(member, external_writer(converter, member))
    return converter


def _too_deep() -> WireError:
    return WireError(EffectErrorCode.INVALID_JSON, "the object is nested too deeply")


def _unreadable(kind: Any, error: Exception) -> WireError:
    try:
        leaves = list(_leaves(error))
        if any(isinstance(leaf, RecursionError) for leaf in leaves):
            return _too_deep()
        details = "; ".join(transform_error(error, format_exception=_describe))
    except RecursionError:
        return _too_deep()
    codes = (leaf.code for leaf in leaves if isinstance(leaf, EffectError))
    return WireError(
        next(codes, EffectErrorCode.INVALID_VALUE), f"expected {_name(kind)} as JSON: {details}"
    )


def _name(kind: Any) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_name(side) for side in get_args(kind))
    return getattr(kind, "__name__", str(kind))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, EffectError):
        return error.message
    if isinstance(error, KeyError):
        return f"the field {error.args[0]!r} is missing"
    return f"{error}"
