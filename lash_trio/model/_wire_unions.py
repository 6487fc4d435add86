"""JSON both ways for unions: tagged inside, tagged outside, and results.

See :mod:`lash_trio.model._wire` for the rules.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Union, cast, get_args, get_origin

from cattrs import Converter

from ._errors import EffectErrorCode, WireError
from ._json import JsonValue, shown
from ._result import Err, Ok
from ._wire_values import (
    Reader,
    Writer,
    class_reader,
    class_writer,
    refusal,
    require_object,
    unknown_tag,
)


def members_of(base: Any) -> dict[str, Any]:
    """The model's own subclasses by tag; those of an application have no place on the wire."""
    package = __name__.rpartition(".")[0] + "."
    return {
        member.tag: member
        for member in base.__subclasses__()
        if member.__module__.startswith(package)
    }


def is_tagged_base(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "tag_name") and not hasattr(kind, "tag")


def tagged_reader(converter: Converter, base: Any) -> Reader:
    members = members_of(base)
    # Built when needed, as any hook: a member may hold what is not registered yet.
    reader_of: Callable[[Any], Reader] = cache(converter.get_structure_hook)

    def read(value: Any, _: Any) -> Any:
        require_object(value, base)
        tag = value.get(base.tag_name)
        if not isinstance(tag, str) or tag not in members:
            raise unknown_tag(base, f" with {base.tag_name!r} one of {', '.join(members)}", tag)
        member = members[tag]
        return reader_of(member)(value, member)

    return read


def base_writer(converter: Converter, base: Any) -> Writer:
    def write(value: Any) -> Any:
        if not isinstance(value, base) or not hasattr(value, "tag"):
            raise refusal(f"a kind of {base.__name__}", value)
        return converter.unstructure(value, type(value))

    return write


def external_reader(converter: Converter, base: Any) -> Reader:
    """Read a union of the seed that is tagged from outside: ``"name"`` or ``{"name": body}``."""
    members = members_of(base)
    # Built when needed: a member may hold selectors, whose hooks come after this one.
    reader_of = cache(partial(class_reader, converter))

    def read(value: Any, kind: Any) -> Any:
        tag: object = value
        body: object = None
        if isinstance(value, Mapping) and len(cast("Mapping[str, object]", value)) == 1:
            ((tag, body),) = cast("Mapping[str, object]", value).items()
        member = members.get(tag) if isinstance(tag, str) else None
        if member is None or (member.wire_body is None) != (tag is value):
            raise unknown_tag(base, f", one of {', '.join(members)}", cast("object", value))
        if not issubclass(member, kind):
            raise unknown_tag(kind, f", {kind.tag!r}", cast("object", value))
        if member.wire_body is None:
            return member()
        fields = body if member.wire_body == "*" else {member.wire_body: body}
        return reader_of(member)(fields, member)

    return read


def external_writer(converter: Converter, member: Any) -> Writer:
    write_fields = class_writer(converter, member, tagged=False)
    if member.wire_body is None:
        return lambda _: member.tag
    if member.wire_body == "*":
        return lambda value: {member.tag: write_fields(value)}
    return lambda value: {member.tag: write_fields(value)[member.wire_body]}


def is_result(kind: Any) -> bool:
    return all(side in (Ok, Err) for side, _ in _sides(kind))


def _sides(kind: Any) -> list[tuple[Any, Any]]:
    """The classes of a result with what they hold: any JSON value where that is not said."""
    union = get_origin(kind) in (Union, types.UnionType)
    sides = [side for side in (get_args(kind) if union else (kind,)) if side is not type(None)]
    return [(get_origin(side) or side, (get_args(side) or (JsonValue,))[0]) for side in sides]


def result_reader(converter: Converter, kind: Any) -> Reader:
    """Read one side, or either, or either or None."""
    inner = {side.__name__: (side, held) for side, held in _sides(kind)}
    optional = type(None) in get_args(kind)

    def read(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        if isinstance(value, Mapping) and len(cast("Mapping[str, object]", value)) == 1:
            ((name, body),) = cast("Mapping[str, object]", value).items()
            if name in inner:
                side, held = inner[name]
                return side(converter.structure(body, held))
        raise WireError(
            EffectErrorCode.UNKNOWN_TAG,
            f"expected an object with the one key {' or '.join(inner)}, "
            f"got {shown(cast('object', value))}",
        )

    return read


def write_ok(converter: Converter, ok: Ok[object]) -> dict[str, object]:
    return {"Ok": converter.unstructure(ok.value)}


def write_err(converter: Converter, err: Err[object]) -> dict[str, object]:
    return {"Err": converter.unstructure(err.error)}
