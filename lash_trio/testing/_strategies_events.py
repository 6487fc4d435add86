"""Strategies for events: their types, what they mean, and requests to append them."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    CORE_EVENT_TYPES,
    ConstantDedupe,
    ConstantSelector,
    DeclaredType,
    EventIdentityDedupe,
    JsonObject,
    PayloadSelector,
    PointerSelector,
    PresentSelector,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessEventSemantics,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessFailure,
    ProcessSuccess,
    ProcessTerminalSemantics,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWake,
    ProcessWakeDedupeKey,
    ProcessWakeDelivery,
    ProcessWakeSpec,
    RecordedEvent,
    SelectorDedupe,
    TemplateSelector,
    json_hash,
)
from ._strategies_invocations import CAUSAL_REFS, REPLAYS
from ._strategies_sessions import SESSION_SCOPES
from ._strategies_turns import FAILURE_CLASSES, TOOL_CONTROLS
from ._strategies_values import (
    BOOLEANS,
    IDS,
    JSON_VALUES,
    POSITIVE,
    TEXTS,
    TIMES_MS,
    Table,
    optional,
)

_OUTPUTS: Table = {
    ProcessSuccess: st.builds(ProcessSuccess, value=JSON_VALUES, control=optional(TOOL_CONTROLS)),
    ProcessFailure: st.builds(
        ProcessFailure,
        failure_class=FAILURE_CLASSES,
        code=IDS,
        message=TEXTS,
        raw=JSON_VALUES,
        control=optional(TOOL_CONTROLS),
    ),
    ProcessCancellation: st.builds(
        ProcessCancellation, message=TEXTS, raw=JSON_VALUES, control=optional(TOOL_CONTROLS)
    ),
}
AWAIT_OUTPUTS: SearchStrategy[ProcessAwaitOutput] = st.one_of(*_OUTPUTS.values())


def _pointer(tokens: list[str]) -> str:
    escaped = [token.replace("~", "~0").replace("/", "~1") for token in tokens]
    return "".join(f"/{token}" for token in escaped)


POINTERS: SearchStrategy[str] = st.lists(
    st.sampled_from(["a", "0", "", "~", "/", "await_output"]) | TEXTS, max_size=3
).map(_pointer)
_FLAT_SELECTORS: Table = {
    PayloadSelector: st.builds(PayloadSelector),
    PointerSelector: st.builds(PointerSelector, at=POINTERS),
    ConstantSelector: st.builds(ConstantSelector, value=JSON_VALUES),
    PresentSelector: st.builds(PresentSelector, at=POINTERS),
}


def _templates(fields: SearchStrategy[ProcessValueSelector]) -> SearchStrategy[TemplateSelector]:
    names = st.sampled_from(["a", "b", ""]) | TEXTS
    return st.builds(
        TemplateSelector,
        text=st.sampled_from(["{a}", "{a} and {b}", "{", "{{a}}"]) | TEXTS,
        fields=st.dictionaries(names, fields, max_size=2),
    )


VALUE_SELECTORS: SearchStrategy[ProcessValueSelector] = st.recursive(
    st.one_of(*_FLAT_SELECTORS.values()), _templates, max_leaves=3
)
_DEDUPES: Table = {
    EventIdentityDedupe: st.builds(EventIdentityDedupe),
    SelectorDedupe: st.builds(SelectorDedupe, selector=VALUE_SELECTORS),
    ConstantDedupe: st.builds(ConstantDedupe, key=TEXTS),
}
DEDUPE_KEYS: SearchStrategy[ProcessWakeDedupeKey] = st.one_of(*_DEDUPES.values())

# A failed or cancelled end must say where its await output is.
_TERMINAL_SPECS: SearchStrategy[ProcessTerminalSpec] = st.builds(
    ProcessTerminalSpec,
    state=st.just(ProcessTerminalState.COMPLETED),
    await_output=optional(VALUE_SELECTORS),
) | st.builds(
    ProcessTerminalSpec,
    state=st.sampled_from([ProcessTerminalState.FAILED, ProcessTerminalState.CANCELLED]),
    await_output=VALUE_SELECTORS,
)
_WAKE_SPECS: SearchStrategy[ProcessWakeSpec] = st.builds(
    ProcessWakeSpec, input=VALUE_SELECTORS, when=optional(VALUE_SELECTORS), dedupe_key=DEDUPE_KEYS
)
SEMANTICS_SPECS: SearchStrategy[ProcessEventSemanticsSpec] = st.builds(
    ProcessEventSemanticsSpec, terminal=optional(_TERMINAL_SPECS), wake=optional(_WAKE_SPECS)
)

_SCHEMAS: list[JsonObject] = [
    {},
    {"type": "object"},
    {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    {"enum": [None, True, 1, "x", [], {}]},
    {"$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"},
]
PAYLOAD_SCHEMAS: SearchStrategy[JsonObject] = st.sampled_from(_SCHEMAS)
_CORE_NAMES = frozenset(core.name for core in CORE_EVENT_TYPES)
EVENT_TYPE_NAMES: SearchStrategy[str] = st.sampled_from(
    ["signal.ready", "signal.approved", "progress", "done"]
) | IDS.filter(lambda name: name not in _CORE_NAMES)
EVENT_TYPES: SearchStrategy[ProcessEventType] = st.builds(
    ProcessEventType,
    name=EVENT_TYPE_NAMES,
    payload_schema=PAYLOAD_SCHEMAS,
    semantics=SEMANTICS_SPECS,
)

_TERMINALS: SearchStrategy[ProcessTerminalSemantics] = AWAIT_OUTPUTS.map(
    lambda output: ProcessTerminalSemantics(state=output.terminal_state, await_output=output)
)
_WAKES: SearchStrategy[ProcessWake] = st.builds(ProcessWake, input=TEXTS, dedupe_key=TEXTS)
SEMANTICS: SearchStrategy[ProcessEventSemantics] = st.builds(
    ProcessEventSemantics, terminal=optional(_TERMINALS), wake=optional(_WAKES)
)
EVENTS: SearchStrategy[ProcessEvent] = st.builds(
    ProcessEvent,
    process_id=IDS,
    sequence=POSITIVE,
    event_type=EVENT_TYPE_NAMES,
    payload=JSON_VALUES,
    semantics=SEMANTICS,
    occurred_at_ms=TIMES_MS,
    replay=optional(REPLAYS),
)
APPEND_REQUESTS: SearchStrategy[ProcessEventAppendRequest] = st.builds(
    ProcessEventAppendRequest,
    event_type=EVENT_TYPE_NAMES,
    payload=JSON_VALUES,
    replay=optional(REPLAYS),
    wake_target_scope=optional(SESSION_SCOPES),
)
WAKE_DELIVERIES: SearchStrategy[ProcessWakeDelivery] = st.builds(
    ProcessWakeDelivery,
    wake_id=IDS,
    target_session_id=IDS,
    target_scope_id=IDS,
    process_id=IDS,
    sequence=POSITIVE,
    event_type=EVENT_TYPE_NAMES,
    dedupe_key=TEXTS,
    input=TEXTS,
    process_caused_by=optional(CAUSAL_REFS),
    created_at_ms=TIMES_MS,
)
APPEND_RESULTS: SearchStrategy[ProcessEventAppendResult] = st.builds(
    ProcessEventAppendResult,
    event=EVENTS,
    wake_delivery=optional(WAKE_DELIVERIES),
    replayed=BOOLEANS,
)

TABLE: Table = {
    **_OUTPUTS,
    **_FLAT_SELECTORS,
    **_DEDUPES,
    ProcessAwaitOutput: AWAIT_OUTPUTS,
    TemplateSelector: _templates(VALUE_SELECTORS),
    ProcessValueSelector: VALUE_SELECTORS,
    ProcessWakeDedupeKey: DEDUPE_KEYS,
    ProcessTerminalSpec: _TERMINAL_SPECS,
    ProcessWakeSpec: _WAKE_SPECS,
    ProcessEventSemanticsSpec: SEMANTICS_SPECS,
    ProcessEventType: EVENT_TYPES,
    DeclaredType: st.builds(DeclaredType, EVENT_TYPES),
    ProcessTerminalSemantics: _TERMINALS,
    ProcessWake: _WAKES,
    ProcessEventSemantics: SEMANTICS,
    ProcessEvent: EVENTS,
    ProcessEventAppendRequest: APPEND_REQUESTS,
    ProcessEventAppendResult: APPEND_RESULTS,
    ProcessWakeDelivery: WAKE_DELIVERIES,
    RecordedEvent: st.builds(RecordedEvent, content_hash=JSON_VALUES.map(json_hash), event=EVENTS),
}
