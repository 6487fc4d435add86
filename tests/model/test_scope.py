"""Effect scopes: ids, sessions, turns, and blank ids."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from lash_trio.model import (
    EffectError,
    EffectErrorCode,
    EffectScope,
    ProcessScope,
    QueueDrainScope,
    RuntimeOperationScope,
    SessionDeleteScope,
    TurnScope,
)
from lash_trio.testing.strategies import effect_scopes


def fields_of(scope: EffectScope) -> tuple[str, ...]:
    cls: Any = type(scope)
    return tuple(field.name for field in attrs.fields(cls))


def changed(scope: Any, **ids: str) -> EffectScope:
    """The scope with other ids."""
    evolved: EffectScope = attrs.evolve(scope, **ids)
    return evolved


SCOPES = [
    (EffectScope.turn("s", "t"), TurnScope, "t", "s", "t", True),
    (EffectScope.process("p"), ProcessScope, "p", None, None, False),
    (EffectScope.queue_drain("s", "d"), QueueDrainScope, "d", "s", None, False),
    (EffectScope.session_delete("s"), SessionDeleteScope, "s", "s", None, False),
    (EffectScope.runtime_operation("o"), RuntimeOperationScope, "o", None, None, False),
]


@pytest.mark.parametrize(("scope", "cls", "id", "session", "turn", "traced"), SCOPES)
def test_what_a_scope_shows(
    scope: EffectScope, cls: type, id: str, session: str | None, turn: str | None, traced: bool
) -> None:
    assert type(scope) is cls
    assert scope.id == id
    assert scope.session_id == session
    assert scope.turn_id == turn
    assert scope.validates_turn_trace_id is traced
    scope.validate()


def test_each_scope_is_here() -> None:
    assert {cls for _, cls, *_ in SCOPES} == {type(scope) for scope, *_ in SCOPES}
    assert len(SCOPES) == len({scope.tag for scope, *_ in SCOPES})


@pytest.mark.parametrize(
    ("scope", "field"),
    [(scope, name) for scope, *_ in SCOPES for name in scope.id_names],
    ids=lambda value: value if isinstance(value, str) else value.tag,
)
@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u2003"])
def test_each_id_of_each_scope_must_not_be_blank(
    scope: EffectScope, field: str, blank: str
) -> None:
    assert field in fields_of(scope)
    with pytest.raises(EffectError) as caught:
        changed(scope, **{field: blank}).validate()
    assert caught.value.code == "missing_effect_scope_id"
    assert caught.value.code == EffectErrorCode.MISSING_SCOPE_ID
    assert caught.value.message == (
        f"a {scope.tag} scope needs a {field} that is not blank, got {blank!r}; "
        "give every scope a stable id"
    )


@pytest.mark.parametrize(("scope", "names"), [(scope, scope.id_names) for scope, *_ in SCOPES])
def test_every_field_of_a_scope_is_an_id(scope: EffectScope, names: tuple[str, ...]) -> None:
    assert names == fields_of(scope)


def test_an_id_that_is_no_text_is_refused() -> None:
    wrong = EffectScope.process(5)  # type: ignore[arg-type]
    with pytest.raises(EffectError, match="got 5"):
        wrong.validate()


@given(effect_scopes(), st.text().filter(str.strip))
def test_scopes_are_values(scope: EffectScope, other: str) -> None:
    scope.validate()
    assert scope == changed(scope)
    assert hash(scope) == hash(changed(scope))
    field = scope.id_names[-1]
    renamed = changed(scope, **{field: other})
    assert (renamed == scope) == (getattr(scope, field) == other)


def test_scopes_of_different_kinds_differ() -> None:
    process: EffectScope = EffectScope.process("x")
    assert process != EffectScope.runtime_operation("x")
    assert len({scope for scope, *_ in SCOPES}) == len(SCOPES)


def test_the_base_is_no_scope() -> None:
    with pytest.raises(NotImplementedError):
        _ = EffectScope().id
