"""The traces of processes that a worker runs."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    JsonValue,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ProcessContext,
    ProcessDefinitions,
    ProcessListFilter,
    ProcessStatusFilter,
    ReplayingEffectHost,
    Runtime,
    TrioClock,
    open_runtime,
)
from lash_trio.telemetry import TracedEffectHost, TracedProcessRegistry
from tests.telemetry.support import Recorder, Tree, tree

CLAIM, END = tree("claim lease"), tree("end process")


class Shop:
    """Definitions, a store that survives its runtimes, and what they tell."""

    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.registry = MemoryProcessRegistry()
        self.journal = MemoryEffectJournal()
        self.recorder = Recorder()
        self.definitions.process("order", signals=["paid"])(order)
        self.definitions.process("parcel", signals=["delivered"])(parcel)
        self.definitions.process("broken")(broken)

    def open(self) -> Runtime:
        telemetry = self.recorder.telemetry
        host = ReplayingEffectHost(self.journal, clock=TrioClock())
        return open_runtime(
            self.definitions,
            TracedProcessRegistry(self.registry, telemetry),
            host=TracedEffectHost(host, telemetry),
        )

    def runs(self, process_id: str) -> list[Tree]:
        """What the worker did for one process."""
        roots = [span for span in self.recorder.began() if span.parent is None]
        return [
            below
            for root, below in zip(roots, self.recorder.trees(), strict=True)
            if (root.attributes or {}).get("lash_trio.process.id") == process_id
            and not root.name.startswith("wait")
        ]


async def quote(sku: str) -> JsonValue:
    return 10


async def order(ctx: ProcessContext, sku: str) -> JsonValue:
    price = await ctx.step("quote", quote, sku)
    await ctx.sleep(60)
    await ctx.wait_signal("paid")
    child = await ctx.start(parcel)
    await child.result()
    return price


async def parcel(ctx: ProcessContext) -> None:
    await ctx.wait_signal("delivered")


async def broken(ctx: ProcessContext) -> None:
    raise ValueError("a secret")


async def test_a_process_with_a_step_a_sleep_a_signal_and_a_child(
    autojump_clock: MockClock,
) -> None:
    shop = Shop()
    async with shop.open() as runtime:
        handle = await runtime.start(order, {"sku": "tea"}, id="o1")
        await trio.sleep(90)
        await handle.signal("paid")
        await wait_all_tasks_blocked()
        (child_id,) = [r.id for r in await runtime.list() if r.id != "o1"]
        await trio.sleep(30)
        await (await runtime.get(child_id)).signal("delivered")
        assert await handle.result() == 10
    waiting = tree("effect await_event", "wait event")
    assert shop.runs("o1") == [
        CLAIM,
        tree(
            "scope process",
            "effect durable_step quote",
            "effect sleep",
            waiting,
            "effect process start",
            tree("effect await_event", "wait process"),
        ),
        END,
    ]
    assert shop.runs(child_id) == [CLAIM, tree("scope process", waiting), END]
    assert shop.recorder.metric("lash_trio.wait.duration") == {
        (("event.type", "signal.paid"), ("outcome", "ok"), ("wait.type", "event")): 30.0,
        (("event.type", "signal.delivered"), ("outcome", "ok"), ("wait.type", "event")): 30.0,
        # The parent for the child; and this test for the parent, when all is over.
        (("outcome", "ok"), ("wait.type", "process")): 30.0,
    }
    assert shop.recorder.metric("lash_trio.process.ended") == {(("process.state", "completed"),): 2}
    assert shop.recorder.metric("lash_trio.lease.recoveries") == {}


async def test_a_process_that_is_cancelled(autojump_clock: MockClock) -> None:
    shop = Shop()
    async with shop.open() as runtime:
        handle = await runtime.start(order, {"sku": "tea"}, id="o1")
        await trio.sleep(90)
        await handle.cancel("changed my mind")
        await handle.output()
    spans = shop.recorder.span("effect await_event"), shop.recorder.span("wait event")
    effect, wait = (dict(span.attributes or {}) for span in spans)
    assert effect["lash_trio.outcome"] == "cancel_requested"
    # The call itself was cancelled, and does not know by whom.
    assert wait["lash_trio.outcome"] == "cancelled"
    assert shop.recorder.about("scope process")["lash_trio.outcome"] == "ok"
    assert shop.recorder.about("end process")["lash_trio.process.state"] == "cancelled"
    assert shop.recorder.metric("lash_trio.process.ended") == {(("process.state", "cancelled"),): 1}
    appended = shop.recorder.metric("lash_trio.event.appended")
    key = (("event.replayed", False), ("event.type", "process.cancel_requested"))
    assert appended == {key: 1}


async def test_a_process_that_fails_says_so_without_its_text(autojump_clock: MockClock) -> None:
    shop = Shop()
    async with shop.open() as runtime:
        await (await runtime.start(broken, id="b")).output()
    about = shop.recorder.about("end process")
    assert about["lash_trio.process.state"] == "failed"
    assert about["lash_trio.outcome"] == "error"
    assert about["error.type"] == "process_failed"
    assert "secret" not in "".join(span.to_json() for span in shop.recorder.spans)


async def test_a_run_that_was_stopped_and_the_one_that_recovers_it(
    autojump_clock: MockClock,
) -> None:
    shop = Shop()
    with trio.CancelScope() as program:
        async with shop.open() as runtime:
            await runtime.start(order, {"sku": "tea"}, id="o1")
            await trio.sleep(90)
            program.cancel("the machine is going down")
    waiting = tree("effect await_event", "wait event")
    first = tree("scope process", "effect durable_step quote", "effect sleep", waiting)
    assert shop.runs("o1") == [CLAIM, first]
    for name in ("scope process", "effect await_event", "wait event"):
        assert shop.recorder.about(name)["lash_trio.outcome"] == "cancelled"
    assert shop.recorder.about("effect durable_step quote")["lash_trio.effect.replayed"] is False
    shop.recorder.clear()

    async with shop.open() as runtime:
        handle = await runtime.get("o1")
        await handle.signal("paid")
        await wait_all_tasks_blocked()
        everything = ProcessListFilter(status=ProcessStatusFilter.ANY)
        (child_id,) = [r.id for r in await runtime.list(everything) if r.id != "o1"]
        await (await runtime.get(child_id)).signal("delivered")
        assert await handle.result() == 10
    assert shop.runs("o1") == [
        CLAIM,
        tree(
            "scope process",
            "effect durable_step quote",
            "effect sleep",
            waiting,
            "effect process start",
            tree("effect await_event", "wait process"),
        ),
        END,
    ]
    for name in ("effect durable_step quote", "effect sleep"):
        assert shop.recorder.about(name)["lash_trio.effect.replayed"] is True
    assert shop.recorder.about("effect process start")["lash_trio.effect.replayed"] is False
    assert shop.recorder.metric("lash_trio.lease.recoveries") == {(): 1}
    (claim, _) = shop.recorder.named("claim lease")
    assert [event.name for event in claim.events] == [
        "lash_trio.lease_claimed",
        "lash_trio.recovery",
    ]
