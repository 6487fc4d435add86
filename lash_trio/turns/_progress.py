"""The state of a running turn, and the rules by which it goes on.  No IO."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum

import attrs
from attrs.validators import ge, gt

from ..abc import TurnMachine
from ..model import (
    CompletedToolCall,
    FailTurn,
    FinishTurn,
    JsonValue,
    LlmCallError,
    LlmContentBlock,
    LlmMessage,
    LlmResponse,
    LlmRole,
    LlmUsage,
    PreparedToolCall,
    SwitchAgentFrame,
    TextBlock,
    ToolCallBlock,
    ToolControl,
    ToolFailure,
    ToolResultBlock,
    WireError,
    dumps,
    parse_json,
)


class TurnStatus(StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    """The model was done, or a tool finished the turn."""
    LIMIT = "limit"
    """A limit was reached."""
    CANCELLED = "cancelled"
    """Somebody asked it to end."""
    FAILED = "failed"
    """The model could not be asked, or a tool failed the turn."""


@attrs.frozen(kw_only=True)
class TurnLimits:
    """When a turn ends although the model would go on.

    Args:
        max_iterations: how often the model may be asked.
        max_tokens: how many tokens, in and out together, after which it is not asked again.
        max_seconds: how long the turn may take, counted over restarts.
        max_concurrent_tools: how many tool calls run at once.
    """

    max_iterations: int = attrs.field(default=50, validator=ge(1))
    max_tokens: int | None = attrs.field(default=None, validator=attrs.validators.optional(ge(1)))
    max_seconds: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(gt(0))
    )
    max_concurrent_tools: int = attrs.field(default=8, validator=ge(1))


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, and after which pauses, a model call is made again that failed retryably.

    The pauses grow by ``factor`` and have no jitter: they are recorded, and a second
    run has to come to the same ones.  Where the provider names a longer pause, that
    one counts, up to ``longest_pause_seconds``; one that is longer still ends the tries.

    Args:
        max_attempts: how often a call is made at most.
        first_pause_seconds: before the second attempt.
        factor: by which each pause is longer than the one before.
        longest_pause_seconds: that no pause exceeds.
    """

    max_attempts: int = attrs.field(default=5, validator=ge(1))
    first_pause_seconds: float = attrs.field(default=1.0, validator=ge(0))
    factor: float = attrs.field(default=2.0, validator=ge(1))
    longest_pause_seconds: float = attrs.field(default=60.0, validator=ge(0))

    def pause_seconds(self, attempt: int, error: LlmCallError) -> float | None:
        """How long to wait after a failed attempt, or None to give up.

        Args:
            attempt: which one failed, from 1.
            error: why.
        """
        if not error.retryable or attempt >= self.max_attempts:
            return None
        own = min(
            self.first_pause_seconds * self.factor ** (attempt - 1), self.longest_pause_seconds
        )
        asked = (error.retry_after_ms or 0) / 1000
        return None if asked > self.longest_pause_seconds else max(own, asked)


@attrs.frozen(kw_only=True)
class TurnResult:
    """What came of a turn.

    Args:
        status: how it ended.
        messages: what the turn added to the conversation, in order.
        text: what the model said last.
        value: what a tool finished the turn with, if one did.
        reason: why it ended, where it was not simply done.
        error: the model's error, where that ended it.
        failure: the tool's failure, where that ended it.
        switch: the agent frame that a tool asked to go on in.
        iterations: how often the model was asked.
        usage: tokens, by what they were counted under.
    """

    status: TurnStatus
    messages: tuple[LlmMessage, ...]
    text: str
    value: JsonValue = None
    reason: str | None = None
    error: LlmCallError | None = None
    failure: ToolFailure | None = None
    switch: SwitchAgentFrame | None = None
    iterations: int
    usage: dict[str, LlmUsage]


@attrs.frozen(kw_only=True)
class TurnEnd:
    """Why a turn ends now."""

    status: TurnStatus
    value: JsonValue = None
    reason: str | None = None
    error: LlmCallError | None = None
    failure: ToolFailure | None = None
    switch: SwitchAgentFrame | None = None


COMPLETED = TurnEnd(status=TurnStatus.COMPLETED)


