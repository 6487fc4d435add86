"""The effects of model turns in the report: what was asked, what it cost, how long it took."""

from __future__ import annotations

from pathlib import Path

import trio

from lash_trio import ExecResponse, LlmUsage
from lash_trio.cli._report import read_report, render
from lash_trio.stores.sqlite import open_sqlite
from lash_trio.turns import (
    Conversation,
    RetryPolicy,
    ScriptedProvider,
    ScriptedReply,
    ToolLoop,
    Tools,
)

USAGE = LlmUsage(input_tokens=1200, output_tokens=34)


class Runner:
    async def run(self, code: str, *, tools: object, events: object) -> ExecResponse:
        await trio.lowlevel.checkpoint()
        return ExecResponse(observations=("4",))


async def page_of(path: Path) -> str:
    tools = Tools()

    @tools.tool()
    async def slow() -> str:
        await trio.sleep(0.05)
        return "<b>slow</b>"

    failed = ScriptedReply.fails("the model is <busy>", retryable=True)
    replies = [
        ScriptedReply(
            tool_calls=ScriptedReply.calls(("slow", {}), ("rm", {})).tool_calls, usage=USAGE
        ),
        ScriptedReply(tool_calls=ScriptedReply.calls(("python", {"code": "2+2"})).tool_calls),
        ScriptedReply(text="all " + "very " * 30 + "done", usage=USAGE),
    ]
    asked: list[int] = []

    def script(request: object) -> ScriptedReply:
        asked.append(1)
        return failed if len(asked) == 1 else replies[len(asked) - 2]

    loop = ToolLoop(
        provider=ScriptedProvider(script),
        model="gpt-x",
        tools=tools,
        code=Runner(),
        retries=RetryPolicy(first_pause_seconds=0.01),
    )
    async with open_sqlite(path) as stores:
        conversation = Conversation(stores.registry, stores.host(), loop, "s1")
        await conversation.say("hello")
        await conversation.run_turns()
        return render(await read_report(stores, "session:s1:turns"))


def test_a_session_is_reported_with_its_turns(tmp_path: Path) -> None:
    page = trio.run(page_of, tmp_path / "x.db")
    assert page.count("asks gpt-x (turn-1/turn#1:llm:") == 4
    assert "failed: the model is &lt;busy&gt;" in page
    assert "runs slow (turn-1/turn#1:llm:1:attempt:2:call_1)" in page
    assert "&#34;&lt;b&gt;slow&lt;/b&gt;&#34;" in page
    assert "there is no tool &#39;rm&#39;" in page
    assert "runs code (" in page
    assert "very v... (1,200 tokens in, 34 out)" in page
    assert "2,400 tokens in, 68 out" in page, "together"
    assert "nothing new" in page
    assert "<b>slow" not in page
