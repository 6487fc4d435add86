"""Waiting for signals, for events of any process, and for the ends of processes."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, strategies as st

from lash_trio import (
    EffectError,
    EffectErrorCode,
    InlineEffectHost,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    WaitTimedOut,
    WorkerOptions,
)

from .support import (
    HookedRegistry,
    RecordingController,
    check_nothing_left,
    log,
    register,
    result_of,
    run_in_virtual_time,
    send,
    settled,
    worker,
    working,
)


async def test_signals_come_in_their_order_however_early(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go", "stop"])
    async def p(ctx: ProcessContext) -> JsonValue:
        await ctx.sleep(1)
        got = [await ctx.wait_signal("go"), await ctx.wait_signal("go")]
        return [*got, await ctx.wait_signal("stop"), await ctx.wait_signal("go")]

    await register(registry, definitions, p)
    for n in (1, 2):
        await send(registry, "signal.go", n)
    async with working(worker(registry, definitions)):
        await trio.sleep(5)
        await send(registry, "signal.go", 3)
        await trio.sleep(5)
        await send(registry, "signal.stop", "x")
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.success([1, 2, "x", 3])


async def test_a_later_signal_may_be_waited_for_out_of_step(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        third = await ctx.wait_signal("go", ordinal=3)
        first = await ctx.wait_signal("go", ordinal=1)
        return [third, first, await ctx.wait_signal("go", ordinal=2)]

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        for n in (1, 2, 3):
            await trio.sleep(1)
            assert not (await registry.list_non_terminal())[0].is_terminal
            await send(registry, "signal.go", n)
        output = await registry.await_process("p")
        assert trio.current_time() < 3.5
    assert output == ProcessAwaitOutput.success([3, 1, 2])


async def test_a_rerun_gets_the_same_signals(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    seen: list[JsonValue] = []

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        seen.append(await ctx.wait_signal("go"))
        seen.append(await ctx.wait_signal("go"))
        return None

    await register(registry, definitions, p)
    await send(registry, "signal.go", 1)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
    await send(registry, "signal.go", 2)
    assert await result_of(registry, definitions, p) is None
    assert seen == [1, 1, 2]


async def test_what_a_process_does_to_a_payload_does_not_reach_the_log(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        payload = await ctx.wait_signal("go")
        assert isinstance(payload, list)
        payload.append("mine")

    await register(registry, definitions, p)
    await send(registry, "signal.go", ["theirs"])
    await result_of(registry, definitions, p)
    assert (await registry.events_after("p", 0))[0].payload == ["theirs"]


async def test_two_tasks_cannot_both_wait_for_the_next(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go", "stop"])
    async def p(ctx: ProcessContext) -> JsonValue:
        codes: list[JsonValue] = []

        async def take(name: str) -> None:
            try:
                await ctx.wait_signal(name)
            except EffectError as error:
                codes.append(error.code)

        async with ctx.open_nursery() as nursery:
            nursery.start_soon(take, "go")
            nursery.start_soon(take, "go")
            nursery.start_soon(take, "stop")
        return codes

    await register(registry, definitions, p)
    await send(registry, "signal.go")
    await send(registry, "signal.stop")
    assert await result_of(registry, definitions, p) == ["effect_path_shared"]


@given(order=st.permutations([1, 2, 3]), schedule=st.random_module())
def test_tasks_that_name_their_ordinals_get_theirs_in_any_order(
    order: list[int], schedule: object
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        got: dict[str, JsonValue] = {}

        async def take(ordinal: int) -> None:
            got[str(ordinal)] = await ctx.wait_signal("go", ordinal=ordinal)

        async with ctx.open_nursery() as nursery:
            for ordinal in order:
                nursery.start_soon(take, ordinal)
            got["next"] = await ctx.wait_signal("go")
        return got

    async def main() -> None:
        registry = MemoryProcessRegistry()
        await register(registry, definitions, p)
        async with working(worker(registry, definitions)):
            for n in (1, 2, 3):
                await send(registry, "signal.go", n * 10)
            output = await registry.await_process("p")
        # What other tasks got has not moved what is the next one for this task.
        assert output == ProcessAwaitOutput.success({"1": 10, "2": 20, "3": 30, "next": 10})
        check_nothing_left(registry)

    run_in_virtual_time(main)


@pytest.mark.parametrize(
    ("name", "ordinal", "code", "reason"),
    [
        ("go", 0, EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL, None),
        ("go", -1, EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL, None),
        ("stop", None, EffectErrorCode.PLUGIN, PluginReason.UNDECLARED_EVENT_TYPE),
        ("no name", None, EffectErrorCode.PLUGIN, PluginReason.INVALID_SIGNAL_NAME),
    ],
)
async def test_a_wait_that_could_never_end_is_refused(
    registry: HookedRegistry,
    definitions: ProcessDefinitions,
    name: str,
    ordinal: int | None,
    code: str,
    reason: str | None,
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(EffectError) as refused:
            await ctx.wait_signal(name, ordinal=ordinal)
        return [refused.value.code, getattr(refused.value, "reason", None)]

    assert await result_of(registry, definitions, p) == [code, reason]


# --- timeouts --------------------------------------------------------------------


async def test_a_timeout_is_an_outcome_of_its_own_and_takes_nothing(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        before = trio.current_time()
        with pytest.raises(WaitTimedOut, match=r"signal\.go:1 did not come within 3 s") as late:
            await ctx.wait_signal("go", timeout_seconds=3)
        assert trio.current_time() - before == 3
        assert late.value.code == EffectErrorCode.AWAIT_EVENT_TIMED_OUT
        return await ctx.wait_signal("go", timeout_seconds=3)

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(4)
        await send(registry, "signal.go", "late")
        assert await registry.await_process("p") == ProcessAwaitOutput.success("late")
        assert trio.current_time() == 4


async def test_a_timeout_of_no_time_looks_whether_it_is_there(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        first = await ctx.wait_signal("go", timeout_seconds=0)
        with pytest.raises(WaitTimedOut):
            await ctx.wait_signal("go", timeout_seconds=0)
        return first

    await register(registry, definitions, p)
    await send(registry, "signal.go", 1)
    assert await result_of(registry, definitions, p) == 1


@given(schedule=st.random_module(), jitter=st.integers(0, 4))
def test_event_and_timeout_of_one_instant_never_both_win(schedule: object, jitter: int) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        try:
            return ["first", await ctx.wait_signal("go", timeout_seconds=3)]
        except WaitTimedOut:
            return ["second", await ctx.wait_signal("go", timeout_seconds=3)]

    async def main() -> None:
        registry = MemoryProcessRegistry()
        await register(registry, definitions, p)
        async with working(worker(registry, definitions)):
            await trio.sleep(3)
            for _ in range(jitter):
                await trio.lowlevel.checkpoint()
            await send(registry, "signal.go", "x")
            output = await registry.await_process("p")
        # Whichever won, the signal was got once and none is left over.
        assert output in [ProcessAwaitOutput.success([n, "x"]) for n in ("first", "second")]
        (end,) = [e for e in await registry.events_after("p", 0) if e.semantics.terminal]
        assert isinstance(end.payload, dict)
        assert "unconsumed_signals" not in end.payload
        check_nothing_left(registry)

    run_in_virtual_time(main)


# --- other processes -------------------------------------------------------------


async def add_external(registry: MemoryProcessRegistry, process_id: str) -> None:
    await registry.register_process(
        ProcessRegistration(
            id=process_id,
            input=ProcessInput.external({}),
            provenance=ProcessProvenance.host("tests"),
        )
    )


async def test_events_of_another_process_can_be_waited_for(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("source", signals=["tick"])
    async def source(ctx: ProcessContext) -> None:
        await ctx.wait_signal("tick", ordinal=2)

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        second = await ctx.wait_event("source", "signal.tick", 2)
        return [second, await ctx.wait_event("source", "signal.tick", 1)]

    await register(registry, definitions, source, "source")
    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        for n in (1, 2):
            await trio.sleep(1)
            await send(registry, "signal.tick", n, "source")
        assert await registry.await_process("p") == ProcessAwaitOutput.success([2, 1])
        await registry.await_process("source")


async def test_waiting_for_an_event_may_time_out(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(WaitTimedOut):
            await ctx.wait_event("other", "process.completed", 1, timeout_seconds=7)
        return trio.current_time()

    await add_external(registry, "other")
    assert await result_of(registry, definitions, p) == 7


async def test_a_process_that_is_not_there_cannot_be_waited_for(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        reasons: list[JsonValue] = []
        with pytest.raises(PluginError) as refused:
            await ctx.wait_event("nobody", "process.completed", 1)
        reasons.append(refused.value.reason)
        with pytest.raises(PluginError) as refused:
            await ctx.await_process("nobody")
        reasons.append(refused.value.reason)
        return reasons

    assert await result_of(registry, definitions, p) == ["unknown_process"] * 2
    assert await log(registry) == ["process.completed"], "nothing was written about these waits"


async def test_the_end_of_a_process_can_be_waited_for_and_seen_after_it(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    ended = ProcessAwaitOutput.failure("broken", "by hand")

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        first = await ctx.await_process("other")
        again = await ctx.await_process("other")
        assert first == again == ended
        return trio.current_time()

    await add_external(registry, "other")
    await register(registry, definitions, p)
    async with working(worker(registry, definitions, WorkerOptions(poll_seconds=60))):
        await trio.sleep(5)
        await registry.complete_process("other", ended)
        assert await registry.await_process("p") == ProcessAwaitOutput.success(5)
    assert (await log(registry)).count("process.waiting") == 1, "the second had not to wait"


async def test_waits_are_effects_with_keys_of_their_own(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")
        await ctx.wait_signal("go", ordinal=1)
        await ctx.wait_event("p", "signal.go", 1)
        await ctx.await_process("other")
        await ctx.sleep(1)
        await ctx.sleep(1)

    controller = RecordingController()
    await add_external(registry, "other")
    await registry.complete_process("other", ProcessAwaitOutput.success(None))
    await register(registry, definitions, p)
    await send(registry, "signal.go")
    async with working(worker(registry, definitions, host=InlineEffectHost(controller))):
        await registry.await_process("p")
    assert controller.keys == [
        "await:signal.go#1",
        "await:signal.go#2",
        "await:signal.go#3",
        "await_process:other#1",
        "sleep#1",
        "sleep#2",
    ]


async def test_signals_got_as_events_count_as_got(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        await ctx.wait_event(ctx.process_id, "signal.go", 1)
        return dict(ctx.signals_consumed)

    await register(registry, definitions, p)
    await send(registry, "signal.go")
    assert await result_of(registry, definitions, p) == {"signal.go": 1}
    await settled()
