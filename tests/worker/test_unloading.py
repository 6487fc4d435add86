"""Processes that only wait leave memory, and come back when there is something for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Container

import attrs
import pytest
import trio
from hypothesis import given, strategies as st
from trio.lowlevel import current_task

from lash_trio import (
    EffectCommand,
    EffectError,
    EventWait,
    JsonValue,
    LocalExecutor,
    MemoryEffectJournal,
    ProcessCancellation,
    ProcessContext,
    ProcessDefinitions,
    ProcessLeaseCompletion,
    ProcessSuccess,
    ProcessWorkRunner,
    ReplayingEffectHost,
    ReplayOptions,
    SignalWait,
    SleepWait,
    StoreError,
    WaitState,
    WaitTimedOut,
    WorkerOptions,
)
from lash_trio.abc import ClaimablePage
from lash_trio.kernel import TrioClock, effect_envelope

from .support import (
    DurableJournal,
    HookedRegistry,
    ask_to_cancel,
    check_nothing_left,
    log,
    raising,
    register,
    row,
    run_in_virtual_time,
    send,
    settled,
    worker,
    working,
)

STEPS: Counter[str] = Counter()
LOADS: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def counts() -> None:
    STEPS.clear()
    LOADS.clear()


def durable_host(journal: MemoryEffectJournal | None = None) -> ReplayingEffectHost:
    return ReplayingEffectHost(
        DurableJournal() if journal is None else journal, ReplayOptions(), clock=TrioClock()
    )


@pytest.fixture
def host() -> ReplayingEffectHost:
    return durable_host()


@pytest.fixture
def some(definitions: ProcessDefinitions) -> ProcessDefinitions:
    return add_definitions(definitions)


def add_definitions(definitions: ProcessDefinitions) -> ProcessDefinitions:
    process = definitions.process

    async def count(process_id: str) -> None:
        STEPS[process_id] += 1

    @process("signal", signals=["go"])
    async def signal(ctx: ProcessContext) -> JsonValue:
        LOADS[ctx.process_id] += 1
        await ctx.step("count", count, ctx.process_id)
        return [await ctx.wait_signal("go"), trio.current_time()]

    @process("sleep")
    async def sleep(ctx: ProcessContext, seconds: float) -> float:
        LOADS[ctx.process_id] += 1
        await ctx.step("count", count, ctx.process_id)
        await ctx.sleep(seconds)
        return trio.current_time()

    @process("timeout", signals=["go"])
    async def timeout(ctx: ProcessContext, seconds: float) -> JsonValue:
        LOADS[ctx.process_id] += 1
        try:
            return [await ctx.wait_signal("go", timeout_seconds=seconds), trio.current_time()]
        except WaitTimedOut:
            return ["timed out", trio.current_time()]

    @process("end")
    async def end(ctx: ProcessContext, other: str) -> JsonValue:
        LOADS[ctx.process_id] += 1
        output = await ctx.await_process(other)
        return [str(output.terminal_state), trio.current_time()]

    @process("event")
    async def event(ctx: ProcessContext, other: str) -> JsonValue:
        LOADS[ctx.process_id] += 1
        return [await ctx.wait_event(other, "signal.go", 1), trio.current_time()]

    @process("both", signals=["go"])
    async def both(ctx: ProcessContext) -> JsonValue:
        LOADS[ctx.process_id] += 1
        got: list[JsonValue] = []

        async def wait() -> None:
            got.append(await ctx.wait_signal("go"))

        async with ctx.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(ctx.sleep, 50)
        return [got, trio.current_time()]

    return definitions


NONE_PARKED = WorkerOptions(max_loaded_parked=0, poll_seconds=1000)
"""Nothing parked stays in memory, and nothing is found by looking at all."""


@pytest.fixture
async def one(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> AsyncGenerator[ProcessWorkRunner, None]:
    """A worker that works and keeps nothing that is parked."""
    made = worker(registry, some, NONE_PARKED, host=host)
    async with working(made):
        yield made


async def start(
    registry: HookedRegistry,
    some: ProcessDefinitions,
    one: ProcessWorkRunner,
    definition: str,
    process_id: str = "p",
    /,
    **args: JsonValue,
) -> None:
    await register(registry, some, definition, process_id, **args)
    one.poke(process_id)
    await settled()


async def value_of(registry: HookedRegistry, process_id: str = "p") -> JsonValue:
    output = await registry.await_process(process_id)
    assert isinstance(output, ProcessSuccess), output
    return output.value


def process_tasks() -> list[str]:
    """The names of the tasks of processes in this run."""
    root = current_task().parent_nursery
    while root is not None and root.parent_task.parent_nursery is not None:
        root = root.parent_task.parent_nursery
    names: list[str] = []

    def visit(nursery: trio.Nursery) -> None:
        for task in nursery.child_tasks:
            names.append(task.name)
            for inner in task.child_nurseries:
                visit(inner)

    if root is not None:
        visit(root)
    return [name for name in names if name.startswith("process ")]


async def test_a_process_that_waits_for_a_signal(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "signal")
    assert process_tasks() == []
    statistics = one.statistics()
    assert (statistics.running, statistics.parked, statistics.unloaded) == (0, 0, 1)
    wait = (await row(registry)).wait
    assert wait is not None, "its row shows what it waits for"
    assert wait.sole
    assert registry.statistics().leases == 0
    assert (await log(registry)) == ["process.waiting"]
    await trio.sleep(7)
    await send(registry, "signal.go", "x")
    assert await value_of(registry) == ["x", 7]
    assert (STEPS["p"], LOADS["p"]) == (1, 2), "the recorded step did not run again"
    assert one.statistics().unloaded == 0
    assert (await log(registry))[:3] == ["process.waiting", "signal.go", "process.resumed"]


async def test_a_process_that_sleeps(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "sleep", seconds=1800)
    assert process_tasks() == []
    assert await value_of(registry) == 1800
    assert (STEPS["p"], LOADS["p"]) == (1, 2)


async def test_a_wait_that_times_out(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "timeout", seconds=20)
    assert process_tasks() == []
    assert await value_of(registry) == ["timed out", 20]
    assert LOADS["p"] == 2


async def test_a_wait_with_a_timeout_that_gets_its_signal(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "timeout", seconds=20)
    await trio.sleep(5)
    await send(registry, "signal.go", "x")
    assert await value_of(registry) == ["x", 5]


async def test_a_timeout_is_not_begun_anew_by_a_restart(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    await register(registry, some, "timeout", seconds=20)
    async with working(worker(registry, some, NONE_PARKED, host=host)):
        await trio.sleep(15)
    async with working(worker(registry, some, WorkerOptions(), host=host)):
        await trio.sleep(1)
        wait = (await row(registry)).wait
        assert wait is not None
        due = getattr(wait.kind, "due_at_ms")  # noqa: B009
        assert abs(due - wait.since_ms - 5000) <= 1
        assert await value_of(registry) == ["timed out", 20]


async def test_a_process_that_awaits_another(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "sleep", "other", seconds=30)
    await start(registry, some, one, "end", other="other")
    assert process_tasks() == []
    assert await value_of(registry) == ["completed", 30]


async def test_processes_that_wait_for_one_event_of_another(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "signal", "other")
    for process_id in ("p", "q", "r"):
        await start(registry, some, one, "event", process_id, other="other")
    assert one.statistics().unloaded == 4
    await trio.sleep(3)
    await ask_to_cancel(registry, id="q")
    assert isinstance(await registry.await_process("q"), ProcessCancellation)
    await send(registry, "signal.go", "x", "other")
    for each in ("p", "r", "other"):
        assert await value_of(registry, each) == ["x", 3]


async def test_a_process_with_several_waits_comes_back_for_the_first(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "both")
    assert one.statistics().unloaded == 1
    wait = (await row(registry)).wait
    assert wait is not None
    assert not wait.sole
    await trio.sleep(5)
    await send(registry, "signal.go", "x")
    await settled()
    assert LOADS["p"] == 2
    assert one.statistics().unloaded == 1, "and is unloaded again, for the second"
    assert await value_of(registry) == [["x"], 50]


async def test_a_cancel_request_brings_it_back(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "signal")
    await ask_to_cancel(registry, "enough")
    with trio.fail_after(1):
        output = await registry.await_process("p")
    assert isinstance(output, ProcessCancellation)
    assert output.message == "enough"


async def test_it_is_cancelled_where_it_waits(
    registry: HookedRegistry, definitions: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    """As it would be in memory: what it has done it gets again, and can make up for."""
    undone: list[JsonValue] = []

    async def book() -> JsonValue:
        return "seat 7"

    @definitions.process("trip", signals=["go"])
    async def trip(ctx: ProcessContext) -> None:
        seat = await ctx.step("book", book)
        await ctx.sleep(1)
        try:
            await ctx.wait_signal("go")
        except EffectError as error:
            undone.append([seat, error.code])
            raise

    async with working(one := worker(registry, definitions, NONE_PARKED, host=host)):
        await start(registry, definitions, one, "trip")
        await trio.sleep(3)
        assert one.statistics().unloaded == 1
        await ask_to_cancel(registry, "enough")
        assert isinstance(await registry.await_process("p"), ProcessCancellation)
    assert undone == [["seat 7", "runtime_effect_await_event_cancelled"]]


async def test_events_that_it_does_not_wait_for_leave_it_where_it_is(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "sleep", seconds=100)
    await start(registry, some, one, "signal", "other")
    await send(registry, "signal.go", "x", "other")
    one.poke("p")
    await trio.sleep(10)
    assert LOADS["p"] == 1


@pytest.mark.parametrize("delay", range(12))
async def test_no_event_is_missed_while_it_is_unloaded(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner, delay: int
) -> None:
    """The signal comes after so many steps of the scheduler, wherever the unloading is."""

    async def slow(_: str) -> None:
        for __ in range(3):
            await trio.lowlevel.checkpoint()

    for method in ("complete_process_lease", "get_process", "count_events_through"):
        registry.hooks[method] = slow
    await register(registry, some, "signal")
    one.poke("p")
    while "process.waiting" not in await log(registry):
        await trio.lowlevel.checkpoint()
    for _ in range(delay * 2):
        await trio.lowlevel.checkpoint()
    await send(registry, "signal.go", "x")
    assert await value_of(registry) == ["x", 0]


async def test_those_that_parked_first_go_first(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    one = worker(registry, some, WorkerOptions(max_loaded_parked=2), host=host)
    async with working(one):
        for number in range(5):
            await start(registry, some, one, "signal", f"p{number}")
        assert sorted(process_tasks()) == ["process p3", "process p4"]
        statistics = one.statistics()
        assert (statistics.parked, statistics.unloaded) == (2, 3)


async def test_a_host_that_replays_nothing_keeps_its_processes(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async with working(one := worker(registry, some, NONE_PARKED)):
        await start(registry, some, one, "signal")
        assert one.statistics().parked == 1


async def test_an_owner_bound_process_stays_with_its_owner(
    registry: HookedRegistry, definitions: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    @definitions.process("bound", signals=["go"], rerun="owner_bound")
    async def bound(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    async with working(one := worker(registry, definitions, NONE_PARKED, host=host)):
        await start(registry, definitions, one, "bound")
        assert one.statistics().parked == 1
        await send(registry, "signal.go", "x")
        assert await value_of(registry) == "x"


async def test_a_process_that_runs_an_effect_beside_its_wait_stays(
    registry: HookedRegistry, definitions: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    @definitions.process("beside", signals=["go"])
    async def beside(ctx: ProcessContext) -> JsonValue:
        envelope = effect_envelope(ctx.scope.effect_scope, "nap", EffectCommand.sleep(5000))
        handle = ctx.scope.start_effect(envelope, LocalExecutor.sleep())
        await ctx.wait_signal("go")
        return handle.done

    async with working(one := worker(registry, definitions, NONE_PARKED, host=host)):
        await start(registry, definitions, one, "beside")
        assert one.statistics().parked == 1
        wait = (await row(registry)).wait
        assert wait is not None
        assert not wait.sole
        await trio.sleep(10)
        await send(registry, "signal.go")
        assert await value_of(registry) is True


async def test_a_worker_that_starts_loads_no_more_than_it_may(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    for number in range(10):
        await register(registry, some, "signal", f"p{number}")
    await register(registry, some, "sleep", "s", seconds=100)
    async with working(worker(registry, some, NONE_PARKED, host=host)):
        await settled()
    await send(registry, "signal.go", "early", "p7")
    await ask_to_cancel(registry, id="p8")
    LOADS.clear()
    options = WorkerOptions(max_loaded_parked=3, poll_seconds=1000)
    async with working(one := worker(registry, some, options, host=host)):
        await settled()
        assert set(LOADS) == {"p0", "p1", "p2", "p7", "p8"}
        assert one.statistics().unloaded == 6
        assert await value_of(registry, "p7") == ["early", 0]
        assert isinstance(await registry.await_process("p8"), ProcessCancellation)
        await trio.sleep(4)
        await send(registry, "signal.go", "x", "p5")
        assert await value_of(registry, "p5") == ["x", 4]
        assert await value_of(registry, "s") == 100


async def test_a_process_that_another_worker_drives_is_not_kept_as_it_was(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    """The one has it unloaded, the other runs it on, and is gone: the one goes on there."""
    journal = DurableJournal()
    one = worker(registry, some, WorkerOptions(max_loaded_parked=0), host=durable_host(journal))

    @some.process("twice", signals=["a", "b"])
    async def twice(ctx: ProcessContext) -> JsonValue:
        await ctx.wait_signal("a")
        return [await ctx.wait_signal("b"), trio.current_time()]

    await register(registry, some, "twice")
    async with working(one):
        await settled()
        assert one.statistics().unloaded == 1
        registry.hooks["claim_process_lease"] = raising(StoreError("not you"), times=1)
        other = worker(registry, some, NONE_PARKED, host=durable_host(journal))
        async with working(other):
            await settled()
            await send(registry, "signal.a")
            await settled()
            wait = (await row(registry)).wait
            assert wait is not None
            assert getattr(wait.kind, "name") == "b"  # noqa: B009
        await send(registry, "signal.b", "x")
        value = await value_of(registry)
        # At once, or when it next looks at what the other has given back.
        assert value in (["x", 0], ["x", 0.4])


async def test_what_another_owner_has_changed_is_seen(
    registry: HookedRegistry, definitions: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    """It waits for something else now, which only its row says."""

    @definitions.process("p", signals=["a", "b"])
    async def p(ctx: ProcessContext) -> None:
        LOADS["p"] += 1
        await ctx.wait_signal("a")

    one = worker(registry, definitions, WorkerOptions(max_loaded_parked=0), host=host)
    async with working(one):
        await start(registry, definitions, one, "p")
        lease = await registry.claim_process_lease("p", "other", 1000)
        kind = SignalWait(key="k", name="b", event_type="signal.b", ordinal=1)
        await registry.set_process_wait("p", WaitState(kind=kind, since_ms=0, sole=True), lease)
        await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
        await trio.sleep(5)
        assert LOADS["p"] == 1
        assert [w.kind for each in one.waiting_on().processes for w in each.waits] == [kind]
        await send(registry, "signal.b")
        await settled()
        assert LOADS["p"] == 2


async def test_a_registry_that_cannot_be_asked_is_asked_again(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    options = WorkerOptions(max_loaded_parked=0, poll_seconds=1)
    async with working(one := worker(registry, some, options, host=host)):
        registry.hooks["count_events_through"] = raising(StoreError("bad sector"), times=2)
        await start(registry, some, one, "signal")
        registry.hooks["get_process"] = raising(StoreError("bad sector"), times=1)
        await send(registry, "signal.go", "x")
        value = await value_of(registry)
        assert isinstance(value, list)
        assert value[0] == "x"


async def test_a_sleep_goes_on_where_it_was(
    registry: HookedRegistry, some: ProcessDefinitions, one: ProcessWorkRunner
) -> None:
    await start(registry, some, one, "both")
    await trio.sleep(20)
    await send(registry, "signal.go", "x")
    await settled()
    wait = (await row(registry)).wait
    assert wait is not None
    assert isinstance(wait.kind, SleepWait)
    assert abs(wait.kind.due_at_ms - wait.since_ms - 30_000) <= 1


@attrs.frozen
class Plan:
    """Processes, when their signals come, when the worker is another one."""

    kinds: list[str]
    signals: list[tuple[int, int]]
    restarts: list[int]
    limit: int

    @property
    def first_signals(self) -> dict[int, int]:
        """When each process gets its signal."""
        first: dict[int, int] = {}
        for at, number in sorted(self.signals):
            if number < len(self.kinds) and self.kinds[number] != "sleep":
                first.setdefault(number, at)
        return first

    def expected(self, number: int) -> JsonValue:
        """How a process ends; None where that cannot be told."""
        at = self.first_signals.get(number)
        match self.kinds[number]:
            case "sleep":
                return 40
            case "timeout" if at == 40:
                return None
            case "timeout" if at is None or at > 40:
                return ["timed out", 40]
            case "both" if at is not None:
                return [[at], max(at, 50)]
            case _:
                return None if at is None else [at, at]


PLANS = st.builds(
    Plan,
    st.lists(st.sampled_from(["signal", "sleep", "timeout", "both"]), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), max_size=6),
    st.lists(st.integers(0, 100), max_size=3),
    st.integers(0, 3),
)


@given(plan=PLANS, schedule=st.random_module())
def test_whatever_is_unloaded_ends_as_if_it_were_not(plan: Plan, schedule: object) -> None:
    async def main() -> None:
        registry = HookedRegistry()
        some, host = add_definitions(ProcessDefinitions()), durable_host()
        for number, kind in enumerate(plan.kinds):
            args: dict[str, JsonValue] = {"seconds": 40} if kind in ("sleep", "timeout") else {}
            await register(registry, some, kind, f"p{number}", **args)

        async def work() -> None:
            for at in [*sorted(plan.restarts), 10_000]:
                options = WorkerOptions(max_loaded_parked=plan.limit, poll_seconds=500)
                with trio.move_on_at(at):
                    await worker(registry, some, options, host=host).run()

        async def signal(number: int, at: int) -> None:
            await trio.sleep_until(at)
            await send(registry, "signal.go", at, f"p{number}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            for number, at in plan.first_signals.items():
                nursery.start_soon(signal, number, at)
            for number in range(len(plan.kinds)):
                if plan.expected(number) is not None:
                    assert await value_of(registry, f"p{number}") == plan.expected(number)
            nursery.cancel_scope.cancel()
        check_nothing_left(registry)

    run_in_virtual_time(main)


async def test_the_dump_of_what_is_waited_for(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    one = worker(registry, some, WorkerOptions(max_loaded_parked=1), host=host)
    async with working(one):
        assert str(one.waiting_on()) == "no process waits"
        await start(registry, some, one, "signal", "a")
        await trio.sleep(65)
        await start(registry, some, one, "both", "b")
        dump = one.waiting_on()
        assert [(p.process_id, len(p.waits), p.is_loaded) for p in dump.processes] == [
            ("a", 1, False),
            ("b", 2, True),
        ]
        await start(registry, some, one, "event", "c", other="a")
        await start(registry, some, one, "end", "d", other="a")
        await start(registry, some, one, "timeout", "e", seconds=3)
        (wait,) = one.waiting_on().processes[2].waits
        assert isinstance(wait.kind, EventWait)
        lines = str(one.waiting_on()).splitlines()
        # Which of the two parked first is the scheduler's to say.
        lines[3:5] = sorted(lines[3:5])
        assert lines == [
            "a (unloaded)",
            "    signal go number 1 [process:a:signal.go:1], since 0:01:05",
            "b (unloaded)",
            "    signal go number 1 [process:b:signal.go:1], since 0.0 s",
            "    sleep, due in 50.0 s [nursery#1.2/sleep#1], since 0.0 s",
            "c (unloaded)",
            "    event signal.go number 1 of a [process:a:signal.go:1], since 0.0 s",
            "d (unloaded)",
            "    end of process a [await_process:a#1], since 0.0 s",
            "e",
            "    signal go number 1, due in 3.0 s [process:e:signal.go:1], since 0.0 s",
        ]


# --- after a time -----------------------------------------------------------------


AFTER_A_TIME = WorkerOptions(unload_after_seconds=60, poll_seconds=1000)


async def test_what_has_been_parked_for_long_is_unloaded_though_there_is_room(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    async with working(one := worker(registry, some, AFTER_A_TIME, host=host)):
        await start(registry, some, one, "signal", "p")
        await trio.sleep(20)
        await start(registry, some, one, "signal", "q")
        await trio.sleep(39)
        assert (one.statistics().parked, one.statistics().unloaded) == (2, 0)
        await trio.sleep(2)
        assert (one.statistics().parked, one.statistics().unloaded) == (1, 1)
        await trio.sleep(20)
        assert (one.statistics().parked, one.statistics().unloaded) == (0, 2)
        for process_id in ("q", "p"):
            await send(registry, "signal.go", "x", process_id)
            assert await value_of(registry, process_id) == ["x", 81]
    assert STEPS == {"p": 1, "q": 1}


async def test_what_goes_on_in_time_is_not_unloaded(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    async with working(one := worker(registry, some, AFTER_A_TIME, host=host)):
        await start(registry, some, one, "sleep", seconds=59)
        await start(registry, some, one, "both", "q")
        assert await value_of(registry) == 59
        # One of its two waits was over at 50, and it has been parked since then.
        await trio.sleep(50)
        assert (one.statistics().parked, one.statistics().unloaded) == (1, 0)
        await trio.sleep(2)
        assert (one.statistics().parked, one.statistics().unloaded) == (0, 1)
    assert LOADS == {"p": 1, "q": 1}


async def test_what_is_about_to_go_on_is_not_unloaded(
    registry: HookedRegistry, some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    async with working(one := worker(registry, some, AFTER_A_TIME, host=host)):
        await start(registry, some, one, "sleep", seconds=60.5)
        await start(registry, some, one, "sleep", "q", seconds=61.2)
        assert await value_of(registry) == 60.5
        assert await value_of(registry, "q") == 61.2
    assert LOADS == {"p": 1, "q": 2}, "the second had more than a second to go"


# --- looking ----------------------------------------------------------------------


class SlowPages(HookedRegistry):
    """Lists one row a page, and takes a second for each."""

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        await trio.sleep(1)
        rows = [
            record
            for record in await self.list_non_terminal()
            if record.id > (after or "") and record.id not in skip
        ]
        return ClaimablePage(
            records=tuple(rows[:1]), next_after=rows[0].id if len(rows) > 1 else None
        )


async def test_a_poke_need_not_wait_until_everything_was_looked_at(
    some: ProcessDefinitions, host: ReplayingEffectHost
) -> None:
    registry = SlowPages()
    for number in range(20):
        await register(registry, some, "signal", f"p{number:02}")
    async with working(one := worker(registry, some, NONE_PARKED, host=host)):
        await trio.sleep(2.5)
        await register(registry, some, "sleep", "q", seconds=0)
        one.poke("q")
        assert await value_of(registry, "q") == 3
        await trio.sleep(30)
        assert one.statistics().unloaded == 20
