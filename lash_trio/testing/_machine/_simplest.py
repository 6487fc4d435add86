"""Makes a failing program as simple as it can be.

Hypothesis shrinks as well, but what it shrinks are the choices behind a program; of a
race, which is another one as soon as a step is missing, it leaves much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

import attrs

from ._brief import Brief, fields_of

ProgramT = TypeVar("ProgramT", bound=Brief)

_TRIES = 5_000


def simplest(program: ProgramT, check: Callable[[ProgramT], object]) -> ProgramT:
    """Take away from a failing program what it does not need to fail.

    Args:
        program: one that fails.
        check: raises AssertionError for a program that fails.

    Returns:
        One that fails, and nothing can be taken away from it; itself where it does not
        fail.  It may fail in another way.
    """

    def fails(candidate: ProgramT) -> bool:
        try:
            check(candidate)
        except AssertionError:
            return True
        return False

    tries = 0
    found = fails(program)
    while found:
        found = False
        for candidate in _simpler(program):
            tries += 1
            if tries > _TRIES:
                return program
            if fails(cast(ProgramT, candidate)):
                program, found = cast(ProgramT, candidate), True
                break
    return program


def _simpler(value: object) -> Iterator[object]:
    """Values that are simpler by one thing, the much simpler ones first."""
    if isinstance(value, tuple):
        yield from _shorter(cast("tuple[object, ...]", value))
    elif isinstance(value, Brief):
        for field in fields_of(value):
            now: object = getattr(value, field.name)
            # Zero is 0 as well as False; of payloads it matters which.
            if field.default is not attrs.NOTHING and repr(field.default) != repr(now):
                yield attrs.evolve(value, **{field.name: field.default})
            for simpler in _simpler(now):
                yield attrs.evolve(value, **{field.name: simpler})


def _shorter(items: tuple[object, ...]) -> Iterator[object]:
    size = len(items)
    while size > 0:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
    for index, item in enumerate(items):
        before, after = items[:index], items[index + 1 :]
        for inside in ("actions", "step"):
            # What is done at once, or in a block, may do it one after the other as well.
            inner: object = getattr(item, inside, None)
            if isinstance(inner, tuple):
                yield before + cast("tuple[object, ...]", inner) + after
            elif inner is not None:
                yield (*before, inner, *after)
        for simpler in _simpler(item):
            yield (*before, simpler, *after)
