"""Invocations: lineage and replay keys of children."""

from __future__ import annotations

import pytest
from hypothesis import given

from lash_trio.model import (
    CausalRef,
    EffectCausalRef,
    EffectKind,
    EffectSubject,
    HostEventCausalRef,
    HostEventSubject,
    Invocation,
    InvocationScope,
    ProcessCausalRef,
    ProcessEventCausalRef,
    ProcessEventSubject,
    ProcessSubject,
    Replay,
    SessionNodeCausalRef,
    SessionNodeSubject,
    Subject,
    TurnCausalRef,
)
from lash_trio.testing.strategies import invocations

SCOPE = InvocationScope.for_turn("s", "t", 2, 3)
PARENT = Invocation.effect(
    SCOPE,
    "llm-1",
    EffectKind.LLM_CALL,
    "turn:t:llm",
    caused_by=TurnCausalRef(session_id="s", turn_id="t"),
)


def about(subject: Subject) -> Invocation:
    return Invocation(scope=SCOPE, subject=subject)


def test_the_scope_of_a_turn() -> None:
    scope = InvocationScope.for_turn("s", "t", 2, 3)
    assert (scope.session_id, scope.turn_id) == ("s", "t")
    assert (scope.turn_index, scope.protocol_iteration) == (2, 3)


def test_what_an_invocation_of_an_effect_shows() -> None:
    assert PARENT.effect_id == "llm-1"
    assert PARENT.effect_kind is EffectKind.LLM_CALL
    assert PARENT.replay_key == "turn:t:llm"
    assert PARENT.caused_by == TurnCausalRef(session_id="s", turn_id="t")


def test_what_other_invocations_show() -> None:
    invocation = about(ProcessSubject(process_id="p"))
    assert invocation.effect_id is None
    assert invocation.effect_kind is None
    assert invocation.replay_key is None


@pytest.mark.parametrize(
    ("subject", "cause"),
    [
        (
            EffectSubject(effect_id="e", kind=EffectKind.SLEEP),
            EffectCausalRef(session_id="s", turn_id="t", effect_id="e"),
        ),
        (ProcessSubject(process_id="p"), ProcessCausalRef(process_id="p")),
        (
            ProcessEventSubject(process_id="p", sequence=4, event_type="x"),
            ProcessEventCausalRef(process_id="p", sequence=4),
        ),
        (HostEventSubject(occurrence_id="o"), HostEventCausalRef(occurrence_id="o")),
        (SessionNodeSubject(node_id="n"), SessionNodeCausalRef(session_id="s", node_id="n")),
    ],
)
def test_the_reference_by_which_an_invocation_is_named_as_a_cause(
    subject: Subject, cause: CausalRef
) -> None:
    assert about(subject).causal_ref == cause


def test_a_subject_of_its_own_has_no_causal_reference() -> None:
    with pytest.raises(TypeError, match="no causal reference"):
        _ = about(Subject()).causal_ref


def test_a_child_effect() -> None:
    child = PARENT.child_effect("sleep-1", EffectKind.SLEEP, "pause")
    assert child == Invocation(
        scope=SCOPE,
        subject=EffectSubject(effect_id="sleep-1", kind=EffectKind.SLEEP),
        caused_by=EffectCausalRef(session_id="s", turn_id="t", effect_id="llm-1"),
        replay=Replay(key="turn:t:llm:pause"),
    )


def test_a_child_tool_call() -> None:
    child = PARENT.child_tool_call("call-7")
    assert child.subject == EffectSubject(effect_id="llm-1:call-7", kind=EffectKind.TOOL_CALL)
    assert child.replay_key == "turn:t:llm:call-7"
    assert child.caused_by == PARENT.causal_ref


def test_the_sleep_before_an_attempt() -> None:
    child = PARENT.retry_sleep("fetch", 2)
    assert child.subject == EffectSubject(
        effect_id="llm-1:fetch:attempt:2:sleep", kind=EffectKind.SLEEP
    )
    assert child.replay_key == "turn:t:llm:fetch:attempt:2:sleep"


@pytest.mark.parametrize(
    ("parent", "key", "effect_id"),
    [
        (about(EffectSubject(effect_id="e", kind=EffectKind.DIRECT)), "e:c", "e:c"),
        (about(ProcessSubject(process_id="p")), "effect:c", "effect:c"),
        (
            Invocation(scope=SCOPE, subject=ProcessSubject(process_id="p"), replay=Replay(key="k")),
            "k:c",
            "effect:c",
        ),
    ],
)
def test_children_of_what_has_no_key_or_is_no_effect(
    parent: Invocation, key: str, effect_id: str
) -> None:
    child = parent.child_tool_call("c")
    assert child.replay_key == key
    assert child.effect_id == effect_id
    assert child.caused_by == parent.causal_ref


@given(invocations())
def test_siblings_differ_and_grandchildren_keep_the_lineage(parent: Invocation) -> None:
    one = parent.child_effect("a", EffectKind.SLEEP, "1")
    other = parent.child_effect("a", EffectKind.SLEEP, "2")
    assert one.replay_key != other.replay_key
    assert one.scope == other.scope == parent.scope
    grandchild = one.child_tool_call("3")
    assert grandchild.replay_key == f"{one.replay_key}:3"
    assert grandchild.caused_by == one.causal_ref
