"""The wrappers around the stores in a file, whose leases a thread renews."""

from __future__ import annotations

from pathlib import Path

import trio

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessLeaseCompletion,
    WorkerOptions,
    open_runtime,
)
from lash_trio.abc import ProcessRegistry
from lash_trio.stores.sqlite import SqliteOptions, Synchronous, open_sqlite
from lash_trio.telemetry import Telemetry, TracedEffectHost, TracedProcessRegistry
from tests.telemetry.support import Recorder

FAST = SqliteOptions(synchronous=Synchronous.NORMAL)


class Registry(TracedProcessRegistry):
    """Tells when a lease was given back."""

    def __init__(self, registry: ProcessRegistry, telemetry: Telemetry) -> None:
        super().__init__(registry, telemetry)
        self.lease_given_back = trio.Event()

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await super().complete_process_lease(completion)
        self.lease_given_back.set()


async def one() -> JsonValue:
    return 1


async def test_a_process_that_is_unloaded_while_it_waits(tmp_path: Path) -> None:
    recorder = Recorder()
    definitions = ProcessDefinitions()

    @definitions.process("order", signals=["paid"])
    async def order(ctx: ProcessContext) -> JsonValue:
        value = await ctx.step("quote", one)
        await ctx.wait_signal("paid")
        return value

    with trio.fail_after(30):
        async with open_sqlite(tmp_path / "shop.db", FAST) as stores:
            registry = Registry(stores.registry, recorder.telemetry)
            host = TracedEffectHost(stores.host(), recorder.telemetry)
            # Unloading needs that the registry can tell of events: also when it is wrapped.
            options = WorkerOptions(max_loaded_parked=0)
            async with open_runtime(definitions, registry, host=host, worker=options) as runtime:
                handle = await runtime.start(order, id="o1")
                await registry.lease_given_back.wait()
                await handle.signal("paid")
                assert await handle.result() == 1
    first, second = recorder.named("effect durable_step quote")
    assert (first.attributes or {})["lash_trio.effect.replayed"] is False
    assert (second.attributes or {})["lash_trio.effect.replayed"] is True
    assert recorder.metric("lash_trio.lease.recoveries") == {(): 1}
    assert recorder.metric("lash_trio.process.ended") == {(("process.state", "completed"),): 1}
    assert recorder.begun.open == []
