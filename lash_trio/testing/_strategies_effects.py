"""Strategies for what crosses the effect boundary: commands, outcomes, envelopes."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    MAX_DURATION_MS,
    AwaitEventCommand,
    AwaitEventOutcome,
    AwaitProcess,
    CancelProcess,
    CheckpointCommand,
    CheckpointOutcome,
    DeleteSession,
    DirectCommand,
    DirectOutcome,
    DurableStepCommand,
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectFailure,
    EffectOutcome,
    Err,
    ExecCodeCommand,
    ExecCodeOutcome,
    Invocation,
    JournalEntry,
    ListProcesses,
    LlmCallCommand,
    LlmCallOutcome,
    Ok,
    ProcessAwaited,
    ProcessCancelRequested,
    ProcessCommand,
    ProcessEffectCommand,
    ProcessEffectOutcome,
    ProcessesListed,
    ProcessesTransferred,
    ProcessGrantEntry,
    ProcessListMode,
    ProcessOutcome,
    ProcessSignalled,
    ProcessStarted,
    SessionDeleted,
    SignalProcess,
    SleepCommand,
    SleepOutcome,
    StartProcess,
    SyncExecutionSurfaceCommand,
    SyncExecutionSurfaceOutcome,
    ToolCallCommand,
    ToolCallEffectOutcome,
    TransferProcesses,
    dumps,
)
from . import _strategies_turns as turns
from ._strategies_events import APPEND_REQUESTS, AWAIT_OUTPUTS, EVENTS
from ._strategies_invocations import CAUSAL_REFS, INVOCATION_SCOPES
from ._strategies_processes import EXECUTION_CONTEXTS, RECORDS, REGISTRATIONS
from ._strategies_sessions import DELETE_REPORTS, HANDLE_GRANTS, SESSION_SCOPES, START_GRANTS
from ._strategies_values import (
    BOOLEANS,
    IDS,
    JSON_VALUES,
    TEXTS,
    TIMES_MS,
    Table,
    optional,
    tuples_of,
)

OkT = TypeVar("OkT")
ErrT = TypeVar("ErrT")

_DURATIONS = st.integers(0, MAX_DURATION_MS)

_PROCESS_COMMANDS: Table = {
    StartProcess: st.builds(
        StartProcess,
        registration=REGISTRATIONS,
        grant=optional(START_GRANTS),
        execution_context=optional(EXECUTION_CONTEXTS),
    ),
    ListProcesses: st.builds(
        ListProcesses, session_scope=SESSION_SCOPES, mode=st.sampled_from(ProcessListMode)
    ),
    TransferProcesses: st.builds(
        TransferProcesses,
        from_scope=SESSION_SCOPES,
        to_scope=SESSION_SCOPES,
        process_ids=tuples_of(IDS),
    ),
    DeleteSession: st.builds(DeleteSession, session_id=IDS),
    AwaitProcess: st.builds(AwaitProcess, process_id=IDS),
    CancelProcess: st.builds(CancelProcess, process_id=IDS, reason=optional(TEXTS)),
    SignalProcess: st.builds(
        SignalProcess,
        process_id=IDS,
        signal_name=IDS,
        signal_id=IDS,
        request=APPEND_REQUESTS,
    ),
}
PROCESS_COMMANDS: SearchStrategy[ProcessCommand] = st.one_of(*_PROCESS_COMMANDS.values())
_GRANT_ENTRIES = st.builds(ProcessGrantEntry, grant=HANDLE_GRANTS, record=RECORDS)
_PROCESS_OUTCOMES: Table = {
    ProcessStarted: st.builds(ProcessStarted, record=RECORDS),
    ProcessesListed: st.builds(ProcessesListed, entries=tuples_of(_GRANT_ENTRIES, 2)),
    ProcessesTransferred: st.builds(ProcessesTransferred),
    SessionDeleted: st.builds(SessionDeleted, report=DELETE_REPORTS),
    ProcessAwaited: st.builds(ProcessAwaited, output=AWAIT_OUTPUTS),
    ProcessCancelRequested: st.builds(ProcessCancelRequested, record=RECORDS),
    ProcessSignalled: st.builds(ProcessSignalled, event=EVENTS),
}
PROCESS_OUTCOMES: SearchStrategy[ProcessEffectOutcome] = st.one_of(*_PROCESS_OUTCOMES.values())

_COMMANDS: Table = {
    LlmCallCommand: st.builds(LlmCallCommand, request=turns.LLM_REQUEST_SPECS),
    DirectCommand: st.builds(DirectCommand, request=turns.LLM_REQUEST_SPECS, usage_source=IDS),
    ToolCallCommand: st.builds(ToolCallCommand, call=turns.PREPARED_TOOL_CALLS),
    ProcessEffectCommand: st.builds(ProcessEffectCommand, command=PROCESS_COMMANDS),
    ExecCodeCommand: st.builds(ExecCodeCommand, code=TEXTS),
    CheckpointCommand: st.builds(CheckpointCommand, checkpoint_kind=turns.CHECKPOINT_KINDS),
    SyncExecutionSurfaceCommand: st.builds(
        SyncExecutionSurfaceCommand, update_machine_config=BOOLEANS
    ),
    SleepCommand: st.builds(SleepCommand, duration_ms=_DURATIONS),
    AwaitEventCommand: st.builds(AwaitEventCommand, key=IDS, timeout_ms=optional(_DURATIONS)),
    DurableStepCommand: st.builds(DurableStepCommand, step_id=IDS, input=JSON_VALUES),
}
EFFECT_COMMANDS: SearchStrategy[EffectCommand] = st.one_of(*_COMMANDS.values())

EFFECT_FAILURES: SearchStrategy[EffectFailure] = st.builds(
    EffectFailure,
    code=IDS,
    message=TEXTS,
    details=optional(st.dictionaries(IDS, TEXTS, max_size=2)),
)


def _results(
    success: SearchStrategy[OkT], error: SearchStrategy[ErrT]
) -> SearchStrategy[Ok[OkT] | Err[ErrT]]:
    succeeded: SearchStrategy[Ok[OkT]] = success.map(Ok)
    failed: SearchStrategy[Err[ErrT]] = error.map(Err)
    return succeeded | failed


_LLM_RESULTS = _results(turns.LLM_RESPONSES, turns.LLM_CALL_ERRORS)
_OUTCOMES: Table = {
    LlmCallOutcome: st.builds(LlmCallOutcome, result=_LLM_RESULTS, text_streamed=BOOLEANS),
    DirectOutcome: st.builds(DirectOutcome, result=_LLM_RESULTS),
    ToolCallEffectOutcome: st.builds(
        ToolCallEffectOutcome,
        result=turns.COMPLETED_TOOL_CALLS,
        host_events=tuples_of(turns.TOOL_HOST_EVENTS, 2),
    ),
    ProcessOutcome: st.builds(ProcessOutcome, result=PROCESS_OUTCOMES),
    ExecCodeOutcome: st.builds(ExecCodeOutcome, result=_results(turns.EXEC_RESPONSES, TEXTS)),
    CheckpointOutcome: st.builds(
        CheckpointOutcome, result=_results(turns.CHECKPOINT_DELIVERIES, EFFECT_FAILURES)
    ),
    SyncExecutionSurfaceOutcome: st.builds(
        SyncExecutionSurfaceOutcome, result=_results(optional(turns.SURFACE_SYNCS), TEXTS)
    ),
    SleepOutcome: st.builds(SleepOutcome),
    AwaitEventOutcome: st.builds(AwaitEventOutcome, payload=JSON_VALUES, timed_out=st.just(False))
    | st.builds(AwaitEventOutcome, payload=st.none(), timed_out=st.just(True)),
    DurableStepOutcome: st.builds(DurableStepOutcome, value=JSON_VALUES),
}
EFFECT_OUTCOMES: SearchStrategy[EffectOutcome] = st.one_of(*_OUTCOMES.values())


@st.composite
def _envelopes(draw: st.DrawFn) -> EffectEnvelope:
    command = draw(EFFECT_COMMANDS)
    invocation = Invocation.effect(
        draw(INVOCATION_SCOPES),
        effect_id=draw(IDS),
        kind=command.kind,
        replay_key=draw(IDS),
        caused_by=draw(optional(CAUSAL_REFS)),
    )
    return EffectEnvelope(invocation=invocation, command=command)


EFFECT_ENVELOPES: SearchStrategy[EffectEnvelope] = _envelopes()


@st.composite
def _journal_entries(draw: st.DrawFn) -> JournalEntry:
    envelope = draw(EFFECT_ENVELOPES)
    return JournalEntry(
        replay_key=envelope.replay_key,
        envelope=dumps(envelope),
        outcome=draw(optional(_results(EFFECT_OUTCOMES, EFFECT_FAILURES))),
        due_at_ms=draw(optional(TIMES_MS)),
        recorded_at_ms=draw(TIMES_MS),
    )


JOURNAL_ENTRIES: SearchStrategy[JournalEntry] = _journal_entries()

TABLE: Table = {
    **_PROCESS_COMMANDS,
    **_PROCESS_OUTCOMES,
    **_COMMANDS,
    **_OUTCOMES,
    ProcessCommand: PROCESS_COMMANDS,
    ProcessEffectOutcome: PROCESS_OUTCOMES,
    EffectCommand: EFFECT_COMMANDS,
    EffectOutcome: EFFECT_OUTCOMES,
    ProcessGrantEntry: _GRANT_ENTRIES,
    EffectFailure: EFFECT_FAILURES,
    # Of what they hold nothing is known here, so it is any JSON value.
    Ok: JSON_VALUES.map(Ok),
    Err: JSON_VALUES.map(Err),
    EffectEnvelope: EFFECT_ENVELOPES,
    JournalEntry: JOURNAL_ENTRIES,
}
