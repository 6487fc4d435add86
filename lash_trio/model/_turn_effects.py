"""Commands and outcomes of model turns.

Apart from the others since they bring half of the model's classes with them:
a program that runs no turns does not load them.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._checks import tuple_of
from ._command import EffectCommand
from ._invocation import EffectKind
from ._llm import LlmCallError, LlmRequestSpec, LlmResponse
from ._outcome import EffectOutcome
from ._result import EffectFailure, Err, Ok
from ._tool import CompletedToolCall, PreparedToolCall, ToolHostEvent
from ._turn import CheckpointDelivery, CheckpointKind, ExecResponse, ExecutionSurfaceSync


@attrs.frozen(kw_only=True)
class LlmCallCommand(EffectCommand):
    """One model call of a turn."""

    tag: ClassVar[str] = "llm_call"
    kind: ClassVar[EffectKind] = EffectKind.LLM_CALL
    request: LlmRequestSpec


@attrs.frozen(kw_only=True)
class DirectCommand(EffectCommand):
    """One model call outside turns."""

    tag: ClassVar[str] = "direct"
    kind: ClassVar[EffectKind] = EffectKind.DIRECT
    request: LlmRequestSpec
    usage_source: str


@attrs.frozen(kw_only=True)
class ToolCallCommand(EffectCommand):
    """One tool call of a turn."""

    tag: ClassVar[str] = "tool_call"
    kind: ClassVar[EffectKind] = EffectKind.TOOL_CALL
    call: PreparedToolCall


@attrs.frozen(kw_only=True)
class ExecCodeCommand(EffectCommand):
    """Run code that a model wrote."""

    tag: ClassVar[str] = "exec_code"
    kind: ClassVar[EffectKind] = EffectKind.EXEC_CODE
    code: str


@attrs.frozen(kw_only=True)
class CheckpointCommand(EffectCommand):
    """A checkpoint of a turn."""

    tag: ClassVar[str] = "checkpoint"
    kind: ClassVar[EffectKind] = EffectKind.CHECKPOINT
    checkpoint_kind: CheckpointKind = attrs.field(metadata={"wire": "checkpoint"})


@attrs.frozen(kw_only=True)
class SyncExecutionSurfaceCommand(EffectCommand):
    """Bring prompt and tools of a turn up to date."""

    tag: ClassVar[str] = "sync_execution_surface"
    kind: ClassVar[EffectKind] = EffectKind.SYNC_EXECUTION_SURFACE
    update_machine_config: bool


@attrs.frozen(kw_only=True)
class LlmCallOutcome(EffectOutcome):
    """What a model answered, and whether its text was streamed already."""

    tag: ClassVar[str] = "llm_call"
    kind: ClassVar[EffectKind] = EffectKind.LLM_CALL
    result: Ok[LlmResponse] | Err[LlmCallError]
    text_streamed: bool


@attrs.frozen(kw_only=True)
class DirectOutcome(EffectOutcome):
    """What a model answered outside turns."""

    tag: ClassVar[str] = "direct"
    kind: ClassVar[EffectKind] = EffectKind.DIRECT
    result: Ok[LlmResponse] | Err[LlmCallError]


@attrs.frozen(kw_only=True)
class ToolCallEffectOutcome(EffectOutcome):
    """What came of a tool call."""

    tag: ClassVar[str] = "tool_call"
    kind: ClassVar[EffectKind] = EffectKind.TOOL_CALL
    result: CompletedToolCall
    host_events: tuple[ToolHostEvent, ...] = attrs.field(
        default=(), validator=tuple_of(ToolHostEvent)
    )


@attrs.frozen(kw_only=True)
class ExecCodeOutcome(EffectOutcome):
    """What executed code did, or why it could not run."""

    tag: ClassVar[str] = "exec_code"
    kind: ClassVar[EffectKind] = EffectKind.EXEC_CODE
    result: Ok[ExecResponse] | Err[str]


@attrs.frozen(kw_only=True)
class CheckpointOutcome(EffectOutcome):
    """What a checkpoint handed to the turn."""

    tag: ClassVar[str] = "checkpoint"
    kind: ClassVar[EffectKind] = EffectKind.CHECKPOINT
    result: Ok[CheckpointDelivery] | Err[EffectFailure]


@attrs.frozen(kw_only=True)
class SyncExecutionSurfaceOutcome(EffectOutcome):
    """The new prompt and tools, or None where nothing changed."""

    tag: ClassVar[str] = "sync_execution_surface"
    kind: ClassVar[EffectKind] = EffectKind.SYNC_EXECUTION_SURFACE
    result: Ok[ExecutionSurfaceSync | None] | Err[str]
