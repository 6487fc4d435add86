"""Code that is not the recorded one: its processes wait for a repair, visibly."""

from __future__ import annotations

import logging

import pytest
import trio

from lash_trio import (
    PluginError,
    PluginReason,
    ProcessCancellation,
    ProcessContext,
    ProcessDefinitions,
    ProcessListFilter,
    ProcessSuccess,
    ReplayingEffectHost,
    ReplayOptions,
    WorkerOptions,
)
from lash_trio.model import OperatorWait

from .support import (
    DurableJournal,
    HookedRegistry,
    ask_to_cancel,
    log,
    raising,
    register,
    row,
    send,
    settled,
    worker,
    working,
)


async def nothing(*args: object) -> None:
    """A step that does nothing."""


def shop(amount: int) -> ProcessDefinitions:
    """One version of the code: what it charges is in the recorded envelope."""
    definitions = ProcessDefinitions()

    @definitions.process("order", signals=["go"])
    async def order(ctx: ProcessContext) -> str:
        await ctx.step("charge", nothing, amount)
        await ctx.wait_signal("go")
        return "done"

    @definitions.process("other")
    async def other(ctx: ProcessContext) -> str:
        return "other"

    return definitions


@pytest.fixture
def host() -> ReplayingEffectHost:
    return ReplayingEffectHost(DurableJournal())


@pytest.fixture
async def begun(registry: HookedRegistry, host: ReplayingEffectHost) -> HookedRegistry:
    """A registry with a process that charged 5 and waits."""
    await register(registry, shop(5), "order")
    async with working(worker(registry, shop(5), host=host)):
        await settled()
    return registry


async def operator_wait(registry: HookedRegistry) -> OperatorWait | None:
    wait = (await row(registry)).wait
    return wait.kind if wait is not None and isinstance(wait.kind, OperatorWait) else None


async def test_a_mismatch_stands_in_the_row_and_is_not_tried_again(
    begun: HookedRegistry, host: ReplayingEffectHost, caplog: pytest.LogCaptureFixture
) -> None:
    one = worker(begun, shop(6), host=host)
    async with working(one):
        await settled()
        begun.calls.clear()
        wait = await operator_wait(begun)
        assert wait is not None
        assert wait.code == "effect_replay_mismatch"
        assert "'charge#1'" in wait.message
        assert "at $.command.input[0] recorded 5, got 6" in wait.message
        assert "Bring the recorded code back" in wait.message
        assert (await log(begun))[-1] == "process.waiting"
        assert begun.statistics().leases == 0
        await trio.sleep(1000)
        assert ("claim_process_lease", "p") not in begun.calls
        why = one.statistics().left_alone["p"]
        assert why == f"it waits for an operator (effect_replay_mismatch): {wait.message}"
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == [
        f"process p waits until its code is repaired: effect_replay_mismatch: {wait.message}"
    ]


async def test_other_processes_go_on(begun: HookedRegistry, host: ReplayingEffectHost) -> None:
    await register(begun, shop(6), "other", "q")
    async with working(worker(begun, shop(6), WorkerOptions(max_running=1), host=host)):
        assert await begun.await_process("q") == ProcessSuccess(value="other")


