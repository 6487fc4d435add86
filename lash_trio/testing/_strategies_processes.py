"""Strategies for processes: registrations that the rules accept, and rows."""

from __future__ import annotations

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    EventWait,
    ExternalInput,
    FunctionInput,
    HostOriginator,
    OperatorWait,
    PreparedAppend,
    PreparedRegistration,
    ProcessCancellation,
    ProcessCancelled,
    ProcessCompleted,
    ProcessEndWait,
    ProcessExecutionContext,
    ProcessExternalRef,
    ProcessFailed,
    ProcessFailure,
    ProcessInput,
    ProcessListFilter,
    ProcessOriginator,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    ProcessRunning,
    ProcessStatus,
    ProcessStatusFilter,
    ProcessSuccess,
    RerunDisposition,
    SessionOriginator,
    SessionTurnInput,
    SignalWait,
    SleepWait,
    ToolCallInput,
    WaitKind,
    WaitState,
    prepare_registration,
)
from . import _strategies_events as events
from ._strategies_invocations import CAUSAL_REFS, INVOCATIONS
from ._strategies_sessions import SESSION_SCOPES
from ._strategies_turns import PREPARED_TOOL_CALLS
from ._strategies_values import (
    BOOLEANS,
    IDS,
    JSON_OBJECTS,
    JSON_VALUES,
    POSITIVE,
    TIMES_MS,
    Table,
    optional,
)

_INPUTS: Table = {
    ToolCallInput: st.builds(ToolCallInput, call=PREPARED_TOOL_CALLS),
    FunctionInput: st.builds(
        FunctionInput, name=IDS, args=JSON_OBJECTS, rerun=st.sampled_from(RerunDisposition)
    ),
    SessionTurnInput: st.builds(
        SessionTurnInput,
        create_request=JSON_VALUES,
        turn_input=JSON_VALUES,
        output_contract=JSON_VALUES,
    ),
    ExternalInput: st.builds(ExternalInput, metadata=JSON_VALUES),
}
PROCESS_INPUTS: SearchStrategy[ProcessInput] = st.one_of(*_INPUTS.values())
_ORIGINATORS: Table = {
    HostOriginator: st.builds(HostOriginator),
    SessionOriginator: st.builds(SessionOriginator, scope=SESSION_SCOPES),
}
ORIGINATORS: SearchStrategy[ProcessOriginator] = st.one_of(*_ORIGINATORS.values())
PROVENANCES: SearchStrategy[ProcessProvenance] = st.builds(
    ProcessProvenance,
    originator=ORIGINATORS,
    host_profile_id=IDS,
    caused_by=optional(CAUSAL_REFS),
)


@st.composite
def _registrations(draw: st.DrawFn) -> ProcessRegistration:
    process_input = draw(PROCESS_INPUTS)
    env_ref: str | None
    match process_input:
        case ToolCallInput():
            env_ref = draw(IDS)
        case FunctionInput():
            env_ref = draw(optional(IDS))
        case _:
            env_ref = None
    return ProcessRegistration(
        id=draw(IDS),
        input=process_input,
        event_types=draw(
            st.lists(events.EVENT_TYPES, max_size=3, unique_by=lambda declared: declared.name)
        ),
        provenance=draw(PROVENANCES),
        env_ref=env_ref,
        wake_target=draw(optional(SESSION_SCOPES)),
    )


REGISTRATIONS: SearchStrategy[ProcessRegistration] = _registrations()
PREPARED_REGISTRATIONS: SearchStrategy[PreparedRegistration] = REGISTRATIONS.map(
    prepare_registration
)

_STATUSES: Table = {
    ProcessRunning: st.builds(ProcessRunning),
    ProcessCompleted: st.builds(ProcessCompleted, await_output=events.TABLE[ProcessSuccess]),
    ProcessFailed: st.builds(ProcessFailed, await_output=events.TABLE[ProcessFailure]),
    ProcessCancelled: st.builds(ProcessCancelled, await_output=events.TABLE[ProcessCancellation]),
}
STATUSES: SearchStrategy[ProcessStatus] = st.one_of(*_STATUSES.values())
_WAITS: Table = {
    SignalWait: st.builds(
        SignalWait,
        key=IDS,
        name=IDS,
        event_type=IDS,
        ordinal=POSITIVE,
        due_at_ms=st.none() | TIMES_MS,
    ),
    EventWait: st.builds(
        EventWait,
        key=IDS,
        process_id=IDS,
        event_type=IDS,
        ordinal=POSITIVE,
        due_at_ms=st.none() | TIMES_MS,
    ),
    SleepWait: st.builds(SleepWait, key=IDS, due_at_ms=TIMES_MS),
    ProcessEndWait: st.builds(ProcessEndWait, key=IDS, process_id=IDS),
    OperatorWait: st.builds(OperatorWait, code=IDS, message=IDS),
}
WAIT_KINDS: SearchStrategy[WaitKind] = st.one_of(*_WAITS.values())
WAIT_STATES: SearchStrategy[WaitState] = st.builds(
    WaitState, kind=WAIT_KINDS, since_ms=TIMES_MS, sole=st.booleans()
)
_EXTERNAL_REFS: SearchStrategy[ProcessExternalRef] = st.builds(
    ProcessExternalRef, backend=IDS, id=IDS, metadata=JSON_VALUES
)


@st.composite
def _records(draw: st.DrawFn) -> ProcessRecord:
    created = draw(PREPARED_REGISTRATIONS).record(draw(TIMES_MS))
    status = draw(STATUSES)
    return attrs.evolve(
        created,
        updated_at_ms=created.created_at_ms + draw(TIMES_MS),
        external_ref=draw(optional(_EXTERNAL_REFS)),
        # What has ended waits for nothing.
        wait=None if status.is_terminal else draw(optional(WAIT_STATES)),
        status=status,
    )


RECORDS: SearchStrategy[ProcessRecord] = _records()
LIST_FILTERS: SearchStrategy[ProcessListFilter] = st.builds(
    ProcessListFilter,
    status=st.sampled_from(ProcessStatusFilter),
    definition=optional(IDS),
    waiting=optional(BOOLEANS),
)
EXECUTION_CONTEXTS: SearchStrategy[ProcessExecutionContext] = st.builds(
    ProcessExecutionContext, causal_invocation=optional(INVOCATIONS)
)

TABLE: Table = {
    **_INPUTS,
    **_ORIGINATORS,
    **_STATUSES,
    **_WAITS,
    ProcessInput: PROCESS_INPUTS,
    ProcessOriginator: ORIGINATORS,
    ProcessStatus: STATUSES,
    WaitKind: WAIT_KINDS,
    WaitState: WAIT_STATES,
    ProcessProvenance: PROVENANCES,
    ProcessRegistration: REGISTRATIONS,
    PreparedRegistration: PREPARED_REGISTRATIONS,
    ProcessExternalRef: _EXTERNAL_REFS,
    ProcessRecord: RECORDS,
    ProcessListFilter: LIST_FILTERS,
    ProcessExecutionContext: EXECUTION_CONTEXTS,
    PreparedAppend: st.builds(
        PreparedAppend,
        event=events.EVENTS,
        status=optional(STATUSES),
        wake_delivery=optional(events.WAKE_DELIVERIES),
        content_hash=optional(IDS),
        replayed=BOOLEANS,
    ),
}
