"""Steps, keys, time, chance and reading, as a process function uses them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import partial

import pytest
import trio
import trio.lowlevel
from hypothesis import given, strategies as st

from lash_trio import (
    EffectError,
    EffectErrorCode,
    InlineEffectHost,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessStatusFilter,
    StepError,
    WireError,
)

from .support import (
    HookedRegistry,
    RecordingController,
    check_nothing_left,
    end_of,
    idle,
    log,
    register,
    result_of,
    row,
    run_in_virtual_time,
    worker,
    working,
)


async def double(n: int) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * n


async def test_a_step_runs_a_function_and_gives_its_value(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext, n: int) -> JsonValue:
        assert ctx.process_id == "p"
        return [await ctx.step("double", double, n), await ctx.step("double", double, n + 1)]

    assert await result_of(registry, definitions, p, n=3) == [6, 8]


async def test_an_error_of_a_step_is_a_step_error_with_its_cause(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    error = PermissionError("card declined")

    async def charge() -> None:
        raise error

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(StepError) as raised:
            await ctx.step("charge", charge)
        failed = raised.value
        assert failed.__cause__ is error
        return [failed.code, failed.error_class, failed.error_message, failed.message]

    assert await result_of(registry, definitions, p) == [
        "durable_step_failed",
        "PermissionError",
        "card declined",
        "step 'charge' failed with PermissionError: card declined",
    ]


async def test_an_effect_error_passes_a_step_as_it_is(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    error = PluginError(PluginReason.UNKNOWN_GRANT, "not yours")

    async def transfer() -> None:
        raise error

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(PluginError) as refused:
            await ctx.step("transfer", transfer)
        return refused.value is error

    assert await result_of(registry, definitions, p) is True


async def test_arguments_and_value_of_a_step_are_json(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    async def give(value: object) -> object:
        return value

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        for args in ((object(),), (), ()):
            with pytest.raises(WireError) as refused:
                await ctx.step("give", partial(give, {1}) if not args else give, *args)  # type: ignore[arg-type]
            assert refused.value.code == EffectErrorCode.INVALID_JSON
        return await ctx.step("give", give, (1, 2))  # type: ignore[arg-type]

    assert await result_of(registry, definitions, p) == [1, 2]


# --- keys ------------------------------------------------------------------------


@given(delays=st.lists(st.integers(0, 3), min_size=9, max_size=9), schedule=st.random_module())
def test_keys_of_steps_side_by_side_do_not_depend_on_their_order(
    delays: list[int], schedule: object
) -> None:
    """Whoever comes first: the third child's second step has the same key."""
    definitions = ProcessDefinitions()
    left = list(delays)

    async def late(child: int, step: int) -> None:
        await trio.sleep(left.pop())

    async def child(ctx: ProcessContext, number: int) -> None:
        for step in range(2):
            await ctx.step("late", late, number, step)
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(ctx.step, "inner", late, number, 9)

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async with ctx.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(child, ctx, number)

    async def main() -> dict[str, JsonValue]:
        registry, controller = MemoryProcessRegistry(), RecordingController()
        await register(registry, definitions, p)
        async with working(worker(registry, definitions, host=InlineEffectHost(controller))):
            await registry.await_process("p")
        check_nothing_left(registry)
        assert len(set(controller.keys)) == 9
        return {e.replay_key: getattr(e.command, "input") for e in controller.envelopes}  # noqa: B009

    keys = run_in_virtual_time(main)
    assert keys == {
        **{f"nursery#1.{n + 1}/late#{s + 1}": [n, s] for n in range(3) for s in range(2)},
        **{f"nursery#1.{n + 1}/nursery#1.1/inner#1": [n, 9] for n in range(3)},
    }


async def test_a_task_without_a_path_is_refused(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        await ctx.step("double", double, 1)
        with pytest.raises(ExceptionGroup) as refused:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ctx.step, "double", double, 2)
        (error,) = refused.value.exceptions
        assert isinstance(error, EffectError)
        return error.code

    assert await result_of(registry, definitions, p) == "effect_path_shared"


async def test_an_idempotency_key_is_the_steps_own_in_every_run(
    definitions: ProcessDefinitions,
) -> None:
    asked: list[str] = []

    async def pay(key: str) -> str:
        return key

    async def child(ctx: ProcessContext) -> None:
        asked.append(ctx.idempotency_key("pay"))

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        first = ctx.idempotency_key("pay")
        assert first == ctx.idempotency_key("pay"), "asking twice is asking once"
        asked.append(first)
        await ctx.step("pay", pay, first)
        asked.append(ctx.idempotency_key("pay"))
        asked.append(ctx.idempotency_key("refund"))
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(child, ctx)

    runs: list[list[str]] = []
    for process_id in ("p", "p", "q"):
        registry = MemoryProcessRegistry()
        asked.clear()
        await register(registry, definitions, p, process_id)
        async with working(worker(registry, definitions)):
            await registry.await_process(process_id)
        assert len(set(asked)) == 4, "keys differ between steps and places"
        runs.append(list(asked))
    assert runs[0] == runs[1], "on another machine it is the same process with the same keys"
    assert not set(runs[0]) & set(runs[2]), "keys differ between processes"


# --- time and chance -------------------------------------------------------------


