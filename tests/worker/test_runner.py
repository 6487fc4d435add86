"""The worker: what it finds, what it leaves alone, how many run, how it stops."""

from __future__ import annotations

import pytest
import trio

from lash_trio import (
    EffectScope,
    InlineEffectHost,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    PreparedToolCall,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessInput,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRegistration,
    ProcessWorkRunner,
    RerunDisposition,
    ScopedEffectController,
    StoreError,
    WorkerOptions,
)

from .support import (
    HookedRegistry,
    hanging,
    idle,
    jump,
    log,
    raising,
    register,
    row,
    send,
    settled,
    worker,
    working,
)


@pytest.fixture
def some(definitions: ProcessDefinitions) -> ProcessDefinitions:
    """Definitions: ``idle`` ends at once, ``busy`` runs, ``parked`` waits for a signal."""
    definitions.process("idle")(idle)

    @definitions.process("busy")
    async def busy(ctx: ProcessContext, seconds: float) -> float:
        await trio.sleep(seconds)
        return trio.current_time()

    @definitions.process("parked", signals=["go"])
    async def parked(ctx: ProcessContext) -> float:
        await ctx.wait_signal("go")
        return trio.current_time()

    return definitions


async def ended_at(registry: MemoryProcessRegistry, process_id: str = "p") -> float:
    """When a ``busy`` or ``parked`` process ended."""
    output = await registry.await_process(process_id)
    return float(str(getattr(output, "value")))  # noqa: B009


# --- finding work -----------------------------------------------------------------


async def test_it_looks_at_the_start(registry: HookedRegistry, some: ProcessDefinitions) -> None:
    await register(registry, some, "busy", seconds=0)
    async with working(worker(registry, some)):
        assert await ended_at(registry) == 0


