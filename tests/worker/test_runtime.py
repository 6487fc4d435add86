"""The runtime: the common case in one block."""

from __future__ import annotations

from copy import copy

import pytest
import trio

from lash_trio import (
    EffectErrorCode,
    InlineEffectHost,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCancelledError,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    ProcessFailedError,
    ProcessHandle,
    ProcessListFilter,
    ProcessProvenance,
    ProcessStatusFilter,
    Runtime,
    RuntimeParts,
    SessionScope,
    WorkerOptions,
    open_runtime,
)
from lash_trio.model import DurabilityTier, EffectError

from .support import HookedRegistry, idle, log, register, row, settled


@pytest.fixture
def some(definitions: ProcessDefinitions) -> ProcessDefinitions:
    definitions.process("idle")(idle)

    @definitions.process("add")
    async def add(ctx: ProcessContext, a: int, b: int = 1) -> int:
        return a + b

    @definitions.process("fail")
    async def fail(ctx: ProcessContext) -> None:
        raise ValueError("broken")

    @definitions.process(
        "listen", signals={"go": {"type": "integer"}}, events=[ProcessEventType(name="heard")]
    )
    async def listen(ctx: ProcessContext) -> JsonValue:
        got = await ctx.wait_signal("go")
        await ctx.emit("heard", got)
        return got

    @definitions.process("busy")
    async def busy(ctx: ProcessContext, seconds: float) -> None:
        await trio.sleep(seconds)

    return definitions


