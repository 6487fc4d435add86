"""JSON both ways for plain values, containers and single classes.

See :mod:`lash_trio.model._wire` for the rules.
"""

from __future__ import annotations

import base64
import binascii
import types
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    make_mapping_structure_fn,  # pyright: ignore[reportUnknownVariableType]
    override,
)

from ._errors import EffectErrorCode, WireError
from ._json import MAX_DOCUMENT_DEPTH, copy_json, shown

# cattrs deals in types that are only known when a class is first read or written.
Reader: TypeAlias = Callable[[Any, Any], Any]
Writer: TypeAlias = Callable[[Any], Any]


def refusal(expected: str, value: object) -> WireError:
    return WireError(EffectErrorCode.INVALID_VALUE, f"expected {expected}, got {shown(value)}")


def unknown_tag(base: Any, known: str, value: object) -> WireError:
    return WireError(
        EffectErrorCode.UNKNOWN_TAG, f"expected {base.__name__}{known}, got {shown(value)}"
    )


def exactly(kind: type) -> Reader:
    accepted = (int, float) if kind is float else (kind,)

    def read(value: Any, _: Any) -> Any:
        if type(value) not in accepted:
            raise refusal(kind.__name__, value)
        return value

    return read


def read_bytes(value: Any, _: Any) -> bytes:
    try:
        decoded = base64.b64decode(value if isinstance(value, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("base64 text", value) from error
    if write_bytes(decoded) != value:
        raise refusal("base64 text", value)
    return decoded


def write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def read_enum(value: Any, kind: Any) -> Any:
    known = [member.value for member in kind]
    if value not in known:
        raise unknown_tag(kind, f", one of {', '.join(known)}", value)
    return kind(value)


def write_enum(member: Any) -> Any:
    if not isinstance(member, StrEnum):
        raise refusal("a member of an enumeration", member)
    return member.value


def is_json(kind: Any) -> bool:
    """Whether it is ``JsonValue``, or a list or an object of them."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(is_json(member) for member in get_args(kind))
    if get_origin(kind) not in (dict, list):
        return False
    item = get_args(kind)[-1]
    # Inside itself the alias is a name: how it is kept depends on the Python version.
    return getattr(item, "__forward_arg__", item) == "JsonValue" or is_json(item)


def json_reader(kind: Any) -> Reader:
    required = get_origin(kind) if get_origin(kind) in (dict, list) else object

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, required):
            raise refusal("an object" if required is dict else "a list", value)
        return copy_json(value, MAX_DOCUMENT_DEPTH)

    return read


def write_json(value: Any) -> Any:
    return value  # to_json copies and checks the whole document


def is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def tuple_reader(converter: Converter, kind: Any) -> Reader:
    items: Any = types.GenericAlias(list, (get_args(kind)[0],))

    def read(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise refusal("a list", cast("object", value))
        return tuple(converter.structure(value, items))

    return read


def is_mapping(kind: Any) -> bool:
    return get_origin(kind) in (dict, Mapping)


def mapping_reader(converter: Converter, kind: Any) -> Reader:
    # cattrs would take anything that `dict` takes.
    as_dict = types.GenericAlias(dict, get_args(kind))
    read_items: Reader = make_mapping_structure_fn(cast("Any", as_dict), converter)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            raise refusal("an object", cast("object", value))
        return read_items(cast("Any", value), as_dict)

    return read


def _wire_names(kind: Any) -> dict[str, str]:
    return {field.name: field.metadata.get("wire", field.name) for field in attrs.fields(kind)}


def require_object(value: Any, kind: Any) -> None:
    # Mostly it is a dict, and to ask an abstract class takes longer.
    if type(value) is not dict and not isinstance(value, Mapping):
        raise refusal(f"an object ({kind.__name__})", value)


def class_reader(converter: Converter, kind: Any) -> Reader:
    overrides: dict[str, Any] = {
        name: override(rename=wire) for name, wire in _wire_names(kind).items()
    }
    read_fields: Reader = make_dict_structure_fn(kind, converter, **overrides)
    tag_name = getattr(kind, "tag_name", None)

    def read(value: Any, expected: Any) -> Any:
        require_object(value, kind)
        if tag_name is not None and value.get(tag_name) != kind.tag:
            raise unknown_tag(kind, f" with {tag_name!r} {kind.tag}", value.get(tag_name))
        return read_fields(value, expected)

    return read


def class_writer(converter: Converter, kind: Any, tagged: bool = True) -> Writer:
    absent = {
        field.name
        for field in attrs.fields(kind)
        if field.default is None or field.metadata.get("omit_default")
    }
    overrides: dict[str, Any] = {
        name: override(rename=wire, omit_if_default=name in absent)
        for name, wire in _wire_names(kind).items()
    }
    write_fields: Writer = make_dict_unstructure_fn(kind, converter, **overrides)
    if not tagged or not hasattr(kind, "tag_name"):
        return write_fields
    head = {kind.tag_name: kind.tag}
    return lambda value: {**head, **write_fields(value)}
