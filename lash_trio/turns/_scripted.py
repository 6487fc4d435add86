"""A provider that needs no network: for demonstrations and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from ..abc import Provider, TurnEvents
from ..model import (
    JsonObject,
    LlmCallError,
    LlmContentBlock,
    LlmRequest,
    LlmResponse,
    LlmRole,
    LlmTerminalReason,
    LlmUsage,
    ProviderError,
    TextBlock,
    TextDelta,
    ToolCallBlock,
    dumps,
)


@attrs.frozen(kw_only=True)
class ScriptedReply:
    """What a scripted model answers.

    Args:
        text: what it says; told word by word.
        tool_calls: what it asks for.
        error: fail with this instead.
        seconds_per_word: how long it takes to say a word.
        usage: the tokens that it reports.
    """

    text: str = ""
    tool_calls: tuple[ToolCallBlock, ...] = ()
    error: LlmCallError | None = None
    seconds_per_word: float = 0.0
    usage: LlmUsage = attrs.field(factory=LlmUsage)

    @staticmethod
    def says(text: str, *, seconds_per_word: float = 0.0) -> ScriptedReply:
        """A reply of text alone."""
        return ScriptedReply(text=text, seconds_per_word=seconds_per_word)

    @staticmethod
    def calls(*calls: tuple[str, JsonObject], text: str = "") -> ScriptedReply:
        """A reply that asks for tool calls.

        Args:
            calls: name and arguments of each.
            text: what it says before.
        """
        blocks = tuple(
            ToolCallBlock(call_id=f"call_{number}", tool_name=name, input_json=dumps(args))
            for number, (name, args) in enumerate(calls, 1)
        )
        return ScriptedReply(text=text, tool_calls=blocks)

    @staticmethod
    def fails(message: str, *, retryable: bool = False) -> ScriptedReply:
        """No reply, but an error."""
        return ScriptedReply(error=LlmCallError(message=message, retryable=retryable))


class ScriptedProvider(Provider):
    """Answers from a script.

    It keeps no state: the answer follows from the request alone, so that a turn that
    was killed goes on as it would with a real model.

    Args:
        script: a function from the request to the reply; or the replies themselves,
            chosen by how many messages of the model the request holds already.  A
            reply past the end is an error that says so.
    """

    def __init__(
        self, script: Sequence[ScriptedReply] | Callable[[LlmRequest], ScriptedReply]
    ) -> None:
        self._script = script

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        """Answer as the script says.

        Raises:
            ProviderError: the script says so, or has no reply for the request.

        Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        reply = self._reply(request)
        if reply.error is not None:
            raise ProviderError(reply.error)
        for word in reply.text.split(" ") if reply.text else ():
            await trio.sleep(reply.seconds_per_word)
            await events.send(TextDelta(text=f"{word} "))
        parts: tuple[LlmContentBlock, ...] = reply.tool_calls
        if reply.text:
            parts = (TextBlock(text=reply.text), *parts)
        return LlmResponse(
            full_text=reply.text,
            parts=parts,
            usage=reply.usage,
            terminal_reason=(
                LlmTerminalReason.TOOL_USE if reply.tool_calls else LlmTerminalReason.STOP
            ),
        )

    def _reply(self, request: LlmRequest) -> ScriptedReply:
        if callable(self._script):
            return self._script(request)
        said = sum(message.role is LlmRole.ASSISTANT for message in request.messages)
        if said < len(self._script):
            return self._script[said]
        raise ProviderError(
            LlmCallError(
                message=f"the script has {len(self._script)} replies, and this request asks "
                f"for number {said + 1}",
                code="script_exhausted",
                terminal_reason=LlmTerminalReason.PROVIDER_ERROR,
            )
        )
