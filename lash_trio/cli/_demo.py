"""What ``lash-trio demo`` runs: a small workshop, on the public API.

Read it from the top: first the processes, then the story around them, which
starts them, signals them, and follows their events.
"""

from __future__ import annotations

import trio

from .. import (
    CANCEL_REQUESTED,
    WAITING,
    JsonValue,
    MemoryProcessRegistry,
    ProcessCancelledError,
    ProcessContext,
    ProcessDefinitions,
    ProcessEndWait,
    ProcessEvent,
    ProcessEventType,
    ProcessHandle,
    Runtime,
    open_runtime,
)
from ._describe import describe, describe_wait, tone_of
from ._progress import Line, Progress

ANSWER_SECONDS = {"oak": 0.4, "brass": 0.7, "glass": 1.0}
"""How long each supplier takes to answer."""

definitions = ProcessDefinitions()


async def ask_supplier(part: str) -> JsonValue:
    """Ask for a price; stands for any slow call to the outside."""
    await trio.sleep(ANSWER_SECONDS[part])
    return {"part": part, "price": 10 * len(part)}


async def quote(ctx: ProcessContext, part: str) -> None:
    """Ask for one price, and write it into the process's log."""
    await ctx.emit("quoted", await ctx.step("ask", ask_supplier, part))


@definitions.process(
    "order",
    signals=["scan", "paid"],
    events=[ProcessEventType(name="quoted"), ProcessEventType(name="scanned")],
)
async def order(ctx: ProcessContext, parts: list[str]) -> JsonValue:
    """A table is ordered, varnished, scanned, paid and shipped."""
    async with ctx.open_nursery() as nursery:
        for part in parts:
            nursery.start_soon(quote, ctx, part)
    await ctx.sleep(0.8)
    third = await ctx.wait_signal("scan", ordinal=3)
    await ctx.emit("scanned", third)
    earlier = [await ctx.wait_signal("scan", ordinal=ordinal) for ordinal in (1, 2)]
    await ctx.wait_signal("paid")
    parcel = await ctx.start(ship, {"scans": [*earlier, third]})
    return await parcel.result()


@definitions.process("ship")
async def ship(ctx: ProcessContext, scans: list[JsonValue]) -> JsonValue:
    """A parcel is on its way for a while."""
    await ctx.sleep(0.7)
    return {"delivered": True, "scans": len(scans)}


@definitions.process("guarantee", signals=["claimed"])
async def guarantee(ctx: ProcessContext) -> JsonValue:
    """Waits, for years if need be, for somebody to claim it."""
    return await ctx.wait_signal("claimed")


async def press(pages: int) -> JsonValue:
    """Print a catalogue; stands for work that should not be cut off."""
    await trio.sleep(0.7)
    return {"pages": pages}


@definitions.process("catalogue")
async def catalogue(ctx: ProcessContext, pages: int) -> JsonValue:
    """One long step."""
    return await ctx.step("press", press, pages)


async def tell_demo(progress: Progress) -> None:
    """Tell the story.

    Args:
        progress: what it is told with.
    """
    registry = MemoryProcessRegistry()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(progress.keep_fresh)
        async with open_runtime(definitions, registry) as runtime:
            order_1 = await tell_steps(runtime, progress)
            await tell_sleep_and_signals(runtime, order_1, progress)
            await tell_child(runtime, order_1, progress)
            await tell_cancel(runtime, progress)
            await tell_drain(runtime, nursery, progress)
        held = registry.statistics()
        say(
            progress,
            "worker",
            f"has ended; the registry has {held.leases} leases and {held.tasks_waiting} waiters",
            "nothing is left behind but the rows",
        )
        await tell_restart(registry, progress)
        nursery.cancel_scope.cancel("the demo has ended")


async def tell_steps(runtime: Runtime, progress: Progress) -> Tale:
    """Three steps run side by side, and signals come that nobody waits for."""
    progress.heading("1. Steps run side by side, in a nursery of the process")
    handle = await runtime.start(order, {"parts": list(ANSWER_SECONDS)}, id="order-1")
    began_at_ms = (await handle.record()).created_at_ms
    tale = Tale(progress, handle)
    say(progress, handle.id, "is registered: a row and a log", "a worker claims it under a lease")
    await tale.until("quoted", "a step's value is plain JSON, so a durable host can record it")
    await handle.signal("scan", {"gate": "A"})
    await tale.until("signal.scan", "nobody waits for it yet, so the log keeps it")
    await tale.until("quoted")
    await handle.signal("scan", {"gate": "B"})
    last = await tale.until("quoted")
    took = (last.occurred_at_ms - began_at_ms) / 1000
    say(progress, "demo", f"3 steps took {took:.2f} s", f"not {sum(ANSWER_SECONDS.values()):.1f} s")
    return tale


