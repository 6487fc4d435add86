"""What models are told and say, as JSON in the shape of the conventions.

Attachments are their media type, length and id, and never bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model import (
    ImageBlock,
    JsonValue,
    LlmAttachment,
    LlmContentBlock,
    LlmMessage,
    LlmRequest,
    LlmResponse,
    ReasoningBlock,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
    WireError,
    dumps,
    parse_json,
)


def input_messages(request: LlmRequest) -> str:
    """The messages of a request: the attribute ``gen_ai.input.messages``."""
    return dumps([_message(message, request.attachments) for message in request.messages])


def output_messages(response: LlmResponse, finish_reason: str) -> str:
    """The answer: the attribute ``gen_ai.output.messages``."""
    blocks: Sequence[LlmContentBlock] = response.parts or (TextBlock(text=response.full_text),)
    parts: list[JsonValue] = [_part(block, ()) for block in blocks]
    return dumps([{"role": "assistant", "parts": parts, "finish_reason": finish_reason}])


def json_text(value: JsonValue) -> str:
    """A value as JSON, or that it is none: to watch a call must not make it fail."""
    try:
        return dumps(value)
    except WireError as error:
        return f"<no JSON: {error.code}>"


def _message(message: LlmMessage, attachments: Sequence[LlmAttachment]) -> JsonValue:
    parts: list[JsonValue] = [_part(block, attachments) for block in message.blocks]
    return {"role": message.role.value, "parts": parts}


def _part(block: LlmContentBlock, attachments: Sequence[LlmAttachment]) -> JsonValue:
    match block:
        case TextBlock(text=text):
            return {"type": "text", "content": text}
        case ReasoningBlock(text=text):
            return {"type": "reasoning", "content": text}
        case ToolCallBlock(call_id=call_id, tool_name=name, input_json=text):
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": _parsed(text)}
        case ToolResultBlock(call_id=call_id, content=content):
            return {"type": "tool_call_response", "id": call_id, "response": content}
        case ImageBlock(attachment_idx=index) if index < len(attachments):
            return _redacted(attachments[index])
        case _:
            return {"type": block.tag}


def _redacted(attachment: LlmAttachment) -> JsonValue:
    reference = attachment.reference
    length = len(attachment.data) if reference is None else reference.byte_len
    part: dict[str, JsonValue] = {
        "type": "attachment",
        "mime_type": attachment.media_type,
        "byte_len": length,
    }
    if reference is not None:
        part["id"] = reference.id
    return part


def _parsed(text: str) -> JsonValue:
    """Arguments as an object; as they are where the model wrote no JSON."""
    try:
        return parse_json(text)
    except WireError:
        return text
