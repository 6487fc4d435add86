"""Strategies for model turns: tools, model requests and responses, attachments."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..model import (
    MEDIA_TYPES,
    AttachmentCreateMeta,
    AttachmentRef,
    CallRetried,
    CheckpointDelivery,
    CheckpointKind,
    CodeOutput,
    CompletedToolCall,
    ExecResponse,
    ExecutionSurfaceSync,
    FailTurn,
    FinishTurn,
    GenerationOptions,
    ImageBlock,
    JsonObjectOutput,
    JsonSchemaOutput,
    LlmAttachment,
    LlmAttachmentSpec,
    LlmCallError,
    LlmContentBlock,
    LlmMessage,
    LlmOutputSpec,
    LlmRequest,
    LlmRequestSpec,
    LlmResponse,
    LlmRole,
    LlmTerminalReason,
    LlmToolChoice,
    LlmToolSpec,
    LlmUsage,
    PreparedToolCall,
    ReasoningBlock,
    ReasoningDelta,
    SwitchAgentFrame,
    TextBlock,
    TextDelta,
    ToolCallBlock,
    ToolCallEnded,
    ToolCallOutcome,
    ToolCallOutput,
    ToolCallRecord,
    ToolCallStarted,
    ToolCancelled,
    ToolControl,
    ToolFailed,
    ToolFailure,
    ToolFailureClass,
    ToolFailureSource,
    ToolHostEvent,
    ToolResultBlock,
    ToolSuccess,
    TurnCause,
    TurnStreamEvent,
    UsageCounted,
)
from ._strategies_values import (
    BOOLEANS,
    COUNTS,
    IDS,
    JSON_OBJECTS,
    JSON_VALUES,
    TEXTS,
    Table,
    optional,
    tuples_of,
)

FAILURE_CLASSES: SearchStrategy[ToolFailureClass] = st.sampled_from(ToolFailureClass)
_MEDIA_TYPES = st.sampled_from(sorted(MEDIA_TYPES))
_REASONS = st.sampled_from(LlmTerminalReason)

TOOL_FAILURES: SearchStrategy[ToolFailure] = st.builds(
    ToolFailure,
    failure_class=FAILURE_CLASSES,
    code=IDS,
    message=TEXTS,
    source=st.sampled_from(ToolFailureSource),
    retryable=BOOLEANS,
    raw=JSON_VALUES,
)
_CONTROLS: Table = {
    SwitchAgentFrame: st.builds(
        SwitchAgentFrame,
        frame_id=IDS,
        initial_nodes=tuples_of(JSON_VALUES, 2),
        task=optional(TEXTS),
    ),
    FinishTurn: st.builds(FinishTurn, value=JSON_VALUES),
    FailTurn: st.builds(FailTurn, failure=TOOL_FAILURES),
}
TOOL_CONTROLS: SearchStrategy[ToolControl] = st.one_of(*_CONTROLS.values())
_TOOL_OUTCOMES: Table = {
    ToolSuccess: st.builds(ToolSuccess, value=JSON_VALUES),
    ToolFailed: st.builds(ToolFailed, failure=TOOL_FAILURES),
    ToolCancelled: st.builds(ToolCancelled, message=TEXTS, raw=JSON_VALUES),
}
TOOL_OUTCOMES: SearchStrategy[ToolCallOutcome] = st.one_of(*_TOOL_OUTCOMES.values())
TOOL_OUTPUTS: SearchStrategy[ToolCallOutput] = st.builds(
    ToolCallOutput, outcome=TOOL_OUTCOMES, control=optional(TOOL_CONTROLS)
)
PREPARED_TOOL_CALLS: SearchStrategy[PreparedToolCall] = st.builds(
    PreparedToolCall,
    call_id=IDS,
    tool_name=IDS,
    args=JSON_VALUES,
    replay=JSON_VALUES,
    prepared_payload=JSON_VALUES,
)
COMPLETED_TOOL_CALLS: SearchStrategy[CompletedToolCall] = st.builds(
    CompletedToolCall,
    call_id=IDS,
    tool_name=IDS,
    args=JSON_VALUES,
    output=TOOL_OUTPUTS,
    model_return=JSON_VALUES,
    duration_ms=COUNTS,
    replay=JSON_VALUES,
)
TOOL_HOST_EVENTS: SearchStrategy[ToolHostEvent] = st.builds(
    ToolHostEvent,
    source_type=IDS,
    source_key=IDS,
    occurrence_id=IDS,
    payload=JSON_VALUES,
    idempotency_key=IDS,
    started_process_ids=tuples_of(IDS),
)

ATTACHMENT_REFS: SearchStrategy[AttachmentRef] = st.builds(
    AttachmentRef,
    id=IDS,
    media_type=_MEDIA_TYPES,
    byte_len=COUNTS,
    width=optional(COUNTS),
    height=optional(COUNTS),
    label=optional(TEXTS),
)
_ATTACHMENT_SPECS = st.builds(LlmAttachmentSpec, reference=ATTACHMENT_REFS)
_ATTACHMENTS = st.builds(
    LlmAttachment,
    media_type=_MEDIA_TYPES,
    data=st.binary(max_size=8),
    reference=optional(ATTACHMENT_REFS),
)

_BLOCKS: Table = {
    TextBlock: st.builds(TextBlock, text=TEXTS),
    ImageBlock: st.builds(ImageBlock, attachment_idx=COUNTS),
    ToolCallBlock: st.builds(ToolCallBlock, call_id=IDS, tool_name=IDS, input_json=TEXTS),
    ToolResultBlock: st.builds(ToolResultBlock, call_id=IDS, content=TEXTS, is_error=BOOLEANS),
    ReasoningBlock: st.builds(ReasoningBlock, text=TEXTS, opaque=optional(TEXTS)),
}
CONTENT_BLOCKS: SearchStrategy[LlmContentBlock] = st.one_of(*_BLOCKS.values())
LLM_MESSAGES: SearchStrategy[LlmMessage] = st.builds(
    LlmMessage, role=st.sampled_from(LlmRole), blocks=tuples_of(CONTENT_BLOCKS)
)
_TOOL_SPECS = st.builds(
    LlmToolSpec,
    name=IDS,
    description=TEXTS,
    input_schema=JSON_OBJECTS,
    output_schema=JSON_OBJECTS,
)
_OUTPUT_SPECS: Table = {
    JsonObjectOutput: st.builds(JsonObjectOutput),
    JsonSchemaOutput: st.builds(JsonSchemaOutput, name=IDS, schema=JSON_OBJECTS, strict=BOOLEANS),
}
OUTPUT_SPECS: SearchStrategy[LlmOutputSpec] = st.one_of(*_OUTPUT_SPECS.values())
_GENERATION = st.builds(GenerationOptions, output_token_cap=optional(COUNTS))

LLM_REQUEST_SPECS: SearchStrategy[LlmRequestSpec] = st.builds(
    LlmRequestSpec,
    model=IDS,
    messages=tuples_of(LLM_MESSAGES, 2),
    attachments=tuples_of(_ATTACHMENT_SPECS, 2),
    tools=tuples_of(_TOOL_SPECS, 2),
    tool_choice=st.sampled_from(LlmToolChoice),
    model_variant=optional(IDS),
    generation=_GENERATION,
    session_id=optional(IDS),
    output_spec=optional(OUTPUT_SPECS),
)
LLM_REQUESTS: SearchStrategy[LlmRequest] = st.builds(
    LlmRequest,
    model=IDS,
    messages=tuples_of(LLM_MESSAGES, 2),
    attachments=tuples_of(_ATTACHMENTS, 2),
    tools=tuples_of(_TOOL_SPECS, 2),
    tool_choice=st.sampled_from(LlmToolChoice),
    model_variant=optional(IDS),
    generation=_GENERATION,
    session_id=optional(IDS),
    output_spec=optional(OUTPUT_SPECS),
)
_USAGE = st.builds(
    LlmUsage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cached_input_tokens=COUNTS,
    reasoning_tokens=COUNTS,
)
LLM_RESPONSES: SearchStrategy[LlmResponse] = st.builds(
    LlmResponse,
    full_text=TEXTS,
    parts=tuples_of(CONTENT_BLOCKS),
    usage=_USAGE,
    terminal_reason=_REASONS,
    terminal_diagnostic=optional(TEXTS),
    provider_usage=JSON_VALUES,
    request_body=optional(TEXTS),
    http_summary=optional(TEXTS),
)
LLM_CALL_ERRORS: SearchStrategy[LlmCallError] = st.builds(
    LlmCallError,
    message=TEXTS,
    retryable=BOOLEANS,
    raw=optional(TEXTS),
    code=optional(IDS),
    terminal_reason=_REASONS,
    request_body=optional(TEXTS),
    retry_after_ms=optional(COUNTS),
)

CHECKPOINT_KINDS: SearchStrategy[CheckpointKind] = st.sampled_from(CheckpointKind)
_CAUSES = st.builds(TurnCause, id=IDS, event_type=IDS, text=TEXTS)
CHECKPOINT_DELIVERIES: SearchStrategy[CheckpointDelivery] = st.builds(
    CheckpointDelivery,
    messages=tuples_of(LLM_MESSAGES, 2),
    transient_messages=tuples_of(LLM_MESSAGES, 1),
    turn_causes=tuples_of(_CAUSES, 2),
)
_TOOL_RECORDS = st.builds(
    ToolCallRecord,
    call_id=optional(IDS),
    tool=IDS,
    args=JSON_VALUES,
    output=TOOL_OUTPUTS,
    duration_ms=COUNTS,
)
EXEC_RESPONSES: SearchStrategy[ExecResponse] = st.builds(
    ExecResponse,
    observations=tuples_of(TEXTS),
    tool_calls=tuples_of(_TOOL_RECORDS, 2),
    printed_images=tuples_of(ATTACHMENT_REFS, 2),
    error=optional(TEXTS),
    duration_ms=COUNTS,
    terminal_finish=JSON_VALUES,
)
SURFACE_SYNCS: SearchStrategy[ExecutionSurfaceSync] = st.builds(
    ExecutionSurfaceSync, system_prompt=TEXTS, tool_specs=tuples_of(_TOOL_SPECS, 2)
)

_STREAM_EVENTS: Table = {
    TextDelta: st.builds(TextDelta, text=TEXTS),
    ReasoningDelta: st.builds(ReasoningDelta, text=TEXTS),
    CodeOutput: st.builds(CodeOutput, text=TEXTS),
    ToolCallStarted: st.builds(ToolCallStarted, call_id=IDS, tool_name=IDS),
    ToolCallEnded: st.builds(
        ToolCallEnded, call_id=IDS, tool_name=IDS, is_error=BOOLEANS, duration_ms=COUNTS
    ),
    CallRetried: st.builds(
        CallRetried,
        attempt=COUNTS,
        pause_seconds=st.floats(min_value=0, max_value=1e6),
        error=LLM_CALL_ERRORS,
    ),
    UsageCounted: st.builds(UsageCounted, source=IDS, usage=_USAGE),
}

TABLE: Table = {
    **_STREAM_EVENTS,
    TurnStreamEvent: st.one_of(*_STREAM_EVENTS.values()),
    **_CONTROLS,
    **_TOOL_OUTCOMES,
    **_BLOCKS,
    **_OUTPUT_SPECS,
    ToolControl: TOOL_CONTROLS,
    ToolCallOutcome: TOOL_OUTCOMES,
    LlmContentBlock: CONTENT_BLOCKS,
    LlmOutputSpec: OUTPUT_SPECS,
    ToolFailure: TOOL_FAILURES,
    ToolCallOutput: TOOL_OUTPUTS,
    PreparedToolCall: PREPARED_TOOL_CALLS,
    CompletedToolCall: COMPLETED_TOOL_CALLS,
    ToolHostEvent: TOOL_HOST_EVENTS,
    AttachmentRef: ATTACHMENT_REFS,
    AttachmentCreateMeta: st.builds(
        AttachmentCreateMeta,
        media_type=_MEDIA_TYPES,
        width=optional(COUNTS),
        height=optional(COUNTS),
        label=optional(TEXTS),
    ),
    LlmAttachmentSpec: _ATTACHMENT_SPECS,
    LlmAttachment: _ATTACHMENTS,
    LlmMessage: LLM_MESSAGES,
    LlmToolSpec: _TOOL_SPECS,
    GenerationOptions: _GENERATION,
    LlmRequestSpec: LLM_REQUEST_SPECS,
    LlmRequest: LLM_REQUESTS,
    LlmUsage: _USAGE,
    LlmResponse: LLM_RESPONSES,
    LlmCallError: LLM_CALL_ERRORS,
    TurnCause: _CAUSES,
    CheckpointDelivery: CHECKPOINT_DELIVERIES,
    ToolCallRecord: _TOOL_RECORDS,
    ExecResponse: EXEC_RESPONSES,
    ExecutionSurfaceSync: SURFACE_SYNCS,
}
