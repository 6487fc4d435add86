"""Processes with logs, on a server and a registry in memory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions, TrioClock, WaitTimedOut
from lash_trio.engines.restate import RestateEffectHost, RestateEndpoint, RestateOptions
from lash_trio.model import (
    MAX_SEQUENCE,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessFailure,
    ProcessProvenance,
    to_json,
)
from lash_trio.worker import HostedProcesses, StartRequest
from tests.engines.restate.memory_server import MemoryParking, MemoryServer

SEEDS = 100


@attrs.frozen
class Engine:
    definitions: ProcessDefinitions
    server: MemoryServer
    registry: MemoryParking
    endpoint: RestateEndpoint

    async def start(self, process_id: str, name: str, args: dict[str, JsonValue]) -> None:
        request = StartRequest(id=process_id, provenance=ProcessProvenance.host("test"))
        await self.registry.register_process(self.definitions.registration(name, args, request))

    async def signal(self, process_id: str, name: str, payload: JsonValue = None) -> None:
        request = ProcessEventAppendRequest(event_type=f"signal.{name}", payload=payload)
        await self.registry.append_event(process_id, request)

    async def log(self, process_id: str) -> list[str]:
        events = await self.registry.events_after(process_id, 0)
        return [event.event_type.removeprefix("process.") for event in events]


@asynccontextmanager
async def serving(
    definitions: ProcessDefinitions,
    cuts: dict[str, list[int]] | None = None,
    *,
    park_after_seconds: float = 60,
) -> AsyncGenerator[Engine, None]:
    async with trio.open_nursery() as nursery:
        server = MemoryServer(nursery, cuts)
        registry = MemoryParking(server)
        server.endpoint = RestateEndpoint(
            HostedProcesses(definitions, clock=TrioClock()),
            RestateOptions(park_after_seconds=park_after_seconds),
            host=RestateEffectHost(clock=TrioClock()),
            registry=registry,
        )
        yield Engine(definitions, server, registry, server.endpoint)
        nursery.cancel_scope.cancel("the test is over")


class Fan:
    """A process with concurrent steps, waits, events and children, and what ran."""

    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.runs: Counter[str] = Counter()
        self.definitions.process(
            "fan",
            signals=["go-a", "go-b", "go-c"],
            events=[ProcessEventType(name="told")],
        )(self.fan)
        self.definitions.process("echo", signals=["word"])(self.echo)

    async def work(self, name: str) -> str:
        self.runs[name] += 1
        return name

    async def echo(self, ctx: ProcessContext) -> str:
        return str(await ctx.wait_signal("word"))

    async def branch(self, ctx: ProcessContext, name: str, seen: list[JsonValue]) -> None:
        seen.append(await ctx.step("first", self.work, f"{name} 1"))
        child = await ctx.start("echo")
        await child.signal("word", name)
        await ctx.sleep(0.5)
        seen.append(await child.result())
        seen.append(await ctx.wait_signal(f"go-{name}", timeout_seconds=1000))
        await ctx.emit("told", name)
        seen.append(await ctx.step("second", self.work, f"{name} 2"))

    async def fan(self, ctx: ProcessContext) -> list[JsonValue]:
        seen: list[JsonValue] = []
        async with ctx.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(self.branch, ctx, name, seen)
        return [*sorted(map(str, seen))]


def test_concurrent_branches_replay_under_a_hundred_seeds_of_the_scheduler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut_short = 0
    for seed in range(SEEDS):
        chance = random.Random(seed)
        # trio shuffles the tasks of each step of the scheduler by this generator.
        monkeypatch.setattr("trio._core._run._r", random.Random(seed))
        cuts = {"fan-1": [chance.randrange(1, 60), chance.randrange(1, 60)]}
        cut_short += trio.run(
            _drive_fan, cuts, chance, clock=trio.testing.MockClock(autojump_threshold=0)
        )
    assert cut_short > 1.5 * SEEDS


async def _drive_fan(cuts: dict[str, list[int]], chance: random.Random) -> int:
    """Drive a fan to its end; returns how often it was begun again."""
    fan = Fan()
    async with serving(fan.definitions, cuts) as engine:
        with trio.fail_after(5000):
            await engine.start("fan-1", "fan", {})
            for name in chance.sample("abc", 3):
                await trio.sleep(chance.choice([0, 0.3, 1.5]))
                await engine.signal("fan-1", f"go-{name}", f"{name} goes")
            output = to_json(await engine.registry.await_process("fan-1"))
            invocation = engine.server.invocations["fan-1"]
            await invocation.ended.wait()
        words = [f"{n}{what}" for n in "abc" for what in (" 1", " 2", " goes", "")]
        assert output == {"type": "success", "value": sorted(words)}, output
        assert invocation.output == output
        assert invocation.errors == []
        assert await engine.registry.count_events_through("fan-1", "told", MAX_SEQUENCE) == 3
        # A step may run again where its outcome was cut off on the way, and never else.
        assert fan.runs.total() <= 6 + 2 * 3
        log = await engine.log("fan-1")
        assert log[-1] == "completed"
        return invocation.attempts - 1


async def test_a_parked_process_waits_at_the_server_and_its_row_shows_for_what(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("child", signals=["word"])
    async def child(ctx: ProcessContext) -> str:
        return str(await ctx.wait_signal("word"))

    @definitions.process("parent", signals=["go"])
    async def parent(ctx: ProcessContext) -> JsonValue:
        started = await ctx.start("child")
        end = await started.result()
        return [end, await ctx.wait_signal("go")]

    async with serving(definitions, park_after_seconds=5) as engine:
        await engine.start("p", "parent", {})
        await trio.sleep(100)
        assert engine.endpoint.attempts == 0
        record = await engine.registry.get_process("p")
        assert record is not None
        assert record.wait is not None
        assert to_json(record.wait.kind) == {
            "kind": "process",
            "key": "await_process:p%2Fstart:child%231#1",
            "process_id": "p/start:child#1",
        }
        await engine.signal("p/start:child#1", "word", "hello")
        await engine.signal("p", "go", 1)
        await engine.server.invocations["p"].ended.wait()
        assert engine.server.invocations["p"].output == {"type": "success", "value": ["hello", 1]}
        assert engine.server.invocations["p"].attempts == 2
        assert await engine.log("p") == ["waiting", "signal.go", "resumed", "completed"]


async def test_a_wait_that_is_over_by_its_time_is_not_parked_any_more(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("child", signals=["word"])
    async def child(ctx: ProcessContext) -> str:
        return str(await ctx.wait_signal("word"))

    @definitions.process("parent")
    async def parent(ctx: ProcessContext, other: str) -> str:
        try:
            await ctx.wait_event(other, "signal.word", 1, timeout_seconds=1)
        except WaitTimedOut:
            await ctx.sleep(1)
            return "nothing"
        return "something"

    async with serving(definitions) as engine:
        await engine.start("c", "child", {})
        await engine.start("p", "parent", {"other": "c"})
        await engine.server.invocations["p"].ended.wait()
        assert engine.server.invocations["p"].output == {"type": "success", "value": "nothing"}
        await engine.signal("c", "word", "late")
        await engine.server.invocations["c"].ended.wait()
        assert not any(engine.registry.parked.values())


async def test_a_parked_process_is_cancelled_where_it_had_got_to(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()

    async def work(name: str) -> None:
        runs[name] += 1

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        for name in "abc":
            await ctx.step("work", work, name)
        await ctx.sleep(1)
        await ctx.wait_signal("go")

    async with serving(definitions, park_after_seconds=5) as engine:
        await engine.start("p", "p", {})
        await trio.sleep(100)
        assert engine.endpoint.attempts == 0
        await engine.registry.append_event(
            "p", ProcessEventAppendRequest.cancel_requested("p", "enough")
        )
        await engine.server.invocations["p"].ended.wait()
        output = to_json(await engine.registry.await_process("p"))
        assert output == {
            "type": "cancelled",
            "message": "enough",
            "raw": {
                "error": "EffectError: runtime_effect_await_event_cancelled: the await_event "
                "effect 'await:signal.go#1' was cancelled: enough"
            },
        }
        assert runs == {"a": 1, "b": 1, "c": 1}


async def test_waits_that_end_while_nobody_is_there_are_shown_once(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> str:
        await ctx.sleep(100)
        try:
            await ctx.wait_signal("go", timeout_seconds=100)
        except WaitTimedOut:
            return "nothing"
        return "something"

    async with serving(definitions, park_after_seconds=5) as engine:
        await engine.start("p", "p", {})
        await engine.server.invocations["p"].ended.wait()
        assert engine.server.invocations["p"].output == {"type": "success", "value": "nothing"}
        assert engine.server.invocations["p"].attempts == 3
        assert await engine.log("p") == [
            "waiting",
            "resumed",
            "waiting",
            "resumed",
            "completed",
        ]


async def test_a_process_that_has_ended_is_not_run_once_more(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> int:
        runs["p"] += 1
        return 1

    async with serving(definitions) as engine:
        await engine.start("p", "p", {})
        await engine.server.invocations["p"].ended.wait()
        # As after the time for which the server keeps what it has run.
        del engine.server.invocations["p"]
        engine.server.invoke("p", "p", {})
        await engine.server.invocations["p"].ended.wait()
        assert engine.server.invocations["p"].output == {"type": "success", "value": 1}
    assert runs["p"] == 1


async def test_a_cancelled_process_leaves_nothing_parked_with_others(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("child", signals=["word"])
    async def child(ctx: ProcessContext) -> str:
        return str(await ctx.wait_signal("word"))

    @definitions.process("parent")
    async def parent(ctx: ProcessContext, other: str) -> None:
        await ctx.wait_event(other, "signal.word", 1)

    for is_parked in (False, True):
        async with serving(definitions, park_after_seconds=5) as engine:
            await engine.start("c", "child", {})
            await engine.start("p", "parent", {"other": "c"})
            await trio.sleep(10 if is_parked else 1)
            assert engine.registry.parked["c", ("signal.word", 1)] != []
            await engine.registry.append_event(
                "p", ProcessEventAppendRequest.cancel_requested("p", "enough")
            )
            await engine.server.invocations["p"].ended.wait()
            # What is left is the child's own wait.
            assert len(engine.registry.parked["c", ("signal.word", 1)]) == 1
            assert await engine.log("p") == [
                "waiting",
                "cancel_requested",
                "resumed",
                "cancelled",
            ]


async def test_an_owner_bound_process_is_run_once_and_ends_as_abandoned_when_cut_off(
    autojump_clock: object,
) -> None:
    ends: Counter[str] = Counter()
    # After any number of frames, to the end.
    for cut_after in range(1, 16):
        definitions, runs = ProcessDefinitions(), Counter[str]()

        async def work(runs: Counter[str] = runs) -> None:
            runs["step"] += 1

        @definitions.process("child", signals=["word"])
        async def child(ctx: ProcessContext) -> None:
            await ctx.wait_signal("word")

        @definitions.process("once", rerun="owner_bound")
        async def once(
            ctx: ProcessContext,
            runs: Counter[str] = runs,
            work: Callable[[], Awaitable[None]] = work,
        ) -> None:
            runs["function"] += 1
            await ctx.start("child")
            await ctx.step("work", work)

        async with serving(definitions, {"p": [cut_after]}) as engine:
            await engine.start("p", "once", {})
            await engine.server.invocations["p"].ended.wait()
            output = await engine.registry.await_process("p")
            assert runs["function"] <= 1
            assert runs["step"] <= 1
            if isinstance(output, ProcessFailure):
                assert output.code == "process_abandoned"
                if "p/start:child#1" in engine.server.invocations:
                    orphan = await engine.registry.await_process("p/start:child#1")
                    assert orphan.terminal_state == "cancelled"
            ends[output.terminal_state] += 1
    # One that was cut off before it began, or when its end was written, has ended well.
    assert ends["failed"] > 5
    assert ends["completed"] > 1


async def test_an_owner_bound_process_that_waits_stays_where_it_is(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("once", signals=["go"], rerun="owner_bound")
    async def once(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    async with serving(definitions, park_after_seconds=5) as engine:
        await engine.start("p", "once", {})
        await trio.sleep(100)
        assert engine.endpoint.attempts == 1
        await engine.signal("p", "go", 1)
        await engine.server.invocations["p"].ended.wait()
        assert engine.server.invocations["p"].output == {"type": "success", "value": 1}
        assert engine.server.invocations["p"].attempts == 1


async def test_a_start_that_was_cut_off_is_cancelled_with_its_parent(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("child", signals=["word"])
    async def child(ctx: ProcessContext) -> None:
        await ctx.wait_signal("word")

    @definitions.process("parent")
    async def parent(ctx: ProcessContext) -> None:
        await ctx.start("child")
        await ctx.sleep(1000)

    # After any number of frames; and the cancel is there before the next attempt begins.
    for cut_after in range(1, 16):
        async with serving(definitions, {"p": [cut_after]}) as engine:
            await engine.start("p", "parent", {})
            while "p/start:child#1" not in engine.server.invocations:  # noqa: ASYNC110
                await trio.sleep(0.001)
            await engine.registry.append_event(
                "p", ProcessEventAppendRequest.cancel_requested("p", "enough")
            )
            await engine.server.invocations["p"].ended.wait()
            assert (await engine.log("p"))[-1] == "cancelled"
            with trio.fail_after(100):
                output = await engine.registry.await_process("p/start:child#1")
            assert output.terminal_state == "cancelled"
