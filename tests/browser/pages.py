"""Processes whose reports are looked at, hostile names among them."""

from __future__ import annotations

from pathlib import Path

import trio

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    Runtime,
    RuntimeParts,
    WaitState,
)
from lash_trio.cli._report import read_report, render
from lash_trio.model import OperatorWait
from lash_trio.stores.sqlite import open_sqlite

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>\"'&"

definitions = ProcessDefinitions()


async def quote(sku: str) -> JsonValue:
    await trio.sleep(0.05)
    return {"price": 240, "sku": sku}


async def refuse() -> None:
    raise PermissionError(HOSTILE)


@definitions.process("ship")
async def ship(ctx: ProcessContext) -> JsonValue:
    await ctx.sleep(0.1)
    return "on its way"


@definitions.process(
    "order",
    signals=["approved", "hurry"],
    events=[ProcessEventType(name="quoted"), ProcessEventType(name="priced")],
)
async def order(ctx: ProcessContext, sku: str) -> JsonValue:
    price = await ctx.step("quote", quote, sku)
    await ctx.emit("quoted", price)
    async with ctx.open_nursery() as nursery:
        for name in ("oak", "brass", "glass"):
            nursery.start_soon(ask, ctx, name)
    await ctx.sleep(0.3)
    decision = await ctx.wait_signal("approved")
    child = await ctx.start(ship, {})
    return {"price": price, "decision": decision, "parcel": await child.result()}


async def ask(ctx: ProcessContext, name: str) -> None:
    await ctx.step("ask", quote, name)


@definitions.process("hostile", signals={"s": {}})
async def hostile(ctx: ProcessContext, text: str) -> JsonValue:
    await ctx.wait_signal("s")
    await ctx.step(HOSTILE, refuse)
    return None


async def keep_completed(db: Path) -> None:
    """An order that completed, on the second of two workers."""
    async with open_sqlite(db) as stores:
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), owner_id="worker-1")
        with trio.CancelScope() as power:
            async with Runtime(definitions, parts) as runtime:
                handle = await runtime.start(order, {"sku": "oak-table"}, id="order-1")
                await handle.signal("hurry", {"by": "ada"})
                async for event in handle.events():
                    if event.event_type == "process.waiting" and event.sequence > 4:
                        power.cancel("a power cut")
        await trio.sleep(0.3)
        parts = RuntimeParts(registry=stores.registry, host=stores.host(), owner_id="worker-2")
        async with Runtime(definitions, parts) as runtime:
            handle = await runtime.get("order-1")
            await handle.signal("approved", {"by": "grace"})
            await handle.output()


async def keep_hostile(db: Path) -> None:
    """A process that failed, and whose every text tries to be markup."""
    async with open_sqlite(db) as stores:
        parts = RuntimeParts(
            registry=stores.registry, host=stores.host(), owner_id=f"owner {HOSTILE}"
        )
        async with Runtime(definitions, parts) as runtime:
            handle = await runtime.start(hostile, {"text": HOSTILE}, id=f"id {HOSTILE}")
            await handle.signal("s", {HOSTILE: [HOSTILE, "\U0001f600 \u202e"]})
            await handle.output()


async def keep_parked(db: Path) -> None:
    """A process that nobody can run before its code is repaired."""
    async with open_sqlite(db) as stores:
        parts = RuntimeParts(registry=stores.registry, host=stores.host())
        async with Runtime(definitions, parts) as runtime:
            await runtime.start(order, {"sku": "lamp"}, id="order-2")
        kind = OperatorWait(
            code="effect_replay_mismatch",
            message="the effect 'quote#1' is not the one that was recorded; bring the code back",
        )
        state = WaitState(kind=kind, since_ms=stores.clock.now_ms())
        await stores.registry.set_process_wait("order-2", state)


async def page_of(db: Path, process_id: str) -> str:
    """The report of a process."""
    async with open_sqlite(db) as stores:
        return render(await read_report(stores, process_id))
