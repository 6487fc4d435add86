"""An assistant with tools whose conversation survives crashes.

    python examples/assistant.py notes.db "note: buy bread" "what did I note?"

Kill it at any moment and run it again with the same file: what was said is kept,
what was answered is not paid for twice, and a tool that has run does not run again.
Here the model is a script; put an ``OpenAIProvider`` in its place for a real one.
"""

from __future__ import annotations

import sys
from typing import Annotated

import trio
from pydantic import Field

from lash_trio import LlmMessage, LlmRequest, TextBlock, ToolResultBlock
from lash_trio.stores.sqlite import open_sqlite
from lash_trio.turns import (
    Conversation,
    ScriptedProvider,
    ScriptedReply,
    ToolContext,
    ToolLoop,
    Tools,
)

tools = Tools()
notes: dict[str, str] = {}


@tools.tool()
async def add_note(
    ctx: ToolContext, text: Annotated[str, Field(min_length=1, description="what to keep")]
) -> str:
    """Keep a note."""
    await trio.lowlevel.checkpoint()
    # The key is the same in every run of this call, so a second run adds nothing.
    notes[ctx.idempotency_key] = text
    return f"kept {text!r}"


@tools.tool()
async def list_notes() -> list[str]:
    """The notes that were kept in this run of the program."""
    await trio.lowlevel.checkpoint()
    return list(notes.values())


def script(request: LlmRequest) -> ScriptedReply:
    """Stands for a model."""
    last = request.messages[-1]
    results = [block.content for block in last.blocks if isinstance(block, ToolResultBlock)]
    if results:
        return ScriptedReply.says(f"Done: {results[0]}.")
    text = said(last)
    if text.startswith("note:"):
        return ScriptedReply.calls(("add_note", {"text": text.removeprefix("note:").strip()}))
    if "note" in text:
        return ScriptedReply.calls(("list_notes", {}))
    return ScriptedReply.says("Say 'note: ...' to keep something.")


def said(message: LlmMessage) -> str:
    """The text of a message."""
    return " ".join(block.text for block in message.blocks if isinstance(block, TextBlock))


async def main(db: str, texts: list[str]) -> None:
    """Say everything, answer everything."""
    loop = ToolLoop(provider=ScriptedProvider(script), model="scripted", tools=tools)
    async with open_sqlite(db) as stores:
        conversation = Conversation(stores.registry, stores.host(), loop, "notes")
        for text in texts:
            await conversation.say(text)
        await conversation.run_turns()
        for text, result in await conversation.turns():
            print(f"you: {text}\nassistant: {result.text}")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2:])
