"""What the tests of the model share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import attrs
from hypothesis import settings

from lash_trio import model
from lash_trio.model import PluginError, WireError, loads


def public_classes() -> list[type[object]]:
    """Every class that `lash_trio.model` offers, those loaded late included."""
    names = [name for name in sorted(dir(model)) if not name.startswith("_")]
    values = [getattr(model, name) for name in names]
    return [cast("type[object]", value) for value in values if isinstance(value, type)]


def is_union_base(cls: type[object]) -> bool:
    """Whether its subclasses are the members of a union on the wire."""
    return "tag" in cls.__annotations__ and "tag" not in vars(cls) and not attrs.has(cls)


#: All that can stand on the wire by itself.
ATTRS_CLASSES = [cls for cls in public_classes() if attrs.has(cls)]
#: The bases of unions: `from_json(EffectCommand, ...)` reads any command.
UNION_BASES = [cls for cls in public_classes() if is_union_base(cls)]
READABLE = [*ATTRS_CLASSES, *UNION_BASES]


def by_name(cls: type[object]) -> str:
    """The ids of tests that are parametrized by class."""
    return cls.__name__


def loads_or_refuses(cls: type[object], text: str | bytes) -> object:
    """What the text says, or the typed error; any other exception goes through."""
    try:
        return loads(cls, text)
    except WireError as error:
        return error


def fewer_examples(divisor: int) -> settings:
    """For a test that is parametrized by class: few examples for each are many for all."""
    profile = settings.default
    assert profile is not None
    return settings(max_examples=max(profile.max_examples // divisor, 8))


@contextmanager
def refusing(*reasons: str) -> Generator[None, None, None]:
    """The block may be refused by a `PluginError`, for one of these reasons alone."""
    try:
        yield
    except PluginError as error:
        if error.reason not in reasons:
            raise
