"""Model requests and responses as data."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import attrs

from ._attachment import LlmAttachment, LlmAttachmentSpec
from ._checks import at_least, is_object, optional, tuple_of
from ._errors import EffectError
from ._json import JsonObject, JsonValue, empty_object


class LlmRole(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class LlmContentBlock:
    """One part of a message."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class TextBlock(LlmContentBlock):
    """Text."""

    tag: ClassVar[str] = "text"
    text: str


@attrs.frozen(kw_only=True)
class ImageBlock(LlmContentBlock):
    """An image: the index of an attachment of the request."""

    tag: ClassVar[str] = "image"
    attachment_idx: int = attrs.field(validator=at_least(0))


@attrs.frozen(kw_only=True)
class ToolCallBlock(LlmContentBlock):
    """A tool call that the model asked for."""

    tag: ClassVar[str] = "tool_call"
    call_id: str
    tool_name: str
    input_json: str


@attrs.frozen(kw_only=True)
class ToolResultBlock(LlmContentBlock):
    """What a tool call returned to the model."""

    tag: ClassVar[str] = "tool_result"
    call_id: str
    content: str
    is_error: bool = False


@attrs.frozen(kw_only=True)
class ReasoningBlock(LlmContentBlock):
    """Reasoning that a provider wants back unchanged."""

    tag: ClassVar[str] = "reasoning"
    text: str
    opaque: str | None = None


@attrs.frozen(kw_only=True)
class LlmMessage:
    """One message of a conversation."""

    role: LlmRole
    blocks: tuple[LlmContentBlock, ...] = attrs.field(validator=tuple_of(LlmContentBlock))

    @staticmethod
    def text(role: LlmRole, text: str) -> LlmMessage:
        """A message of one block of text."""
        return LlmMessage(role=role, blocks=(TextBlock(text=text),))


@attrs.frozen(kw_only=True)
class LlmToolSpec:
    """A tool as the model sees it."""

    name: str
    description: str
    input_schema: JsonObject = attrs.field(factory=empty_object, validator=is_object)
    output_schema: JsonObject = attrs.field(factory=empty_object, validator=is_object)


class LlmToolChoice(StrEnum):
    """Whether the model may, must or must not call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class LlmOutputSpec:
    """What the text of the response must be."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class JsonObjectOutput(LlmOutputSpec):
    """Any JSON object."""

    tag: ClassVar[str] = "json_object"


@attrs.frozen(kw_only=True)
class JsonSchemaOutput(LlmOutputSpec):
    """JSON that a schema describes."""

    tag: ClassVar[str] = "json_schema"
    name: str
    schema: JsonObject = attrs.field(validator=is_object)
    strict: bool = True


@attrs.frozen(kw_only=True)
class GenerationOptions:
    """Limits of a generation."""

    output_token_cap: int | None = attrs.field(default=None, validator=optional(at_least(0)))


@attrs.frozen(kw_only=True)
class LlmRequestSpec:
    """A model request as an envelope carries it: no bytes, no callbacks."""

    model: str
    messages: tuple[LlmMessage, ...] = attrs.field(validator=tuple_of(LlmMessage))
    attachments: tuple[LlmAttachmentSpec, ...] = attrs.field(
        default=(), validator=tuple_of(LlmAttachmentSpec)
    )
    tools: tuple[LlmToolSpec, ...] = attrs.field(default=(), validator=tuple_of(LlmToolSpec))
    tool_choice: LlmToolChoice = LlmToolChoice.AUTO
    model_variant: str | None = None
    generation: GenerationOptions = attrs.field(factory=GenerationOptions)
    session_id: str | None = None
    output_spec: LlmOutputSpec | None = None


@attrs.frozen(kw_only=True)
class LlmRequest:
    """A model request as an application makes it; attachments may still be bytes."""

    model: str
    messages: tuple[LlmMessage, ...] = attrs.field(validator=tuple_of(LlmMessage))
    attachments: tuple[LlmAttachment, ...] = attrs.field(
        default=(), validator=tuple_of(LlmAttachment)
    )
    tools: tuple[LlmToolSpec, ...] = attrs.field(default=(), validator=tuple_of(LlmToolSpec))
    tool_choice: LlmToolChoice = LlmToolChoice.AUTO
    model_variant: str | None = None
    generation: GenerationOptions = attrs.field(factory=GenerationOptions)
    session_id: str | None = None
    output_spec: LlmOutputSpec | None = None


class LlmTerminalReason(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    TOOL_USE = "tool_use"
    OUTPUT_LIMIT = "output_limit"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    PROVIDER_ERROR = "provider_error"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class LlmUsage:
    """Tokens of one call."""

    input_tokens: int = attrs.field(default=0, validator=at_least(0))
    output_tokens: int = attrs.field(default=0, validator=at_least(0))
    cached_input_tokens: int = attrs.field(default=0, validator=at_least(0))
    reasoning_tokens: int = attrs.field(default=0, validator=at_least(0))


@attrs.frozen(kw_only=True)
class LlmResponse:
    """What a model answered."""

    full_text: str
    parts: tuple[LlmContentBlock, ...] = attrs.field(
        default=(), validator=tuple_of(LlmContentBlock)
    )
    usage: LlmUsage = attrs.field(factory=LlmUsage)
    terminal_reason: LlmTerminalReason = LlmTerminalReason.UNKNOWN
    terminal_diagnostic: str | None = None
    provider_usage: JsonValue = None
    request_body: str | None = None
    http_summary: str | None = None


@attrs.frozen(kw_only=True)
class LlmCallError:
    """Why a model call failed.

    Args:
        message: for people.
        retryable: whether another attempt may succeed.
        raw: what the provider said.
        code: what programs branch on: the provider's own, or one of its adapter's.
        terminal_reason: as of a response.
        request_body: what was asked, where the provider was told to keep it.
        retry_after_ms: for how long the provider wants to be left alone.
    """

    message: str
    retryable: bool = False
    raw: str | None = None
    code: str | None = None
    terminal_reason: LlmTerminalReason = LlmTerminalReason.UNKNOWN
    request_body: str | None = None
    retry_after_ms: int | None = attrs.field(default=None, validator=optional(at_least(0)))


class ProviderError(EffectError):
    """A provider has no answer.

    Args:
        error: why, as it is recorded; its code is the error's code, or ``provider_error``.
    """

    def __init__(self, error: LlmCallError) -> None:
        super().__init__(error.code or "provider_error", error.message)
        self.error = error

    def __reduce__(self) -> tuple[type[ProviderError], tuple[LlmCallError]]:
        return (type(self), (self.error,))
