"""What the chat talks to when it is told nothing else: two tools and a scripted model."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import trio
from pydantic import Field

from .. import LlmMessage, LlmRequest, LlmRole, TextBlock, ToolResultBlock
from ..turns import ScriptedProvider, ScriptedReply, Tools

_WAIT = re.compile(r"\bwait (\d+(?:\.\d+)?)")
_SECONDS_PER_WORD = 0.03
_HELP = (
    "I am a script and need no network. Say 'wait 20' and I call a tool that takes twenty "
    "seconds: kill this program meanwhile, start it again, and I go on. Say 'time' and I "
    "call another tool."
)


def default_tools() -> Tools:
    """A tool that takes its time, and one that tells it."""
    tools = Tools()

    @tools.tool()
    async def wait(
        seconds: Annotated[float, Field(ge=0, le=3600, description="for how long")],
    ) -> str:
        """Wait for some seconds."""
        await trio.sleep(seconds)
        return f"waited {seconds:g} s"

    @tools.tool()
    async def time() -> str:
        """The time of day, in UTC."""
        await trio.lowlevel.checkpoint()
        return datetime.now(UTC).isoformat(sep=" ", timespec="seconds")

    return tools


def scripted_model() -> ScriptedProvider:
    """A model that calls these tools when it is asked to."""
    return ScriptedProvider(_reply)


def _reply(request: LlmRequest) -> ScriptedReply:
    last = request.messages[-1]
    results = [block for block in last.blocks if isinstance(block, ToolResultBlock)]
    if results:
        return _says(f"The tool says: {results[0].content}.")
    text = _text(last).lower()
    wait = _WAIT.search(text)
    if wait is not None:
        return ScriptedReply.calls(("wait", {"seconds": float(wait[1])}), text="Let me wait.")
    if "time" in text:
        return ScriptedReply.calls(("time", {}))
    if "help" in text:
        return _says(_HELP)
    said = sum(message.role is LlmRole.USER for message in request.messages)
    return _says(f"You said {_text(last)!r}, as message {said}. Say 'help' to hear what I can do.")


def _says(text: str) -> ScriptedReply:
    return ScriptedReply.says(text, seconds_per_word=_SECONDS_PER_WORD)


def _text(message: LlmMessage) -> str:
    return " ".join(block.text for block in message.blocks if isinstance(block, TextBlock))
