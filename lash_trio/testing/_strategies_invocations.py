"""Strategies for scopes and invocations."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    CausalRef,
    EffectCausalRef,
    EffectKind,
    EffectScope,
    EffectSubject,
    HostEventCausalRef,
    HostEventSubject,
    Invocation,
    InvocationScope,
    ProcessCausalRef,
    ProcessEventCausalRef,
    ProcessEventSubject,
    ProcessScope,
    ProcessSubject,
    QueueDrainScope,
    Replay,
    RuntimeOperationScope,
    SessionDeleteScope,
    SessionNodeCausalRef,
    SessionNodeSubject,
    Subject,
    ToolCallCausalRef,
    TurnCausalRef,
    TurnScope,
)
from ._strategies_values import COUNTS, IDS, POSITIVE, Table, optional

KINDS: SearchStrategy[EffectKind] = st.sampled_from(EffectKind)

_SCOPES: Table = {
    TurnScope: st.builds(TurnScope, session_id=IDS, turn_id=IDS),
    ProcessScope: st.builds(ProcessScope, process_id=IDS),
    QueueDrainScope: st.builds(QueueDrainScope, session_id=IDS, drain_id=IDS),
    SessionDeleteScope: st.builds(SessionDeleteScope, session_id=IDS),
    RuntimeOperationScope: st.builds(RuntimeOperationScope, operation_id=IDS),
}
EFFECT_SCOPES: SearchStrategy[EffectScope] = st.one_of(*_SCOPES.values())

_SUBJECTS: Table = {
    EffectSubject: st.builds(EffectSubject, effect_id=IDS, kind=KINDS),
    ProcessSubject: st.builds(ProcessSubject, process_id=IDS),
    ProcessEventSubject: st.builds(
        ProcessEventSubject, process_id=IDS, sequence=POSITIVE, event_type=IDS
    ),
    HostEventSubject: st.builds(HostEventSubject, occurrence_id=IDS),
    SessionNodeSubject: st.builds(SessionNodeSubject, node_id=IDS),
}
SUBJECTS: SearchStrategy[Subject] = st.one_of(*_SUBJECTS.values())

_CAUSAL_REFS: Table = {
    TurnCausalRef: st.builds(TurnCausalRef, session_id=IDS, turn_id=IDS),
    EffectCausalRef: st.builds(
        EffectCausalRef, session_id=IDS, turn_id=optional(IDS), effect_id=IDS
    ),
    ToolCallCausalRef: st.builds(ToolCallCausalRef, session_id=IDS, call_id=IDS),
    ProcessCausalRef: st.builds(ProcessCausalRef, process_id=IDS),
    ProcessEventCausalRef: st.builds(ProcessEventCausalRef, process_id=IDS, sequence=POSITIVE),
    HostEventCausalRef: st.builds(HostEventCausalRef, occurrence_id=IDS),
    SessionNodeCausalRef: st.builds(SessionNodeCausalRef, session_id=IDS, node_id=IDS),
}
CAUSAL_REFS: SearchStrategy[CausalRef] = st.one_of(*_CAUSAL_REFS.values())

INVOCATION_SCOPES: SearchStrategy[InvocationScope] = st.builds(
    InvocationScope,
    session_id=IDS,
    turn_id=optional(IDS),
    turn_index=optional(COUNTS),
    protocol_iteration=optional(COUNTS),
)
REPLAYS: SearchStrategy[Replay] = st.builds(Replay, key=IDS)
INVOCATIONS: SearchStrategy[Invocation] = st.builds(
    Invocation,
    scope=INVOCATION_SCOPES,
    subject=SUBJECTS,
    caused_by=optional(CAUSAL_REFS),
    replay=optional(REPLAYS),
)

TABLE: Table = {
    **_SCOPES,
    **_SUBJECTS,
    **_CAUSAL_REFS,
    EffectScope: EFFECT_SCOPES,
    Subject: SUBJECTS,
    CausalRef: CAUSAL_REFS,
    InvocationScope: INVOCATION_SCOPES,
    Replay: REPLAYS,
    Invocation: INVOCATIONS,
}
