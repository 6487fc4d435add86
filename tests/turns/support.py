"""What the tests of turns share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from lash_trio import (
    EffectScope,
    InlineEffectHost,
    JsonObject,
    LlmMessage,
    LlmRequest,
    LlmResponse,
    LlmRole,
    MemoryEffectJournal,
    ReplayingEffectHost,
    ReplayOptions,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
    TrioClock,
    TurnStreamEvent,
)
from lash_trio.abc import EffectHost, TurnEvents
from lash_trio.turns import ScriptedProvider, ScriptedReply, ToolLoop, Tools, TurnResult

HELLO = LlmMessage.text(LlmRole.USER, "hello")
TURN = EffectScope.turn("s1", "t1")

Script = Sequence[ScriptedReply] | Callable[[LlmRequest], ScriptedReply]


class Model(ScriptedProvider):
    """Remembers the requests that it answered, or was cancelled in."""

    def __init__(self, *replies: ScriptedReply, script: Script | None = None) -> None:
        super().__init__(replies if script is None else script)
        self.requests: list[LlmRequest] = []
        self.answers = 0

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        self.requests.append(request)
        response = await super().complete(request, events)
        self.answers += 1
        return response


def replaying(journal: MemoryEffectJournal, *, replay_only: bool = False) -> ReplayingEffectHost:
    return ReplayingEffectHost(journal, ReplayOptions(replay_only=replay_only), clock=TrioClock())


async def run(
    loop: ToolLoop,
    *,
    host: EffectHost | None = None,
    messages: Sequence[LlmMessage] = (HELLO,),
    events: trio.MemorySendChannel[TurnStreamEvent] | None = None,
) -> TurnResult:
    async with (InlineEffectHost() if host is None else host).scoped(TURN) as scope:
        return await loop.run(scope, messages, events=events)  # type: ignore[arg-type]


def said(messages: Sequence[LlmMessage]) -> list[str]:
    """The messages as short text."""
    lines: list[str] = []
    for message in messages:
        for block in message.blocks:
            match block:
                case TextBlock(text=text):
                    lines.append(f"{message.role}: {text}")
                case ToolCallBlock(tool_name=name, input_json=args, call_id=call_id):
                    lines.append(f"{message.role} {call_id}: {name} {args}")
                case ToolResultBlock(content=content, is_error=is_error, call_id=call_id):
                    lines.append(f"{'error' if is_error else 'result'} {call_id}: {content}")
                case other:
                    lines.append(repr(other))
    return lines


def calling(*calls: tuple[str, JsonObject], text: str = "") -> ScriptedReply:
    return ScriptedReply.calls(*calls, text=text)


class Waiting:
    """A tool that takes a given time, and remembers who began and ended."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.most_at_once = 0
        self.tools = Tools()
        self.tools.tool(name="wait")(self.wait)

    async def wait(self, name: str, seconds: float = 0) -> str:
        """Wait."""
        self.began.append(name)
        self.most_at_once = max(self.most_at_once, len(self.began) - len(self.ended))
        await trio.sleep(seconds)
        self.ended.append(name)
        return f"waited {name}"
