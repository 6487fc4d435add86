"""Tool calls, as the conventions for generative AI have them."""

from __future__ import annotations

from collections.abc import Awaitable

from opentelemetry.util.types import AttributeValue

from ..model import (
    EffectOutcome,
    PreparedToolCall,
    ToolCallEffectOutcome,
    ToolCallOutcome,
    ToolCancelled,
    ToolFailed,
    ToolSuccess,
)
from ._content import json_text
from ._names import (
    OPERATION_NAME,
    TOOL_ARGUMENTS,
    TOOL_CALL_ID,
    TOOL_NAME,
    TOOL_RESULT,
    TOOL_TYPE,
)
from ._operation import Ending, Operation, Outcome
from ._telemetry import Telemetry


async def traced_tool_call(
    telemetry: Telemetry, call: PreparedToolCall, running: Awaitable[EffectOutcome]
) -> EffectOutcome:
    """Run a tool call under a span ``execute_tool {name}``."""
    attributes: dict[str, AttributeValue] = {
        OPERATION_NAME: "execute_tool",
        TOOL_NAME: call.tool_name,
        TOOL_CALL_ID: call.call_id,
        TOOL_TYPE: "function",
    }
    if telemetry.record_content:
        attributes[TOOL_ARGUMENTS] = json_text(call.args)
    with Operation(telemetry, f"execute_tool {call.tool_name}", attributes) as operation:
        outcome = await running
        if isinstance(outcome, ToolCallEffectOutcome):
            came_of_it = outcome.result.output.outcome
            operation.conclude(_ending(came_of_it))
            if telemetry.record_content and isinstance(came_of_it, ToolSuccess):
                operation.span.set_attribute(TOOL_RESULT, json_text(came_of_it.value))
        return outcome


def _ending(outcome: ToolCallOutcome) -> Ending:
    match outcome:
        case ToolFailed(failure=failure):
            return Ending(outcome=Outcome.ERROR, error_type=failure.code, error=failure.message)
        case ToolCancelled():
            return Ending(outcome=Outcome.CANCEL_REQUESTED)
        case _:
            return Ending(outcome=Outcome.OK)
