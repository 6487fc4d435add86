"""Tool calls and what comes of them."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import attrs

from ._checks import at_least, is_tuple, tuple_of
from ._json import JsonValue


class ToolFailureClass(StrEnum):
    """Why a tool, or a process, failed, in classes that callers can react to."""

    INVALID_REQUEST = "invalid_request"
    UNAVAILABLE = "unavailable"
    PERMISSION_DENIED = "permission_denied"
    TIMEOUT = "timeout"
    EXECUTION = "execution"
    EXTERNAL = "external"
    RESOURCE_LIMIT = "resource_limit"
    INTERNAL = "internal"


class ToolFailureSource(StrEnum):
    """Where a failure came from."""

    RUNTIME = "runtime"
    TOOL = "tool"
    PROVIDER = "provider"
    CANCELLATION = "cancellation"


class ToolControl:
    """What a tool asks of the turn that called it."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class SwitchAgentFrame(ToolControl):
    """Go on in another agent frame."""

    tag: ClassVar[str] = "switch_agent_frame"
    frame_id: str
    initial_nodes: tuple[JsonValue, ...] = attrs.field(default=(), validator=is_tuple)
    task: str | None = None


@attrs.frozen(kw_only=True)
class FinishTurn(ToolControl):
    """End the turn with a value."""

    tag: ClassVar[str] = "finish"
    value: JsonValue


@attrs.frozen(kw_only=True)
class FailTurn(ToolControl):
    """End the turn as failed."""

    tag: ClassVar[str] = "fail"
    failure: ToolFailure


@attrs.frozen(kw_only=True)
class ToolFailure:
    """A failure as data."""

    failure_class: ToolFailureClass = attrs.field(metadata={"wire": "class"})
    code: str
    message: str
    source: ToolFailureSource = ToolFailureSource.TOOL
    retryable: bool = False
    raw: JsonValue = None


class ToolCallOutcome:
    """How a tool call ended."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class ToolSuccess(ToolCallOutcome):
    """It returned a value."""

    tag: ClassVar[str] = "success"
    value: JsonValue


@attrs.frozen(kw_only=True)
class ToolFailed(ToolCallOutcome):
    """It failed."""

    tag: ClassVar[str] = "failure"
    failure: ToolFailure


@attrs.frozen(kw_only=True)
class ToolCancelled(ToolCallOutcome):
    """It was cancelled."""

    tag: ClassVar[str] = "cancelled"
    message: str
    raw: JsonValue = None


@attrs.frozen(kw_only=True)
class ToolCallOutput:
    """How a tool call ended, and what it asks of the turn."""

    outcome: ToolCallOutcome
    control: ToolControl | None = None


@attrs.frozen(kw_only=True)
class PreparedToolCall:
    """A tool call that is ready to run: named, with arguments."""

    call_id: str
    tool_name: str
    args: JsonValue
    replay: JsonValue = None
    prepared_payload: JsonValue = None


@attrs.frozen(kw_only=True)
class CompletedToolCall:
    """A tool call that has run."""

    call_id: str
    tool_name: str
    args: JsonValue
    output: ToolCallOutput
    model_return: JsonValue = None
    duration_ms: int = attrs.field(default=0, validator=at_least(0))
    replay: JsonValue = None


@attrs.frozen(kw_only=True)
class ToolHostEvent:
    """An occurrence that a tool reported to the host while it ran."""

    source_type: str
    source_key: str
    occurrence_id: str
    payload: JsonValue = None
    idempotency_key: str
    started_process_ids: tuple[str, ...] = attrs.field(default=(), validator=tuple_of(str))
