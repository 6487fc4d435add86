"""Sessions: every queued turn runs once, and a deletion reports what it left."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    EffectError,
    InlineEffectHost,
    JsonValue,
    LlmMessage,
    LlmRole,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessLease,
    ProcessProvenance,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    ScopedEffectController,
    SessionScope,
    StoreError,
)
from lash_trio.turns import (
    TURN_ENDED,
    EndedTurn,
    QueuedTurn,
    ScriptedReply,
    ToolLoop,
    TurnQueue,
    delete_session,
)
from tests.turns.support import Model, Waiting, calling, replaying


def queue(registry: MemoryProcessRegistry, journal: MemoryEffectJournal | None = None) -> TurnQueue:
    host = InlineEffectHost() if journal is None else replaying(journal)
    return TurnQueue(registry, host, "s1")


async def echo(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
    assert scope.effect_scope.session_id == "s1"
    assert scope.turn_id == turn.turn_id == f"turn-{turn.ordinal}"
    return {"echo": turn.input}


async def test_turns_run_once_and_in_order() -> None:
    turns = queue(MemoryProcessRegistry())
    assert [await turns.put(text) for text in ("a", "b", "c")] == [1, 2, 3]
    assert await turns.pending() == 3
    assert await turns.drain(echo) == 3
    assert await turns.drain(echo) == 0
    assert await turns.pending() == 0
    assert await turns.ended() == [
        EndedTurn(ordinal=n, input=text, result={"echo": text}) for n, text in enumerate("abc", 1)
    ]


async def test_the_same_input_again_is_no_new_turn() -> None:
    turns = queue(MemoryProcessRegistry())
    assert await turns.put("a", "i1") == 1
    assert await turns.put("b", "i2") == 2
    assert await turns.put("a", "i1") == 1
    with pytest.raises(PluginError) as conflict:
        await turns.put("c", "i1")
    assert conflict.value.reason == PluginReason.REPLAY_CONFLICT
    assert await turns.drain(echo) == 2


async def test_what_comes_during_a_drain_is_drained_too() -> None:
    turns = queue(MemoryProcessRegistry())

    async def one_more(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
        if turn.ordinal < 3:
            await turns.put(turn.ordinal + 1)
        return None

    await turns.put(1)
    assert await turns.drain(one_more) == 3


async def test_a_turn_that_fails_stays_at_the_head() -> None:
    turns = queue(MemoryProcessRegistry())

    async def fail(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
        raise LookupError("nothing")

    await turns.put("a")
    with pytest.raises(LookupError):
        await turns.drain(fail)
    assert await turns.pending() == 1
    assert await turns.drain(echo) == 1


async def test_a_killed_drain_goes_on_where_it_was(autojump_clock: MockClock) -> None:
    registry, journal, waiting = MemoryProcessRegistry(), MemoryEffectJournal(), Waiting()
    model = Model(
        script=lambda request: (
            ScriptedReply.says("done")
            if len(request.messages) > 1
            else calling(("wait", {"name": "x", "seconds": 2}))
        )
    )
    loop = ToolLoop(provider=model, model="m", tools=waiting.tools)

    async def talk(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
        result = await loop.run(scope, [LlmMessage.text(LlmRole.USER, str(turn.input))])
        await trio.sleep(1)
        return result.text

    for number in range(4):
        await queue(registry).put(number)
    runs = 0
    while await queue(registry).pending():
        runs += 1
        with trio.move_on_after(2.5):
            await queue(registry, journal).drain(talk)
    assert [turn.result for turn in await queue(registry).ended()] == ["done"] * 4
    assert runs > 4, "it was cut off between the tool and the end of a turn, too"
    assert model.answers == 8
    assert len(waiting.ended) == 4


async def test_one_drain_at_a_time_on_a_durable_host(autojump_clock: MockClock) -> None:
    registry, journal = MemoryProcessRegistry(), MemoryEffectJournal()
    turns = queue(registry, journal)
    await turns.put("a")

    async def slow(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
        await trio.sleep(5)
        return None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.drain, slow)
        await trio.sleep(1)
        with pytest.raises(EffectError) as held:
            await queue(registry, journal).drain(slow)
        assert held.value.code == "effect_scope_lease_held"
    assert await turns.pending() == 0


async def test_a_deletion_revokes_and_reports_orphans() -> None:
    registry, journal = MemoryProcessRegistry(), MemoryEffectJournal()
    for process_id in ("lonely", "shared"):
        await registry.register_process(
            ProcessRegistration(
                id=process_id,
                input=ProcessInput.external(),
                provenance=ProcessProvenance.host("h"),
            )
        )
    for session_id, process_id in (("s1", "lonely"), ("s1", "shared"), ("s2", "shared")):
        await registry.grant_handle(
            SessionScope(session_id=session_id), process_id, ProcessHandleDescriptor()
        )
    report = ProcessSessionDeleteReport(
        session_id="s1",
        revoked_handle_count=2,
        revoked_process_ids=("lonely", "shared"),
        orphaned_process_ids=("lonely",),
        preserved_process_ids=("shared",),
    )
    assert await delete_session(replaying(journal), registry, "s1") == report
    record = await registry.get_process("lonely")
    assert record is not None
    assert not record.is_terminal, "a deletion cancels nothing"
    assert await delete_session(replaying(journal), registry, "s1") == report, "recorded"
    again = await delete_session(InlineEffectHost(), registry, "s1")
    assert again == ProcessSessionDeleteReport(session_id="s1")


async def test_a_blank_session_cannot_be_deleted() -> None:
    with pytest.raises(EffectError) as blank:
        await delete_session(InlineEffectHost(), MemoryProcessRegistry(), " ")
    assert blank.value.code == "missing_effect_scope_id"


async def test_an_end_that_cannot_be_written_is_an_error_in_a_bounded_time(
    autojump_clock: MockClock,
) -> None:
    class Hanging(MemoryProcessRegistry):
        async def append_event(
            self,
            process_id: str,
            request: ProcessEventAppendRequest,
            fence: ProcessLease | None = None,
        ) -> ProcessEventAppendResult:
            if request.event_type == TURN_ENDED:
                await trio.sleep_forever()
            return await super().append_event(process_id, request, fence)

    turns = queue(Hanging())
    await turns.put("a")
    with pytest.raises(StoreError, match="the end of turn 1 of session 's1'"):
        await turns.drain(echo)
    assert (trio.current_time(), await turns.pending()) == (5, 1)
