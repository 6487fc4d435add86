"""Several workers on one registry, under random schedules, stops and stalls.

Each process ends exactly once, whatever happens; and as long as no worker stalls for
longer than a lease lasts, it never runs in two places at one time.
"""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
import trio
from hypothesis import given, strategies as st

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    ProcessListFilter,
    ProcessStatusFilter,
    ProcessWorkRunner,
    WorkerOptions,
)

from .support import (
    HookedRegistry,
    ask_to_cancel,
    check_nothing_left,
    jump,
    register,
    run_in_virtual_time,
    send,
    worker,
)

TTL_MS = 3000
KINDS = ("steps", "signal", "parent", "fail", "nursery")


@attrs.define
class Plan:
    """What happens beside the workers: each is a time in tenths of a second and a target."""

    max_running: int
    kinds: list[str]
    stops: list[tuple[int, int]]
    cancels: list[tuple[int, int]]
    stalls: list[int]
    delays: list[int]


def plans(stalls: st.SearchStrategy[list[int]]) -> st.SearchStrategy[Plan]:
    times = st.integers(0, 100)
    return st.builds(
        Plan,
        max_running=st.integers(1, 3),
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
        stops=st.lists(st.tuples(times, st.integers(0, 1)), max_size=4),
        cancels=st.lists(st.tuples(times, st.integers(0, 4)), max_size=2),
        stalls=stalls,
        delays=st.lists(st.integers(0, 3), min_size=1, max_size=7),
    )


