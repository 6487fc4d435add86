"""The tool loop: asks the model, runs the tools that it calls, until it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from ..abc import AttachmentStore, Clock, Provider
from ..kernel import (
    ChannelEvents,
    LocalExecutor,
    ScopedEffectController,
    SystemClock,
    llm_request_spec,
    milliseconds,
)
from ..model import (
    CallRetried,
    CheckpointCommand,
    CheckpointKind,
    CheckpointOutcome,
    CompletedToolCall,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectKind,
    Err,
    ExecCodeOutcome,
    ExecutionSurfaceSync,
    GenerationOptions,
    InvalidValueError,
    Invocation,
    InvocationScope,
    JsonValue,
    LlmAttachment,
    LlmAttachmentSpec,
    LlmCallError,
    LlmCallOutcome,
    LlmMessage,
    LlmRequest,
    LlmRequestSpec,
    LlmResponse,
    LlmRole,
    LlmToolSpec,
    Ok,
    PreparedToolCall,
    SyncExecutionSurfaceCommand,
    SyncExecutionSurfaceOutcome,
    ToolCallEffectOutcome,
    ToolCallOutput,
    ToolCancelled,
    ToolFailed,
    ToolFailure,
    ToolFailureClass,
    ToolFailureSource,
    ToolSuccess,
    TurnStreamEvent,
    from_json,
)
from ._driver import TIME_LIMIT, Checkpoints, CodeRunner, Surface, ToolLoopDriver, TurnDeadline
from ._progress import (
    COMPLETED,
    RetryPolicy,
    TurnEnd,
    TurnLimits,
    TurnProgress,
    TurnResult,
    TurnStatus,
)
from ._tools import Tools, model_return

CODE_TOOL = "python"
"""The name under which a model calls the code runner."""

_CODE_SPEC = LlmToolSpec(
    name=CODE_TOOL,
    description="Run Python code in a sandbox and get what it prints. Tools are functions in it.",
    input_schema={
        "type": "object",
        "properties": {"code": {"type": "string"}},
        "required": ["code"],
        "additionalProperties": False,
    },
)

_CANCELLED = (EffectErrorCode.CANCELLED, EffectErrorCode.SLEEP_CANCELLED)


@attrs.frozen(kw_only=True)
class ToolLoop:
    """A turn of a model with tools, whose every step is an effect of its scope.

    Asks the model, runs the tools that it calls side by side and each as an effect of
    its own, passes a checkpoint, and goes on until the model is done or a limit is
    reached.  On a durable host a turn that was killed goes on where it was.

    Args:
        provider: answers.
        model: which of its models.
        tools: what the model may call.
        system_prompt: the first message of every request.
        limits: when the turn ends although the model would go on.
        retries: how failed model calls are made again.
        generation: limits of each answer.
        attachments: where the bytes of attachments are; needed where there are any.
        code: runs code that the model writes; it is offered to the model as a tool
            called ``python``.
        checkpoints: asked after work and before completion for messages to add.
        surface: asked before each model call for another prompt and other tools to show.
        usage_source: what tokens are counted under.
        clock: tells the time that ``limits.max_seconds`` is about.
    """

    provider: Provider
    model: str
    tools: Tools = attrs.field(factory=Tools)
    system_prompt: str = ""
    limits: TurnLimits = attrs.field(factory=TurnLimits)
    retries: RetryPolicy = attrs.field(factory=RetryPolicy)
    generation: GenerationOptions = attrs.field(factory=GenerationOptions)
    attachments: AttachmentStore | None = None
    code: CodeRunner | None = None
    checkpoints: Checkpoints | None = None
    surface: Surface | None = None
    usage_source: str = "turn"
    clock: Clock = attrs.field(factory=SystemClock)

    async def run(
        self,
        scope: ScopedEffectController,
        messages: Sequence[LlmMessage],
        *,
        attachments: Sequence[LlmAttachment] = (),
        events: trio.MemorySendChannel[TurnStreamEvent] | None = None,
    ) -> TurnResult:
        """Run a turn.

        Args:
            scope: owns its effects; usually a turn's scope.  Cancelling it ends the
                turn as cancelled, with a transcript that says so.
            messages: the conversation so far, the user's newest message included.
            attachments: what image blocks of the messages refer to, by index.
            events: where what happens is told as it does.

        Returns:
            How it ended, and what it added to the conversation.

        Raises:
            EffectError: the host could not record or replay (``effect_replay_mismatch``,
                ``runtime_store``, ``effect_scope_closed``, ...), or an attachment could
                not be stored; what the model or a tool does wrong is no exception.

        Always a checkpoint.  ``trio.Cancelled`` passes through, and nothing runs on.
        """
        return await (await _Turn.begin(self, scope, messages, attachments, events)).run()


class _Turn:
    """One run of the loop."""

    def __init__(
        self,
        loop: ToolLoop,
        scope: ScopedEffectController,
        driver: ToolLoopDriver,
        progress: TurnProgress,
        events: trio.MemorySendChannel[TurnStreamEvent] | None,
    ) -> None:
        self._loop = loop
        self._scope = scope
        self._driver = driver
        self._progress = progress
        self._events = events
        self._base = scope.path.next("turn")
        self._attachments: tuple[LlmAttachmentSpec, ...] = ()
        self._surface = ExecutionSurfaceSync(
            system_prompt=loop.system_prompt,
            tool_specs=loop.tools.specs + (() if loop.code is None else (_CODE_SPEC,)),
        )
        self._numbers = 0

    @staticmethod
    async def begin(
        loop: ToolLoop,
        scope: ScopedEffectController,
        messages: Sequence[LlmMessage],
        attachments: Sequence[LlmAttachment],
        events: trio.MemorySendChannel[TurnStreamEvent] | None,
    ) -> _Turn:
        if loop.code is not None and CODE_TOOL in loop.tools:
            raise InvalidValueError(
                f"the tool {CODE_TOOL!r} is the code runner's name; call yours differently"
            )
        at_ms: float | None = None
        if loop.limits.max_seconds is not None:
            # Recorded, so that the time counts on where the turn was killed.
            started = await scope.step("turn_started", _reads(loop.clock))
            at_ms = from_json(int, started) + loop.limits.max_seconds * 1000
        driver = ToolLoopDriver(
            provider=loop.provider,
            tools=loop.tools,
            attachments=loop.attachments,
            code=loop.code,
            checkpoints=loop.checkpoints,
            surface=loop.surface,
            limiter=trio.CapacityLimiter(loop.limits.max_concurrent_tools),
            deadline=TurnDeadline(at_ms=at_ms, clock=loop.clock),
            usage_source=loop.usage_source,
        )
        turn = _Turn(loop, scope, driver, TurnProgress(messages, loop.limits), events)
        await turn._store(attachments)
        return turn

    async def run(self) -> TurnResult:
        try:
            end = await self._go_on()
        except EffectError as error:
            if error.code not in _CANCELLED:
                raise
            self._progress.note(f"The turn was cancelled: {error.message}")
            end = TurnEnd(status=TurnStatus.CANCELLED, reason=error.message)
        return self._progress.result(end)

    async def _go_on(self) -> TurnEnd:
        while True:
            end = self._progress.begin_iteration()
            if end is not None:
                return end
            await self._refresh_surface()
            answer, invocation = await self._ask()
            if isinstance(answer, Err):
                return _end_by_error(answer.error)
            self._progress.count(self._loop.usage_source, answer.value.usage)
            calls = self._progress.answered(answer.value)
            if calls:
                end = await self._work(calls, invocation)
                await self._checkpoint(CheckpointKind.AFTER_WORK)
                if end is not None:
                    return end
            elif not await self._checkpoint(CheckpointKind.BEFORE_COMPLETION):
                return COMPLETED

    async def _store(self, attachments: Sequence[LlmAttachment]) -> None:
        """Put bytes into the store before there is any envelope."""
        if not attachments:
            return
        if self._loop.attachments is None:
            raise InvalidValueError(
                f"the turn has {len(attachments)} attachments and ToolLoop no attachment store; "
                "give it one"
            )
        spec = await llm_request_spec(
            LlmRequest(model=self._loop.model, messages=(), attachments=tuple(attachments)),
            self._loop.attachments,
            self._scope,
        )
        self._attachments = spec.attachments

    async def _refresh_surface(self) -> None:
        if self._loop.surface is None:
            return
        outcome = await self._scope.execute_effect(
            *self._effect("surface", SyncExecutionSurfaceCommand(update_machine_config=True))
        )
        match outcome.expect(SyncExecutionSurfaceOutcome).result:
            case Ok(value=ExecutionSurfaceSync() as surface):
                self._surface = surface
            case Ok():
                pass
            case Err(error=message):
                raise EffectError(EffectErrorCode.PLUGIN, message)

    async def _ask(self) -> tuple[Ok[LlmResponse] | Err[LlmCallError], Invocation]:
        """Ask the model, and again where that failed retryably."""
        name = f"llm:{self._progress.protocol_iteration}"
        first = self._invocation(name, EffectKind.LLM_CALL)
        command = EffectCommand.llm_call(self._request())
        attempt = 1
        while True:
            invocation = first
            if attempt > 1:
                suffix = f"attempt:{attempt}"
                invocation = first.child_effect(
                    f"{first.effect_id}:{suffix}", EffectKind.LLM_CALL, suffix
                )
            envelope = EffectEnvelope(invocation=invocation, command=command)
            outcome = await self._scope.execute_effect(envelope, self._executor())
            result = outcome.expect(LlmCallOutcome).result
            if isinstance(result, Ok):
                return result, invocation
            pause = self._loop.retries.pause_seconds(attempt, result.error)
            if pause is None:
                return result, invocation
            attempt += 1
            await self._pause(first, attempt, pause, result.error)

    async def _pause(
        self, invocation: Invocation, attempt: int, seconds: float, error: LlmCallError
    ) -> None:
        if self._driver.deadline.at_ms is not None:
            # What is left of the time differs from run to run, so it is recorded, too.
            left = await self._scope.step("time_left", self._time_left)
            seconds = min(seconds, from_json(float, left))
        await self._tell(CallRetried(attempt=attempt - 1, pause_seconds=seconds, error=error))
        sleep = EffectEnvelope(
            invocation=invocation.retry_sleep("llm", attempt),
            command=EffectCommand.sleep(milliseconds(seconds, "a pause")),
        )
        await self._scope.execute_effect(sleep, self._executor())

    async def _time_left(self) -> JsonValue:
        return self._driver.deadline.left_seconds

    async def _work(
        self, calls: Sequence[PreparedToolCall], invocation: Invocation
    ) -> TurnEnd | None:
        """Run the calls side by side; those that a cancellation cut off are told as such."""
        results: dict[int, tuple[CompletedToolCall, bool]] = {}
        errors: list[EffectError] = []

        async def run(number: int, call: PreparedToolCall) -> None:
            try:
                results[number] = await self._call(call, invocation)
            except EffectError as error:
                errors.append(error)
                results[number] = _cancelled(call, error), True

        async with trio.open_nursery() as nursery:
            for number, call in enumerate(calls):
                nursery.start_soon(run, number, call, name=f"tool {call.tool_name}")
        for error in errors:
            if error.code not in _CANCELLED:
                raise error
        end = self._progress.ran(results[number] for number in range(len(calls)))
        if errors:
            raise errors[0]
        return end

    async def _call(
        self, call: PreparedToolCall, cause: Invocation
    ) -> tuple[CompletedToolCall, bool]:
        if call.tool_name == CODE_TOOL and self._loop.code is not None:
            return await self._run_code(call, cause)
        envelope = EffectEnvelope(
            invocation=cause.child_tool_call(call.call_id), command=EffectCommand.tool_call(call)
        )
        outcome = await self._scope.execute_effect(envelope, self._executor())
        completed = outcome.expect(ToolCallEffectOutcome).result
        return completed, model_return(completed.output)[1]

    async def _run_code(
        self, call: PreparedToolCall, cause: Invocation
    ) -> tuple[CompletedToolCall, bool]:
        code = call.args.get("code") if isinstance(call.args, dict) else None
        if not isinstance(code, str):
            output = _failure("invalid_arguments", 'expected {"code": "..."}')
            return _completed(call, output), True
        invocation = cause.child_effect(
            f"{cause.effect_id}:{call.call_id}", EffectKind.EXEC_CODE, call.call_id
        )
        envelope = EffectEnvelope(invocation=invocation, command=EffectCommand.exec_code(code))
        outcome = await self._scope.execute_effect(envelope, self._executor())
        match outcome.expect(ExecCodeOutcome).result:
            case Err(error=message):
                return _completed(call, _failure("code_not_run", message)), True
            case Ok(value=response):
                said = "\n".join(response.observations)
                if response.error is not None:
                    output = _failure("code_failed", f"{said}\n{response.error}".strip())
                    return _completed(call, output), True
                value: JsonValue = response.terminal_finish if said == "" else said
                return _completed(call, ToolCallOutput(outcome=ToolSuccess(value=value))), False

    async def _checkpoint(self, kind: CheckpointKind) -> bool:
        """Pass a checkpoint; returns whether it brought something."""
        outcome = await self._scope.execute_effect(
            *self._effect(kind, CheckpointCommand(checkpoint_kind=kind))
        )
        match outcome.expect(CheckpointOutcome).result:
            case Ok(value=delivery):
                causes = tuple(
                    LlmMessage.text(LlmRole.USER, cause.text) for cause in delivery.turn_causes
                )
                self._progress.deliver((*delivery.messages, *causes), delivery.transient_messages)
                return bool(delivery.messages or causes or delivery.transient_messages)
            case Err(error=failure):
                raise EffectError(failure.code, failure.message)

    def _request(self) -> LlmRequestSpec:
        prompt = self._surface.system_prompt
        first = (LlmMessage.text(LlmRole.SYSTEM, prompt),) if prompt else ()
        return LlmRequestSpec(
            model=self._loop.model,
            messages=(*first, *self._progress.request_messages),
            attachments=self._attachments,
            tools=self._surface.tool_specs,
            generation=self._loop.generation,
            session_id=self._scope.effect_scope.session_id,
        )

    def _effect(self, name: str, command: EffectCommand) -> tuple[EffectEnvelope, LocalExecutor]:
        self._numbers += 1
        invocation = self._invocation(f"{name}:{self._numbers}", command.kind)
        return EffectEnvelope(invocation=invocation, command=command), self._executor()

    def _invocation(self, name: str, kind: EffectKind) -> Invocation:
        scope = self._scope.effect_scope
        where = InvocationScope(
            session_id=scope.session_id or scope.id,
            turn_id=scope.turn_id,
            protocol_iteration=self._progress.protocol_iteration,
        )
        key = f"{self._base}:{name}"
        return Invocation.effect(where, key, kind, key)

    def _executor(self) -> LocalExecutor:
        return LocalExecutor.turn(self._driver, self._progress, self._events)

    async def _tell(self, event: TurnStreamEvent) -> None:
        await ChannelEvents(self._events).send(event)


def _reads(clock: Clock) -> Callable[[], Awaitable[JsonValue]]:
    async def now() -> JsonValue:
        return clock.now_ms()

    return now


def _end_by_error(error: LlmCallError) -> TurnEnd:
    if error.code == TIME_LIMIT:
        return TurnEnd(status=TurnStatus.LIMIT, reason=error.message)
    return TurnEnd(status=TurnStatus.FAILED, reason=error.message, error=error)


def _completed(call: PreparedToolCall, output: ToolCallOutput) -> CompletedToolCall:
    return CompletedToolCall(
        call_id=call.call_id,
        tool_name=call.tool_name,
        args=call.args,
        output=output,
        model_return=model_return(output)[0],
    )


def _cancelled(call: PreparedToolCall, error: EffectError) -> CompletedToolCall:
    return _completed(call, ToolCallOutput(outcome=ToolCancelled(message=error.message)))


def _failure(code: str, message: str) -> ToolCallOutput:
    return ToolCallOutput(
        outcome=ToolFailed(
            failure=ToolFailure(
                failure_class=ToolFailureClass.INVALID_REQUEST,
                code=code,
                message=message,
                source=ToolFailureSource.RUNTIME,
            )
        )
    )
