"""Processes that have logs and reach each other, on a real server."""

from __future__ import annotations

from collections import Counter

import pytest
import trio

from lash_trio import (
    JsonValue,
    PluginError,
    ProcessContext,
    ProcessDefinitions,
    ProcessListFilter,
    WaitTimedOut,
)
from lash_trio.engines.restate import RestateProcessRegistry
from lash_trio.model import (
    CANCEL_REQUESTED,
    EventWait,
    OperatorWait,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessFailure,
    ProcessProvenance,
    ProcessRecord,
    SignalWait,
    from_json,
    to_json,
)
from lash_trio.worker import StartRequest
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import (
    SOON_PARKED,
    serving_with_registry,
    wait_until_parked,
)


async def event_types(registry: RestateProcessRegistry, process_id: str) -> list[str]:
    """What the log has, without the prefix of the core types."""
    events = await registry.events_after(process_id, 0)
    return [event.event_type.removeprefix("process.") for event in events]


async def until_waiting(registry: RestateProcessRegistry, process_id: str) -> ProcessRecord:
    """Wait until the row shows that the process waits."""
    await registry.wait_event_nth(process_id, "process.waiting", 1)
    record = await registry.get_process(process_id)
    assert record is not None
    return record


async def until_invoked(server: RestateServer, process_id: str) -> None:
    """Wait until the server knows that what was registered is to be run."""
    text = f"select id from sys_invocation where target_service_key = '{process_id}'"
    with trio.fail_after(20):
        # The server does not tell when it does.
        while not await server.query(  # noqa: ASYNC110
            f"{text} and target_handler_name = 'run'"
        ):
            await trio.sleep(0.02)


async def start(
    registry: RestateProcessRegistry,
    definitions: ProcessDefinitions,
    process_id: str,
    definition: str,
    args: dict[str, JsonValue] | None = None,
) -> None:
    request = StartRequest(id=process_id, provenance=ProcessProvenance.host("test"))
    await registry.register_process(definitions.registration(definition, args or {}, request))


class Family:
    """A child that waits for a word, and what it and its parents did."""

    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.seen: list[str] = []
        self.runs: Counter[str] = Counter()
        self.began = trio.Event()
        self.may_go_on = trio.Event()
        self.definitions.process("child", signals={"word": {"type": "string"}})(self.child)
        self.definitions.process("worker")(self.worker)

    async def prepare(self, name: str) -> str:
        self.runs[name] += 1
        if name == "slow":
            await self.may_go_on.wait()
        return name

    async def child(self, ctx: ProcessContext, name: str) -> str:
        await ctx.step("prepare", self.prepare, name)
        return f"{name} heard {await ctx.wait_signal('word')}"

    async def long_step(self) -> None:
        self.began.set()
        try:
            await trio.sleep_forever()
        finally:
            self.seen.append("the child's step was cancelled")

    async def worker(self, ctx: ProcessContext) -> None:
        await ctx.step("long", self.long_step)


@pytest.mark.parametrize("is_soon_parked", [False, True])
async def test_a_parent_starts_signals_cancels_and_awaits_its_children(
    server: RestateServer, is_soon_parked: bool
) -> None:
    family = Family()
    parent_id = f"parent-{is_soon_parked}"

    @family.definitions.process("parent")
    async def parent(ctx: ProcessContext) -> list[JsonValue]:
        children = [await ctx.start("child", {"name": name}) for name in ("a", "b", "c")]
        await children[0].signal("word", "hello")
        await children[1].cancel("not needed")
        await ctx.sleep(0.3)
        await children[2].signal("word", "bye")
        return [to_json(await child.output()) for child in children]

    options = SOON_PARKED if is_soon_parked else None
    async with serving_with_registry(server, family.definitions, options) as (_, registry):
        await start(registry, family.definitions, parent_id, "parent")
        with trio.fail_after(20):
            output = await registry.await_process(parent_id)
        assert (await server.output(parent_id)).body == to_json(output)
        logs = {n: await event_types(registry, f"{parent_id}/start:child#{n}") for n in (1, 2, 3)}
    body = to_json(output)
    assert isinstance(body, dict)
    first, second, third = (
        from_json(ProcessAwaitOutput, each) for each in from_json(list[JsonValue], body["value"])
    )
    assert to_json(first) == {"type": "success", "value": "a heard hello"}
    assert to_json(third) == {"type": "success", "value": "c heard bye"}
    assert second.terminal_state == "cancelled"
    assert logs[2][-1] == "cancelled"
    assert logs[2].count("cancel_requested") == 1
    assert logs[3] == ["waiting", "signal.word", "resumed", "completed"]
    # Whoever was parked meanwhile, no step ran twice; one may be cancelled before it began.
    assert set(family.runs.values()) == {1}