async def test_time_and_chance_are_steps(definitions: ProcessDefinitions) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        now, chance, name = await ctx.now(), await ctx.random(), await ctx.uuid()
        assert isinstance(now, datetime)
        assert now.tzinfo is UTC
        assert abs((now - datetime.now(UTC)).total_seconds()) < 60
        assert 0 <= chance < 1
        assert isinstance(name, uuid.UUID)
        assert await ctx.random() != chance
        assert await ctx.uuid() != name
        await ctx.sleep(60)
        assert ((await ctx.now()) - now).total_seconds() == pytest.approx(60, abs=0.002)
        return None

    registry, controller = MemoryProcessRegistry(), RecordingController()
    await register(registry, definitions, p)
    async with working(worker(registry, definitions, host=InlineEffectHost(controller))):
        assert (await registry.await_process("p")).tag == "success"
    kinds = [(e.replay_key, e.command.kind.value) for e in controller.envelopes]
    assert kinds == [
        ("now#1", "durable_step"),
        ("random#1", "durable_step"),
        ("uuid#1", "durable_step"),
        ("random#2", "durable_step"),
        ("uuid#2", "durable_step"),
        ("sleep#1", "sleep"),
        ("now#2", "durable_step"),
    ]


async def test_a_sleep_takes_its_time(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        before = trio.current_time()
        await ctx.sleep(2.5)
        return trio.current_time() - before

    assert await result_of(registry, definitions, p) == 2.5


async def test_a_sleep_of_no_time_is_not_written_down(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.sleep(0)

    await result_of(registry, definitions, p)
    assert await log(registry) == ["process.completed"]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
async def test_a_sleep_that_is_none_is_refused(
    registry: HookedRegistry, definitions: ProcessDefinitions, seconds: float
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.sleep(seconds)

    output = await end_of(registry, definitions, p)
    assert getattr(output, "code", None) == EffectErrorCode.INVALID_VALUE


# --- reading ---------------------------------------------------------------------


async def test_reading_processes_is_a_step(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("idle")
    async def other(ctx: ProcessContext) -> None: ...

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        assert await ctx.get_process("nobody") is None
        mine = await ctx.get_process("p")
        assert mine is not None
        listed = await ctx.list_processes(
            ProcessListFilter(status=ProcessStatusFilter.ANY, definition="p")
        )
        return [mine.id, [record.id for record in listed]]

    await register(registry, definitions, other, "another")
    controller = RecordingController()
    await register(registry, definitions, p)
    async with working(worker(registry, definitions, host=InlineEffectHost(controller))):
        output = await registry.await_process("p")
        await registry.await_process("another")
    assert getattr(output, "value", None) == ["p", ["p"]]
    assert controller.keys == ["get_process:nobody#1", "get_process:p#1", "list_processes#1"]


# --- events of its own -----------------------------------------------------------

PROGRESS = ProcessEventType(name="progress", payload_schema={"type": "integer"})


async def test_emit_appends_an_event_and_gives_its_number(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", events=[PROGRESS])
    async def p(ctx: ProcessContext) -> JsonValue:
        return [await ctx.emit("progress", 10), await ctx.emit("progress", 20)]

    assert await result_of(registry, definitions, p) == [1, 2]
    events = await registry.events_after("p", 0)
    assert [(e.event_type, e.payload) for e in events[:2]] == [("progress", 10), ("progress", 20)]


async def test_what_cannot_be_emitted_is_refused(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", events=[PROGRESS])
    async def p(ctx: ProcessContext) -> JsonValue:
        reasons: list[JsonValue] = []
        for event_type, payload in (("progress", "much"), ("news", 1)):
            with pytest.raises(PluginError) as refused:
                await ctx.emit(event_type, payload)
            reasons.append(refused.value.reason)
        return reasons

    assert await result_of(registry, definitions, p) == ["invalid_payload", "undeclared_event_type"]
    assert await log(registry) == ["process.completed"]


async def test_a_rerun_emits_nothing_twice(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    runs = 0

    @definitions.process("p", events=[PROGRESS])
    async def p(ctx: ProcessContext) -> JsonValue:
        nonlocal runs
        runs += 1
        numbers: list[JsonValue] = [await ctx.emit("progress", 1), await ctx.emit("progress", 2)]
        if runs == 1:
            await trio.sleep_forever()
        return [*numbers, await ctx.emit("progress", 3)]

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await registry.wait_event_nth("p", "progress", 2)
    assert await result_of(registry, definitions, p) == [1, 2, 3]
    assert runs == 2
    assert await log(registry) == ["progress"] * 3 + ["process.completed"]


async def test_emitting_without_the_lease_is_no_outcome(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """A host that records must not record it: the next owner emits for real."""
    codes: list[str] = []

    @definitions.process("p", events=[PROGRESS])
    async def p(ctx: ProcessContext) -> None:
        # Under the name of the same owner, somebody claims it anew and gives it up.
        await registry.complete_process_lease(
            ProcessLeaseCompletion.of(await registry.claim_process_lease("p", "owner", 1000))
        )
        try:
            await ctx.emit("progress", 1)
        except EffectError as error:
            codes.append(error.code)
            raise

    await register(registry, definitions, p)
    async with working(worker(registry, definitions, owner_id="owner")):
        await trio.sleep(0.5)
    assert codes == [EffectErrorCode.SCOPE_LEASE_LOST]
    assert await log(registry) == []
    assert not (await row(registry)).is_terminal


async def test_the_scope_is_there_for_other_effects(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        before = trio.current_time()
        await ctx.scope.sleep(3)
        return [ctx.scope.effect_scope.tag, ctx.scope.scope_id, trio.current_time() - before]

    assert await result_of(registry, definitions, p) == ["process", "p", 3]
    assert await log(registry) == ["process.completed"], "no wait of the context's"


async def test_a_definition_without_arguments_is_idle(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    definitions.process("idle")(idle)
    assert await result_of(registry, definitions, idle) is None
