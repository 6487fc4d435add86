"""Every object of every class survives JSON, as data and as text."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    EffectScope,
    JsonValue,
    canonical_json,
    dumps,
    from_json,
    loads,
    parse_json,
    to_json,
)
from lash_trio.testing.strategies import for_class
from tests.model.support import (
    ATTRS_CLASSES,
    READABLE,
    UNION_BASES,
    by_name,
    fewer_examples,
    public_classes,
)

SOME = fewer_examples(6)


def test_all_classes_are_here() -> None:
    # The tests below are parametrized by what is found, so it must not be too little:
    # some of every module, the lazily loaded ones included.
    names = {cls.__name__ for cls in READABLE}
    assert names >= {"TurnScope", "ProcessRecord", "LlmRequest", "ToolCallRecord", "WaitKind"}
    assert names >= {"LlmCallOutcome", "LlmContentBlock", "Ok", "EffectEnvelope", "ProcessLease"}
    assert len(ATTRS_CLASSES) > 140
    assert len(UNION_BASES) >= 18


@pytest.mark.parametrize("cls", READABLE, ids=by_name)
def test_json_gives_back_an_equal_object(cls: type[Any]) -> None:
    @SOME
    @given(for_class(cls))
    def check(value: object) -> None:
        data = to_json(value)
        read = from_json(cls, data)
        assert read == value
        assert type(read) is type(value)
        # Equality does not tell 1 from True and from 1.0; the text does.
        assert canonical_json(to_json(read)) == canonical_json(data)

        text = dumps(value)
        assert loads(cls, text) == value
        assert loads(cls, text.encode()) == value
        assert dumps(loads(cls, text)) == text

    check()


@pytest.mark.parametrize("base", UNION_BASES, ids=by_name)
def test_a_base_reads_what_its_members_write_and_a_member_only_its_own(base: type[Any]) -> None:
    members = [member for member in base.__subclasses__() if member in ATTRS_CLASSES]
    assert len(members) >= 2

    @SOME
    @given(st.data(), st.sampled_from(members), st.sampled_from(members))
    def check(data: st.DataObject, written: type[Any], other: type[Any]) -> None:
        value = data.draw(for_class(written))
        wire = to_json(value)
        assert from_json(base, wire) == value
        assert from_json(written, wire) == value
        if other is not written:
            with pytest.raises(ValueError, match="unknown_tag"):
                from_json(other, wire)

    check()


@pytest.mark.parametrize(
    "cls",
    [cls for cls in public_classes() if issubclass(cls, enum.StrEnum)],
    ids=by_name,
)
def test_every_member_of_every_string_enumeration(cls: type[enum.StrEnum]) -> None:
    for member in cls:
        assert to_json(member) == member.value
        assert from_json(cls, member.value) is member


@given(for_class(EffectScope))
def test_a_round_trip_ignores_the_order_of_fields(scope: EffectScope) -> None:
    data = to_json(scope)
    assert isinstance(data, dict)
    backwards: JsonValue = dict(reversed(data.items()))
    assert from_json(EffectScope, backwards) == scope
    assert parse_json(dumps(scope)) == data
