"""Hypothesis strategies for every class of the model.

A strategy makes what the rules of the model accept: registrations that a registry
takes, envelopes that pass their checks, rows whose status and await output agree.
:func:`for_class` finds the strategy of a class or of the base of a union; the
functions are the same strategies, with types.

Needs the extra ``lash-trio[testing]``.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

try:
    from hypothesis import strategies as _st
except ImportError as _error:
    raise ImportError(
        "lash_trio.testing.strategies needs hypothesis, which is not installed here; "
        "install lash-trio[testing]"
    ) from _error

from hypothesis.strategies import SearchStrategy

from ..model import (
    CausalRef,
    EffectCommand,
    EffectEnvelope,
    EffectFailure,
    EffectOutcome,
    EffectScope,
    Invocation,
    InvocationScope,
    JournalEntry,
    JsonObject,
    JsonValue,
    LlmMessage,
    LlmRequest,
    LlmRequestSpec,
    LlmResponse,
    PreparedToolCall,
    ProcessAwaitOutput,
    ProcessCommand,
    ProcessEffectOutcome,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessHandleGrant,
    ProcessInput,
    ProcessLease,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    ProcessStatus,
    ProcessValueSelector,
    ProcessWakeDelivery,
    SessionScope,
    Subject,
    ToolCallOutput,
    WaitState,
)
from . import (
    _strategies_effects as _effects,
    _strategies_events as _events,
    _strategies_invocations as _invocations,
    _strategies_processes as _processes,
    _strategies_sessions as _sessions,
    _strategies_turns as _turns,
    _strategies_values as _values,
)

_T = TypeVar("_T")
_TABLE: _values.Table = {
    **_invocations.TABLE,
    **_sessions.TABLE,
    **_turns.TABLE,
    **_events.TABLE,
    **_processes.TABLE,
    **_effects.TABLE,
}


def for_class(cls: type[_T]) -> SearchStrategy[_T]:
    """The strategy of a class of the model.

    Args:
        cls: a class of :mod:`lash_trio.model`, the base of a union (any of its
            members is made) or an enumeration.

    Raises:
        LookupError: there is no strategy for it.
    """
    found: SearchStrategy[_T] | None = _TABLE.get(cls)
    if found is not None:
        return found
    if issubclass(cls, Enum):
        return _st.sampled_from(cls)
    raise LookupError(
        f"expected a class of lash_trio.model, got {cls.__module__}.{cls.__qualname__}, "
        "for which there is no strategy"
    )


def ids() -> SearchStrategy[str]:
    """Ids and names: text that is not blank."""
    return _values.IDS


def json_values() -> SearchStrategy[JsonValue]:
    """Anything JSON can say."""
    return _values.JSON_VALUES


def json_objects() -> SearchStrategy[JsonObject]:
    """JSON objects."""
    return _values.JSON_OBJECTS


def effect_scopes() -> SearchStrategy[EffectScope]:
    """Effect scopes without blank ids."""
    return _invocations.EFFECT_SCOPES


def invocation_scopes() -> SearchStrategy[InvocationScope]:
    """Where invocations happen."""
    return _invocations.INVOCATION_SCOPES


def subjects() -> SearchStrategy[Subject]:
    """What invocations are about."""
    return _invocations.SUBJECTS


def causal_refs() -> SearchStrategy[CausalRef]:
    """Causes."""
    return _invocations.CAUSAL_REFS


def invocations() -> SearchStrategy[Invocation]:
    """Invocations of any subject, with and without replay keys."""
    return _invocations.INVOCATIONS


def effect_commands() -> SearchStrategy[EffectCommand]:
    """Commands of every kind."""
    return _effects.EFFECT_COMMANDS


def effect_outcomes() -> SearchStrategy[EffectOutcome]:
    """Outcomes of every kind."""
    return _effects.EFFECT_OUTCOMES


def effect_envelopes() -> SearchStrategy[EffectEnvelope]:
    """Envelopes that pass their checks."""
    return _effects.EFFECT_ENVELOPES


def effect_failures() -> SearchStrategy[EffectFailure]:
    """Errors as data."""
    return _effects.EFFECT_FAILURES


def journal_entries() -> SearchStrategy[JournalEntry]:
    """Entries of a journal, open and recorded ones."""
    return _effects.JOURNAL_ENTRIES


def process_commands() -> SearchStrategy[ProcessCommand]:
    """Commands to the process plane."""
    return _effects.PROCESS_COMMANDS


def process_effect_outcomes() -> SearchStrategy[ProcessEffectOutcome]:
    """What comes of commands to the process plane."""
    return _effects.PROCESS_OUTCOMES


def process_inputs() -> SearchStrategy[ProcessInput]:
    """What processes run."""
    return _processes.PROCESS_INPUTS


def process_provenances() -> SearchStrategy[ProcessProvenance]:
    """Where processes come from."""
    return _processes.PROVENANCES


def process_registrations() -> SearchStrategy[ProcessRegistration]:
    """Registrations that a registry accepts."""
    return _processes.REGISTRATIONS


def process_records() -> SearchStrategy[ProcessRecord]:
    """Rows of processes that run or have ended."""
    return _processes.RECORDS


def process_statuses() -> SearchStrategy[ProcessStatus]:
    """Statuses; the await output of an end is of the same end."""
    return _processes.STATUSES


def wait_states() -> SearchStrategy[WaitState]:
    """Waits of processes."""
    return _processes.WAIT_STATES


def process_list_filters() -> SearchStrategy[ProcessListFilter]:
    """Filters of lists of processes."""
    return _processes.LIST_FILTERS


def await_outputs() -> SearchStrategy[ProcessAwaitOutput]:
    """What who awaits a process gets."""
    return _events.AWAIT_OUTPUTS


def process_events() -> SearchStrategy[ProcessEvent]:
    """Events of processes."""
    return _events.EVENTS


def process_event_types() -> SearchStrategy[ProcessEventType]:
    """Event types beside the core ones, with schemas and semantics that are valid."""
    return _events.EVENT_TYPES


def semantics_specs() -> SearchStrategy[ProcessEventSemanticsSpec]:
    """What event types can mean."""
    return _events.SEMANTICS_SPECS


def value_selectors() -> SearchStrategy[ProcessValueSelector]:
    """Selectors of every kind, templates in templates included."""
    return _events.VALUE_SELECTORS


def append_requests() -> SearchStrategy[ProcessEventAppendRequest]:
    """Requests to append an event, with and without replay keys."""
    return _events.APPEND_REQUESTS


def wake_deliveries() -> SearchStrategy[ProcessWakeDelivery]:
    """Wakes on their way to sessions."""
    return _events.WAKE_DELIVERIES


def session_scopes() -> SearchStrategy[SessionScope]:
    """Sessions and agent frames."""
    return _sessions.SESSION_SCOPES


def handle_grants() -> SearchStrategy[ProcessHandleGrant]:
    """Grants."""
    return _sessions.HANDLE_GRANTS


def process_leases() -> SearchStrategy[ProcessLease]:
    """Leases that end after they were claimed."""
    return _sessions.LEASES


def prepared_tool_calls() -> SearchStrategy[PreparedToolCall]:
    """Tool calls that are ready to run."""
    return _turns.PREPARED_TOOL_CALLS


def tool_call_outputs() -> SearchStrategy[ToolCallOutput]:
    """How tool calls end."""
    return _turns.TOOL_OUTPUTS


def llm_messages() -> SearchStrategy[LlmMessage]:
    """Messages of conversations."""
    return _turns.LLM_MESSAGES


def llm_requests() -> SearchStrategy[LlmRequest]:
    """Model requests; attachments may be bytes."""
    return _turns.LLM_REQUESTS


def llm_request_specs() -> SearchStrategy[LlmRequestSpec]:
    """Model requests as envelopes carry them."""
    return _turns.LLM_REQUEST_SPECS


def llm_responses() -> SearchStrategy[LlmResponse]:
    """What models answer."""
    return _turns.LLM_RESPONSES
