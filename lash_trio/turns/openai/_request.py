"""Model requests as the JSON of the chat-completions API."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence

import attrs

from ...model import (
    IMAGE_MEDIA_TYPES,
    EffectErrorCode,
    ImageBlock,
    JsonObject,
    JsonObjectOutput,
    JsonSchemaOutput,
    JsonValue,
    LlmAttachment,
    LlmContentBlock,
    LlmMessage,
    LlmOutputSpec,
    LlmRequest,
    LlmRole,
    LlmToolSpec,
    ReasoningBlock,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
)
from ._faults import Fault, Faults
from ._options import OpenAIErrorCode, OpenAIOptions


def request_body(
    request: LlmRequest, options: OpenAIOptions, faults: Faults, *, with_data: bool = True
) -> JsonObject:
    """The body of a request.

    Args:
        request: what is asked; its attachments hold their bytes.
        options: the endpoint's dialect.
        faults: makes the errors.
        with_data: False leaves the bytes of attachments out, for people who read it.

    Raises:
        ProviderError: the protocol cannot say this (``unsupported_request``), or an
            attachment has no bytes (``attachment_resolution_failed``).
    """
    parts = _Parts(request.attachments, options.send_reasoning, faults, with_data)
    messages: list[JsonValue] = []
    for message in request.messages:
        messages += parts.messages(message)
    body: JsonObject = {"model": request.model, "messages": messages}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice.value
    if request.output_spec is not None:
        body["response_format"] = _response_format(request.output_spec, faults)
    if request.generation.output_token_cap is not None:
        body[options.output_cap_field.value] = request.generation.output_token_cap
    if request.model_variant is not None:
        body["reasoning_effort"] = request.model_variant
    if options.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body | options.extra_body


def _tool(tool: LlmToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            # Several servers refuse a function without parameters.
            "parameters": tool.input_schema or {"type": "object", "properties": {}},
        },
    }


def _response_format(spec: LlmOutputSpec, faults: Faults) -> JsonObject:
    match spec:
        case JsonObjectOutput():
            return {"type": "json_object"}
        case JsonSchemaOutput(name=name, schema=schema, strict=strict):
            return {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": schema, "strict": strict},
            }
        case _:
            raise faults.error(_unsupported(f"an output of {type(spec).__name__}"))


@attrs.frozen
class _Parts:
    """Writes messages; knows the attachments that blocks refer to."""

    attachments: Sequence[LlmAttachment]
    send_reasoning: bool
    faults: Faults
    with_data: bool

    def messages(self, message: LlmMessage) -> Iterator[JsonObject]:
        match message.role:
            case LlmRole.SYSTEM:
                yield {"role": "system", "content": self._plain_text(message)}
            case LlmRole.ASSISTANT:
                yield self._assistant(message)
            case LlmRole.USER:
                yield from self._user(message)

    def _plain_text(self, message: LlmMessage) -> str:
        return "".join(
            block.text if isinstance(block, TextBlock) else self._refuse(block, message)
            for block in message.blocks
        )

    def _assistant(self, message: LlmMessage) -> JsonObject:
        text: list[str] = []
        reasoning: list[str] = []
        calls: list[JsonValue] = []
        for block in message.blocks:
            match block:
                case TextBlock(text=said):
                    text.append(said)
                case ReasoningBlock(text=thought):
                    reasoning.append(thought)
                case ToolCallBlock(call_id=id, tool_name=name, input_json=arguments):
                    function: JsonObject = {"name": name, "arguments": arguments}
                    calls.append({"id": id, "type": "function", "function": function})
                case _:
                    self._refuse(block, message)
        written: JsonObject = {"role": "assistant", "content": "".join(text) if text else None}
        if calls:
            written["tool_calls"] = calls
        elif not text:
            written["content"] = ""
        if self.send_reasoning and reasoning:
            written["reasoning_content"] = "".join(reasoning)
        return written

    def _user(self, message: LlmMessage) -> Iterator[JsonObject]:
        rest: list[LlmContentBlock] = []
        # Results first: they have to follow the message that asked for them.
        for block in message.blocks:
            if isinstance(block, ToolResultBlock):
                yield {"role": "tool", "tool_call_id": block.call_id, "content": block.content}
            else:
                rest.append(block)
        if all(isinstance(block, TextBlock) for block in rest):
            # Plain text is what every server understands.
            text = [block.text for block in rest if isinstance(block, TextBlock)]
            if text:
                yield {"role": "user", "content": "\n".join(text)}
            return
        yield {"role": "user", "content": [self._part(block, message) for block in rest]}

    def _part(self, block: LlmContentBlock, message: LlmMessage) -> JsonValue:
        match block:
            case TextBlock(text=text):
                return {"type": "text", "text": text}
            case ImageBlock(attachment_idx=index):
                return self._attachment(index)
            case _:
                return self._refuse(block, message)

    def _attachment(self, index: int) -> JsonValue:
        if index >= len(self.attachments):
            fault = _unsupported(f"attachment {index} of {len(self.attachments)}")
            raise self.faults.error(fault)
        attachment = self.attachments[index]
        if not attachment.data:
            raise self.faults.error(
                Fault(
                    code=EffectErrorCode.ATTACHMENT_RESOLUTION_FAILED,
                    message=f"attachment {index} ({attachment.media_type}) has no bytes; "
                    "resolve attachments before the provider gets them",
                )
            )
        media_type = attachment.media_type.strip().lower()
        if media_type in IMAGE_MEDIA_TYPES:
            return {"type": "image_url", "image_url": {"url": self._url(media_type, attachment)}}
        match media_type:
            case "text/plain":
                return {"type": "text", "text": self._decoded(index, attachment)}
            case "application/pdf":
                label = attachment.reference.label if attachment.reference else None
                file: JsonObject = {
                    "filename": label or f"attachment-{index}.pdf",
                    "file_data": self._url(media_type, attachment),
                }
                return {"type": "file", "file": file}
            case _:
                raise self.faults.error(_unsupported(f"an attachment of {media_type!r}"))

    def _url(self, media_type: str, attachment: LlmAttachment) -> str:
        if not self.with_data:
            return f"data:{media_type};base64,<{len(attachment.data)} bytes>"
        return f"data:{media_type};base64,{b64encode(attachment.data).decode()}"

    def _decoded(self, index: int, attachment: LlmAttachment) -> str:
        if not self.with_data:
            return f"<{len(attachment.data)} bytes>"
        try:
            return attachment.data.decode()
        except UnicodeDecodeError as error:
            fault = _unsupported(f"attachment {index}, a text/plain that is not UTF-8: {error}")
            raise self.faults.error(fault) from error

    def _refuse(self, block: LlmContentBlock, message: LlmMessage) -> str:
        what = f"a {type(block).__name__} in a message of the {message.role.value}"
        raise self.faults.error(_unsupported(what))


def _unsupported(what: str) -> Fault:
    return Fault(
        code=OpenAIErrorCode.UNSUPPORTED_REQUEST,
        message=f"the chat-completions protocol has no way to say: {what}",
    )
