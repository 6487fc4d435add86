"""What is simulated: processes that leave traces of everything they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from ...model import JsonValue
from ...worker import ProcessContext, ProcessDefinitions


@attrs.define
class Ledger:
    """What really happened, kept outside of the stores.

    Args:
        note: writes a line of the trace.
    """

    note: Callable[[str], None]
    ran: Counter[str] = attrs.field(factory=Counter[str])
    acknowledged: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    recorded: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]])
    faults_found: list[str] = attrs.field(factory=list[str])

    def step_runs(self, process_id: str, key: str) -> None:
        """A step's function runs: it must not if its outcome is recorded."""
        self.ran[f"{process_id} {key}"] += 1
        self.note(f"{process_id}: step {key} runs")
        if (process_id, key) in self.recorded:
            self.faults_found.append(
                f"step {key} of {process_id} ran again although its outcome was recorded"
            )


def shop_definitions(ledger: Ledger) -> ProcessDefinitions:
    """Definitions whose results say whether anything was lost, doubled or mixed up."""
    definitions = ProcessDefinitions()

    @definitions.process("part", signals=["go"])
    async def part(ctx: ProcessContext, n: int) -> JsonValue:
        async def make() -> JsonValue:
            ledger.step_runs(ctx.process_id, "make#1")
            return n

        made = await ctx.step("make", make)
        for share in range(4):
            await ctx.sleep(1.2)
            await ctx.emit("process.resumed", {"share": share})
        return made

    @definitions.process("order", signals=["paid"])
    async def order(ctx: ProcessContext, payments: int) -> JsonValue:
        async def quote(n: int) -> JsonValue:
            ledger.step_runs(ctx.process_id, f"nursery#1.{n + 1}/quote#1")
            return n

        quotes: dict[int, JsonValue] = {}

        async def ask(n: int) -> None:
            quotes[n] = await ctx.step("quote", quote, n)

        async with ctx.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(ask, n)
        child = await ctx.start(part, {"n": payments})
        paid: list[JsonValue] = [await ctx.wait_signal("paid") for _ in range(payments)]
        await ctx.emit("process.resumed", {"paid": paid})
        return {"quotes": [quotes[n] for n in range(3)], "paid": paid, "part": await child.result()}

    return definitions