async def test_a_cancelled_parent_ends_its_running_step_and_then_its_children(
    server: RestateServer,
) -> None:
    family = Family()
    step_began = trio.Event()

    async def parents_step() -> None:
        step_began.set()
        try:
            await trio.sleep_forever()
        finally:
            family.seen.append("the parent's step was cancelled")

    @family.definitions.process("parent")
    async def parent(ctx: ProcessContext) -> None:
        try:
            await ctx.start("worker")
            await ctx.start("worker", detached=True)
            await ctx.step("own", parents_step)
        finally:
            family.seen.append("the parent was unwound")

    async with serving_with_registry(server, family.definitions) as (_, registry):
        await start(registry, family.definitions, "order-1", "parent")
        with trio.fail_after(20):
            await family.began.wait()
            await step_began.wait()
            assert await server.cancel("order-1", "no longer needed") is True
            assert await server.cancel("order-1", "for another reason") is False
            output = await registry.await_process("order-1")
            child = await registry.await_process("order-1/start:worker#1")
        detached = await registry.get_process("order-1/start:worker#2")
        requests = [
            event.payload
            for event in await registry.events_after("order-1", 0)
            if event.event_type == CANCEL_REQUESTED
        ]
        await registry.append_event(
            "order-1/start:worker#2",
            ProcessEventAppendRequest.cancel_requested("order-1/start:worker#2", "the test ends"),
        )
        with trio.fail_after(20):
            await registry.await_process("order-1/start:worker#2")
    assert family.seen[:3] == [
        "the parent's step was cancelled",
        "the parent was unwound",
        "the child's step was cancelled",
    ]
    assert (output.terminal_state, child.terminal_state) == ("cancelled", "cancelled")
    assert isinstance(output, ProcessCancellation)
    assert output.message == "no longer needed"
    assert "its parent 'order-1' ended as cancelled" in str(to_json(child))
    assert detached is not None
    assert not detached.is_terminal
    assert requests == [{"reason": "no longer needed"}, {"reason": "for another reason"}]


