"""Keys say whose they are, whatever the id."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lash_trio import InvalidValueError
from lash_trio.engines.restate._keys import ObjectKeys, ProcessKey, process_of

NAMESPACES = st.sampled_from(["", "a", "shop-1", "0", "-"])
IDS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("~a-", max_size=6)


@given(NAMESPACES, IDS)
def test_a_key_is_read_as_it_was_made(namespace: str, process_id: str) -> None:
    keys = ObjectKeys(namespace)
    assert process_of(keys.of_process(process_id)) == ProcessKey(keys, process_id)


@given(st.tuples(NAMESPACES, IDS), st.tuples(NAMESPACES, IDS))
def test_two_processes_have_two_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    keys = {ObjectKeys(namespace).of_process(process_id) for namespace, process_id in (one, other)}
    assert len(keys) == len({one, other})
    assert "" not in keys


@given(NAMESPACES)
def test_the_key_of_a_namespace_is_read_as_it_was_made(namespace: str) -> None:
    assert ObjectKeys.of_whole(ObjectKeys(namespace).whole) == ObjectKeys(namespace)


@pytest.mark.parametrize("namespace", ["all", "A", "a b", "a~b", "x" * 65, "ä"])
def test_a_namespace_that_is_none_is_refused(namespace: str) -> None:
    with pytest.raises(InvalidValueError, match="a namespace is empty, or up to 64"):
        ObjectKeys(namespace)
