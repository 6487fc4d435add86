"""JSON both ways for every class of the model, through one cattrs converter.

The rules, which are the seed's: a union is tagged inside the object, with the
member's ``tag`` under the base's ``tag_name``; an optional field that is None is
left out; :class:`Ok` and :class:`Err` are ``{"Ok": ...}`` and ``{"Err": ...}``;
unknown fields are ignored on reading; an unknown tag is an error that names it
and the known ones.  Nothing is coerced: ``"5"`` is no integer.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, ForwardRef, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

# The members of a union are found as the subclasses of its base, so the lazily
# loaded ones must be there before the converter is built.
from . import _turn_effects as _turn_effects
from ._errors import EffectErrorCode, WireError
from ._event_type import ProcessValueSelector, ProcessWakeDedupeKey
from ._json import JsonValue, copy_json
from ._result import Err, Ok

T = TypeVar("T")


def to_json(value: object, converter: Converter) -> JsonValue:
    """See :func:`lash_trio.model.to_json`."""
    try:
        return copy_json(converter.unstructure(value))
    except RecursionError as error:
        raise WireError(EffectErrorCode.INVALID_JSON, "the object is nested too deeply") from error


def from_json(kind: type[T], value: JsonValue, converter: Converter) -> T:
    """See :func:`lash_trio.model.from_json`."""
    try:
        return converter.structure(value, kind)
    except (BaseValidationError, WireError) as error:
        code = next((leaf.code for leaf in _leaves(error) if isinstance(leaf, WireError)), None)
        details = "; ".join(transform_error(error, format_exception=_describe))
        raise WireError(
            code or EffectErrorCode.INVALID_VALUE, f"expected {kind.__name__} as JSON: {details}"
        ) from error
    except RecursionError as error:
        raise WireError(EffectErrorCode.INVALID_JSON, "the object is nested too deeply") from error
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        # A check of the class itself, where no field is involved.
        raise WireError(
            EffectErrorCode.INVALID_VALUE,
            f"expected {kind.__name__} as JSON: {_describe(error, kind)}",
        ) from error


def make_converter() -> Converter:
    """Build the converter; it takes some milliseconds, so build it once."""
    converter = Converter(detailed_validation=True)
    for kind in (str, int, bool, float):
        converter.register_structure_hook_func(_is(kind), _exactly(kind))
    converter.register_structure_hook_func(_is_json, lambda value, _: copy_json(value))
    converter.register_unstructure_hook_func(_is_json, lambda value: value)
    converter.register_structure_hook_factory(
        _is_tuple, lambda kind: _tuple_reader(converter, kind)
    )
    converter.register_structure_hook_factory(
        _is_result, lambda kind: _result_reader(converter, kind)
    )
    converter.register_unstructure_hook(Ok, lambda ok: {"Ok": converter.unstructure(ok.value)})
    converter.register_unstructure_hook(Err, lambda err: {"Err": converter.unstructure(err.error)})
    converter.register_structure_hook(StrEnum, _read_enum)
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_structure_hook_factory(attrs.has, lambda kind: _reader(converter, kind))
    converter.register_unstructure_hook_factory(attrs.has, lambda kind: _writer(converter, kind))
    converter.register_structure_hook_factory(
        _is_tagged_base, lambda kind: _tagged_reader(converter, kind)
    )
    converter.register_unstructure_hook_factory(
        _is_tagged_base, lambda _: lambda value: converter.unstructure(value, type(value))
    )
    for base in (ProcessValueSelector, ProcessWakeDedupeKey):
        converter.register_structure_hook(base, _external_reader(converter, base))
        converter.register_unstructure_hook(
            base, lambda value: converter.unstructure(value, type(value))
        )
        for member in base.__subclasses__():
            # A hook of the base answers for its members too, unless they have their own.
            converter.register_structure_hook(member, _reader(converter, member))
            converter.register_unstructure_hook(member, _external_writer(converter, member))
    return converter


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, WireError):
        return error.message
    if isinstance(error, KeyError):
        return f"the field {error.args[0]!r} is missing"
    return f"{error}"


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda other: other is kind


def _is_json(kind: Any) -> bool:
    if get_origin(kind) in (Union, types.UnionType):
        return any(get_origin(member) is dict for member in get_args(kind))
    if get_origin(kind) not in (dict, list):
        return False
    item = get_args(kind)[-1]
    return isinstance(item, (str, ForwardRef)) or _is_json(item)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_result(kind: Any) -> bool:
    if get_origin(kind) not in (Union, types.UnionType):
        return False
    return {get_origin(member) for member in get_args(kind)} == {Ok, Err}


def _is_tagged_base(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "tag_name") and not hasattr(kind, "tag")


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    accepted = (int, float) if kind is float else (kind,)

    def read(value: Any, _: Any) -> Any:
        if type(value) not in accepted:
            raise WireError(
                EffectErrorCode.INVALID_VALUE,
                f"expected {kind.__name__}, got {_shown(value)}",
            )
        return value

    return read


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '...'}"


def _tuple_reader(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    read_list = converter.get_structure_hook(list[get_args(kind)[0]])  # type: ignore[misc]

    def read(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise WireError(EffectErrorCode.INVALID_VALUE, f"expected a list, got {_shown(value)}")
        return tuple(read_list(value, list[get_args(kind)[0]]))  # type: ignore[misc]

    return read


def _read_enum(value: Any, kind: Any) -> Any:
    known = [member.value for member in kind]
    if value not in known:
        raise WireError(
            EffectErrorCode.UNKNOWN_TAG,
            f"expected {kind.__name__}, one of {', '.join(known)}, got {_shown(value)}",
        )
    return kind(value)


def _wire_names(kind: Any) -> dict[str, str]:
    return {field.name: field.metadata.get("wire", field.name) for field in attrs.fields(kind)}


def _require_object(value: Any, kind: Any) -> None:
    if not isinstance(value, Mapping):
        raise WireError(
            EffectErrorCode.INVALID_VALUE,
            f"expected an object ({kind.__name__}), got {_shown(value)}",
        )


def _reader(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    read_fields = make_dict_structure_fn(
        kind,
        converter,
        **{name: override(rename=wire) for name, wire in _wire_names(kind).items()},  # type: ignore[arg-type]
    )

    def read(value: Any, expected: Any) -> Any:
        _require_object(value, kind)
        return read_fields(value, expected)

    return read


def _writer(converter: Converter, kind: Any, tagged: bool = True) -> Callable[[Any], Any]:
    absent = {
        field.name
        for field in attrs.fields(kind)
        if field.default is None or field.metadata.get("omit_default")
    }
    write_fields = make_dict_unstructure_fn(
        kind,
        converter,
        **{  # type: ignore[arg-type]
            name: override(rename=wire, omit_if_default=name in absent)
            for name, wire in _wire_names(kind).items()
        },
    )
    if not tagged or not hasattr(kind, "tag"):
        return write_fields
    head = {kind.tag_name: kind.tag}
    return lambda value: {**head, **write_fields(value)}


def _tagged_reader(converter: Converter, base: Any) -> Callable[[Any, Any], Any]:
    members = {member.tag: member for member in base.__subclasses__()}

    def read(value: Any, _: Any) -> Any:
        _require_object(value, base)
        tag = value.get(base.tag_name)
        if not isinstance(tag, str) or tag not in members:
            raise WireError(
                EffectErrorCode.UNKNOWN_TAG,
                f"expected {base.__name__} with {base.tag_name!r} one of "
                f"{', '.join(members)}, got {_shown(tag)}",
            )
        return converter.structure(value, members[tag])

    return read


def _result_reader(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    inner = {get_origin(member): get_args(member)[0] for member in get_args(kind)}

    def read(value: Any, _: Any) -> Any:
        if isinstance(value, Mapping) and len(value) == 1:
            if "Ok" in value:
                return Ok(converter.structure(value["Ok"], inner[Ok]))
            if "Err" in value:
                return Err(converter.structure(value["Err"], inner[Err]))
        raise WireError(
            EffectErrorCode.UNKNOWN_TAG,
            f"expected an object with the one key Ok or Err, got {_shown(value)}",
        )

    return read


def _external_reader(converter: Converter, base: Any) -> Callable[[Any, Any], Any]:
    """Read a union of the seed that is tagged from outside: ``"name"`` or ``{"name": body}``."""
    members = {member.tag: member for member in base.__subclasses__()}

    def read(value: Any, _: Any) -> Any:
        tag, body = value, None
        if isinstance(value, Mapping) and len(value) == 1:
            ((tag, body),) = value.items()
        member = members.get(tag) if isinstance(tag, str) else None
        if member is None or (member.wire_body is None) != (tag is value):
            raise WireError(
                EffectErrorCode.UNKNOWN_TAG,
                f"expected {base.__name__}, one of {', '.join(members)}, got {_shown(value)}",
            )
        if member.wire_body == "*":
            return converter.structure(body, member)
        if member.wire_body is None:
            return member()
        return converter.structure({member.wire_body: body}, member)

    return read


def _external_writer(converter: Converter, member: Any) -> Callable[[Any], Any]:
    write_fields = _writer(converter, member, tagged=False)
    if member.wire_body is None:
        return lambda _: member.tag
    if member.wire_body == "*":
        return lambda value: {member.tag: write_fields(value)}
    return lambda value: {member.tag: write_fields(value)[member.wire_body]}