async def test_a_process_is_started_and_its_value_awaited(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        await settled()
        handle = await runtime.start("add", {"a": 1, "b": 2})
        assert repr(handle) == f"<process {handle.id!r}>"
        assert handle.id.startswith("add-")
        assert await handle.result() == 3
        assert await handle.output() == ProcessAwaitOutput.success(3)
        assert (await handle.record()).status.label == "completed"
        assert trio.current_time() == 0, "a start pokes the worker"
        # At this one process: the cost of a start does not depend on how many there are.
        assert registry.calls.count(("list_non_terminal", "")) == 1


async def test_ids_that_nobody_chose_differ(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        ids = {(await runtime.start("idle")).id for _ in range(10)}
        assert len(ids) == 10


async def test_a_start_is_idempotent_by_its_id(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        first = await runtime.start("add", {"a": 1}, id="p")
        assert await first.result() == 2
        again = await runtime.start("add", {"a": 1}, id="p")
        assert await again.result() == 2
        with pytest.raises(PluginError) as conflict:
            await runtime.start("add", {"a": 2}, id="p")
        assert conflict.value.reason == PluginReason.REGISTRATION_CONFLICT
    assert await log(registry) == ["process.completed"]


async def test_what_cannot_be_started_is_refused(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        for definition, args, process_id, reason in (
            ("brew", {}, "p", PluginReason.UNKNOWN_DEFINITION),
            ("add", {"c": 1}, "p", PluginReason.INVALID_ARGUMENTS),
            ("idle", {}, "  ", PluginReason.INVALID_REGISTRATION),
        ):
            with pytest.raises(PluginError) as refused:
                await runtime.start(definition, args, id=process_id)
            assert refused.value.reason == reason
        assert await runtime.list(ProcessListFilter(status=ProcessStatusFilter.ANY)) == []


async def test_a_start_may_name_whom_to_wake_and_has_the_hosts_profile(
    some: ProcessDefinitions,
) -> None:
    session = SessionScope(session_id="s1")
    async with open_runtime(some, host_profile_id="profile-7") as runtime:
        handle = await runtime.start("idle", wake_target=session)
        record = await handle.record()
        assert record.wake_target == session
        assert record.provenance == ProcessProvenance.host("profile-7")


async def test_a_process_that_was_started_before_is_found(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        await runtime.start("add", {"a": 1}, id="p")
        assert await (await runtime.get("p")).result() == 2
        with pytest.raises(PluginError, match="there is no process 'q'") as refused:
            await runtime.get("q")
        assert refused.value.reason == PluginReason.UNKNOWN_PROCESS


async def test_processes_are_listed(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        await (await runtime.start("add", {"a": 1}, id="a")).result()
        await runtime.start("listen", id="c")
        await runtime.start("listen", id="b")
        await settled()
        assert [record.id for record in await runtime.list()] == ["b", "c"]
        every = ProcessListFilter(status=ProcessStatusFilter.ANY)
        assert [record.id for record in await runtime.list(every)] == ["a", "b", "c"]
        waiting = ProcessListFilter(waiting=True, definition="listen")
        assert [record.id for record in await runtime.list(waiting)] == ["b", "c"]


async def test_a_process_without_a_value_is_an_error(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        failed = await runtime.start("fail", id="f")
        with pytest.raises(ProcessFailedError, match="process 'f' failed") as failure:
            await failed.result()
        assert failure.value.code == EffectErrorCode.PROCESS_FAILED
        assert failure.value.output.message == "broken"
        assert copy(failure.value).output == failure.value.output
        cancelled = await runtime.start("listen", id="c")
        record = await cancelled.cancel("not needed")
        assert (record.id, record.is_terminal) == ("c", False)
        with pytest.raises(ProcessCancelledError, match="'c' was cancelled: not needed") as end:
            await cancelled.result()
        assert end.value.code == EffectErrorCode.PROCESS_CANCELLED
        assert copy(end.value).output == end.value.output
        with pytest.raises(PluginError):
            await ProcessHandle(runtime, "nobody").cancel()


async def test_signals_reach_it_and_are_checked(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        handle = await runtime.start("listen")
        for name, payload, reason in (
            ("go", "no integer", PluginReason.INVALID_PAYLOAD),
            ("stop", 1, PluginReason.UNDECLARED_EVENT_TYPE),
            ("no name", 1, PluginReason.INVALID_SIGNAL_NAME),
        ):
            with pytest.raises(PluginError) as refused:
                await handle.signal(name, payload)
            assert refused.value.reason == reason
        event = await handle.signal("go", 7)
        assert (event.event_type, event.payload) == ("signal.go", 7)
        assert await handle.result() == 7


async def test_a_signal_with_an_id_is_sent_once(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        handle = await runtime.start("listen", id="p")
        first = await handle.signal("go", 1, signal_id="x")
        assert await handle.signal("go", 1, signal_id="x") == first
        with pytest.raises(PluginError) as conflict:
            await handle.signal("go", 2, signal_id="x")
        assert conflict.value.reason == PluginReason.REPLAY_CONFLICT
        second = await handle.signal("go", 1, signal_id="y")
        third = await handle.signal("go", 1)
        assert first.sequence < second.sequence < third.sequence
        await handle.result()
    assert (await log(registry)).count("signal.go") == 3


# --- events -----------------------------------------------------------------------


async def test_events_are_followed_to_the_end(some: ProcessDefinitions) -> None:
    seen: list[tuple[float, str]] = []
    async with open_runtime(some) as runtime:
        handle = await runtime.start("listen")

        async def follow() -> None:
            seen.extend(
                [(trio.current_time(), event.event_type) async for event in handle.events()]
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.sleep(3)
            await handle.signal("go", 7)
    assert seen == [
        (0, "process.waiting"),
        (3, "signal.go"),
        (3, "process.resumed"),
        (3, "heard"),
        (3, "process.completed"),
    ]


async def test_events_of_a_process_that_has_ended_are_those_up_to_its_end(
    some: ProcessDefinitions,
) -> None:
    async with open_runtime(some) as runtime:
        handle = await runtime.start("listen")
        await handle.signal("go", 7)
        await handle.result()
        await handle.signal("go", 8)
        every = [event async for event in handle.events()]
        numbers = [event.sequence for event in every]
        assert numbers == list(range(1, len(every) + 1))
        assert every[-1].event_type == "process.completed"
        assert [event async for event in handle.events(2)] == every[2:]
        # There is nothing ahead of the end, and so nothing to wait for.
        assert [event async for event in handle.events(numbers[-1])] == []
        assert [event async for event in handle.events(1000)] == []
        assert [event async for event in handle.events(-5)] == every


async def test_a_stream_that_has_ended_stays_ended(some: ProcessDefinitions) -> None:
    async with open_runtime(some) as runtime:
        events = (await runtime.start("idle")).events()
        assert (await anext(events)).event_type == "process.completed"
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(events)


async def test_a_stream_that_is_given_up_leaves_nothing_and_can_be_taken_up(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        handle = await runtime.start("listen")
        events = handle.events()
        assert (await anext(events)).event_type == "process.waiting"
        waiting = registry.statistics().tasks_waiting
        with trio.move_on_after(1) as given_up:
            await anext(events)
        assert given_up.cancelled_caught
        assert registry.statistics().tasks_waiting == waiting
        await handle.signal("go", 1)
        assert (await anext(events)).event_type == "signal.go"


async def test_events_of_a_process_that_is_not_there_are_refused(
    some: ProcessDefinitions,
) -> None:
    async with open_runtime(some) as runtime:
        with pytest.raises(PluginError) as refused:
            await anext(ProcessHandle(runtime, "nobody").events())
        assert refused.value.reason == PluginReason.UNKNOWN_PROCESS


# --- leaving ----------------------------------------------------------------------


async def test_leaving_the_block_drains_the_worker(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        await runtime.start("busy", {"seconds": 3}, id="short")
        await runtime.start("busy", {"seconds": 100}, id="long")
        await runtime.start("listen", id="parked")
        await trio.sleep(1)
    assert trio.current_time() == 11, "ten seconds of grace"
    assert (await row(registry, "short")).is_terminal
    assert not (await row(registry, "long")).is_terminal
    assert not (await row(registry, "parked")).is_terminal
    async with open_runtime(some, registry) as runtime:
        await (await runtime.get("parked")).signal("go", 1)
        assert await (await runtime.get("parked")).result() == 1
        await (await runtime.get("long")).cancel()
        await (await runtime.get("long")).output()


async def test_an_exception_leaves_the_block_as_it_is_and_stops_the_worker(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as raised:  # noqa: PT012
        async with open_runtime(some, registry) as runtime:
            await runtime.start("busy", {"seconds": 100}, id="p")
            await trio.sleep(1)
            raise error
    assert raised.value is error
    assert trio.current_time() == 1, "at once"
    assert registry.statistics().leases == 0
    assert await log(registry) == []


async def test_a_group_leaves_the_block_as_it_is(some: ProcessDefinitions) -> None:
    group = ExceptionGroup("mine", [ValueError(1)])
    with pytest.raises(ExceptionGroup) as raised:
        async with open_runtime(some):
            raise group
    assert raised.value is group


async def test_what_was_started_at_the_last_moment_stays_in_the_registry(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    """A drain takes no more rows; the next worker finds it."""
    async with open_runtime(some, registry) as runtime:
        await settled()
        await runtime.start("idle", id="p")
    assert await log(registry) == []
    async with open_runtime(some, registry) as runtime:
        assert await (await runtime.get("p")).result() is None


async def test_a_cancellation_from_outside_goes_through(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    with trio.move_on_after(2) as outside:
        async with open_runtime(some, registry) as runtime:
            handle = await runtime.start("busy", {"seconds": 100}, id="p")
            await handle.result()
    assert outside.cancelled_caught
    assert trio.current_time() == 2
    assert registry.statistics().leases == 0
    assert await log(registry) == []


async def test_a_cancellation_from_outside_ends_a_drain(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    with trio.move_on_after(2) as outside:
        async with open_runtime(some, registry) as runtime:
            await runtime.start("busy", {"seconds": 100}, id="p")
            await trio.sleep(1)
    assert outside.cancelled_caught
    assert trio.current_time() == 2
    assert registry.statistics().leases == 0


async def test_the_blocks_own_exception_wins_over_a_later_cancellation(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async def slow(process_id: str) -> None:
        await trio.sleep(2)

    registry.hooks["complete_process_lease"] = slow
    with pytest.raises(KeyError), trio.move_on_after(2):  # noqa: PT012
        async with open_runtime(some, registry) as runtime:
            await runtime.start("busy", {"seconds": 100}, id="p")
            await trio.sleep(1)
            # The worker still gives its lease back when the deadline comes.
            raise KeyError
    assert trio.current_time() == 3


@pytest.mark.parametrize("at", ["block", "drain"])
async def test_a_worker_that_crashes_surfaces_and_nothing_hangs(
    registry: HookedRegistry, some: ProcessDefinitions, at: str
) -> None:
    bug = ZeroDivisionError("a bug of the registry")

    async def hook(process_id: str) -> None:
        if trio.current_time() >= 1:
            raise bug

    registry.hooks["list_non_terminal"] = hook
    with pytest.raises(ExceptionGroup) as crashed:  # noqa: PT012
        async with open_runtime(some, registry) as runtime:
            handle = await runtime.start("busy", {"seconds": 100}, id="p")
            if at == "block":
                await handle.result()
            # It crashes in the next moment, and the block has been left by then.
            await trio.sleep_until(1.19)
            runtime.worker.poke()
    assert crashed.value.subgroup(lambda e: e is bug) is not None
    assert crashed.value.split(ZeroDivisionError)[1] is None, "and nothing else"
    assert registry.statistics().leases == 0
    assert trio.current_time() < 1.5


@pytest.mark.parametrize("first", ["block", "worker"])
async def test_a_crash_and_the_blocks_own_exception_leave_together(
    registry: HookedRegistry, some: ProcessDefinitions, first: str
) -> None:
    bug, error = ZeroDivisionError("a bug of the registry"), KeyError("mine")

    async def crash(process_id: str) -> None:
        if first == "worker":
            raise bug
        try:
            await trio.sleep_forever()
        finally:
            raise bug

    registry.hooks["list_non_terminal"] = crash
    with pytest.raises(ExceptionGroup) as left:  # noqa: PT012
        async with open_runtime(some, registry):
            if first == "block":
                await settled()
                raise error
            try:
                await trio.sleep_forever()
            finally:
                raise error
    assert left.value.subgroup(lambda e: e is bug) is not None
    assert left.value.subgroup(lambda e: e is error) is not None


async def test_a_worker_that_was_drained_by_hand_is_no_crash(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with open_runtime(some, registry) as runtime:
        await runtime.worker.drain()
        handle = await runtime.start("idle", id="p")
        await trio.sleep(5)
        assert not (await handle.record()).is_terminal


# --- what it is made of -----------------------------------------------------------


async def test_everything_is_in_memory_unless_told_otherwise(some: ProcessDefinitions) -> None:
    runtime = open_runtime(some)
    assert isinstance(runtime.registry, MemoryProcessRegistry)
    assert runtime.definitions is some
    async with runtime as entered:
        assert entered is runtime


async def test_its_parts_can_be_chosen(registry: HookedRegistry, some: ProcessDefinitions) -> None:
    options = WorkerOptions(max_running=1, poll_seconds=3)
    await register(registry, some, "busy", "a", seconds=1)
    await register(registry, some, "busy", "b", seconds=1)
    async with open_runtime(some, registry, host=InlineEffectHost(), worker=options) as runtime:
        assert runtime.registry is registry
        await (await runtime.get("b")).result()
        assert trio.current_time() == 2
        await register(registry, some, "idle", "c")
        await (await runtime.get("c")).result()
        # Three seconds after it had begun the second one.
        assert trio.current_time() == 4


async def test_its_worker_can_have_a_name(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with Runtime(some, RuntimeParts(registry=registry, owner_id="w1")) as runtime:
        assert runtime.worker.owner_id == "w1"


def test_a_durable_host_needs_a_durable_registry(some: ProcessDefinitions) -> None:
    class DurableHost(InlineEffectHost):
        @property
        def durability_tier(self) -> DurabilityTier:
            return DurabilityTier.DURABLE

    with pytest.raises(EffectError) as refused:
        open_runtime(some, host=DurableHost())
    assert refused.value.code == "durable_store_required:process_registry"


async def test_an_engine_that_drives_processes_is_left_to_it(
    some: ProcessDefinitions,
) -> None:
    class Engine(MemoryProcessRegistry):
        drives_processes = True

    engine = Engine()
    async with open_runtime(some, engine) as runtime:
        handle = await runtime.start("add", {"a": 1}, id="sum")
        await trio.sleep(10)
        assert [event.event_type for event in await engine.events_after("sum", 0)] == []
        await engine.complete_process("sum", ProcessAwaitOutput.success(2))
        assert await handle.result() == 2
    assert trio.current_time() == 10, "there is nothing to drain"
