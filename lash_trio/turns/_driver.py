"""The driver of the tool loop: does the work of its effects."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs
import trio

from ..abc import AttachmentStore, Clock, Provider, TurnDriver, TurnEvents, TurnMachine
from ..kernel import resolve_attachments
from ..model import (
    CheckpointDelivery,
    CheckpointKind,
    CompletedToolCall,
    Err,
    ExecResponse,
    ExecutionSurfaceSync,
    Invocation,
    JsonValue,
    LlmCallError,
    LlmMessage,
    LlmRequest,
    LlmResponse,
    LlmTerminalReason,
    Ok,
    PreparedToolCall,
    ProviderError,
    TextDelta,
    ToolCallEnded,
    ToolCallOutput,
    ToolCallStarted,
    ToolFailed,
    ToolFailure,
    ToolFailureClass,
    ToolFailureSource,
    ToolHostEvent,
    ToolSuccess,
    TurnStreamEvent,
    UsageCounted,
    json_hash,
)
from ._tools import Tool, Tools, model_return, unknown_tool

TIME_LIMIT = "turn_time_limit"
"""The code of model calls and tool calls that the turn's time limit cut off."""

_TELL_SECONDS = 1.0

Checkpoints: TypeAlias = Callable[
    [CheckpointKind, Sequence[LlmMessage]], Awaitable[CheckpointDelivery]
]
Surface: TypeAlias = Callable[[], Awaitable[ExecutionSurfaceSync | None]]


class CodeRunner(Protocol):
    """Runs code that a model wrote, somewhere safe."""

    async def run(
        self,
        code: str,
        *,
        tools: Mapping[str, Callable[..., Awaitable[JsonValue]]],
        events: TurnEvents,
    ) -> ExecResponse:
        """Run it; what is wrong with the code is in the response.

        Args:
            code: the code.
            tools: async functions that it may call by name.
            events: told of what it prints.
        """
        ...


@attrs.frozen(kw_only=True)
class TurnDeadline:
    """Until when a turn may work.

    Args:
        at_ms: in milliseconds since the epoch; never where None.
        clock: tells how much of it is left.
    """

    at_ms: float | None
    clock: Clock

    @property
    def left_seconds(self) -> float:
        """How much is left."""
        if self.at_ms is None:
            return math.inf
        return max(0.0, (self.at_ms - self.clock.now_ms()) / 1000)