async def test_repaired_code_goes_on_where_the_recorded_one_stopped(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    async with working(worker(begun, shop(6), host=host)):
        await settled()
    before = await log(begun)
    async with working(worker(begun, shop(5), host=host)):
        await settled()
        assert (await log(begun))[len(before) :] == ["process.resumed", "process.waiting"]
        assert await operator_wait(begun) is None
        await send(begun, "signal.go")
        assert await begun.await_process("p") == ProcessSuccess(value="done")
    assert (await row(begun)).wait is None


async def test_a_new_worker_with_the_same_code_tries_once(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    async with working(worker(begun, shop(6), host=host)):
        await settled()
    before = await log(begun)
    async with working(worker(begun, shop(6), host=host)):
        await trio.sleep(100)
    assert (await log(begun))[len(before) :] == ["process.resumed", "process.waiting"]
    assert await operator_wait(begun) is not None


async def test_two_workers_do_not_hand_it_to_and_fro(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    async with working(
        worker(begun, shop(6), host=host),
        worker(begun, shop(7), host=host),
    ):
        await trio.sleep(10)
        claims = begun.calls.count(("claim_process_lease", "p"))
        await trio.sleep(1000)
        assert begun.calls.count(("claim_process_lease", "p")) == claims
    assert await operator_wait(begun) is not None


async def test_a_poke_tries_it_again(begun: HookedRegistry, host: ReplayingEffectHost) -> None:
    one = worker(begun, shop(6), host=host)
    async with working(one):
        await settled()
        begun.calls.clear()
        one.poke("p")
        await settled()
        assert begun.calls.count(("claim_process_lease", "p")) == 1
        one.poke()
        await settled()
        assert begun.calls.count(("claim_process_lease", "p")) == 1, "not by looking at all"


async def test_it_can_be_cancelled(begun: HookedRegistry, host: ReplayingEffectHost) -> None:
    async with working(worker(begun, shop(6), host=host)):
        await settled()
        await ask_to_cancel(begun, "no way to repair it")
        output = await begun.await_process("p")
    assert isinstance(output, ProcessCancellation)
    assert output.message == "no way to repair it"


async def test_who_cannot_ask_whether_it_is_to_end_says_so_and_goes_on(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    async with working(worker(begun, shop(6), host=host)):
        await settled()
        begun.hooks["count_events_through"] = raising(PluginError("x", "no"), times=3)
        await trio.sleep(0.5)
        await ask_to_cancel(begun)
        assert isinstance(await begun.await_process("p"), ProcessCancellation)


async def test_a_row_that_cannot_be_written_is_tried_again(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    begun.hooks["set_process_wait"] = raising(PluginError("x", "no"), times=1)
    one = worker(begun, shop(6), host=host)
    async with working(one):
        await settled()
        assert await operator_wait(begun) is None
        await trio.sleep(0.5)
        assert "it is tried again in" in one.statistics().left_alone["p"]
        await trio.sleep(2)
        assert await operator_wait(begun) is not None


async def test_who_lost_the_lease_writes_nothing(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    begun.hooks["set_process_wait"] = raising(PluginError(PluginReason.LEASE_LOST, "gone"))
    async with working(worker(begun, shop(6), host=host)):
        await settled()
        assert await operator_wait(begun) is None


async def test_only_recorded_effects_are_run_by_a_host_that_replays(
    begun: HookedRegistry,
) -> None:
    """A journal that has lost what was recorded is one way to get there."""
    empty = ReplayingEffectHost(DurableJournal(), ReplayOptions(replay_only=True))
    async with working(worker(begun, shop(5), host=empty)):
        await settled()
        wait = await operator_wait(begun)
        assert wait is not None
        assert wait.code == "effect_replay_missing"


def crossed() -> ProcessDefinitions:
    """Two tasks on one path."""
    definitions = ProcessDefinitions()

    @definitions.process("crossed")
    async def crossed(ctx: ProcessContext) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ctx.sleep, 1)
            nursery.start_soon(ctx.sleep, 2)

    return definitions


async def test_tasks_that_share_a_path_wait_for_a_repair_where_effects_are_recorded(
    registry: HookedRegistry, host: ReplayingEffectHost
) -> None:
    await register(registry, crossed(), "crossed")
    async with working(worker(registry, crossed(), host=host)):
        await settled()
        wait = await operator_wait(registry)
        assert wait is not None
        assert wait.code == "effect_path_shared"
        assert "open_nursery()" in wait.message


async def test_and_fail_where_nothing_is(registry: HookedRegistry) -> None:
    await register(registry, crossed(), "crossed")
    async with working(worker(registry, crossed())):
        output = await registry.await_process("p")
    assert output.terminal_state == "failed"


async def test_it_counts_among_the_processes_that_wait(
    begun: HookedRegistry, host: ReplayingEffectHost
) -> None:
    async with working(worker(begun, shop(6), host=host)):
        await settled()
        waiting = await begun.list_processes(ProcessListFilter(waiting=True))
        assert [record.id for record in waiting] == ["p"]
