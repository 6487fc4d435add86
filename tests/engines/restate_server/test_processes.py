"""Processes on a real server: steps, sleeps, signals, suspension, replay, repair."""

from __future__ import annotations

from collections import Counter

import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions, WaitTimedOut
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import SOON_PARKED, serving, wait_until_parked


class Shop:
    """A definition, and how often its steps have run."""

    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.runs: Counter[str] = Counter()
        self.definitions.process("order", signals=["approved"])(self.order)

    async def quote(self, sku: str) -> int:
        self.runs["quote"] += 1
        return len(sku)

    async def ship(self) -> str:
        self.runs["ship"] += 1
        return "shipped"

    async def order(self, ctx: ProcessContext, sku: str) -> dict[str, object]:
        self.runs["order"] += 1
        price = await ctx.step("quote", self.quote, sku)
        await ctx.sleep(0.05)
        decision = await ctx.wait_signal("approved")
        shipped = await ctx.step("ship", self.ship)
        return {"price": price, "decision": decision, "shipped": shipped}


async def test_a_process_runs_steps_sleeps_and_waits_for_a_signal(server: RestateServer) -> None:
    shop = Shop()
    async with serving(server, shop.definitions):
        await server.start_process("plain-1", "order", {"sku": "lamp"})
        assert await server.signal("plain-1", "approved", {"by": "ada"}) == 1
        answer = await server.output("plain-1")
    assert answer.body == {
        "type": "success",
        "value": {"price": 4, "decision": {"by": "ada"}, "shipped": "shipped"},
    }
    assert shop.runs == {"order": 1, "quote": 1, "ship": 1}


async def test_a_signal_before_the_start_is_not_lost(server: RestateServer) -> None:
    shop = Shop()
    async with serving(server, shop.definitions):
        assert await server.signal("early-1", "approved", "early") == 1
        await server.start_process("early-1", "order", {"sku": "lamp"})
        answer = await server.output("early-1")
    assert answer.body["value"]["decision"] == "early"


async def test_a_parked_process_holds_no_task_here_and_wakes_at_its_signal(
    server: RestateServer,
) -> None:
    shop = Shop()
    async with serving(server, shop.definitions, SOON_PARKED) as endpoint:
        await server.start_process("parked-1", "order", {"sku": "lamp"})
        await server.wait_status("parked-1", "suspended")
        await wait_until_parked(endpoint)
        assert shop.runs["ship"] == 0
        runs_before = shop.runs["order"]
        await server.signal("parked-1", "approved", 1)
        answer = await server.output("parked-1")
    assert answer.body["value"] == {"price": 4, "decision": 1, "shipped": "shipped"}
    assert shop.runs["order"] == runs_before + 1
    # Its outcome was recorded: the step did not run again.
    assert (shop.runs["quote"], shop.runs["ship"]) == (1, 1)


async def test_signals_have_ordinals_and_the_same_id_is_no_new_signal(
    server: RestateServer,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("collect", signals=["item"])
    async def collect(ctx: ProcessContext) -> list[JsonValue]:
        return [await ctx.wait_signal("item") for _ in range(3)]

    async with serving(server, definitions):
        ordinals = [
            await server.signal("collect-1", "item", payload, signal_id)
            for payload, signal_id in [("a", "1"), ("a", "1"), ("b", "2"), ("a", "1"), ("c", None)]
        ]
        await server.start_process("collect-1", "collect", {})
        answer = await server.output("collect-1")
    assert ordinals == [1, 1, 2, 1, 3]
    assert answer.body["value"] == ["a", "b", "c"]


async def test_a_failed_step_is_recorded_and_ends_the_process(server: RestateServer) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()

    async def charge() -> None:
        runs["charge"] += 1
        raise PermissionError("no money")

    @definitions.process("pay", signals=["again"])
    async def pay(ctx: ProcessContext) -> None:
        try:
            await ctx.step("charge", charge)
        finally:
            await ctx.wait_signal("again")

    async with serving(server, definitions, SOON_PARKED) as endpoint:
        await server.start_process("pay-1", "pay", {})
        await server.wait_status("pay-1", "suspended")
        await wait_until_parked(endpoint)
        await server.signal("pay-1", "again")
        answer = await server.output("pay-1")
    assert runs["charge"] == 1
    assert (answer.body["type"], answer.body["code"]) == ("failure", "durable_step_failed")
    assert "PermissionError: no money" in answer.body["message"]


async def test_a_wait_ends_with_its_event_or_its_time_and_stays_so(server: RestateServer) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("patient", signals=["word", "end"])
    async def patient(ctx: ProcessContext) -> list[JsonValue]:
        heard: list[JsonValue] = []
        for seconds in (0.05, 30):
            try:
                heard.append(await ctx.wait_signal("word", timeout_seconds=seconds))
            except WaitTimedOut:
                heard.append("nothing")
        await ctx.wait_signal("end")
        return heard

    async with serving(server, definitions, SOON_PARKED):
        await server.start_process("patient-1", "patient", {})
        await server.wait_status("patient-1", "suspended")
        await trio.sleep(0.3)
        await server.signal("patient-1", "word", "hello")
        await server.wait_status("patient-1", "suspended")
        await server.signal("patient-1", "end")
        answer = await server.output("patient-1")
    assert answer.body["value"] == ["nothing", "hello"]


async def test_a_changed_step_parks_the_process_with_the_first_difference(
    server: RestateServer,
) -> None:
    shop = Shop()
    changed = ProcessDefinitions()

    @changed.process("order", signals=["approved"])
    async def order(ctx: ProcessContext, sku: str) -> str:
        await ctx.step("quote", shop.quote, sku.upper())
        return "never"

    async with serving(server, shop.definitions, SOON_PARKED) as endpoint:
        await server.start_process("changed-1", "order", {"sku": "lamp"})
        await server.wait_status("changed-1", "suspended")
        await wait_until_parked(endpoint)
        port = endpoint.port
    async with serving(server, changed, SOON_PARKED, port=port):
        await server.signal("changed-1", "approved")
        reason = await server.pause_reason("changed-1")
        assert "effect_replay_mismatch" in reason
        assert '$.command.input[0] recorded "lamp", got "LAMP"' in reason
    # With the recorded code back, it goes on where it was.
    async with serving(server, shop.definitions, SOON_PARKED, port=port):
        await server.resume("changed-1")
        answer = await server.output("changed-1")
    assert answer.body["value"]["shipped"] == "shipped"
    assert (shop.runs["quote"], shop.runs["ship"]) == (1, 1)


async def test_an_unknown_definition_waits_for_code_that_has_it(server: RestateServer) -> None:
    shop = Shop()
    async with serving(server, ProcessDefinitions()) as endpoint:
        await server.start_process("unknown-1", "order", {"sku": "lamp"})
        reason = await server.pause_reason("unknown-1")
        assert "there is no process definition 'order'" in reason
        port = endpoint.port
    async with serving(server, shop.definitions, port=port):
        await server.resume("unknown-1")
        await server.signal("unknown-1", "approved")
        assert (await server.output("unknown-1")).body["type"] == "success"


async def test_arguments_that_the_function_does_not_take_are_refused(
    server: RestateServer,
) -> None:
    shop = Shop()
    async with serving(server, shop.definitions):
        await server.start_process("wrong-1", "order", {"colour": "red"})
        answer = await server.output("wrong-1")
    assert answer.status == 400
    assert "takes the arguments sku" in answer.body["message"]
    assert shop.runs["order"] == 0
