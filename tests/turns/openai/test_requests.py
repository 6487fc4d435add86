"""What is asked, as the endpoint gets it."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from lash_trio import (
    AttachmentRef,
    GenerationOptions,
    ImageBlock,
    JsonObjectOutput,
    JsonSchemaOutput,
    JsonValue,
    LlmAttachment,
    LlmContentBlock,
    LlmMessage,
    LlmRequest,
    LlmRole,
    LlmToolChoice,
    LlmToolSpec,
    ProviderError,
    ReasoningBlock,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
)
from lash_trio.turns.openai import OpenAIOptions, OutputCapField

from .server import delta, finish, reply
from .support import Watch, asking

CALL = ToolCallBlock(call_id="c1", tool_name="f", input_json='{"x":1}')


async def sent(request: LlmRequest, options: OpenAIOptions | None = None) -> dict[str, JsonValue]:
    async with asking(reply(delta("x"), finish()), options) as (provider, server):
        await provider.complete(request, Watch())
    body: dict[str, JsonValue] = json.loads(server.requests[0].body)
    return body


async def refused(request: LlmRequest) -> str:
    async with asking(reply(delta("x"), finish())) as (provider, server):
        with pytest.raises(ProviderError) as caught:
            await provider.complete(request, Watch())
        assert server.accepted == 0
    assert not caught.value.error.retryable
    return caught.value.code


def message(role: LlmRole, *blocks: LlmContentBlock) -> LlmRequest:
    return LlmRequest(model="m", messages=(LlmMessage(role=role, blocks=blocks),))


async def test_a_conversation_with_tools() -> None:
    request = LlmRequest(
        model="m",
        messages=(
            LlmMessage.text(LlmRole.SYSTEM, "be brief"),
            LlmMessage.text(LlmRole.USER, "go"),
            LlmMessage(
                role=LlmRole.ASSISTANT,
                blocks=(ReasoningBlock(text="hm"), TextBlock(text="so"), CALL),
            ),
            LlmMessage(
                role=LlmRole.USER,
                blocks=(TextBlock(text="and?"), ToolResultBlock(call_id="c1", content="2")),
            ),
        ),
    )
    assistant: dict[str, JsonValue] = {
        "role": "assistant",
        "content": "so",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
        ],
    }
    expected: list[JsonValue] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "go"},
        assistant,
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "user", "content": "and?"},
    ]
    assert (await sent(request))["messages"] == expected
    assistant["reasoning_content"] = "hm"
    assert (await sent(request, OpenAIOptions(send_reasoning=True)))["messages"] == expected


async def test_a_message_of_calls_alone_has_no_text() -> None:
    body = await sent(message(LlmRole.ASSISTANT, CALL))
    assert body["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
            ],
        }
    ]
    body = await sent(message(LlmRole.ASSISTANT))
    assert body["messages"] == [{"role": "assistant", "content": ""}]


async def test_tools_and_settings() -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"x": {"type": "integer"}}}
    body = await sent(
        LlmRequest(
            model="m",
            messages=(),
            tools=(
                LlmToolSpec(name="f", description="doubles", input_schema=schema),
                LlmToolSpec(name="g", description=""),
            ),
            tool_choice=LlmToolChoice.REQUIRED,
            model_variant="low",
            generation=GenerationOptions(output_token_cap=7),
            output_spec=JsonSchemaOutput(name="o", schema=schema),
        )
    )
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "doubles", "parameters": schema},
        },
        {
            "type": "function",
            "function": {
                "name": "g",
                "description": "",
                "parameters": {"type": "object", "properties": {}},
            },
        },
    ]
    assert body["tool_choice"] == "required"
    assert body["reasoning_effort"] == "low"
    assert body["max_completion_tokens"] == 7
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "o", "schema": schema, "strict": True},
    }


async def test_the_dialect_of_other_servers() -> None:
    body = await sent(
        LlmRequest(
            model="m",
            messages=(),
            generation=GenerationOptions(output_token_cap=7),
            output_spec=JsonObjectOutput(),
        ),
        OpenAIOptions(output_cap_field=OutputCapField.MAX_TOKENS, extra_body={"top_k": 3}),
    )
    assert (body["max_tokens"], body["top_k"]) == (7, 3)
    assert "max_completion_tokens" not in body
    assert body["response_format"] == {"type": "json_object"}


async def test_attachments_go_where_they_are_referred_to() -> None:
    reference = AttachmentRef(id="r", media_type="application/pdf", byte_len=3, label="plan.pdf")
    request = LlmRequest(
        model="m",
        messages=(
            LlmMessage(
                role=LlmRole.USER,
                blocks=(
                    TextBlock(text="look:"),
                    ImageBlock(attachment_idx=1),
                    ImageBlock(attachment_idx=0),
                    ImageBlock(attachment_idx=2),
                ),
            ),
        ),
        attachments=(
            LlmAttachment(media_type="application/pdf", data=b"pdf", reference=reference),
            LlmAttachment(media_type=" Image/PNG ", data=b"\x89png"),
            LlmAttachment(media_type="text/plain", data="grüße".encode()),
        ),
    )
    body = await sent(request)
    png = b64encode(b"\x89png").decode()
    pdf = b64encode(b"pdf").decode()
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look:"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "plan.pdf",
                        "file_data": f"data:application/pdf;base64,{pdf}",
                    },
                },
                {"type": "text", "text": "grüße"},
            ],
        }
    ]
    async with asking(reply(delta("x"), finish()), OpenAIOptions(keep_request_body=True)) as (
        provider,
        _,
    ):
        kept = (await provider.complete(request, Watch())).request_body
    assert kept is not None
    assert "data:image/png;base64,<4 bytes>" in kept
    assert not any(secret in kept for secret in (png, pdf, "grüße"))


@pytest.mark.parametrize(
    ("attachment", "code"),
    [
        (None, "unsupported_request"),
        (LlmAttachment(media_type="image/png"), "attachment_resolution_failed"),
        (LlmAttachment(media_type="video/mp4", data=b"x"), "unsupported_request"),
        (LlmAttachment(media_type="text/plain", data=b"\xff"), "unsupported_request"),
    ],
)
async def test_attachments_that_cannot_be_sent(attachment: LlmAttachment | None, code: str) -> None:
    request = LlmRequest(
        model="m",
        messages=(LlmMessage(role=LlmRole.USER, blocks=(ImageBlock(attachment_idx=0),)),),
        attachments=() if attachment is None else (attachment,),
    )
    assert await refused(request) == code


@pytest.mark.parametrize(
    ("role", "block"),
    [
        (LlmRole.SYSTEM, CALL),
        (LlmRole.SYSTEM, ImageBlock(attachment_idx=0)),
        (LlmRole.USER, CALL),
        (LlmRole.USER, ReasoningBlock(text="hm")),
        (LlmRole.ASSISTANT, ImageBlock(attachment_idx=0)),
        (LlmRole.ASSISTANT, ToolResultBlock(call_id="c", content="")),
    ],
)
async def test_blocks_where_the_protocol_has_no_place(
    role: LlmRole, block: LlmContentBlock
) -> None:
    assert await refused(message(role, TextBlock(text="x"), block)) == "unsupported_request"


@pytest.mark.parametrize(
    "request_",
    [LlmRequest(model="m\ud800", messages=()), message(LlmRole.USER, TextBlock(text="\udfff"))],
)
async def test_what_is_no_unicode_is_refused(request_: LlmRequest) -> None:
    assert await refused(request_) == "unsupported_request"