async def tell_sleep_and_signals(runtime: Runtime, tale: Tale, progress: Progress) -> None:
    """A process sleeps, then asks for the third signal, which is there before the wait."""
    progress.heading("2. It sleeps, and then waits for the third signal of a name")
    await tale.until(WAITING, "a wait is written down before it begins")
    worker = runtime.worker.statistics()
    say(
        progress,
        "worker",
        f"{worker.running} running, {worker.parked} parked",
        "a process that waits takes no running slot",
    )
    third = await tale.handle.signal("scan", {"gate": "C"})
    await tale.until("signal.scan", "number 3 comes while the process sleeps")
    scanned = await tale.until("scanned", "it asked for number 3 first, then for 1 and 2")
    early = (scanned.occurred_at_ms - third.occurred_at_ms) / 1000
    say(progress, "demo", f"number 3 was {early:.2f} s early", "and was not lost, nor taken for 1")
    await tale.until(WAITING, "this one has not come, so it parks")
    await trio.sleep(0.5)
    await tale.handle.signal("paid", {"amount": 120})
    await tale.until("signal.paid", "an append wakes exactly the waiters that it is for")


async def tell_child(runtime: Runtime, tale: Tale, progress: Progress) -> None:
    """The process starts another one and waits for its end."""
    progress.heading("3. It starts a child process and waits for its end")
    await tale.until(WAITING, "the child's id follows from where it is started")
    wait = (await tale.handle.record()).wait
    if wait is not None and isinstance(wait.kind, ProcessEndWait):
        child = await runtime.get(wait.kind.process_id)
        await Tale(progress, child).to_end("a process like any other: its own row, its own log")
    await tale.to_end("its value waits in the row for whoever asks")


async def tell_cancel(runtime: Runtime, progress: Progress) -> None:
    """A process is asked to end, with a reason."""
    progress.heading("4. Cancel is a request, with a reason")
    handle = await runtime.start(guarantee, id="guarantee-1")
    tale = Tale(progress, handle)
    await tale.until(WAITING, "for years, if need be")
    await trio.sleep(0.5)
    await handle.cancel("the customer moved away")
    await tale.until(CANCEL_REQUESTED, "an event as well, so it survives the worker")
    await tale.to_end("its wait raised a typed error, and it unwound")
    try:
        await handle.result()
    except ProcessCancelledError as error:
        say(progress, "demo", f"who awaits it gets the error {error.code}", "with the reason")


async def tell_drain(runtime: Runtime, nursery: trio.Nursery, progress: Progress) -> None:
    """A step is running and a process is waiting when the worker has to stop."""
    progress.heading("5. Drain: the worker stops, the work does not end")
    waiting = await runtime.start(guarantee, id="guarantee-2")
    await Tale(progress, waiting).until(WAITING)
    printing = await runtime.start(catalogue, {"pages": 48}, id="catalogue-1")
    nursery.start_soon(Tale(progress, printing).to_end, "within its grace")
    await trio.sleep(0.2)
    say(progress, "worker", "drains: claims nothing new", "a running step gets some grace")


async def tell_restart(registry: MemoryProcessRegistry, progress: Progress) -> None:
    """What the first worker left is taken up by a second one."""
    progress.heading("6. Another worker, on the same registry")
    async with open_runtime(definitions, registry) as runtime:
        for record in await runtime.list():
            doing = "runs" if record.wait is None else describe_wait(record.wait)
            say(progress, record.id, f"still {doing}", "stopping a worker cancels nothing")
            await trio.sleep(0.5)
            handle = await runtime.get(record.id)
            claimed = await handle.signal("claimed", {"broken": "leg"})
            await Tale(progress, handle, claimed.sequence - 1).to_end("on a worker it never met")


class Tale:
    """Tells the events of one process as they come.

    Args:
        progress: what they are told with.
        handle: whose events.
        after_sequence: the number of the last event that was told before.
    """

    def __init__(self, progress: Progress, handle: ProcessHandle, after_sequence: int = 0) -> None:
        self.handle = handle
        self._progress = progress
        self._events = handle.events(after_sequence)
        progress.board.row(handle.id)

    async def until(self, event_type: str, why: str = "") -> ProcessEvent:
        """Tell the events up to the next one of a type, and why that one matters."""
        async for event in self._events:
            found = event.event_type == event_type
            self._tell(event, why if found else "")
            if found:
                return event
        raise RuntimeError(f"{self.handle!r} ended without {event_type!r}")

    async def to_end(self, why: str = "") -> None:
        """Tell the events that are left, and why the last one matters."""
        async for event in self._events:
            self._tell(event, why if event.semantics.terminal is not None else "")

    def _tell(self, event: ProcessEvent, why: str) -> None:
        self._progress.board.event(event)
        self._progress.line(
            Line(who=event.process_id, what=describe(event), why=why, tone=tone_of(event))
        )


def say(progress: Progress, who: str, what: str, why: str) -> None:
    """Tell something that is no event."""
    progress.line(Line(who=who, what=what, why=why))
