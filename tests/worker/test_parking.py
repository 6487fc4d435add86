"""The wait facet of the row, the events that mirror it, and slots while waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given, strategies as st

from lash_trio import (
    EffectError,
    EffectErrorCode,
    EventWait,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessEndWait,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    SignalWait,
    SleepWait,
    StoreError,
    WaitKind,
    WorkerOptions,
    to_json,
)

from .support import (
    HookedRegistry,
    ask_to_cancel,
    check_nothing_left,
    hanging,
    log,
    raising,
    register,
    result_of,
    row,
    run_in_virtual_time,
    send,
    worker,
    working,
)

WAITING, RESUMED, COMPLETED = "process.waiting", "process.resumed", "process.completed"


async def kind_of(registry: MemoryProcessRegistry, process_id: str = "p") -> WaitKind | None:
    wait = (await row(registry, process_id)).wait
    return None if wait is None else wait.kind


async def add_external(registry: MemoryProcessRegistry, process_id: str) -> None:
    await registry.register_process(
        ProcessRegistration(
            id=process_id,
            input=ProcessInput.external({}),
            provenance=ProcessProvenance.host("tests"),
        )
    )


Wait = Callable[[ProcessContext], Awaitable[object]]

WAITS: dict[str, tuple[Wait, WaitKind]] = {
    "signal": (
        lambda ctx: ctx.wait_signal("go"),
        SignalWait(key="process:p:signal.go:1", name="go", event_type="signal.go", ordinal=1),
    ),
    "event": (
        lambda ctx: ctx.wait_event("other", COMPLETED, 1),
        EventWait(
            key="process:other:process.completed:1",
            process_id="other",
            event_type=COMPLETED,
            ordinal=1,
        ),
    ),
    "process": (
        lambda ctx: ctx.await_process("other"),
        ProcessEndWait(key="await_process:other#1", process_id="other"),
    ),
}


@pytest.mark.parametrize("name", WAITS)
async def test_a_wait_stands_in_the_row_and_in_the_log(
    registry: HookedRegistry, definitions: ProcessDefinitions, name: str
) -> None:
    wait, kind = WAITS[name]

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await wait(ctx)
        await trio.sleep(1)

    await add_external(registry, "other")
    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        record = await row(registry)
        assert record.wait is not None
        assert record.wait.kind == kind
        since = record.wait.since_ms
        assert abs(since - record.created_at_ms) <= 1
        (waiting,) = await registry.events_after("p", 0)
        assert (waiting.event_type, waiting.payload) == (WAITING, {"wait": to_json(record.wait)})
        await send(registry, "signal.go")
        await registry.complete_process("other", ProcessAwaitOutput.success(None))
        await trio.sleep(0.5)
        assert await kind_of(registry) is None
        await registry.await_process("p")
    types = [t for t in await log(registry) if t != "signal.go"]
    assert types == [WAITING, RESUMED, COMPLETED]
    resumed = (await registry.events_after("p", 0))[-2]
    assert resumed.payload == {"wait": to_json(record.wait)}


async def test_a_sleep_stands_there_with_the_time_when_it_is_over(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.sleep(7)

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        wait = (await row(registry)).wait
        assert wait is not None
        assert wait.kind == SleepWait(key="sleep#1", due_at_ms=wait.since_ms + 7000)
        await registry.await_process("p")
    assert await log(registry) == [WAITING, RESUMED, COMPLETED]


async def test_nothing_is_written_about_an_event_that_is_there(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")
        await ctx.wait_event("other", COMPLETED, 1)
        await ctx.await_process("other")

    await add_external(registry, "other")
    await registry.complete_process("other", ProcessAwaitOutput.success(None))
    await register(registry, definitions, p)
    await send(registry, "signal.go")
    await result_of(registry, definitions, p)
    assert await log(registry) == ["signal.go", COMPLETED]


async def test_a_wait_is_written_down_before_it_begins(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        before = trio.current_time()
        await ctx.sleep(1)
        return trio.current_time() - before

    async def slow(process_id: str) -> None:
        await trio.sleep(5)

    registry.hooks["set_process_wait"] = slow
    assert await result_of(registry, definitions, p) == 6


async def test_of_several_waits_the_row_shows_the_one_that_parked_last(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["a", "b", "c"])
    async def p(ctx: ProcessContext) -> None:
        async def late(name: str, seconds: float) -> None:
            await trio.sleep(seconds)
            await ctx.wait_signal(name)

        async with ctx.open_nursery() as nursery:
            for number, name in enumerate("abc"):
                nursery.start_soon(late, name, number)

    async def shown() -> str | None:
        kind = await kind_of(registry)
        return kind.name if isinstance(kind, SignalWait) else None

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        seen: list[str | None] = []
        for _ in range(3):
            await trio.sleep(1)
            seen.append(await shown())
        for name in ("b", "c", "a"):
            await send(registry, f"signal.{name}")
            await trio.sleep(1)
            seen.append(await shown())
        assert seen == ["a", "b", "c", "c", "a", None]
        await registry.await_process("p")
    types = [t for t in await log(registry) if t in (WAITING, RESUMED)]
    assert types == [WAITING] * 4 + [RESUMED]


@given(
    waits=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5),
    slow=st.lists(st.integers(0, 2), min_size=1, max_size=7),
    schedule=st.random_module(),
)
def test_the_row_is_never_left_with_a_wait_that_is_over(
    waits: list[tuple[int, int]], slow: list[int], schedule: object
) -> None:
    """Two writes about waits that begin and end together must not overtake each other."""
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        async def child(begin: int, seconds: int) -> None:
            await trio.sleep(begin)
            await ctx.sleep(seconds)

        async with ctx.open_nursery() as nursery:
            for begin, seconds in waits:
                nursery.start_soon(child, begin, seconds)
            await ctx.wait_signal("go")

    async def main() -> None:
        registry = HookedRegistry()
        left = list(slow)

        async def sometimes_slow(process_id: str) -> None:
            left.append(left.pop(0))
            for _ in range(left[-1]):
                await trio.lowlevel.checkpoint()

        registry.hooks["set_process_wait"] = sometimes_slow
        registry.hooks["clear_process_wait"] = sometimes_slow
        await register(registry, definitions, p)
        async with working(worker(registry, definitions)):
            await trio.sleep(20)
            # Only the signal is still waited for, and so it is what the row shows.
            assert isinstance(await kind_of(registry), SignalWait)
            await send(registry, "signal.go")
            assert (await registry.await_process("p")).tag == "success"
        assert (await log(registry))[-2:] == [RESUMED, COMPLETED]
        check_nothing_left(registry)

    run_in_virtual_time(main)


# --- waits that are cut short ----------------------------------------------------


async def test_a_wait_that_the_function_gives_up_leaves_the_row(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        with trio.move_on_after(2):
            await ctx.wait_signal("go")
        await trio.sleep(10)

    await register(registry, definitions, p)
    one = worker(registry, definitions)
    async with working(one):
        await trio.sleep(1)
        assert await kind_of(registry) is not None
        assert one.statistics().parked == 1
        await trio.sleep(2)
        assert await kind_of(registry) is None
        assert (one.statistics().running, one.statistics().parked) == (1, 0)
        await registry.await_process("p")
    assert await log(registry) == [WAITING, RESUMED, COMPLETED]


async def test_a_wait_that_is_given_up_while_it_resumes_leaves_the_row(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """The event is there, and the process waits for a running slot to go on."""

    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> None:
        await trio.sleep(10)

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        with trio.move_on_after(5) as given_up:
            await ctx.wait_signal("go")
        assert given_up.cancelled_caught
        await trio.sleep(1)
        return await ctx.wait_signal("go")

    await register(registry, definitions, p)
    one = worker(registry, definitions, WorkerOptions(max_running=1))
    async with working(one):
        await trio.sleep(1)
        await register(registry, definitions, busy, "busy")
        await trio.sleep(1)
        await send(registry, "signal.go", 1)
        await trio.sleep(1)
        assert one.statistics().queued == 1
        await trio.sleep(2.5)
        assert await kind_of(registry) is None
        # What unwinds waits for nothing: it goes on over the limit.
        assert one.statistics().running == 2
        assert await registry.await_process("p") == ProcessAwaitOutput.success(1)
        await registry.await_process("busy")


async def test_a_wait_that_is_cancelled_by_request_leaves_the_row(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        with pytest.raises(EffectError, match=EffectErrorCode.AWAIT_EVENT_CANCELLED):
            await ctx.wait_signal("go")
        await trio.sleep(2)

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        await ask_to_cancel(registry)
        await trio.sleep(1)
        assert await kind_of(registry) is None
        await registry.await_process("p")
    assert await log(registry) == [
        WAITING, "process.cancel_requested", RESUMED, "process.cancelled",
    ]  # fmt: skip


async def test_a_wait_of_a_process_that_is_stopped_stays_in_the_row(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")
        await trio.sleep(1)

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
    assert isinstance(await kind_of(registry), SignalWait)
    assert await log(registry) == [WAITING], "nothing is written from outside"
    await send(registry, "signal.go")
    async with working(worker(registry, definitions)):
        await trio.sleep(0.5)
        # The new run goes on, and so the row must not say that it waits.
        assert await kind_of(registry) is None
        await registry.await_process("p")
    assert await log(registry) == [WAITING, "signal.go", RESUMED, COMPLETED]


@pytest.mark.parametrize("hook", [raising(StoreError("away")), hanging()])
async def test_a_row_that_cannot_be_written_does_not_replace_a_cancellation(
    registry: HookedRegistry, definitions: ProcessDefinitions, hook: object
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        with trio.move_on_after(2) as given_up:
            await ctx.wait_signal("go")
        return given_up.cancelled_caught

    registry.hooks["clear_process_wait"] = hook  # type: ignore[assignment]
    assert await result_of(registry, definitions, p) is True
    assert await log(registry) == [WAITING, COMPLETED]


async def test_a_store_that_fails_at_writing_a_wait_is_told(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        codes: list[JsonValue] = []
        for method in ("set_process_wait", "clear_process_wait"):
            registry.hooks = {method: raising(StoreError("away"), times=1)}
            try:
                await ctx.sleep(1)
            except StoreError as error:
                codes.append(error.code)
        return codes

    assert await result_of(registry, definitions, p) == ["runtime_store"] * 2
    assert await kind_of(registry) is None


async def test_a_wait_without_the_lease_is_no_outcome(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    codes: list[str] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        try:
            await ctx.sleep(1)
        except EffectError as error:
            codes.append(error.code)
            raise
        return trio.current_time()

    lost = PluginError(PluginReason.LEASE_LOST, "gone")
    registry.hooks["set_process_wait"] = raising(lost, times=1)
    # The run that has lost it is no failed process: another run ends it, a while later.
    assert 2 <= float(str(await result_of(registry, definitions, p))) < 3
    assert codes == [EffectErrorCode.SCOPE_LEASE_LOST]
