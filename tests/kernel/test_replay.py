"""Replay: what is recorded comes back, what is not recorded runs."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    AwaitEventOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectScope,
    Invocation,
    InvocationScope,
    JsonValue,
    LocalExecutor,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ReplayingEffectHost,
    ReplayOptions,
    StepError,
    TrioClock,
    WaitTimedOut,
)
from lash_trio.model import first_difference

SCOPE = EffectScope.process("p1")


class Calls:
    """Step functions that remember how often they ran."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def value(self, name: str) -> JsonValue:
        self.names.append(name)
        return {"name": name, "pair": (1, 2)}

    async def fail(self, name: str) -> JsonValue:
        self.names.append(name)
        raise LookupError(f"no {name}")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def journal() -> MemoryEffectJournal:
    return MemoryEffectJournal()


def host_on(
    journal: MemoryEffectJournal, options: ReplayOptions | None = None
) -> ReplayingEffectHost:
    return ReplayingEffectHost(journal, options, clock=TrioClock())


async def test_a_recorded_outcome_comes_back_and_nothing_runs(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    async def run() -> JsonValue:
        async with host_on(journal).scoped(SCOPE) as scope:
            return await scope.step("quote", calls.value, "a")

    first = await run()
    assert first == {"name": "a", "pair": [1, 2]}, "as it comes back from the wire"
    assert await run() == first
    assert calls.names == ["a"]


async def test_a_recorded_error_comes_back_with_its_class(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    async def run() -> StepError:
        async with host_on(journal).scoped(SCOPE) as scope:
            with pytest.raises(StepError) as caught:
                await scope.step("quote", calls.fail, "a")
            return caught.value

    first, second = await run(), await run()
    assert str(first) == str(second)
    assert (second.error_class, second.error_message) == ("LookupError", "no a")
    assert isinstance(first.__cause__, LookupError)
    assert calls.names == ["a"]


async def test_a_refusal_of_the_registry_is_an_outcome(journal: MemoryEffectJournal) -> None:
    registry = MemoryProcessRegistry()
    for _ in range(2):
        async with host_on(journal).scoped(SCOPE) as scope:
            with pytest.raises(PluginError) as caught:
                await scope.await_event(registry, "nobody", "signal.x", 1)
            assert caught.value.reason == "unknown_process"


async def test_changed_arguments_are_a_mismatch_that_shows_the_difference(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.step("quote", calls.value, "a")
    async with host_on(journal).scoped(SCOPE) as scope:
        with pytest.raises(EffectError) as caught:
            await scope.step("quote", calls.value, "b")
    assert caught.value.code == "effect_replay_mismatch"
    assert 'at $.command.input[0] recorded "a", got "b"' in str(caught.value)
    assert "quote#1" in str(caught.value)
    assert calls.names == ["a"]


@pytest.mark.parametrize(
    ("recorded", "got", "difference"),
    [
        ({"a": 1}, {"a": 2}, ("$.a", 1, 2)),
        ({"a": 1}, {}, ("$.a", 1, "<absent>")),
        ({}, {"b": None}, ("$.b", "<absent>", None)),
        ([1, 2], [1, 2, 3], ("$[2]", "<absent>", 3)),
        ([1, 2], [1], ("$[1]", 2, "<absent>")),
        ({"a": [{"b": 1}]}, {"a": [{"b": True}]}, ("$.a[0].b", 1, True)),
        ({"a": 1, "z": 1}, {"a": 1, "z": "1"}, ("$.z", 1, "1")),
        (1, 1.0, ("$", 1, 1.0)),
    ],
)
def test_first_difference(
    recorded: JsonValue, got: JsonValue, difference: tuple[str, JsonValue, JsonValue]
) -> None:
    where, one, other = first_difference(recorded, got)
    assert (where, repr(one), repr(other)) == (
        difference[0],
        repr(difference[1]),
        repr(difference[2]),
    )


async def test_replay_only_runs_nothing(journal: MemoryEffectJournal, calls: Calls) -> None:
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.step("quote", calls.value, "a")
    async with host_on(journal, ReplayOptions(replay_only=True)).scoped(SCOPE) as scope:
        await scope.step("quote", calls.value, "a")
        with pytest.raises(EffectError) as caught:
            await scope.step("other", calls.value, "b")
    assert caught.value.code == "effect_replay_missing"
    assert "other#1" in str(caught.value)
    assert calls.names == ["a"]


async def test_a_restarted_sleep_waits_for_what_is_left(
    journal: MemoryEffectJournal, autojump_clock: MockClock
) -> None:
    start = trio.current_time()
    with trio.move_on_after(3):
        async with host_on(journal).scoped(SCOPE) as scope:
            await scope.sleep(10)
    assert trio.current_time() - start == 3
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.sleep(10)
    assert trio.current_time() - start == pytest.approx(10, abs=0.01)
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.sleep(10)
    assert trio.current_time() - start == pytest.approx(10, abs=0.01), "it is over"


async def test_a_timeout_goes_on_where_it_was_and_is_recorded(
    journal: MemoryEffectJournal, autojump_clock: MockClock
) -> None:
    registry = MemoryProcessRegistry()
    await registry.register_process(
        ProcessRegistration(
            id="p1",
            input=ProcessInput.external(),
            provenance=ProcessProvenance.host("test"),
            event_types=[ProcessEventType(name="signal.go")],
        )
    )
    start = trio.current_time()
    with trio.move_on_after(4):
        async with host_on(journal).scoped(SCOPE) as scope:
            await scope.await_event(registry, "p1", "signal.go", 1, timeout_seconds=10)
    async with host_on(journal).scoped(SCOPE) as scope:
        with pytest.raises(WaitTimedOut):
            await scope.await_event(registry, "p1", "signal.go", 1, timeout_seconds=10)
    assert trio.current_time() - start == pytest.approx(10, abs=0.01)
    await registry.append_event("p1", ProcessEventAppendRequest(event_type="signal.go"))
    async with host_on(journal).scoped(SCOPE) as scope:
        with pytest.raises(WaitTimedOut):  # the event came too late, for ever
            await scope.await_event(registry, "p1", "signal.go", 1, timeout_seconds=10)


async def test_cancelled_from_outside_nothing_is_recorded(
    journal: MemoryEffectJournal, calls: Calls, autojump_clock: MockClock
) -> None:
    async def slow(name: str) -> JsonValue:
        await trio.sleep(10)
        return await calls.value(name)

    with trio.move_on_after(5) as deadline:
        async with host_on(journal).scoped(SCOPE) as scope:
            await scope.step("slow", slow, "a")
    assert deadline.cancelled_caught
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.step("slow", slow, "a")
    assert calls.names == ["a"]


async def test_a_requested_cancellation_is_not_recorded(
    journal: MemoryEffectJournal, calls: Calls, autojump_clock: MockClock
) -> None:
    async with host_on(journal).scoped(SCOPE) as scope:
        scope.cancel("stop")
        with pytest.raises(EffectError) as caught:
            await scope.step("quote", calls.value, "a")
        assert caught.value.code == "runtime_effect_cancelled"
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.step("quote", calls.value, "a")
    assert calls.names == ["a"]


async def test_a_cancelled_scope_gives_back_what_is_recorded(
    journal: MemoryEffectJournal, calls: Calls, autojump_clock: MockClock
) -> None:
    """The code comes to where it was, and is cancelled there."""
    async with host_on(journal).scoped(SCOPE) as scope:
        await scope.step("quote", calls.value, "a")
        with pytest.raises(StepError):
            await scope.step("book", calls.fail, "b")
        await scope.sleep(1)
        with trio.move_on_after(0.5):
            await scope.sleep(9, "long")
    async with host_on(journal).scoped(SCOPE) as scope:
        scope.cancel("enough")
        assert await scope.step("quote", calls.value, "a") == {"name": "a", "pair": [1, 2]}
        with pytest.raises(StepError):
            await scope.step("book", calls.fail, "b")
        await scope.sleep(1)
        codes: list[str] = []
        with pytest.raises(EffectError) as cancelled:
            await scope.sleep(9, "long")
        codes.append(cancelled.value.code)
        with pytest.raises(EffectError) as cancelled:
            await scope.step("pay", calls.value, "c")
        codes.append(cancelled.value.code)
        assert codes == ["runtime_effect_sleep_cancelled", "runtime_effect_cancelled"]
    assert calls.names == ["a", "b"]
    async with host_on(journal).scoped(SCOPE) as scope:
        scope.cancel("enough")
        with pytest.raises(EffectError) as cancelled:
            await scope.step("quote", calls.value, "changed")
        assert cancelled.value.code == "runtime_effect_cancelled", "it is not the recorded one"


async def test_what_was_done_is_recorded_in_spite_of_a_cancellation(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    with trio.CancelScope() as outer:
        async with host_on(journal).scoped(SCOPE) as scope:

            async def done_and_cancelled(name: str) -> JsonValue:
                value = await calls.value(name)
                outer.cancel()
                return value

            await scope.step("quote", done_and_cancelled, "a")
            await trio.lowlevel.checkpoint()
    assert outer.cancelled_caught
    async with host_on(journal).scoped(SCOPE) as scope:
        assert await scope.step("quote", calls.fail, "a") == {"name": "a", "pair": [1, 2]}


async def test_the_first_recorded_outcome_wins(journal: MemoryEffectJournal) -> None:
    command = EffectCommand.await_event("k")

    def effect(payload: int) -> tuple[EffectEnvelope, LocalExecutor]:
        async def run(_: EffectEnvelope) -> AwaitEventOutcome:
            return AwaitEventOutcome(payload=payload)

        invocation = Invocation.effect(
            InvocationScope(session_id="s"), effect_id="k", kind=command.kind, replay_key="k"
        )
        return EffectEnvelope(invocation=invocation, command=command), LocalExecutor.call(run)

    async with host_on(journal).scoped(SCOPE) as scope:
        handles = [scope.start_effect(*effect(n)) for n in range(5)]
        outcomes = [await handle.result() for handle in handles]
    assert len(set(outcomes)) == 1
    async with host_on(journal).scoped(SCOPE) as scope:
        assert await scope.execute_effect(*effect(99)) == outcomes[0]


async def test_who_lost_the_scope_writes_nothing(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    async with host_on(journal).scoped(SCOPE) as stale:
        journal.break_leases()
        async with host_on(journal).scoped(SCOPE) as fresh:
            assert await fresh.step("quote", calls.value, "a") is not None
            with pytest.raises(EffectError) as caught:
                await stale.step("quote", calls.value, "a")
    assert caught.value.code == "effect_scope_lease_lost"
    assert calls.names == ["a", "a"], "at least once"


async def test_a_scope_is_open_once(journal: MemoryEffectJournal) -> None:
    async with host_on(journal).scoped(SCOPE):
        with pytest.raises(EffectError) as caught:
            async with host_on(journal).scoped(SCOPE):
                raise AssertionError("it is open already")
    assert caught.value.code == "effect_scope_lease_held"
    async with host_on(journal).scoped(SCOPE):
        pass


async def test_an_outcome_that_is_too_large_is_refused_before_the_write(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    async def large() -> JsonValue:
        calls.names.append("large")
        return "x" * 100

    for _ in range(2):
        async with host_on(journal, ReplayOptions(max_outcome_bytes=100)).scoped(SCOPE) as scope:
            with pytest.raises(EffectError) as caught:
                await scope.step("large", large)
            assert caught.value.code == "effect_outcome_too_large"
            assert "100" in str(caught.value)
    assert calls.names == ["large", "large"], "nothing was recorded"


async def test_scopes_of_one_id_and_different_kinds_are_apart(
    journal: MemoryEffectJournal, calls: Calls
) -> None:
    for scope_id in (
        EffectScope.process("x"),
        EffectScope.turn("s", "x"),
        EffectScope.turn("t", "x"),
    ):
        async with host_on(journal).scoped(scope_id) as scope:
            await scope.step("quote", calls.value, "a")
    assert calls.names == ["a", "a", "a"]


async def test_an_executor_that_cannot_serve_records_nothing(journal: MemoryEffectJournal) -> None:
    command = EffectCommand.exec_code("1 + 1")
    invocation = Invocation.effect(
        InvocationScope(session_id="s"), effect_id="e", kind=command.kind, replay_key="e"
    )
    envelope = EffectEnvelope(invocation=invocation, command=command)
    async with host_on(journal).scoped(SCOPE) as scope:
        with pytest.raises(EffectError) as caught:
            await scope.execute_effect(envelope, LocalExecutor.unavailable())
        assert caught.value.code == "runtime_effect_local_executor_unavailable"
        with pytest.raises(EffectError) as caught:
            await scope.execute_effect(envelope, LocalExecutor.sleep())
        assert caught.value.code == "runtime_effect_local_executor_mismatch"
