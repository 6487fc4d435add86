"""The executors of model turns, and of model calls outside them.

Source: ``LocalTurnEffectRunner`` and ``LocalDirectEffectRunner`` of the seed.
"""

from __future__ import annotations

import attrs
import trio

from ..abc import AttachmentStore, Provider, TurnDriver, TurnEvents, TurnMachine
from ..model import (
    SLEPT,
    CheckpointCommand,
    CheckpointDelivery,
    CheckpointKind,
    CheckpointOutcome,
    DirectCommand,
    DirectOutcome,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectFailure,
    EffectOutcome,
    Err,
    ExecCodeCommand,
    ExecCodeOutcome,
    ExecutionSurfaceSync,
    LlmCallCommand,
    LlmCallError,
    LlmCallOutcome,
    LlmRequestSpec,
    LlmResponse,
    Ok,
    PreparedToolCall,
    ProviderError,
    SleepCommand,
    SyncExecutionSurfaceCommand,
    SyncExecutionSurfaceOutcome,
    ToolCallCommand,
    ToolCallEffectOutcome,
    failure_of,
)
from ._attachments import plain_llm_request, resolve_attachments
from ._executor import ExecutionWay


@attrs.frozen(kw_only=True)
class TurnExecution(ExecutionWay):
    """Hands the effects of a turn to its driver."""

    name = "turn"
    serves = "llm_call, tool_call, exec_code, checkpoint, sync_execution_surface and sleep effects"

    driver: TurnDriver
    machine: TurnMachine
    events: TurnEvents

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do the effect, or refuse it."""
        # Before and not after: a completed outcome must not be lost to a cancellation.
        await trio.lowlevel.checkpoint()
        match envelope.command:
            case LlmCallCommand(request=request):
                return await self._llm_call(request, envelope)
            case ToolCallCommand(call=call):
                return await self._tool_call(call, envelope)
            case ExecCodeCommand(code=code):
                return await self._exec_code(code, envelope)
            case CheckpointCommand(checkpoint_kind=kind):
                return CheckpointOutcome(result=await self._checkpoint(kind))
            case SyncExecutionSurfaceCommand(update_machine_config=update):
                return SyncExecutionSurfaceOutcome(result=await self._refresh(update))
            case SleepCommand(duration_ms=duration_ms):
                await trio.sleep(duration_ms / 1000)
                return SLEPT
            case _:
                raise self.mismatch(envelope)

    async def _llm_call(self, request: LlmRequestSpec, envelope: EffectEnvelope) -> EffectOutcome:
        result, text_streamed = await self.driver.run_llm_call(
            plain_llm_request(request),
            self.machine.protocol_iteration,
            envelope.invocation,
            self.events,
        )
        return LlmCallOutcome(result=result, text_streamed=text_streamed)

    async def _tool_call(self, call: PreparedToolCall, envelope: EffectEnvelope) -> EffectOutcome:
        completed, host_events = await self.driver.run_tool_calls(
            [(call, envelope.invocation)], self.events
        )
        if not completed:
            raise EffectError(
                EffectErrorCode.TOOL_RESULT_MISSING,
                f"the driver returned no result for the call {call.call_id!r} of tool "
                f"{call.tool_name!r}, effect {envelope.effect_id!r}; it must return one a call",
            )
        return ToolCallEffectOutcome(result=completed[-1], host_events=tuple(host_events))

    async def _exec_code(self, code: str, envelope: EffectEnvelope) -> EffectOutcome:
        result = await self.driver.run_exec_code(
            code,
            self.machine.message_sequence,
            self.machine.protocol_iteration,
            envelope.invocation,
            self.events,
        )
        return ExecCodeOutcome(result=result)

    async def _checkpoint(
        self, kind: CheckpointKind
    ) -> Ok[CheckpointDelivery] | Err[EffectFailure]:
        try:
            return Ok(await self.driver.run_checkpoint(self.machine, kind, self.events))
        except EffectError as error:
            return Err(failure_of(error))

    async def _refresh(self, update: bool) -> Ok[ExecutionSurfaceSync | None] | Err[str]:
        try:
            return Ok(await self.driver.refresh_execution_surface(self.machine, update))
        except EffectError as error:
            return Err(str(error))


@attrs.frozen(kw_only=True)
class DirectExecution(ExecutionWay):
    """Asks a provider, outside of turns."""

    name = "direct"
    serves = "direct and sleep effects"

    provider: Provider
    attachments: AttachmentStore
    events: TurnEvents

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do the effect, or refuse it."""
        # Before and not after: a completed outcome must not be lost to a cancellation.
        await trio.lowlevel.checkpoint()
        match envelope.command:
            case DirectCommand(request=request):
                return DirectOutcome(result=await self._complete(request))
            case SleepCommand(duration_ms=duration_ms):
                await trio.sleep(duration_ms / 1000)
                return SLEPT
            case _:
                raise self.mismatch(envelope)

    async def _complete(self, request: LlmRequestSpec) -> Ok[LlmResponse] | Err[LlmCallError]:
        try:
            resolved = await resolve_attachments(plain_llm_request(request), self.attachments)
            return Ok(await self.provider.complete(resolved, self.events))
        except ProviderError as error:
            return Err(error.error)
