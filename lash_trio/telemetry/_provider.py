"""Providers whose calls have spans, as the conventions for generative AI have them."""

from __future__ import annotations

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from ..abc import Provider, TurnEvents
from ..model import LlmRequest, LlmResponse, LlmTerminalReason, LlmUsage
from ._content import input_messages, output_messages
from ._names import (
    CACHED_INPUT_TOKENS,
    CONVERSATION_ID,
    FINISH_REASONS,
    INPUT_MESSAGES,
    INPUT_TOKENS,
    OPERATION_NAME,
    OUTPUT_MESSAGES,
    OUTPUT_TOKENS,
    OUTPUT_TYPE,
    PROVIDER_NAME,
    REASONING_TOKENS,
    REQUEST_MAX_TOKENS,
    REQUEST_MODEL,
    TOKEN_TYPE,
)
from ._operation import Measures, Operation
from ._telemetry import Telemetry

_FINISH_REASONS = {
    LlmTerminalReason.TOOL_USE: "tool_call",
    LlmTerminalReason.OUTPUT_LIMIT: "length",
    LlmTerminalReason.PROVIDER_ERROR: "error",
}


class TracedProvider(Provider):
    """A provider with a span for each call: ``chat {model}``.

    A model call that is replayed does not reach the provider, so it has none.

    Metrics: ``gen_ai.client.operation.duration``, ``gen_ai.client.token.usage``.

    Args:
        provider: answers.
        telemetry: where spans and metrics go; says whether messages are recorded.

    Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    """

    def __init__(self, provider: Provider, telemetry: Telemetry) -> None:
        self._provider = provider
        self._telemetry = telemetry

    @property
    def name(self) -> str:
        """That of the provider."""
        return self._provider.name

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        """Answer a request.

        Raises:
            ProviderError: what the provider raises; its code is the span's ``error.type``.

        Always a checkpoint.
        """
        telemetry = self._telemetry
        call: dict[str, AttributeValue] = {
            OPERATION_NAME: "chat",
            PROVIDER_NAME: self.name,
            REQUEST_MODEL: request.model,
        }
        with Operation(
            telemetry,
            f"chat {request.model}",
            self._describe(request),
            kind=SpanKind.CLIENT,
            measures=Measures(duration=telemetry.instruments.call_duration, labels=call),
        ) as operation:
            response = await self._provider.complete(request, events)
            operation.span.set_attributes(self._describe_response(response))
            for token_type, count in _tokens(response.usage):
                telemetry.instruments.token_usage.record(count, {**call, TOKEN_TYPE: token_type})
            return response

    def _describe(self, request: LlmRequest) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {}
        if request.session_id is not None:
            attributes[CONVERSATION_ID] = request.session_id
        if request.generation.output_token_cap is not None:
            attributes[REQUEST_MAX_TOKENS] = request.generation.output_token_cap
        if request.output_spec is not None:
            attributes[OUTPUT_TYPE] = "json"
        if self._telemetry.record_content:
            attributes[INPUT_MESSAGES] = input_messages(request)
        return attributes

    def _describe_response(self, response: LlmResponse) -> dict[str, AttributeValue]:
        reason = _FINISH_REASONS.get(response.terminal_reason, response.terminal_reason.value)
        usage = response.usage
        attributes: dict[str, AttributeValue] = {FINISH_REASONS: [reason]}
        if _is_reported(usage):
            attributes[INPUT_TOKENS] = usage.input_tokens
            attributes[OUTPUT_TOKENS] = usage.output_tokens
            if usage.cached_input_tokens:
                attributes[CACHED_INPUT_TOKENS] = usage.cached_input_tokens
            if usage.reasoning_tokens:
                attributes[REASONING_TOKENS] = usage.reasoning_tokens
        if self._telemetry.record_content:
            attributes[OUTPUT_MESSAGES] = output_messages(response, reason)
        return attributes


def _is_reported(usage: LlmUsage) -> bool:
    """Whether the provider counted tokens; one that does not leaves zeros."""
    return usage != LlmUsage()


def _tokens(usage: LlmUsage) -> list[tuple[str, int]]:
    if not _is_reported(usage):
        return []
    return [("input", usage.input_tokens), ("output", usage.output_tokens)]