class World:
    """A registry, two workers that are stopped and started, and what is seen of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.registry = HookedRegistry()
        self.running: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.definitions = ProcessDefinitions()
        self.workers: dict[int, ProcessWorkRunner] = {}
        self.scopes: dict[int, trio.CancelScope] = {}
        self._define()
        for method in ("claim_process_lease", "get_process", "complete_leased_process"):
            self.registry.hooks[method] = self._delay
        self._delays = list(plan.delays)

    async def _delay(self, process_id: str) -> None:
        """Some checkpoints before a method runs, so that schedules differ."""
        self._delays.append(self._delays.pop(0))
        for _ in range(self._delays[-1]):
            await trio.lowlevel.checkpoint()

    def _define(self) -> None:
        process = self.definitions.process
        events = [ProcessEventType(name="progress")]

        @process("steps", events=events)
        async def steps(ctx: ProcessContext) -> JsonValue:
            with self.run_of(ctx):
                for number in range(3):
                    await ctx.step("work", trio.sleep, 0.3)
                    await ctx.emit("progress", number)
                    await ctx.sleep(0.5)
            return "done"

        @process("signal", signals=["go"])
        async def signal(ctx: ProcessContext) -> JsonValue:
            with self.run_of(ctx):
                await trio.sleep(0.2)
                return await ctx.wait_signal("go")

        @process("parent")
        async def parent(ctx: ProcessContext) -> JsonValue:
            with self.run_of(ctx):
                return await (await ctx.start("steps")).result()

        @process("fail")
        async def fail(ctx: ProcessContext) -> JsonValue:
            with self.run_of(ctx):
                await ctx.start("signal")
                await ctx.sleep(0.7)
                raise ValueError

        @process("nursery")
        async def nursery(ctx: ProcessContext) -> JsonValue:
            with self.run_of(ctx):
                async with ctx.open_nursery() as children:
                    for number in range(3):
                        children.start_soon(ctx.sleep, number)
                        children.start_soon(ctx.step, "work", trio.sleep, number / 2)
            return "done"

    def run_of(self, ctx: ProcessContext) -> RunOf:
        return RunOf(self, ctx.process_id)

    async def run(self) -> None:
        for number, kind in enumerate(self.plan.kinds):
            await register(self.registry, self.definitions, kind, f"p{number}")
        async with trio.open_nursery() as nursery:
            for number in range(2):
                self.start_worker(nursery, number)
            happenings = [(at, self.restart, n) for at, n in self.plan.stops]
            happenings += [(at, self.cancel, n) for at, n in self.plan.cancels]
            happenings += [(at, self.stall, 0) for at in self.plan.stalls]
            for at, happen, target in sorted(happenings, key=lambda h: h[0]):
                # A stall may have let a time go by already.
                await trio.sleep(max(0.0, at / 10 - trio.current_time()))
                await happen(nursery, target)
            await self.wait_for_all_ends()
            nursery.cancel_scope.cancel()

    def start_worker(self, nursery: trio.Nursery, number: int) -> None:
        options = WorkerOptions(
            max_running=self.plan.max_running, lease_ttl_ms=TTL_MS, cancel_grace_seconds=1
        )
        one = worker(self.registry, self.definitions, options)
        scope = self.scopes[number] = trio.CancelScope()
        self.workers[number] = one

        async def run() -> None:
            with scope:
                await one.run()

        nursery.start_soon(run)

    async def restart(self, nursery: trio.Nursery, number: int) -> None:
        self.scopes[number].cancel()
        self.start_worker(nursery, number)

    async def cancel(self, nursery: trio.Nursery, number: int) -> None:
        await ask_to_cancel(self.registry, id=f"p{number % len(self.plan.kinds)}")

    async def stall(self, nursery: trio.Nursery, number: int) -> None:
        jump(TTL_MS / 1000 + 1)

    async def wait_for_all_ends(self) -> None:
        while records := await self.registry.list_non_terminal():
            for record in records:
                if any(t.name == "signal.go" for t in record.event_types):
                    await send(self.registry, "signal.go", "x", record.id)
            await trio.sleep(1)

    async def check_ends(self) -> None:
        every = ProcessListFilter(status=ProcessStatusFilter.ANY)
        for record in await self.registry.list_processes(every):
            events = await self.registry.events_after(record.id, 0)
            terminal = [e for e in events if e.semantics.terminal is not None]
            assert len(terminal) == 1, record.id
            assert record.wait is None
            progress = [e.payload for e in events if e.event_type == "progress"]
            assert progress == list(range(len(progress))), "nothing was emitted twice"
        assert not self.running.total()
        for one in self.workers.values():
            statistics = one.statistics()
            assert (statistics.running, statistics.queued, statistics.parked) == (0, 0, 0)
        check_nothing_left(self.registry)


class RunOf:
    """Counts where a process runs now."""

    def __init__(self, world: World, process_id: str) -> None:
        self.world = world
        self.process_id = process_id

    def __enter__(self) -> None:
        running = self.world.running
        running[self.process_id] += 1
        most = self.world.most_at_once
        most[self.process_id] = max(most[self.process_id], running[self.process_id])

    def __exit__(self, *_: object) -> None:
        self.world.running[self.process_id] -= 1


@given(plan=plans(stalls=st.just([])), schedule=st.random_module())
def test_a_process_ends_once_and_runs_in_one_place(plan: Plan, schedule: object) -> None:
    async def main() -> None:
        world = World(plan)
        await world.run()
        await world.check_ends()
        assert set(world.most_at_once.values()) <= {1}

    run_in_virtual_time(main)


@given(
    plan=plans(stalls=st.lists(st.integers(0, 60), min_size=1, max_size=2)),
    schedule=st.random_module(),
)
def test_a_process_ends_once_also_after_stalls(plan: Plan, schedule: object) -> None:
    async def main() -> None:
        world = World(plan)
        await world.run()
        await world.check_ends()

    run_in_virtual_time(main)


@pytest.mark.parametrize("number", [2, 5])
async def test_workers_share_the_work(
    registry: HookedRegistry, definitions: ProcessDefinitions, number: int
) -> None:
    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> None:
        await trio.sleep(1)

    for each in range(number):
        await register(registry, definitions, busy, f"p{each}")
    options = WorkerOptions(max_running=1)
    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(worker(registry, definitions, options).run)
        for each in range(number):
            await registry.await_process(f"p{each}")
        assert trio.current_time() == 1
        nursery.cancel_scope.cancel()


async def test_what_one_worker_does_not_know_another_does(registry: HookedRegistry) -> None:
    one, other = ProcessDefinitions(), ProcessDefinitions()

    @one.process("a")
    async def a(ctx: ProcessContext) -> str:
        return "a"

    @other.process("b")
    async def b(ctx: ProcessContext) -> str:
        return "b"

    await register(registry, one, a, "a")
    await register(registry, other, b, "b")
    workers = [worker(registry, one), worker(registry, other)]
    async with trio.open_nursery() as nursery:
        for each in workers:
            nursery.start_soon(each.run)
        await registry.await_process("a")
        await registry.await_process("b")
        nursery.cancel_scope.cancel()
    assert [set(each.statistics().left_alone) for each in workers] == [{"b"}, {"a"}]
