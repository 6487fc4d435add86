"""Classes and pure rules: no trio, no IO, no clock, no chance."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from . import _late
from ._append import (
    AppendTarget as AppendTarget,
    DeclaredType as DeclaredType,
    PreparedAppend as PreparedAppend,
    RecordedEvent as RecordedEvent,
    prepare_append as prepare_append,
    terminal_event as terminal_event,
)
from ._artifact import artifact_reference as artifact_reference
from ._await_output import (
    ProcessAwaitOutput as ProcessAwaitOutput,
    ProcessCancellation as ProcessCancellation,
    ProcessFailure as ProcessFailure,
    ProcessSuccess as ProcessSuccess,
)
from ._command import (
    MAX_DURATION_MS as MAX_DURATION_MS,
    AwaitEventCommand as AwaitEventCommand,
    DurableStepCommand as DurableStepCommand,
    EffectCommand as EffectCommand,
    ProcessEffectCommand as ProcessEffectCommand,
    SleepCommand as SleepCommand,
)
from ._converter import (
    dumps as dumps,
    from_json as from_json,
    loads as loads,
    to_json as to_json,
)
from ._effect_state import (
    EFFECT_TRANSITIONS as EFFECT_TRANSITIONS,
    SCOPE_TRANSITIONS as SCOPE_TRANSITIONS,
    EffectSignal as EffectSignal,
    EffectState as EffectState,
    ScopeSignal as ScopeSignal,
    ScopeState as ScopeState,
)
from ._envelope import (
    EffectEnvelope as EffectEnvelope,
    envelope_text as envelope_text,
    stable_hash as stable_hash,
)
from ._errors import (
    EffectError as EffectError,
    EffectErrorCode as EffectErrorCode,
    InvalidValueError as InvalidValueError,
    LeaseHeldError as LeaseHeldError,
    PluginError as PluginError,
    PluginReason as PluginReason,
    ScopeLeaseHeldError as ScopeLeaseHeldError,
    StepError as StepError,
    StoreError as StoreError,
    WaitTimedOut as WaitTimedOut,
    WireError as WireError,
)
from ._event import (
    MAX_SEQUENCE as MAX_SEQUENCE,
    PLAIN_SEMANTICS as PLAIN_SEMANTICS,
    ProcessEvent as ProcessEvent,
    ProcessEventAppendRequest as ProcessEventAppendRequest,
    ProcessEventAppendResult as ProcessEventAppendResult,
    ProcessEventSemantics as ProcessEventSemantics,
    ProcessTerminalSemantics as ProcessTerminalSemantics,
    ProcessWake as ProcessWake,
    ProcessWakeDelivery as ProcessWakeDelivery,
)
from ._event_type import (
    CANCEL_REQUESTED as CANCEL_REQUESTED,
    CANCELLED as CANCELLED,
    COMPLETED as COMPLETED,
    CORE_EVENT_TYPES as CORE_EVENT_TYPES,
    FAILED as FAILED,
    RESUMED as RESUMED,
    SIGNAL_PREFIX as SIGNAL_PREFIX,
    WAITING as WAITING,
    ConstantDedupe as ConstantDedupe,
    ConstantSelector as ConstantSelector,
    EventIdentityDedupe as EventIdentityDedupe,
    PayloadSelector as PayloadSelector,
    PointerSelector as PointerSelector,
    PresentSelector as PresentSelector,
    ProcessEventSemanticsSpec as ProcessEventSemanticsSpec,
    ProcessEventType as ProcessEventType,
    ProcessTerminalSpec as ProcessTerminalSpec,
    ProcessTerminalState as ProcessTerminalState,
    ProcessValueSelector as ProcessValueSelector,
    ProcessWakeDedupeKey as ProcessWakeDedupeKey,
    ProcessWakeSpec as ProcessWakeSpec,
    SelectorDedupe as SelectorDedupe,
    TemplateSelector as TemplateSelector,
    signal_event_type as signal_event_type,
    signal_name_of as signal_name_of,
)
from ._facets import (
    check_event_wait as check_event_wait,
    check_limit as check_limit,
    check_ownable as check_ownable,
    delete_report as delete_report,
    grants_to_transfer as grants_to_transfer,
    resumed_event as resumed_event,
    unknown_process as unknown_process,
    waiting_event as waiting_event,
)
from ._invocation import (
    CausalRef as CausalRef,
    EffectCausalRef as EffectCausalRef,
    EffectKind as EffectKind,
    EffectSubject as EffectSubject,
    HostEventCausalRef as HostEventCausalRef,
    HostEventSubject as HostEventSubject,
    Invocation as Invocation,
    InvocationScope as InvocationScope,
    ProcessCausalRef as ProcessCausalRef,
    ProcessEventCausalRef as ProcessEventCausalRef,
    ProcessEventSubject as ProcessEventSubject,
    ProcessSubject as ProcessSubject,
    Replay as Replay,
    SessionNodeCausalRef as SessionNodeCausalRef,
    SessionNodeSubject as SessionNodeSubject,
    Subject as Subject,
    ToolCallCausalRef as ToolCallCausalRef,
    TurnCausalRef as TurnCausalRef,
)
from ._journal import (
    UNRECORDED_CODES as UNRECORDED_CODES,
    JournalEntry as JournalEntry,
    check_same_envelope as check_same_envelope,
    error_of as error_of,
    failure_of as failure_of,
    first_difference as first_difference,
    is_outcome as is_outcome,
    outcome_from_text as outcome_from_text,
    outcome_text as outcome_text,
    round_trip_outcome as round_trip_outcome,
)
from ._json import (
    JsonObject as JsonObject,
    JsonValue as JsonValue,
    canonical_json as canonical_json,
    copy_json as copy_json,
    dump_checked as dump_checked,
    json_hash as json_hash,
    parse_json as parse_json,
    text_hash as text_hash,
)
from ._lease import (
    PROCESS_LEASE_SCHEMA_VERSION as PROCESS_LEASE_SCHEMA_VERSION,
    LeaseClaim as LeaseClaim,
    LeaseState as LeaseState,
    ProcessLease as ProcessLease,
    ProcessLeaseCompletion as ProcessLeaseCompletion,
    check_fence as check_fence,
    check_lease_ttl as check_lease_ttl,
    claim_lease as claim_lease,
    release_lease as release_lease,
    renew_lease as renew_lease,
)
from ._materialize import (
    materialize_semantics as materialize_semantics,
    select_value as select_value,
)
from ._outcome import (
    SLEPT as SLEPT,
    AwaitEventOutcome as AwaitEventOutcome,
    DurableStepOutcome as DurableStepOutcome,
    EffectOutcome as EffectOutcome,
    ProcessOutcome as ProcessOutcome,
    SleepOutcome as SleepOutcome,
)
from ._process import (
    TERMINAL_STATUS as TERMINAL_STATUS,
    EventWait as EventWait,
    ExternalInput as ExternalInput,
    FunctionInput as FunctionInput,
    HostOriginator as HostOriginator,
    OperatorWait as OperatorWait,
    ProcessCancelled as ProcessCancelled,
    ProcessCompleted as ProcessCompleted,
    ProcessEndWait as ProcessEndWait,
    ProcessExecutionContext as ProcessExecutionContext,
    ProcessExternalRef as ProcessExternalRef,
    ProcessFailed as ProcessFailed,
    ProcessInput as ProcessInput,
    ProcessListFilter as ProcessListFilter,
    ProcessListMode as ProcessListMode,
    ProcessOriginator as ProcessOriginator,
    ProcessProvenance as ProcessProvenance,
    ProcessRecord as ProcessRecord,
    ProcessRegistration as ProcessRegistration,
    ProcessRunning as ProcessRunning,
    ProcessStatus as ProcessStatus,
    ProcessStatusFilter as ProcessStatusFilter,
    RerunDisposition as RerunDisposition,
    SessionOriginator as SessionOriginator,
    SessionTurnInput as SessionTurnInput,
    SignalWait as SignalWait,
    SleepWait as SleepWait,
    ToolCallInput as ToolCallInput,
    WaitKind as WaitKind,
    WaitState as WaitState,
)
from ._process_command import (
    AwaitProcess as AwaitProcess,
    CancelProcess as CancelProcess,
    DeleteSession as DeleteSession,
    ListProcesses as ListProcesses,
    ProcessAwaited as ProcessAwaited,
    ProcessCancelRequested as ProcessCancelRequested,
    ProcessCommand as ProcessCommand,
    ProcessEffectOutcome as ProcessEffectOutcome,
    ProcessesListed as ProcessesListed,
    ProcessesTransferred as ProcessesTransferred,
    ProcessGrantEntry as ProcessGrantEntry,
    ProcessSignalled as ProcessSignalled,
    ProcessStarted as ProcessStarted,
    SessionDeleted as SessionDeleted,
    SignalProcess as SignalProcess,
    StartProcess as StartProcess,
    TransferProcesses as TransferProcesses,
)
from ._registration import (
    PreparedRegistration as PreparedRegistration,
    check_same_registration as check_same_registration,
    prepare_registration as prepare_registration,
)
from ._result import (
    EffectFailure as EffectFailure,
    Err as Err,
    Ok as Ok,
    Result as Result,
)
from ._scope import (
    EffectScope as EffectScope,
    ProcessScope as ProcessScope,
    QueueDrainScope as QueueDrainScope,
    RuntimeOperationScope as RuntimeOperationScope,
    SessionDeleteScope as SessionDeleteScope,
    TurnScope as TurnScope,
)
from ._session import (
    ProcessHandleDescriptor as ProcessHandleDescriptor,
    ProcessHandleGrant as ProcessHandleGrant,
    ProcessSessionDeleteReport as ProcessSessionDeleteReport,
    ProcessStartGrant as ProcessStartGrant,
    SessionScope as SessionScope,
)
from ._tier import (
    DurabilityTier as DurabilityTier,
)
from ._tool import (
    CompletedToolCall as CompletedToolCall,
    FailTurn as FailTurn,
    FinishTurn as FinishTurn,
    PreparedToolCall as PreparedToolCall,
    SwitchAgentFrame as SwitchAgentFrame,
    ToolCallOutcome as ToolCallOutcome,
    ToolCallOutput as ToolCallOutput,
    ToolCancelled as ToolCancelled,
    ToolControl as ToolControl,
    ToolFailed as ToolFailed,
    ToolFailure as ToolFailure,
    ToolFailureClass as ToolFailureClass,
    ToolFailureSource as ToolFailureSource,
    ToolHostEvent as ToolHostEvent,
    ToolSuccess as ToolSuccess,
)

# What only model turns need is loaded when it is first asked for (PEP 562), since
# importing lash_trio must not take much longer than importing trio.
if TYPE_CHECKING:
    from ._attachment import (
        DOCUMENT_MEDIA_TYPES as DOCUMENT_MEDIA_TYPES,
        IMAGE_MEDIA_TYPES as IMAGE_MEDIA_TYPES,
        MEDIA_TYPES as MEDIA_TYPES,
        AttachmentCreateMeta as AttachmentCreateMeta,
        AttachmentRef as AttachmentRef,
        LlmAttachment as LlmAttachment,
        LlmAttachmentSpec as LlmAttachmentSpec,
        is_durable_media_type as is_durable_media_type,
    )
    from ._llm import (
        GenerationOptions as GenerationOptions,
        ImageBlock as ImageBlock,
        JsonObjectOutput as JsonObjectOutput,
        JsonSchemaOutput as JsonSchemaOutput,
        LlmCallError as LlmCallError,
        LlmContentBlock as LlmContentBlock,
        LlmMessage as LlmMessage,
        LlmOutputSpec as LlmOutputSpec,
        LlmRequest as LlmRequest,
        LlmRequestSpec as LlmRequestSpec,
        LlmResponse as LlmResponse,
        LlmRole as LlmRole,
        LlmTerminalReason as LlmTerminalReason,
        LlmToolChoice as LlmToolChoice,
        LlmToolSpec as LlmToolSpec,
        LlmUsage as LlmUsage,
        ProviderError as ProviderError,
        ReasoningBlock as ReasoningBlock,
        TextBlock as TextBlock,
        ToolCallBlock as ToolCallBlock,
        ToolResultBlock as ToolResultBlock,
    )
    from ._stream import (
        CallRetried as CallRetried,
        CodeOutput as CodeOutput,
        ReasoningDelta as ReasoningDelta,
        TextDelta as TextDelta,
        ToolCallEnded as ToolCallEnded,
        ToolCallStarted as ToolCallStarted,
        TurnStreamEvent as TurnStreamEvent,
        UsageCounted as UsageCounted,
    )
    from ._turn import (
        CheckpointDelivery as CheckpointDelivery,
        CheckpointKind as CheckpointKind,
        ExecResponse as ExecResponse,
        ExecutionSurfaceSync as ExecutionSurfaceSync,
        ToolCallRecord as ToolCallRecord,
        TurnCause as TurnCause,
    )
    from ._turn_effects import (
        CheckpointCommand as CheckpointCommand,
        CheckpointOutcome as CheckpointOutcome,
        DirectCommand as DirectCommand,
        DirectOutcome as DirectOutcome,
        ExecCodeCommand as ExecCodeCommand,
        ExecCodeOutcome as ExecCodeOutcome,
        LlmCallCommand as LlmCallCommand,
        LlmCallOutcome as LlmCallOutcome,
        SyncExecutionSurfaceCommand as SyncExecutionSurfaceCommand,
        SyncExecutionSurfaceOutcome as SyncExecutionSurfaceOutcome,
        ToolCallCommand as ToolCallCommand,
        ToolCallEffectOutcome as ToolCallEffectOutcome,
    )
else:

    def __getattr__(name: str) -> object:
        module = _late.TURN_NAMES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f".{module}", __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_late.TURN_NAMES})