@attrs.frozen(kw_only=True)
class ToolLoopDriver(TurnDriver):
    """Asks a provider, runs tools and code.

    Args:
        provider: answers.
        tools: what the model may call.
        attachments: has the bytes that requests refer to.
        code: runs the model's code.
        checkpoints: says what there is new for the turn.
        surface: says what prompt and tools are now.
        limiter: how many tool calls run at once.
        deadline: until when all this may take.
        usage_source: what tokens are counted under.
    """

    provider: Provider
    tools: Tools
    attachments: AttachmentStore | None
    code: CodeRunner | None
    checkpoints: Checkpoints | None
    surface: Surface | None
    limiter: trio.CapacityLimiter
    deadline: TurnDeadline
    usage_source: str

    async def run_llm_call(
        self,
        request: LlmRequest,
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> tuple[Ok[LlmResponse] | Err[LlmCallError], bool]:
        """Ask the provider, within the turn's time."""
        watched = _TextWatch(events)
        with trio.move_on_after(self.deadline.left_seconds):
            try:
                if self.attachments is not None:
                    request = await resolve_attachments(request, self.attachments)
                response = await self.provider.complete(request, watched)
            except ProviderError as error:
                return Err(error.error), watched.has_text
            await _tell(events, UsageCounted(source=self.usage_source, usage=response.usage))
            return Ok(response), watched.has_text
        late = LlmCallError(
            message="the time of the turn was over before the model had answered",
            code=TIME_LIMIT,
            terminal_reason=LlmTerminalReason.CANCELLED,
        )
        return Err(late), watched.has_text

    async def run_tool_calls(
        self, calls: Sequence[tuple[PreparedToolCall, Invocation]], events: TurnEvents
    ) -> tuple[Sequence[CompletedToolCall], Sequence[ToolHostEvent]]:
        """Run the calls one after the other, each when the limit on tools lets it."""
        completed: list[CompletedToolCall] = []
        reported: list[ToolHostEvent] = []
        for call, invocation in calls:
            context = _CallContext(call.call_id, _idempotency_key(invocation))
            async with self.limiter:
                completed.append(await self._run_tool(call, context, events))
            reported += context.reported
        return completed, reported

    async def run_exec_code(
        self,
        code: str,
        messages: Sequence[LlmMessage],
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> Ok[ExecResponse] | Err[str]:
        """Hand the code to the code runner, within the turn's time."""
        if self.code is None:
            await trio.lowlevel.checkpoint()
            return Err("this turn has no code runner; give ToolLoop one, or do not offer code")
        key = _idempotency_key(invocation)
        functions = {
            tool.name: _function(tool, _CallContext(f"{key}:{tool.name}", f"{key}:{tool.name}"))
            for tool in self.tools
        }
        with trio.move_on_after(self.deadline.left_seconds):
            async with self.limiter:
                return Ok(await self.code.run(code, tools=functions, events=events))
        return Err("the time of the turn was over before the code had ended")

    async def run_checkpoint(
        self, machine: TurnMachine, checkpoint: CheckpointKind, events: TurnEvents
    ) -> CheckpointDelivery:
        """Ask the application."""
        if self.checkpoints is None:
            await trio.lowlevel.checkpoint()
            return CheckpointDelivery()
        return await self.checkpoints(checkpoint, machine.message_sequence)

    async def refresh_execution_surface(
        self, machine: TurnMachine, update_machine_config: bool
    ) -> ExecutionSurfaceSync | None:
        """Ask the application."""
        if self.surface is None:
            await trio.lowlevel.checkpoint()
            return None
        return await self.surface()

    async def _run_tool(
        self, call: PreparedToolCall, context: _CallContext, events: TurnEvents
    ) -> CompletedToolCall:
        await events.send(ToolCallStarted(call_id=call.call_id, tool_name=call.tool_name))
        began = trio.current_time()
        output = await self._output(call, context)
        duration_ms = round((trio.current_time() - began) * 1000)
        text, is_error = model_return(output)
        completed = CompletedToolCall(
            call_id=call.call_id,
            tool_name=call.tool_name,
            args=call.args,
            output=output,
            model_return=text,
            duration_ms=duration_ms,
        )
        ended = ToolCallEnded(
            call_id=call.call_id,
            tool_name=call.tool_name,
            is_error=is_error,
            duration_ms=duration_ms,
        )
        await _tell(events, ended)
        return completed

    async def _output(self, call: PreparedToolCall, context: _CallContext) -> ToolCallOutput:
        tool = self.tools.get(call.tool_name)
        if tool is None:
            return unknown_tool(call.tool_name, self.tools)
        with trio.move_on_after(self.deadline.left_seconds):
            return await tool.call(call.args, context)
        return ToolCallOutput(
            outcome=ToolFailed(
                failure=ToolFailure(
                    failure_class=ToolFailureClass.TIMEOUT,
                    code=TIME_LIMIT,
                    message="the time of the turn was over before the tool had ended",
                    source=ToolFailureSource.RUNTIME,
                )
            )
        )


class _TextWatch(TurnEvents):
    """Hands events on, and remembers whether text was among them."""

    def __init__(self, events: TurnEvents) -> None:
        self._events = events
        self.has_text = False

    async def send(self, event: TurnStreamEvent) -> None:
        self.has_text = self.has_text or isinstance(event, TextDelta)
        await self._events.send(event)


class _CallContext:
    """What a tool may know of its call."""

    def __init__(self, call_id: str, idempotency_key: str) -> None:
        self.call_id = call_id
        self.idempotency_key = idempotency_key
        self.reported: list[ToolHostEvent] = []

    def report(self, event: ToolHostEvent) -> None:
        self.reported.append(event)


async def _tell(events: TurnEvents, event: TurnStreamEvent) -> None:
    """Tell of what has ended; that is not to be lost to a cancellation meanwhile."""
    with trio.move_on_after(_TELL_SECONDS, shield=True):
        await events.send(event)


def _idempotency_key(invocation: Invocation) -> str:
    scope = invocation.scope
    return json_hash([scope.session_id, scope.turn_id, invocation.replay_key])


def _function(tool: Tool, context: _CallContext) -> Callable[..., Awaitable[JsonValue]]:
    """A tool as code calls it: with a value or an exception."""
    names = tool.parameter_names

    async def call(*args: JsonValue, **named: JsonValue) -> JsonValue:
        if len(args) > len(names):
            raise TypeError(f"{tool.name}() takes {len(names)} arguments, got {len(args)}")
        given = dict(zip(names, args, strict=False))
        double = sorted(given.keys() & named.keys())
        if double:
            raise TypeError(f"{tool.name}() got {double[0]!r} twice")
        output = await tool.call({**given, **named}, context)
        if isinstance(output.outcome, ToolSuccess):
            return output.outcome.value
        raise RuntimeError(model_return(output)[0])

    return call
