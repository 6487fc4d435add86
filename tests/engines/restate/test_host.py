"""The host where no invocation is served, journals as bytes, and what is not offered yet."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given, strategies as st

from lash_trio import (
    DurabilityTier,
    DurableStepOutcome,
    EffectError,
    EffectFailure,
    EffectOutcome,
    EffectScope,
    JournalEntry,
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    StoreError,
)
from lash_trio.abc import ProcessRegistry
from lash_trio.engines.restate import OUTSIDE_HANDLER, RestateEffectHost
from lash_trio.engines.restate._journal import entry_bytes, entry_from_bytes
from lash_trio.engines.restate._registry import RefusingProcessRegistry
from lash_trio.model import Err, Ok, canonical_json
from tests.engines.restate import protocol
from tests.engines.restate.test_attempt import asked, call, serving

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_host_is_durable() -> None:
    host = RestateEffectHost()
    assert host.durability_tier is DurabilityTier.DURABLE
    assert host.requires_durable_attachment_store


def test_outside_of_an_invocation_a_scope_is_refused_at_once() -> None:
    with pytest.raises(EffectError, match="outside of an invocation") as refused:
        RestateEffectHost().scoped(EffectScope.turn("session-1", "turn-1"))
    assert refused.value.code == OUTSIDE_HANDLER


def test_a_blank_scope_is_refused_as_everywhere() -> None:
    with pytest.raises(EffectError) as refused:
        RestateEffectHost().scoped(EffectScope.process(" "))
    assert refused.value.code == "missing_effect_scope_id"


def ok_step(value: JsonValue) -> Ok[EffectOutcome]:
    return Ok(DurableStepOutcome(value=value))


OUTCOMES: st.SearchStrategy[Ok[EffectOutcome] | Err[EffectFailure] | None] = st.one_of(
    st.none(),
    JSON.map(ok_step),
    st.text(min_size=1).map(lambda m: Err(EffectFailure(code="durable_step_failed", message=m))),
)


@given(JSON, OUTCOMES, st.none() | st.integers(0, 2**53), st.integers(0, 2**53))
def test_an_entry_comes_back_from_its_bytes(
    command: JsonValue,
    outcome: Ok[EffectOutcome] | Err[EffectFailure] | None,
    due_at_ms: int | None,
    recorded_at_ms: int,
) -> None:
    entry = JournalEntry(
        replay_key="key",
        envelope=canonical_json({"command": command}),
        outcome=outcome,
        due_at_ms=due_at_ms,
        recorded_at_ms=recorded_at_ms,
    )
    assert entry_from_bytes("key", entry_bytes(entry)) == entry


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"envelope":1,"outcome":{}}'])
def test_bytes_that_are_no_entry_are_refused(data: bytes) -> None:
    with pytest.raises(StoreError, match="holds no effect"):
        entry_from_bytes("key", data)


async def test_a_registry_is_refused_in_every_method() -> None:
    registry = RefusingProcessRegistry()
    names = sorted(ProcessRegistry.__abstractmethods__)
    assert len(names) > 20
    for name in names:
        method = getattr(registry, name)
        arguments = len(
            [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
        )
        with pytest.raises(EffectError, match=rf"{name}\(\), which needs a registry") as refused:
            await method(*[None] * arguments)
        assert refused.value.code == "runtime_effect_local_executor_unavailable"


async def test_what_is_not_offered_yet_fails_the_process_and_says_so(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("other")
    async def other(ctx: ProcessContext) -> None:
        await ctx.wait_event("process-2", "process.completed", 1)

    @definitions.process("parent")
    async def parent(ctx: ProcessContext) -> None:
        await ctx.start("other")

    @definitions.process("undeclared")
    async def undeclared(ctx: ProcessContext) -> None:
        await ctx.wait_signal("nothing")

    expected = {
        "other": b"without a registry a process can wait for events of its own only",
        "parent": b"which needs a registry of processes",
        "undeclared": b"does not declare",
    }
    for name, text in expected.items():
        async with serving(definitions) as (client, _):
            run = await call(client, asked(name))
            if name == "undeclared":
                # That one is an outcome, so it is recorded first.
                await run.until(protocol.PROPOSE)
                proposal = next(body for kind, body in run.frames if kind == protocol.PROPOSE)
                assert text in proposal
                continue
            output = await run.until(protocol.OUTPUT)
            assert text in output
            assert b'"type":"failure"' in output


async def test_scopes_inside_a_process_have_entries_of_their_own(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()
    host = RestateEffectHost()
    turn = EffectScope.turn("session-1", "turn-1")
    refusals: list[str] = []

    async def work() -> None:
        pass

    @definitions.process("turns")
    async def turns(ctx: ProcessContext) -> None:
        async with host.scoped(turn) as scope:
            assert scope.durability_tier is DurabilityTier.DURABLE
            with pytest.raises(EffectError) as refused:
                async with host.scoped(turn):
                    raise AssertionError("the scope is open")
            refusals.append(refused.value.code)
            with pytest.raises(EffectError) as refused:
                async with host.scoped(EffectScope.process("process-1")):
                    raise AssertionError("the process's own scope is open")
            refusals.append(refused.value.code)
            await scope.step("work", work)

    async with serving(definitions) as (client, _):
        run = await call(client, asked("turns"))
        await run.until(protocol.PROPOSE)
    assert refusals == ["effect_scope_lease_held"] * 2
    (begun,) = [body for kind, body in run.frames if kind == protocol.RUN]
    assert b'{"session_id":"session-1","turn_id":"turn-1","type":"turn"}work#1' in begun
