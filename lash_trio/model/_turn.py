"""What the effects of a turn, other than model and tool calls, carry and return."""

from __future__ import annotations

from enum import StrEnum

import attrs

from ._attachment import AttachmentRef
from ._checks import at_least, tuple_of
from ._json import JsonValue
from ._llm import LlmMessage, LlmToolSpec
from ._tool import ToolCallOutput


class CheckpointKind(StrEnum):
    """When in a turn a checkpoint is."""

    AFTER_WORK = "after_work"
    BEFORE_COMPLETION = "before_completion"


@attrs.frozen(kw_only=True)
class TurnCause:
    """Why a turn has something new to look at."""

    id: str
    event_type: str
    text: str


@attrs.frozen(kw_only=True)
class CheckpointDelivery:
    """What a checkpoint hands to the turn."""

    messages: tuple[LlmMessage, ...] = attrs.field(default=(), validator=tuple_of(LlmMessage))
    transient_messages: tuple[LlmMessage, ...] = attrs.field(
        default=(), validator=tuple_of(LlmMessage)
    )
    turn_causes: tuple[TurnCause, ...] = attrs.field(default=(), validator=tuple_of(TurnCause))


@attrs.frozen(kw_only=True)
class ToolCallRecord:
    """A tool call that executed code made."""

    call_id: str | None = None
    tool: str
    args: JsonValue
    output: ToolCallOutput
    duration_ms: int = attrs.field(default=0, validator=at_least(0))


@attrs.frozen(kw_only=True)
class ExecResponse:
    """What executed code did."""

    observations: tuple[str, ...] = attrs.field(default=(), validator=tuple_of(str))
    tool_calls: tuple[ToolCallRecord, ...] = attrs.field(
        default=(), validator=tuple_of(ToolCallRecord)
    )
    printed_images: tuple[AttachmentRef, ...] = attrs.field(
        default=(), validator=tuple_of(AttachmentRef)
    )
    error: str | None = None
    duration_ms: int = attrs.field(default=0, validator=at_least(0))
    terminal_finish: JsonValue = None


@attrs.frozen(kw_only=True)
class ExecutionSurfaceSync:
    """What the model sees of the execution surface: prompt and tools."""

    system_prompt: str
    tool_specs: tuple[LlmToolSpec, ...] = attrs.field(default=(), validator=tuple_of(LlmToolSpec))
