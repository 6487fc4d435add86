"""Conversations: what was said is kept, turns go on after a kill, cancelling ends one turn."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    JsonValue,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    TextDelta,
    TurnStreamEvent,
    WireError,
)
from lash_trio.turns import Conversation, ScriptedReply, ToolLoop, TurnQueue, TurnStatus
from tests.turns.support import Model, Waiting, calling, replaying, said


class Parts:
    """What outlives a program: registry, journal, and the outside world."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.registry = MemoryProcessRegistry()
        self.journal = MemoryEffectJournal()
        self.waiting = Waiting()

    def conversation(self) -> Conversation:
        """A new program's."""
        loop = ToolLoop(provider=self.model, model="m", tools=self.waiting.tools)
        return Conversation(self.registry, replaying(self.journal), loop, "s1")


async def test_answers_know_what_was_said_before() -> None:
    model = Model(script=lambda r: ScriptedReply.says(f"answer {len(r.messages)}"))
    talk = Parts(model).conversation()
    assert await talk.say("hello") == 1
    (first,) = await talk.run_turns()
    assert first.text == "answer 1"
    await talk.say("and")
    await talk.say("then")
    assert await talk.pending() == 2
    assert [result.text for result in await talk.run_turns()] == ["answer 3", "answer 5"]
    assert said(await talk.messages()) == [
        "user: hello",
        "assistant: answer 1",
        "user: and",
        "assistant: answer 3",
        "user: then",
        "assistant: answer 5",
    ]
    assert await talk.run_turns() == []


async def test_the_same_thing_said_twice_under_one_id_is_said_once() -> None:
    talk = Parts(Model(ScriptedReply.says("hi"))).conversation()
    assert await talk.say("hello", "i1") == await talk.say("hello", "i1") == 1
    assert len(await talk.run_turns()) == 1


async def test_a_killed_program_goes_on_in_the_middle_of_a_tool(
    autojump_clock: MockClock,
) -> None:
    parts = Parts(Model(calling(("wait", {"name": "a", "seconds": 5})), ScriptedReply.says("ok")))
    await parts.conversation().say("hello")
    with trio.move_on_after(3):
        await parts.conversation().run_turns()
    assert await parts.conversation().pending() == 1
    (result,) = await parts.conversation().run_turns()
    assert (result.text, parts.model.answers) == ("ok", 2)
    assert [turn.text for _, turn in await parts.conversation().turns()] == ["ok"]


async def test_cancelling_ends_the_turn_and_not_the_conversation(
    autojump_clock: MockClock,
) -> None:
    parts = Parts(
        Model(
            script=lambda request: (
                calling(("wait", {"name": "a", "seconds": 50}))
                if len(request.messages) == 1
                else ScriptedReply.says("fine")
            )
        )
    )
    talk = parts.conversation()
    assert not talk.cancel_turn("nothing runs")
    await talk.say("hello")
    async with trio.open_nursery() as nursery:

        async def stop() -> None:
            await trio.sleep(5)
            assert talk.cancel_turn("Ctrl-C")

        nursery.start_soon(stop)
        (result,) = await talk.run_turns()
    assert (result.status, trio.current_time()) == (TurnStatus.CANCELLED, 5)
    await talk.say("never mind")
    (after,) = await talk.run_turns()
    assert after.text == "fine"
    lines = said(parts.model.requests[-1].messages)
    assert lines[2].startswith("error call_1: ")
    assert lines[3].startswith("system: The turn was cancelled: ")
    assert "Ctrl-C" in lines[3]
    assert [turn.status for _, turn in await parts.conversation().turns()] == [
        TurnStatus.CANCELLED,
        TurnStatus.COMPLETED,
    ]


async def test_text_streams_as_it_comes(autojump_clock: MockClock) -> None:
    talk = Parts(Model(ScriptedReply.says("a b", seconds_per_word=2))).conversation()
    await talk.say("hello")
    send, receive = trio.open_memory_channel[TurnStreamEvent](0)
    heard: list[tuple[str, float]] = []

    async def listen() -> None:
        heard.extend(
            [
                (event.text, trio.current_time())
                async for event in receive
                if isinstance(event, TextDelta)
            ]
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        async with send:
            await talk.run_turns(send)
    assert heard == [("a ", 2), ("b ", 4)]


@pytest.mark.parametrize("payload", [None, {"txt": "x"}, {"text": 3}])
async def test_an_input_of_another_shape_is_refused(payload: JsonValue) -> None:
    parts = Parts(Model())
    await TurnQueue(parts.registry, replaying(parts.journal), "s1").put(payload)
    with pytest.raises(WireError):
        await parts.conversation().run_turns()
