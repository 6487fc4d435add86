"""Spans and metrics of model calls, as the conventions for generative AI have them."""

from __future__ import annotations

import json

import pytest
import trio
from opentelemetry.trace import SpanKind, StatusCode

from lash_trio import (
    AttachmentRef,
    GenerationOptions,
    ImageBlock,
    JsonObjectOutput,
    LlmAttachment,
    LlmCallError,
    LlmMessage,
    LlmRequest,
    LlmRole,
    LlmUsage,
    ProviderError,
    ReasoningBlock,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
)
from lash_trio.kernel import ChannelEvents
from lash_trio.telemetry import TracedProvider
from lash_trio.turns import ScriptedProvider, ScriptedReply
from tests.telemetry.support import Recorder

REQUEST = LlmRequest(
    model="m-1",
    messages=(LlmMessage.text(LlmRole.USER, "a secret"),),
    generation=GenerationOptions(output_token_cap=50),
    session_id="s1",
)
EVENTS = ChannelEvents(None)
CALL = (
    ("gen_ai.operation.name", "chat"),
    ("gen_ai.provider.name", "scripted"),
    ("gen_ai.request.model", "m-1"),
)


def traced(recorder: Recorder, *replies: ScriptedReply) -> TracedProvider:
    return TracedProvider(ScriptedProvider(replies), recorder.telemetry)


async def test_a_call() -> None:
    recorder = Recorder()
    usage = LlmUsage(input_tokens=7, output_tokens=3, cached_input_tokens=2, reasoning_tokens=1)
    provider = traced(recorder, ScriptedReply(text="the answer", usage=usage))
    assert provider.name == "scripted"
    assert (await provider.complete(REQUEST, EVENTS)).full_text == "the answer"
    assert recorder.span("chat m-1").kind is SpanKind.CLIENT
    assert recorder.about("chat m-1") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "m-1",
        "gen_ai.request.max_tokens": 50,
        "gen_ai.conversation.id": "s1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "lash_trio.outcome": "ok",
    }
    assert recorder.metric("gen_ai.client.token.usage") == {
        (*CALL, ("gen_ai.token.type", "input")): 7,
        (*CALL, ("gen_ai.token.type", "output")): 3,
    }
    assert recorder.counts("gen_ai.client.operation.duration") == {(*CALL, ("outcome", "ok")): 1}


async def test_a_provider_that_counts_no_tokens_reports_none() -> None:
    recorder = Recorder()
    await traced(recorder, ScriptedReply.says("hi")).complete(REQUEST, EVENTS)
    assert "gen_ai.usage.input_tokens" not in recorder.about("chat m-1")
    assert recorder.metric("gen_ai.client.token.usage") == {}


async def test_a_request_for_json_and_an_answer_of_tool_calls() -> None:
    recorder = Recorder()
    request = LlmRequest(model="m-1", messages=REQUEST.messages, output_spec=JsonObjectOutput())
    await traced(recorder, ScriptedReply.calls(("add", {"a": 1}))).complete(request, EVENTS)
    about = recorder.about("chat m-1")
    assert about["gen_ai.output.type"] == "json"
    assert about["gen_ai.response.finish_reasons"] == ("tool_call",)
    assert "gen_ai.conversation.id" not in about
    assert "gen_ai.request.max_tokens" not in about


async def test_a_call_that_fails() -> None:
    recorder = Recorder()
    error = LlmCallError(message="a secret", code="rate_limit_exceeded", retryable=True)
    with pytest.raises(ProviderError):
        await traced(recorder, ScriptedReply(error=error)).complete(REQUEST, EVENTS)
    span = recorder.span("chat m-1")
    assert (span.attributes or {})["error.type"] == "rate_limit_exceeded"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    failed = (("error.type", "rate_limit_exceeded"), *CALL, ("outcome", "error"))
    assert recorder.counts("gen_ai.client.operation.duration") == {failed: 1}
    assert "secret" not in span.to_json()


async def test_a_call_that_is_cancelled() -> None:
    recorder = Recorder()
    with trio.CancelScope() as scope:
        scope.cancel()
        await traced(recorder, ScriptedReply.says("hi")).complete(REQUEST, EVENTS)
    assert scope.cancelled_caught
    span = recorder.span("chat m-1")
    assert (span.attributes or {})["lash_trio.outcome"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET


async def test_what_is_said_is_not_recorded_unless_asked_for() -> None:
    recorder = Recorder()
    await traced(recorder, ScriptedReply.says("the answer")).complete(REQUEST, EVENTS)
    text = recorder.span("chat m-1").to_json()
    assert "secret" not in text
    assert "answer" not in text


async def test_what_is_said_where_asked_for_with_attachments_redacted() -> None:
    recorder = Recorder(record_content=True)
    stored = AttachmentRef(id="sha-1", media_type="image/png", byte_len=5)
    request = LlmRequest(
        model="m-1",
        messages=(
            LlmMessage.text(LlmRole.SYSTEM, "be kind"),
            LlmMessage(
                role=LlmRole.USER,
                blocks=(
                    TextBlock(text="look"),
                    ImageBlock(attachment_idx=0),
                    ImageBlock(attachment_idx=1),
                    ImageBlock(attachment_idx=9),
                ),
            ),
            LlmMessage(
                role=LlmRole.ASSISTANT,
                blocks=(
                    ReasoningBlock(text="hm", opaque="sealed"),
                    ToolCallBlock(call_id="c1", tool_name="add", input_json='{"a":1}'),
                    ToolCallBlock(call_id="c2", tool_name="add", input_json="{oops"),
                ),
            ),
            LlmMessage(role=LlmRole.USER, blocks=(ToolResultBlock(call_id="c1", content="3"),)),
        ),
        attachments=(
            LlmAttachment(media_type="image/png", data=b"BYTES", reference=stored),
            LlmAttachment(media_type="image/gif", data=b"BYTES!"),
        ),
    )
    replies = [ScriptedReply.calls(("add", {"a": 2}), text="so")] * 2
    await traced(recorder, *replies).complete(request, EVENTS)
    about = recorder.about("chat m-1")
    assert json.loads(str(about["gen_ai.input.messages"])) == [
        {"role": "system", "parts": [{"type": "text", "content": "be kind"}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "look"},
                {"type": "attachment", "mime_type": "image/png", "byte_len": 5, "id": "sha-1"},
                {"type": "attachment", "mime_type": "image/gif", "byte_len": 6},
                {"type": "image"},
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}},
                {"type": "tool_call", "id": "c2", "name": "add", "arguments": "{oops"},
            ],
        },
        {
            "role": "user",
            "parts": [{"type": "tool_call_response", "id": "c1", "response": "3"}],
        },
    ]
    assert json.loads(str(about["gen_ai.output.messages"])) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "so"},
                {"type": "tool_call", "id": "call_1", "name": "add", "arguments": {"a": 2}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert "BYTES" not in recorder.span("chat m-1").to_json()
