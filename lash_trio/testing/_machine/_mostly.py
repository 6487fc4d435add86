"""A choice between strategies by weight."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def mostly(*weighted: tuple[int, SearchStrategy[T]]) -> SearchStrategy[T]:
    """One of some strategies, by weight; ``one_of`` would flatten those that are nested."""
    strategies = [strategy for _, strategy in weighted]
    indexes = [index for index, (weight, _) in enumerate(weighted) for _ in range(weight)]
    return st.sampled_from(indexes).flatmap(lambda index: strategies[index])
