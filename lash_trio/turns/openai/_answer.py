"""A chat completion, as it comes: chunks in, one response out.

A completion that comes in one piece is one chunk here, its messages being deltas.
Servers that call themselves compatible leave fields out or write null; what is of
the wrong type, on the other hand, is a response of something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from uuid import uuid4

import attrs

from ...model import (
    JsonObject,
    JsonValue,
    LlmContentBlock,
    LlmResponse,
    LlmTerminalReason,
    LlmUsage,
    ReasoningBlock,
    ReasoningDelta,
    TextBlock,
    TextDelta,
    ToolCallBlock,
    TurnStreamEvent,
    WireError,
    parse_json,
)
from ._faults import Faults
from ._status import event_fault

_TERMINAL_REASONS = {
    "stop": LlmTerminalReason.STOP,
    "tool_calls": LlmTerminalReason.TOOL_USE,
    "function_call": LlmTerminalReason.TOOL_USE,
    "length": LlmTerminalReason.OUTPUT_LIMIT,
    "content_filter": LlmTerminalReason.CONTENT_FILTER,
}
# Vendors have not agreed on a name; the first that is there is taken.
_REASONING_FIELDS = ("reasoning_content", "reasoning")


@attrs.define
class _Call:
    """A tool call, as far as it has come."""

    id: str = ""
    name: str = ""
    arguments: list[str] = attrs.field(factory=list[str])


class Answer:
    """Puts the chunks of one completion together.

    Args:
        faults: makes the errors.
        new_call_id: for tool calls to which the server gives no id.
    """

    def __init__(self, faults: Faults, new_call_id: Callable[[], str] | None = None) -> None:
        self._faults = faults
        self._new_call_id = new_call_id or _random_call_id
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refused = False
        self._calls: list[_Call] = []
        self._open_calls: dict[int, _Call] = {}
        self._finish_reason: str | None = None
        self._usage: JsonValue = None

    @property
    def is_finished(self) -> bool:
        """Whether the model has said why it stopped."""
        return self._finish_reason is not None

    def feed(self, text: str) -> list[TurnStreamEvent]:
        """Take one chunk.

        Args:
            text: JSON: the data of one event, or a whole body.

        Returns:
            What it adds for those who watch.

        Raises:
            ProviderError: it is not a chunk (``malformed_response``), or it says that
                the endpoint has failed.
        """
        chunk = self._parsed(text)
        if chunk.get("error") is not None:
            raise self._faults.error(event_fault(chunk["error"], text))
        if "choices" not in chunk and "usage" not in chunk:
            self._refuse("an object with choices", "one without", text)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        told: list[TurnStreamEvent] = []
        for choice in self._list(chunk, "choices"):
            if not isinstance(choice, dict):
                self._refuse("choices that are objects", shown(choice), text)
            # Only one was asked for; a server that sends more has them numbered.
            if choice.get("index") in {0, None}:
                told += self._choice(choice)
        return told

    def response(
        self, request_body: str | None = None, http_summary: str | None = None
    ) -> LlmResponse:
        """The whole.

        Args:
            request_body: what was asked, where that is kept.
            http_summary: of the exchange, for people.

        Raises:
            ProviderError: ``malformed_response``, for a tool call without a name, and for
                two of the same id.
        """
        parts: list[LlmContentBlock] = []
        reasoning = "".join(self._reasoning)
        if reasoning:
            parts.append(ReasoningBlock(text=reasoning))
        full_text = "".join(self._text)
        if full_text:
            parts.append(TextBlock(text=full_text))
        parts += self._tool_calls()
        reason, diagnostic = self._terminal_reason()
        return LlmResponse(
            full_text=full_text,
            parts=tuple(parts),
            usage=usage_of(self._usage),
            terminal_reason=reason,
            terminal_diagnostic=diagnostic,
            provider_usage=self._usage,
            request_body=request_body,
            http_summary=http_summary,
        )

    def _choice(self, choice: JsonObject) -> list[TurnStreamEvent]:
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message")
        told = self._delta({} if delta is None else self._object(delta, "a delta"))
        reason = self._string(choice, "finish_reason")
        if reason:
            self._finish_reason = reason
        return told

    def _delta(self, delta: JsonObject) -> list[TurnStreamEvent]:
        told: list[TurnStreamEvent] = []
        thought = next(filter(None, (self._string(delta, name) for name in _REASONING_FIELDS)), "")
        if thought:
            self._reasoning.append(thought)
            told.append(ReasoningDelta(text=thought))
        refusal = self._string(delta, "refusal")
        self._refused |= refusal != ""
        for said in (self._string(delta, "content"), refusal):
            if said:
                self._text.append(said)
                told.append(TextDelta(text=said))
        for call in self._list(delta, "tool_calls"):
            self._tool_call(self._object(call, "a tool call"))
        return told

    def _tool_call(self, delta: JsonObject) -> None:
        call_id = self._string(delta, "id")
        function = self._object(delta.get("function") or {}, "a function")
        name = self._string(function, "name")
        call = self._call_of(delta, call_id, name)
        call.id = call.id or call_id
        # In one piece everywhere; some servers repeat it in every chunk.
        call.name = call.name or name
        call.arguments.append(self._string(function, "arguments"))

    def _call_of(self, delta: JsonObject, call_id: str, name: str) -> _Call:
        """The call that a delta goes on with, or a new one."""
        index = delta.get("index")
        if index is not None and (not isinstance(index, int) or isinstance(index, bool)):
            self._refuse("the index of a tool call to be an integer", shown(index))
        if index is None:
            # Without a number only a name tells where the next one begins.
            known = self._calls[-1] if self._calls and not name else None
        else:
            known = self._open_calls.get(index)
        # Some servers number all calls 0, or none: then another id is another call.
        if known is not None and (not call_id or not known.id or known.id == call_id):
            return known
        call = _Call()
        self._calls.append(call)
        if index is not None:
            self._open_calls[index] = call
        return call

    def _tool_calls(self) -> list[ToolCallBlock]:
        blocks: list[ToolCallBlock] = []
        seen: set[str] = set()
        for call in self._calls:
            call_id = call.id or self._new_call_id()
            if not call.name or call_id in seen:
                self._refuse("tool calls with a name and an id of their own", f"{call!r}")
            seen.add(call_id)
            arguments = "".join(call.arguments)
            # A function without parameters is called with nothing at all by some.
            blocks.append(
                ToolCallBlock(call_id=call_id, tool_name=call.name, input_json=arguments or "{}")
            )
        return blocks

    def _terminal_reason(self) -> tuple[LlmTerminalReason, str | None]:
        said = self._finish_reason or ""
        reason = _TERMINAL_REASONS.get(said)
        if reason is None:
            return LlmTerminalReason.UNKNOWN, f"finish_reason {shown(said)}"
        if reason is LlmTerminalReason.STOP and self._calls:
            return LlmTerminalReason.TOOL_USE, None
        return reason, "the model refused" if self._refused else None

    def _parsed(self, text: str) -> JsonObject:
        try:
            value = parse_json(text)
        except WireError as error:
            raise self._faults.malformed(
                f"expected JSON from the endpoint: {error.message}", text
            ) from error
        return self._object(value, "an object")

    def _object(self, value: JsonValue, what: str) -> JsonObject:
        return value if isinstance(value, dict) else self._refuse(what, shown(value))

    def _list(self, value: JsonObject, key: str) -> list[JsonValue]:
        found = value.get(key)
        if found is None:
            return []
        return found if isinstance(found, list) else self._refuse(f"a list: {key}", shown(found))

    def _string(self, value: JsonObject, key: str) -> str:
        found = value.get(key)
        if found is None:
            return ""
        return found if isinstance(found, str) else self._refuse(f"a text: {key}", shown(found))

    def _refuse(self, expected: str, got: str, raw: str | None = None) -> NoReturn:
        raise self._faults.malformed(f"expected {expected} from the endpoint, got {got}", raw)


def usage_of(value: JsonValue) -> LlmUsage:
    """The tokens that a usage object tells; what it does not tell is 0."""
    usage = value if isinstance(value, dict) else {}
    return LlmUsage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_input_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def shown(value: JsonValue) -> str:
    """The beginning of a value, for an error message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _count(details: JsonValue, key: str) -> int:
    value = details.get(key) if isinstance(details, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return 0
    return value


def _random_call_id() -> str:
    return f"call_{uuid4().hex}"