async def test_a_process_parked_for_an_event_of_another_holds_no_task_and_wakes(
    server: RestateServer,
) -> None:
    definitions = ProcessDefinitions()
    attempts: Counter[str] = Counter()

    @definitions.process("teller", signals=["go"], events=[ProcessEventType(name="news")])
    async def teller(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")
        await ctx.emit("news", {"n": 1})

    @definitions.process("listener")
    async def listener(ctx: ProcessContext) -> list[JsonValue]:
        attempts["listener"] += 1
        news = await ctx.wait_event("teller-1", "news", 1)
        end = await ctx.await_process("teller-1")
        return [news, end.terminal_state.value]

    async with serving_with_registry(server, definitions, SOON_PARKED) as (endpoint, registry):
        await start(registry, definitions, "teller-1", "teller")
        await start(registry, definitions, "listener-1", "listener")
        record = await until_waiting(registry, "listener-1")
        assert record.wait is not None
        assert isinstance(record.wait.kind, EventWait)
        await server.wait_status("listener-1", "suspended")
        await server.wait_status("teller-1", "suspended")
        await wait_until_parked(endpoint)
        before = attempts["listener"]
        await server.signal("teller-1", "go")
        with trio.fail_after(20):
            output = await registry.await_process("listener-1")
    assert to_json(output) == {"type": "success", "value": [{"n": 1}, "completed"]}
    assert attempts["listener"] > before


async def test_the_row_shows_what_a_process_waits_for_and_the_log_says_when(
    server: RestateServer,
) -> None:
    family = Family()
    async with serving_with_registry(server, family.definitions) as (_, registry):
        await start(registry, family.definitions, "shown-1", "child", {"name": "x"})
        record = await until_waiting(registry, "shown-1")
        assert record.wait is not None
        kind = record.wait.kind
        assert isinstance(kind, SignalWait)
        assert (kind.name, kind.ordinal, record.wait.sole) == ("word", 1, True)
        assert await server.signal("shown-1", "word", "hi") == 1
        with trio.fail_after(20):
            await registry.await_process("shown-1")
        ended = await registry.get_process("shown-1")
        assert ended is not None
        assert ended.wait is None
        assert await event_types(registry, "shown-1") == [
            "waiting",
            "signal.word",
            "resumed",
            "completed",
        ]


async def test_signals_are_checked_and_those_that_nobody_waited_for_are_told(
    server: RestateServer,
) -> None:
    family = Family()
    async with serving_with_registry(server, family.definitions) as (_, registry):
        await server.start_process("checked-1", "child", {"name": "slow"})
        path = "/LashProcess/checked-1/signal"
        refused = [
            await server.ingress("POST", path, {"name": "word", "payload": 5}),
            await server.ingress("POST", path, {"name": "nothing", "payload": "x"}),
        ]
        assert [answer.status for answer in refused] == [400, 400]
        assert "does not fit its schema" in refused[0].body["message"]
        assert "declares no event type" in refused[1].body["message"]
        assert [
            await server.signal("checked-1", "word", word, signal_id)
            for word, signal_id in [("a", "1"), ("a", "1"), ("b", "2")]
        ] == [1, 1, 2]
        family.may_go_on.set()
        with trio.fail_after(20):
            await registry.await_process("checked-1")
        (last,) = await registry.recent_events("checked-1", 1)
        assert isinstance(last.payload, dict)
        assert last.payload["unconsumed_signals"] == {"word": 1}
        answer = await server.ingress(
            "POST", "/LashProcess/nobody/signal", {"name": "word", "payload": "x"}
        )
        assert answer.status == 404


async def test_an_id_that_has_other_work_is_refused(server: RestateServer) -> None:
    family = Family()
    async with serving_with_registry(server, family.definitions) as (_, registry):
        await start(registry, family.definitions, "taken-1", "child", {"name": "x"})
        await until_waiting(registry, "taken-1")
        with pytest.raises(PluginError) as refused:
            await start(registry, family.definitions, "taken-1", "child", {"name": "y"})
        assert refused.value.reason == "registration_conflict"
        await server.signal("taken-1", "word", "bye")
        with trio.fail_after(20):
            await registry.await_process("taken-1")


async def test_a_wait_for_another_process_ends_with_its_time(server: RestateServer) -> None:
    family = Family()

    @family.definitions.process("patient", signals=["end"])
    async def patient(ctx: ProcessContext, other: str) -> list[JsonValue]:
        heard: list[JsonValue] = []
        for seconds in (0.0, 0.2, 30.0):
            try:
                heard.append(await ctx.wait_event(other, "signal.word", 1, timeout_seconds=seconds))
            except WaitTimedOut:
                heard.append("nothing")
        await ctx.wait_signal("end")
        return heard

    async with serving_with_registry(server, family.definitions, SOON_PARKED) as (_, registry):
        await start(registry, family.definitions, "other-1", "child", {"name": "x"})
        await start(registry, family.definitions, "patient-2", "patient", {"other": "other-1"})
        # The one that shows the third wait: the first had no time to park for.
        await registry.wait_event_nth("patient-2", "process.resumed", 2)
        await server.signal("other-1", "word", "hello")
        await server.signal("patient-2", "end")
        with trio.fail_after(20):
            output = await registry.await_process("patient-2")
    assert to_json(output) == {"type": "success", "value": ["nothing", "nothing", "hello"]}


async def test_what_a_process_reads_of_others_is_read_once(server: RestateServer) -> None:
    family = Family()

    @family.definitions.process("reader", signals=["go"], events=[ProcessEventType(name="note")])
    async def reader(ctx: ProcessContext, other: str) -> list[JsonValue]:
        number = await ctx.emit("note", "one")
        before = await ctx.get_process(other)
        listed = await ctx.list_processes(ProcessListFilter(definition="child"))
        await ctx.wait_signal("go")
        assert before is not None
        return [number, before.is_terminal, other in [each.id for each in listed]]

    async with serving_with_registry(server, family.definitions, SOON_PARKED) as (_, registry):
        await start(registry, family.definitions, "read-1", "child", {"name": "x"})
        await until_waiting(registry, "read-1")
        await start(registry, family.definitions, "reader-1", "reader", {"other": "read-1"})
        await until_invoked(server, "reader-1")
        await server.wait_status("reader-1", "suspended")
        await server.signal("read-1", "word", "bye")
        with trio.fail_after(20):
            await registry.await_process("read-1")
            await server.signal("reader-1", "go")
            output = await registry.await_process("reader-1")
        assert (await event_types(registry, "reader-1")).count("note") == 1
    assert to_json(output) == {"type": "success", "value": [1, False, True]}


async def test_a_cancel_through_restate_is_in_the_log(server: RestateServer) -> None:
    family = Family()
    async with serving_with_registry(server, family.definitions) as (_, registry):
        invocation_id = await server.start_process("admin-1", "worker", {})
        with trio.fail_after(20):
            await family.began.wait()
            await server.admin("PATCH", f"/invocations/{invocation_id}/cancel")
            output = await registry.await_process("admin-1")
        assert "cancel_requested" in await event_types(registry, "admin-1")
    assert output.terminal_state == "cancelled"
    assert "the invocation was cancelled through Restate" in str(to_json(output))


async def test_a_cancel_before_it_began_is_its_end(server: RestateServer) -> None:
    family = Family()
    # Nobody runs what is registered here.
    async with serving_with_registry(server, ProcessDefinitions()) as (endpoint, registry):
        await start(registry, family.definitions, "never-1", "child", {"name": "x"})
        await until_invoked(server, "never-1")
        await server.pause_reason("never-1")
        await registry.append_event(
            "never-1", ProcessEventAppendRequest.cancel_requested("never-1", "never mind")
        )
        port = endpoint.port
    async with serving_with_registry(server, family.definitions, port=port) as (_, registry):
        await server.resume("never-1")
        with trio.fail_after(20):
            output = await registry.await_process("never-1")
    assert output.terminal_state == "cancelled"
    assert not family.runs


async def test_a_process_whose_code_does_not_fit_shows_it_until_it_is_repaired(
    server: RestateServer,
) -> None:
    def shop(word: str) -> ProcessDefinitions:
        definitions = ProcessDefinitions()

        @definitions.process("shop", signals=["go"])
        async def serve(ctx: ProcessContext) -> JsonValue:
            quoted = await ctx.step("quote", echo, word)
            return [quoted, await ctx.wait_signal("go")]

        return definitions

    async def echo(word: str) -> str:
        return word

    async with serving_with_registry(server, shop("lamp"), SOON_PARKED) as (endpoint, registry):
        await start(registry, shop("lamp"), "repair-1", "shop")
        await until_waiting(registry, "repair-1")
        await server.wait_status("repair-1", "suspended")
        port = endpoint.port
    async with serving_with_registry(server, shop("LAMP"), port=port) as (_, registry):
        await server.signal("repair-1", "go", 1)
        assert '"LAMP"' in await server.pause_reason("repair-1")
        record = await registry.get_process("repair-1")
    assert record is not None
    assert record.wait is not None
    assert isinstance(record.wait.kind, OperatorWait)
    assert record.wait.kind.code == "effect_replay_mismatch"
    async with serving_with_registry(server, shop("lamp"), port=port) as (_, registry):
        await server.resume("repair-1")
        with trio.fail_after(20):
            output = await registry.await_process("repair-1")
        assert to_json(output) == {"type": "success", "value": ["lamp", 1]}
        log = await event_types(registry, "repair-1")
        # What it waited for before may have been taken off the row by the run that did not fit.
        assert [each for each in log if each != "resumed"] == [
            "waiting",
            "signal.go",
            "waiting",
            "completed",
        ]
        assert log[-2:] == ["resumed", "completed"]


async def test_an_end_by_hand_is_the_end(server: RestateServer) -> None:
    family = Family()
    by_hand = ProcessAwaitOutput.failure("operator", "ended by hand")
    async with serving_with_registry(server, family.definitions, SOON_PARKED) as (_, registry):
        await start(registry, family.definitions, "hand-1", "child", {"name": "x"})
        await until_waiting(registry, "hand-1")
        await registry.complete_process("hand-1", by_hand)
        await server.signal("hand-1", "word", "late")
        with trio.fail_after(20):
            answer = await server.output("hand-1")
    assert answer.body == to_json(by_hand)


async def test_an_owner_bound_process_whose_owner_is_gone_is_abandoned(
    server: RestateServer,
) -> None:
    family = Family()
    runs: Counter[str] = Counter()

    @family.definitions.process("once", rerun="owner_bound")
    async def once(ctx: ProcessContext) -> None:
        runs["once"] += 1
        await ctx.start("child", {"name": "x"})
        await ctx.step("long", family.long_step)

    async with serving_with_registry(server, family.definitions) as (endpoint, registry):
        await start(registry, family.definitions, "once-1", "once")
        with trio.fail_after(20):
            await family.began.wait()
        port = endpoint.port
    async with serving_with_registry(server, family.definitions, port=port) as (_, registry):
        with trio.fail_after(20):
            output = await registry.await_process("once-1")
            child = await registry.await_process("once-1/start:child#1")
    assert isinstance(output, ProcessFailure)
    assert output.code == "process_abandoned"
    assert child.terminal_state == "cancelled"
    assert runs["once"] == 1
