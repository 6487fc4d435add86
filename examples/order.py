"""An order that waits for its approval, and ships when it comes.

    lash-trio run examples/order.py order --args '{"sku": "oak-table"}' \
        --signal approved='{"by": "me"}'
"""

from __future__ import annotations

import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions, WaitTimedOut, from_json

PRICES = {"oak-table": 240, "pine-stool": 35}

definitions = ProcessDefinitions()


async def fetch_quote(sku: str) -> JsonValue:
    """Ask a supplier; stands for a call to another service."""
    await trio.sleep(0.1)
    if sku not in PRICES:
        raise LookupError(f"no supplier has {sku!r}; try one of {', '.join(sorted(PRICES))}")
    return PRICES[sku]


async def charge(amount: JsonValue, idempotency_key: str) -> JsonValue:
    """Take the money; stands for a payment service that ignores a key it has seen."""
    await trio.sleep(0.05)
    return {"charged": amount, "key": idempotency_key}


@definitions.process("ship")
async def ship(ctx: ProcessContext, sku: str) -> dict[str, JsonValue]:
    """A parcel is packed, and is on its way for a while."""
    await ctx.sleep(0.2)
    return {"sku": sku, "tracking": str(await ctx.uuid())}


@definitions.process("order", signals={"approved": {"type": "object", "required": ["by"]}})
async def order(
    ctx: ProcessContext, sku: str, patience_seconds: float = 3600
) -> dict[str, JsonValue]:
    """Quote, wait for the approval, charge, ship."""
    price = await ctx.step("quote", fetch_quote, sku)
    await ctx.sleep(0.2)
    try:
        # The next one: ordinals are kept by the context.
        decision = await ctx.wait_signal("approved", timeout_seconds=patience_seconds)
    except WaitTimedOut:
        return {"price": price, "by": None, "parcel": None}
    await ctx.step("charge", charge, price, ctx.idempotency_key("charge"))
    parcel = await ctx.start(ship, {"sku": sku})
    by = from_json(dict[str, JsonValue], decision)["by"]
    return {"price": price, "by": by, "parcel": await parcel.result()}