async def test_it_looks_when_it_is_poked(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    one = worker(registry, some, WorkerOptions(poll_seconds=1000))
    async with working(one):
        await trio.sleep(5)
        await register(registry, some, "busy", seconds=0)
        one.poke()
        assert await ended_at(registry) == 5
        await settled()
        assert registry.calls.count(("list_non_terminal", "")) == 2, "and looks once"


async def test_it_can_be_poked_for_one_process(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    one = worker(registry, some, WorkerOptions(poll_seconds=10))
    async with working(one):
        await trio.sleep(5)
        for process_id in ("a", "b", "c"):
            await register(registry, some, "busy", process_id, seconds=0)
        registry.calls.clear()
        for process_id in ("b", "nobody", "b"):
            one.poke(process_id)
        assert await ended_at(registry, "b") == 5
        assert ("list_non_terminal", "") not in registry.calls
        await trio.sleep(1)
        one.poke("b")
        await settled()
        assert [call for call in registry.calls if call[1] in ("a", "c")] == []
        assert registry.calls.count(("claim_process_lease", "b")) == 1
        assert await ended_at(registry, "a") == 10, "the poll comes when it would have come"
        assert await ended_at(registry, "c") == 10


async def test_a_poke_for_one_process_that_fails_stops_nothing(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    one = worker(registry, some, WorkerOptions(poll_seconds=10))
    async with working(one):
        await trio.sleep(5)
        for process_id in ("a", "b"):
            await register(registry, some, "busy", process_id, seconds=0)
        registry.hooks["get_process"] = raising(StoreError("bad sector"), only_for="a", times=1)
        one.poke("a")
        one.poke("b")
        assert await ended_at(registry, "b") == 5
        assert await ended_at(registry, "a") == 10


async def test_a_poke_for_a_row_that_is_not_its_own_is_told(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    elsewhere = ProcessDefinitions()
    elsewhere.process("elsewhere")(idle)
    one = worker(registry, some, WorkerOptions(poll_seconds=10))
    async with working(one):
        await settled()
        await register(registry, elsewhere, "elsewhere")
        one.poke("p")
        await settled()
        assert one.statistics().left_alone == {"p": "there is no definition 'elsewhere' here"}


async def test_what_a_poke_finds_free_is_no_longer_told(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", seconds=1)
    lease = await registry.claim_process_lease("p", "other", 1_000_000)
    one = worker(registry, some, WorkerOptions(poll_seconds=1000))
    async with working(one):
        await settled()
        assert set(one.statistics().left_alone) == {"p"}
        await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
        one.poke("p")
        await settled()
        assert one.statistics().left_alone == {}
        assert await ended_at(registry) == 1


async def test_many_pokes_do_not_keep_it_from_looking_at_all(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    one = worker(registry, some, WorkerOptions(poll_seconds=2))
    async with working(one):
        await settled()
        await register(registry, some, "busy", seconds=0)
        for _ in range(30):
            await trio.sleep(0.1)
            one.poke("nobody")
        assert await ended_at(registry) == 2


@pytest.mark.parametrize("process_id", [None, "p"])
async def test_a_poke_while_it_looks_is_not_lost(
    registry: HookedRegistry, some: ProcessDefinitions, process_id: str | None
) -> None:
    one = worker(registry, some, WorkerOptions(poll_seconds=1000))

    async def slow(_: str) -> None:
        await trio.sleep(1)

    async with working(one):
        await trio.sleep(5)
        registry.hooks["claim_process_lease"] = slow
        await register(registry, some, "idle", "first")
        one.poke()
        await trio.sleep(0.5)
        await register(registry, some, "busy", seconds=0)
        one.poke(process_id)
        assert await ended_at(registry) == 7
        await registry.await_process("first")


@pytest.mark.parametrize("poll_seconds", [0.4, 7])
async def test_it_looks_every_so_often(
    registry: HookedRegistry, some: ProcessDefinitions, poll_seconds: float
) -> None:
    async with working(worker(registry, some, WorkerOptions(poll_seconds=poll_seconds))):
        await trio.sleep(poll_seconds * 2.5)
        await register(registry, some, "busy", seconds=0)
        assert await ended_at(registry) == pytest.approx(3 * poll_seconds)


def test_it_looks_every_400_ms_unless_told_otherwise() -> None:
    assert WorkerOptions().poll_seconds == 0.4


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_running": 0},
        {"poll_seconds": 0},
        {"lease_ttl_ms": 2},
        {"cancel_grace_seconds": -1},
        {"drain_grace_seconds": -0.1},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WorkerOptions(**wrong)  # type: ignore[arg-type]


async def test_a_row_that_has_ended_since_it_was_listed_is_not_run(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async def end_it_first(process_id: str) -> None:
        if not (await row(registry, process_id)).is_terminal:
            await registry.complete_process(process_id, ProcessAwaitOutput.success("by hand"))

    registry.hooks["claim_process_lease"] = end_it_first
    await register(registry, some, "idle")
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        assert one.statistics().left_alone == {}
    assert await registry.await_process("p") == ProcessAwaitOutput.success("by hand")


async def test_what_counts_is_the_row_under_the_lease(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    """It is read again after the claim, since it may have changed since it was listed."""

    @some.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")

    await register(registry, some, p)
    async with working(worker(registry, some)):
        await trio.sleep(1)
    registry.calls.clear()
    async with working(worker(registry, some)):
        await trio.sleep(1)
    calls = [method for method, process_id in registry.calls if process_id == "p"]
    assert calls[:3] == ["claim_process_lease", "get_process", "clear_process_wait"]


# --- what it leaves alone ---------------------------------------------------------


async def test_the_lease_of_another_owner_is_respected_until_it_ends(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", seconds=0)
    await registry.claim_process_lease("p", "other", 10_000)
    one = worker(registry, some, WorkerOptions(poll_seconds=1))
    async with working(one):
        await trio.sleep(9.5)
        assert "is leased to 'other' for another" in one.statistics().left_alone["p"]
        assert not (await row(registry)).is_terminal
        assert await ended_at(registry) in (10, 11)


async def test_a_lease_that_is_given_back_is_found_at_the_next_look(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", seconds=0)
    lease = await registry.claim_process_lease("p", "other", 1_000_000)
    async with working(worker(registry, some, WorkerOptions(poll_seconds=1))):
        await trio.sleep(2.5)
        await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
        assert await ended_at(registry) == 3


async def test_rows_that_are_not_its_own_are_left_alone_and_told(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    elsewhere = ProcessDefinitions()
    elsewhere.process("elsewhere")(idle)
    elsewhere.process("idle", rerun="owner_bound")(idle)
    some.process("outside", rerun=RerunDisposition.EXTERNAL)(idle)
    await register(registry, elsewhere, "elsewhere", "unknown")
    await register(registry, elsewhere, "idle", "otherwise")
    await register(registry, some, "outside", "outside")
    call = PreparedToolCall(call_id="c1", tool_name="search", args={})
    for process_id, its_input, env_ref in (
        ("external", ProcessInput.external({}), None),
        ("tool", ProcessInput.tool_call(call), "env-1"),
    ):
        await registry.register_process(
            ProcessRegistration(
                id=process_id,
                input=its_input,
                provenance=ProcessProvenance.host("tests"),
                env_ref=env_ref,
            )
        )
    await register(registry, some, "idle", "mine")
    one = worker(registry, some)
    async with working(one):
        await registry.await_process("mine")
        await trio.sleep(5)
        assert one.statistics().left_alone == {
            "external": "its input is external, and this worker runs functions",
            "otherwise": "the row is owner_bound, the definition 'idle' here is rerunnable",
            "outside": "it is external: no worker runs it",
            "tool": "its input is tool_call, and this worker runs functions",
            "unknown": "there is no definition 'elsewhere' here",
        }
    claimed = {process_id for method, process_id in registry.calls if method.startswith("claim")}
    assert claimed == {"mine"}


async def test_what_is_no_longer_left_alone_is_no_longer_told(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await registry.register_process(
        ProcessRegistration(
            id="p", input=ProcessInput.external({}), provenance=ProcessProvenance.host("tests")
        )
    )
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        assert set(one.statistics().left_alone) == {"p"}
        await registry.complete_process("p", ProcessAwaitOutput.success(None))
        await trio.sleep(1)
        assert one.statistics().left_alone == {}


# --- faults -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["claim_process_lease", "get_process"])
@pytest.mark.parametrize("error", [StoreError("bad sector"), OSError("bad sector")])
async def test_a_row_that_cannot_be_claimed_does_not_stop_the_others(
    registry: HookedRegistry, some: ProcessDefinitions, method: str, error: Exception
) -> None:
    for process_id in ("a", "b", "c"):
        await register(registry, some, "idle", process_id)
    registry.hooks[method] = raising(error, only_for="b")
    one = worker(registry, some)
    async with working(one):
        await registry.await_process("a")
        await registry.await_process("c")
        await trio.sleep(3)
        assert one.statistics().left_alone == {"b": f"it could not be claimed: {error}"}
        assert registry.statistics().leases == 0
        registry.hooks.clear()
        await registry.await_process("b")


async def test_a_row_that_hangs_does_not_stop_the_others_for_ever(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    for process_id in ("a", "b"):
        await register(registry, some, "idle", process_id)
    registry.hooks["claim_process_lease"] = hanging(only_for="a")
    async with working(worker(registry, some)):
        await registry.await_process("b")
        assert trio.current_time() == 5


async def test_a_run_that_the_host_refuses_does_not_stop_the_others(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    class PickyHost(InlineEffectHost):
        def scoped(self, scope: EffectScope) -> ScopedEffectController:
            if scope.id == "a" and trio.current_time() < 1:
                raise RuntimeError("not you")
            return super().scoped(scope)

    await register(registry, some, "busy", "a", seconds=0)
    await register(registry, some, "busy", "b", seconds=0)
    one = worker(registry, some, host=PickyHost())
    async with working(one):
        assert await ended_at(registry, "b") == 0
        await trio.sleep(0.5)
        assert one.statistics().left_alone == {
            "a": "its last run broke off (not you); it is tried again in 0.5 s"
        }
        assert await ended_at(registry, "a") == 1.0


async def test_a_registry_that_cannot_list_is_asked_again(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    registry.hooks["list_non_terminal"] = raising(StoreError("away"), times=3)
    await register(registry, some, "busy", seconds=0)
    async with working(worker(registry, some, WorkerOptions(poll_seconds=1))):
        assert await ended_at(registry) == 3


async def test_a_worker_that_meets_a_bug_ends_with_it_and_stops_what_it_runs(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", seconds=100)
    bug = ZeroDivisionError("a bug of the registry")
    with pytest.raises(ExceptionGroup) as crashed:  # noqa: PT012
        async with working(worker(registry, some)):
            await trio.sleep(1)
            registry.hooks["list_non_terminal"] = raising(bug)
            await trio.sleep_forever()
    assert crashed.value.subgroup(lambda e: e is bug) is not None
    assert registry.statistics().leases == 0
    assert await log(registry) == []


# --- how many run -----------------------------------------------------------------


async def test_no_more_than_the_limit_run_at_once(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    for number in range(10):
        await register(registry, some, "busy", f"p{number}", seconds=1)
    one = worker(registry, some, WorkerOptions(max_running=3))
    async with working(one):
        await trio.sleep(0.5)
        assert one.statistics().running == 3
        assert registry.statistics().leases == 3, "a row is claimed when it can run"
        ends = [await ended_at(registry, f"p{number}") for number in range(10)]
    assert ends == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


async def test_a_parked_process_holds_no_slot(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    for number in range(50):
        await register(registry, some, "parked", f"p{number}")
    one = worker(registry, some, WorkerOptions(max_running=1))
    async with working(one):
        await trio.sleep(1)
        statistics = one.statistics()
        assert (statistics.running, statistics.queued, statistics.parked) == (0, 0, 50)
        for number in range(50):
            await send(registry, "signal.go", id=f"p{number}")
        assert {await ended_at(registry, f"p{n}") for n in range(50)} == {1}


async def test_a_process_gets_a_slot_before_it_goes_on(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "parked", "parked")
    one = worker(registry, some, WorkerOptions(max_running=1))
    async with working(one):
        await trio.sleep(1)
        await register(registry, some, "busy", "busy", seconds=10)
        await trio.sleep(1)
        await send(registry, "signal.go", id="parked")
        await trio.sleep(1)
        statistics = one.statistics()
        assert (statistics.running, statistics.queued, statistics.parked) == (1, 1, 0)
        end = await ended_at(registry, "busy")
        assert await ended_at(registry, "parked") == end


async def test_rows_and_processes_that_go_on_take_turns(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    """Who came first goes first: new rows keep no running process out, nor it them."""
    order: list[str] = []

    @some.process("again", signals=["go"])
    async def again(ctx: ProcessContext) -> None:
        for _ in range(3):
            await ctx.sleep(0.1)
            order.append("again")
            await trio.sleep(1)

    @some.process("new")
    async def new(ctx: ProcessContext) -> None:
        order.append(ctx.process_id)
        await trio.sleep(1)

    for number in range(4):
        await register(registry, some, new, f"new{number}")
    await register(registry, some, again, "a-again")
    async with working(worker(registry, some, WorkerOptions(max_running=1))):
        for process_id in ("a-again", *(f"new{number}" for number in range(4))):
            await registry.await_process(process_id)
    # The next row stands in the queue from when the one before it began.
    assert order == ["new0", "new1", "again", "new2", "new3", "again", "again"]


async def test_a_row_that_is_held_elsewhere_keeps_no_slot(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "idle", "a")
    lease = await registry.claim_process_lease("a", "other", 1_000_000)
    await register(registry, some, "busy", "b", seconds=0)
    one = worker(registry, some, WorkerOptions(max_running=1))
    async with working(one):
        assert await ended_at(registry, "b") == 0
        await settled()
        assert one.statistics().running == 0
    await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))


# --- stopping ---------------------------------------------------------------------


async def drained(one: ProcessWorkRunner, into: list[float]) -> None:
    await one.drain()
    into.append(trio.current_time())


async def test_a_drain_lets_running_work_end_and_takes_no_more(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", "a", seconds=5)
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        await register(registry, some, "busy", "b", seconds=0)
        await one.drain()
        assert trio.current_time() == 5
    assert (await row(registry, "a")).is_terminal
    assert await log(registry, "b") == []
    assert ("claim_process_lease", "b") not in registry.calls


async def test_a_drain_stops_what_does_not_end_within_its_grace(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", "a", seconds=100)
    await register(registry, some, "busy", "b", seconds=3)
    one = worker(registry, some, WorkerOptions(drain_grace_seconds=7))
    async with working(one):
        await trio.sleep(1)
        await one.drain()
        assert trio.current_time() == 8
        assert registry.statistics().leases == 0
    assert await log(registry, "a") == []
    assert (await row(registry, "b")).is_terminal


async def test_a_drain_does_not_wait_for_parked_processes(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "parked")
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        await one.drain()
        assert trio.current_time() == 1
    assert await log(registry) == ["process.waiting"]
    assert registry.statistics().leases == 0


async def test_a_drain_waits_for_a_process_that_goes_on_meanwhile(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    @some.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.sleep(2)
        await trio.sleep(4)

    await register(registry, some, "busy", "busy", seconds=3)
    await register(registry, some, p)
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        await one.drain()
        assert trio.current_time() == 6
    assert (await row(registry)).is_terminal


async def test_a_drain_gives_a_parent_its_grace_when_its_last_child_ends(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    @some.process("p")
    async def p(ctx: ProcessContext) -> None:
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 3)
        await trio.sleep(2)

    await register(registry, some, p)
    one = worker(registry, some)
    async with working(one):
        await trio.sleep(1)
        await one.drain()
        assert trio.current_time() == 5
    assert (await row(registry)).is_terminal


async def test_draining_twice_is_draining_once(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", seconds=5)
    one, ended = worker(registry, some), list[float]()
    async with working(one):
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drained, one, ended)
            await trio.sleep(1)
            nursery.start_soon(drained, one, ended)
        await drained(one, ended)
    assert ended == [5, 5, 5]
    assert (await row(registry)).is_terminal


async def test_a_worker_that_is_drained_before_it_began_does_nothing(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "idle")
    one, ended = worker(registry, some), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drained, one, ended)
        await settled()
        nursery.start_soon(one.run)
    assert ended == [0]
    assert [m for m, _ in registry.calls if m != "list_non_terminal"] == []


async def test_a_drain_while_it_waits_for_a_slot_ends_that_wait(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    await register(registry, some, "busy", "a", seconds=4)
    await register(registry, some, "busy", "b", seconds=4)
    one = worker(registry, some, WorkerOptions(max_running=1))
    async with working(one):
        await trio.sleep(1)
        await one.drain()
        assert trio.current_time() == 4
    assert await log(registry, "b") == []


async def test_a_drain_in_the_middle_of_a_claim_leaves_no_lease_behind(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    async def slow(process_id: str) -> None:
        await trio.sleep(1)

    # One more than are claimed at once.
    for number in range(33):
        await register(registry, some, "busy", f"p{number:02}", seconds=100)
    registry.hooks["get_process"] = slow
    one = worker(registry, some, WorkerOptions(drain_grace_seconds=0))
    async with working(one):
        await trio.sleep(0.5)
        await one.drain()
        assert trio.current_time() == 1
    assert registry.statistics().leases == 0
    claimed = [process_id for method, process_id in registry.calls if "claim" in method]
    assert sorted(claimed) == [f"p{number:02}" for number in range(32)]


async def test_a_worker_runs_once(registry: HookedRegistry, some: ProcessDefinitions) -> None:
    one = worker(registry, some, owner_id="w1")
    async with working(one):
        await one.drain()
    with pytest.raises(RuntimeError, match="worker 'w1' has run before; make another"):
        await one.run()


async def test_workers_have_names_of_their_own(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    assert worker(registry, some).owner_id != worker(registry, some).owner_id
    await register(registry, some, "busy", seconds=1)
    async with working(worker(registry, some, owner_id="w1")):
        await trio.sleep(0.5)
        with pytest.raises(PluginError, match="is leased to 'w1'") as refused:
            await registry.claim_process_lease("p", "w2", 1000)
        assert refused.value.reason == PluginReason.LEASE_HELD
        await registry.await_process("p")


# --- leases of what it runs -------------------------------------------------------


async def test_a_renewal_that_hangs_costs_no_other_process_its_lease(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    stopped: list[JsonValue] = []

    @some.process("watched")
    async def watched(ctx: ProcessContext) -> None:
        try:
            await trio.sleep(100)
        except trio.Cancelled:
            stopped.append([ctx.process_id, trio.current_time()])
            raise

    for process_id in ("a", "b"):
        await register(registry, some, watched, process_id)
    registry.hooks["renew_process_lease"] = hanging(only_for="a")
    async with working(worker(registry, some)):
        await registry.await_process("b")
        assert stopped[0] == ["a", pytest.approx(30, abs=0.002)]
        assert all(entry[0] == "a" for entry in stopped if isinstance(entry, list))
        assert trio.current_time() == 100


async def test_after_a_stall_everything_is_driven_again(
    registry: HookedRegistry, some: ProcessDefinitions
) -> None:
    for number in range(5):
        await register(registry, some, "busy", f"p{number}", seconds=10)
    async with working(worker(registry, some)):
        await trio.sleep(1)
        jump(60)
        ends = [await ended_at(registry, f"p{number}") for number in range(5)]
    # Some stop at once, others when their end is refused, and those pause a second.
    assert all(71 <= end < 73 for end in ends)
    assert [await log(registry, f"p{number}") for number in range(5)] == [["process.completed"]] * 5
