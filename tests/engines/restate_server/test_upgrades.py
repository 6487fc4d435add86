"""Two versions of the code at once, on a real server: who is run by which of them."""

from __future__ import annotations

from collections import Counter

import trio

from lash_trio import ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateOptions
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import serving, wait_until_parked

# So that an attempt on code that is gone soon ends in a pause.
SOON_TRIED = RestateOptions(park_after_seconds=0.05, first_retry_ms=20, longest_retry_ms=50)


class Version:
    """A version of an order, whose price has changed since the version before."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs: Counter[str] = Counter()
        self.definitions = ProcessDefinitions()
        self.definitions.process("order", signals=["approved"])(self.order)

    async def quote(self) -> str:
        self.runs["quote"] += 1
        return f"quoted by {self.name}"

    async def ship(self) -> str:
        self.runs["ship"] += 1
        return f"shipped by {self.name}"

    async def order(self, ctx: ProcessContext) -> list[object]:
        price = await ctx.step("quote", self.quote)
        await ctx.wait_signal("approved")
        return [price, await ctx.step("ship", self.ship)]


async def test_a_process_stays_with_its_version_while_new_ones_take_the_next(
    server: RestateServer,
) -> None:
    old, new = Version("the old one"), Version("the new one")
    async with serving(server, old.definitions, SOON_TRIED) as parked:
        await server.start_process("upgrade-1", "order", {})
        await server.wait_status("upgrade-1", "suspended")
        await wait_until_parked(parked)
        async with serving(server, new.definitions, SOON_TRIED):
            await server.start_process("upgrade-2", "order", {})
            for process_id in ("upgrade-1", "upgrade-2"):
                await server.signal(process_id, "approved")
            first, second = [
                (await server.output(process_id)).body["value"]
                for process_id in ("upgrade-1", "upgrade-2")
            ]
    assert first == ["quoted by the old one", "shipped by the old one"]
    assert second == ["quoted by the new one", "shipped by the new one"]


async def test_a_parked_process_is_moved_to_the_next_version(server: RestateServer) -> None:
    old, new = Version("the old one"), Version("the new one")
    async with serving(server, old.definitions, SOON_TRIED) as parked:
        await server.start_process("upgrade-3", "order", {})
        row = await server.wait_status("upgrade-3", "suspended")
        await wait_until_parked(parked)
    async with serving(server, new.definitions, SOON_TRIED):
        moved = await server.admin("PATCH", f"/invocations/{row['id']}/resume?deployment=latest")
        assert moved.status in (200, 202), moved
        await server.signal("upgrade-3", "approved")
        with trio.fail_after(20):
            answer = await server.output("upgrade-3")
    assert answer.body["value"] == ["quoted by the old one", "shipped by the new one"]
    assert (old.runs, new.runs) == ({"quote": 1}, {"ship": 1})


async def test_a_process_whose_version_is_gone_is_paused_and_moved(server: RestateServer) -> None:
    old, new = Version("the old one"), Version("the new one")
    async with serving(server, old.definitions, SOON_TRIED) as parked:
        await server.start_process("upgrade-4", "order", {})
        await server.wait_status("upgrade-4", "suspended")
        await wait_until_parked(parked)
    async with serving(server, new.definitions, SOON_TRIED):
        await server.signal("upgrade-4", "approved")
        row = await server.wait_status("upgrade-4", "backing-off")
        for action in ("pause", "resume?deployment=latest"):
            answer = await server.admin("PATCH", f"/invocations/{row['id']}/{action}")
            assert answer.status in (200, 202), answer
            if action == "pause":
                await server.wait_status("upgrade-4", "paused")
        with trio.fail_after(20):
            answer = await server.output("upgrade-4")
    assert answer.body["value"] == ["quoted by the old one", "shipped by the new one"]
    assert (old.runs, new.runs) == ({"quote": 1}, {"ship": 1})