class TurnProgress(TurnMachine):
    """The messages, iterations and tokens of one turn.

    Args:
        history: the messages before it, its own first ones included.
        limits: when it has to end.
    """

    def __init__(self, history: Iterable[LlmMessage], limits: TurnLimits) -> None:
        self._history = tuple(history)
        self._limits = limits
        self._added: list[LlmMessage] = []
        self._transient: tuple[LlmMessage, ...] = ()
        self._text = ""
        self._iterations = 0
        self._usage: dict[str, LlmUsage] = {}

    @property
    def protocol_iteration(self) -> int:
        """How many times the model was asked, this time included."""
        return self._iterations

    @property
    def message_sequence(self) -> Sequence[LlmMessage]:
        """The messages so far."""
        return (*self._history, *self._added)

    @property
    def request_messages(self) -> tuple[LlmMessage, ...]:
        """The messages to ask the model with; those for this time only are last."""
        return (*self._history, *self._added, *self._transient)

    def begin_iteration(self) -> TurnEnd | None:
        """Count an iteration, or say which limit does not allow it."""
        if self._iterations >= self._limits.max_iterations:
            return _limit(f"the model was asked {self._iterations} times, which is the limit")
        if self._limits.max_tokens is not None and self.total_tokens >= self._limits.max_tokens:
            return _limit(
                f"the turn used {self.total_tokens} tokens, and its limit is "
                f"{self._limits.max_tokens}"
            )
        self._iterations += 1
        return None

    @property
    def total_tokens(self) -> int:
        """Tokens in and out, of all sources."""
        return sum(usage.input_tokens + usage.output_tokens for usage in self._usage.values())

    def count(self, source: str, usage: LlmUsage) -> None:
        """Add the tokens of one call."""
        self._usage[source] = _sum(self._usage.get(source, LlmUsage()), usage)

    def answered(self, response: LlmResponse) -> list[PreparedToolCall]:
        """Add what the model said; returns the calls that it asks for."""
        self._transient = ()
        self._text = response.full_text
        parts = response.parts or (
            (TextBlock(text=response.full_text),) if response.full_text else ()
        )
        blocks = _with_call_ids(parts, self._iterations)
        if blocks:
            self._added.append(LlmMessage(role=LlmRole.ASSISTANT, blocks=blocks))
        return [_prepared(block) for block in blocks if isinstance(block, ToolCallBlock)]

    def ran(self, calls: Iterable[tuple[CompletedToolCall, bool]]) -> TurnEnd | None:
        """Add the results of the calls; returns the end where a tool asked for it.

        Args:
            calls: each with whether it is an error to the model, in the order of the calls.
        """
        results: list[LlmContentBlock] = []
        end: TurnEnd | None = None
        for call, is_error in calls:
            content = call.model_return
            text = content if isinstance(content, str) else dumps(content)
            results.append(ToolResultBlock(call_id=call.call_id, content=text, is_error=is_error))
            end = end or _end_by(call.output.control)
        self._added.append(LlmMessage(role=LlmRole.USER, blocks=tuple(results)))
        return end

    def deliver(self, messages: Iterable[LlmMessage], transient: Iterable[LlmMessage] = ()) -> None:
        """Add messages that came from elsewhere; the transient ones for one request only."""
        self._added.extend(messages)
        self._transient = tuple(transient)

    def note(self, text: str) -> None:
        """Add a remark of the runtime's to the transcript."""
        self._added.append(LlmMessage.text(LlmRole.SYSTEM, text))

    def result(self, end: TurnEnd) -> TurnResult:
        """What came of the turn."""
        return TurnResult(
            status=end.status,
            messages=tuple(self._added),
            text=self._text,
            value=end.value,
            reason=end.reason,
            error=end.error,
            failure=end.failure,
            switch=end.switch,
            iterations=self._iterations,
            usage=dict(self._usage),
        )


def _limit(reason: str) -> TurnEnd:
    return TurnEnd(status=TurnStatus.LIMIT, reason=reason)


def _end_by(control: ToolControl | None) -> TurnEnd | None:
    match control:
        case FinishTurn(value=value):
            return TurnEnd(status=TurnStatus.COMPLETED, value=value, reason="a tool finished it")
        case FailTurn(failure=failure):
            return TurnEnd(status=TurnStatus.FAILED, reason=failure.message, failure=failure)
        case SwitchAgentFrame(frame_id=frame_id):
            reason = f"a tool asked to go on in the agent frame {frame_id!r}"
            return TurnEnd(status=TurnStatus.COMPLETED, reason=reason, switch=control)
        case _:
            return None


def _with_call_ids(parts: Iterable[LlmContentBlock], iteration: int) -> tuple[LlmContentBlock, ...]:
    """The parts, with call ids that are there and differ: they name effects."""
    seen: set[str] = set()
    blocks: list[LlmContentBlock] = []
    for number, part in enumerate(parts, 1):
        block = part
        if isinstance(part, ToolCallBlock):
            call_id = part.call_id
            if not call_id.strip() or call_id in seen:
                call_id = f"call-{iteration}-{number}"
            seen.add(call_id)
            block = attrs.evolve(part, call_id=call_id)
        blocks.append(block)
    return tuple(blocks)


def _prepared(block: ToolCallBlock) -> PreparedToolCall:
    # What is no JSON goes on as text, and the tool's check tells the model so.
    args: JsonValue = block.input_json
    with suppress(WireError):
        args = parse_json(block.input_json or "{}")
    return PreparedToolCall(call_id=block.call_id, tool_name=block.tool_name, args=args)


def _sum(a: LlmUsage, b: LlmUsage) -> LlmUsage:
    return LlmUsage(
        input_tokens=a.input_tokens + b.input_tokens,
        output_tokens=a.output_tokens + b.output_tokens,
        cached_input_tokens=a.cached_input_tokens + b.cached_input_tokens,
        reasoning_tokens=a.reasoning_tokens + b.reasoning_tokens,
    )
