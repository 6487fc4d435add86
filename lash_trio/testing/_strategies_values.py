"""Strategies for what the fields of the model hold: names, numbers, JSON."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import JsonObject, JsonValue

ItemT = TypeVar("ItemT")
Table: TypeAlias = dict[type[Any], SearchStrategy[Any]]
"""Strategies by the class that they make."""

# Short, so that what a failing test shows can be read.
TEXTS: SearchStrategy[str] = st.text(max_size=8)
IDS: SearchStrategy[str] = st.text(min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
BOOLEANS: SearchStrategy[bool] = st.booleans()
COUNTS: SearchStrategy[int] = st.integers(0, 2**63 - 1)
POSITIVE: SearchStrategy[int] = st.integers(1, 2**63 - 1)
TIMES_MS: SearchStrategy[int] = st.integers(0, 2**53)

_ATOMS: SearchStrategy[JsonValue] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)


def _containers(items: SearchStrategy[JsonValue]) -> SearchStrategy[JsonValue]:
    return st.lists(items, max_size=3) | st.dictionaries(TEXTS, items, max_size=3)


JSON_VALUES: SearchStrategy[JsonValue] = st.recursive(_ATOMS, _containers, max_leaves=6)
JSON_OBJECTS: SearchStrategy[JsonObject] = st.dictionaries(TEXTS, JSON_VALUES, max_size=3)


def optional(strategy: SearchStrategy[ItemT]) -> SearchStrategy[ItemT | None]:
    """None, or what the strategy makes."""
    return st.none() | strategy


def tuples_of(
    strategy: SearchStrategy[ItemT], max_size: int = 3
) -> SearchStrategy[tuple[ItemT, ...]]:
    """Tuples of any length up to a limit."""

    def as_tuple(items: list[ItemT]) -> tuple[ItemT, ...]:
        return tuple(items)

    return st.lists(strategy, max_size=max_size).map(as_tuple)
