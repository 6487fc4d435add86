"""Attempts at invocations, as the server sees them frame by frame."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from h2.errors import ErrorCodes
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions, WaitTimedOut
from lash_trio.engines.restate import RestateEndpoint, RestateOptions
from lash_trio.engines.restate._http2 import Http2Connection
from lash_trio.worker import HostedProcesses
from tests.engines.restate import protocol
from tests.engines.restate.protocol import Client, FrameReader, connected

HEADERS = [("content-type", protocol.VERSION)]
WATCH = protocol.promise_command("process.cancel_requested:1", 1)


def asked(definition: str, **args: object) -> bytes:
    return protocol.input_command(json.dumps({"definition": definition, "args": args}).encode())


def recorded(key: str, name: str, value: object, *, step_input: Sequence[object] = ()) -> bytes:
    """What this engine records of a step."""
    entry = {
        "envelope": {
            "command": {"input": list(step_input), "step_id": name, "type": "durable_step"},
            "invocation": {
                "replay": {"key": key},
                "scope": {"session_id": "process-1"},
                "subject": {"effect_id": key, "kind": "durable_step", "type": "effect"},
            },
        },
        "outcome": {"Ok": {"type": "durable_step", "value": value}},
        "recorded_at_ms": 1,
    }
    return json.dumps(entry).encode()


@attrs.define
class Call:
    """One invocation, from the server's side."""

    client: Client
    stream_id: int
    read_bytes: int = 0
    reader: FrameReader = attrs.field(factory=FrameReader)
    frames: list[tuple[int, bytes]] = attrs.field(factory=list[tuple[int, bytes]])

    @property
    def kinds(self) -> list[int]:
        return [kind for kind, _ in self.frames]

    async def until(self, kind: int, count: int = 1) -> bytes:
        """Read until there are so many frames of a kind; returns the last."""
        while self.kinds.count(kind) < count:
            body = self.client.body(self.stream_id)
            new = self.reader.feed(body[self.read_bytes :])
            self.read_bytes = len(body)
            self.frames += new
            if not new:
                assert not self.client.is_closed, f"the connection was closed after {self.kinds}"
                await self.client.read()
        return [body for each, body in self.frames if each == kind][count - 1]

    def proposed(self, name: str) -> bytes:
        """The value that was proposed for the run of a name, the first begun by this call."""
        begun = [body for kind, body in self.frames if kind == protocol.RUN]
        number = begun.index(next(b for b in begun if b.endswith(name.encode())))
        proposals = [body for kind, body in self.frames if kind == protocol.PROPOSE]
        return proposals[number][proposals[number].index(b"{") :]

    async def send(self, data: bytes, *, end: bool = False) -> None:
        await self.client.send(self.stream_id, data, end=end)


async def call(client: Client, *entries: bytes, end: bool = False, handler: str = "run") -> Call:
    path = f"/invoke/LashProcess/{handler}"
    found = Call(client, await client.request(path, HEADERS, end=False))
    await found.send(protocol.start(len(entries)) + b"".join(entries), end=end)
    return found


@asynccontextmanager
async def serving(
    definitions: ProcessDefinitions, options: RestateOptions | None = None
) -> AsyncGenerator[tuple[Client, RestateEndpoint], None]:
    endpoint = RestateEndpoint(HostedProcesses(definitions), options)
    async with connected(endpoint._serve_request) as (client, _):
        yield client, endpoint


class Shop:
    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.runs: Counter[str] = Counter()
        self.definitions.process("one", signals=["go"])(self.one)
        self.definitions.process("two", signals=["go"])(self.two)
        self.definitions.process("tidy", signals=["go"])(self.tidy)

    async def work(self, name: str) -> str:
        self.runs[name] += 1
        return name

    async def one(self, ctx: ProcessContext) -> str:
        return str(await ctx.step("work", self.work, "x"))

    async def child(self, ctx: ProcessContext, name: str, seen: list[object]) -> None:
        seen.append(await ctx.step(name, self.work, name))

    async def two(self, ctx: ProcessContext) -> list[JsonValue]:
        seen: list[object] = []
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(self.child, ctx, "a", seen)
            nursery.start_soon(self.child, ctx, "b", seen)
        return [*sorted(map(str, seen))]

    async def tidy(self, ctx: ProcessContext) -> None:
        try:
            await ctx.wait_signal("go")
        finally:
            self.runs["finally"] += 1
            await ctx.step("tidy", self.work, "tidy")


async def test_a_step_is_recorded_before_the_process_sees_it(autojump_clock: object) -> None:
    shop = Shop()
    async with serving(shop.definitions) as (client, _):
        run = await call(client, asked("one"))
        proposal = await run.until(protocol.PROPOSE)
        assert b'"value":"x"' in proposal
        assert b'"input":["x"]' in proposal
        await wait_all_tasks_blocked()
        assert protocol.OUTPUT not in run.kinds
        await run.send(protocol.run_done(2, recorded("work#1", "work", "x", step_input=["x"])))
        output = await run.until(protocol.OUTPUT)
        await run.until(protocol.END)
    assert b'{"type":"success","value":"x"}' in output


async def test_what_is_recorded_does_not_run_again_whatever_the_order_of_the_record(
    autojump_clock: object,
) -> None:
    shop = Shop()
    keys = {name: f"nursery#1.{n}/{name}#1" for n, name in ((1, "a"), (2, "b"))}
    for order in ("ab", "ba"):
        entries = [WATCH]
        for number, name in enumerate(order, 2):
            value = recorded(keys[name], name, name, step_input=[name])
            entries += [protocol.run_command(keys[name], number), protocol.run_done(number, value)]
        async with serving(shop.definitions) as (client, _):
            run = await call(client, asked("two"), *entries)
            output = await run.until(protocol.OUTPUT)
        assert b'"value":["a","b"]' in output
        assert run.kinds[0] == protocol.OUTPUT
    assert not shop.runs


async def test_another_envelope_pauses_the_invocation_and_says_where_it_differs(
    autojump_clock: object,
) -> None:
    shop = Shop()
    value = recorded("work#1", "work", "y", step_input=["y"])
    async with serving(shop.definitions) as (client, _):
        run = await call(
            client,
            asked("one"),
            WATCH,
            protocol.run_command("work#1", 2),
            protocol.run_done(2, value),
        )
        error = await run.until(protocol.ERROR)
    assert b'at $.command.input[0] recorded "y", got "x"' in error
    assert error.startswith(protocol.message((1, 570)))
    assert error.endswith(protocol.message((9, 1)))
    assert not shop.runs


async def test_a_run_that_was_begun_and_cut_off_is_done_and_proposed_again(
    autojump_clock: object,
) -> None:
    shop = Shop()
    async with serving(shop.definitions) as (client, _):
        run = await call(client, asked("one"), WATCH, protocol.run_command("work#1", 2))
        proposal = await run.until(protocol.PROPOSE)
        await run.send(protocol.run_done(2, recorded("work#1", "work", "x", step_input=["x"])))
        await run.until(protocol.END)
    assert proposal.startswith(protocol.message((1, 2)))
    assert protocol.RUN not in run.kinds
    assert shop.runs == {"x": 1}


async def test_a_recorded_output_is_returned_and_nothing_runs(autojump_clock: object) -> None:
    shop = Shop()
    async with serving(shop.definitions) as (client, _):
        run = await call(client, asked("one"), WATCH, protocol.output_command(b"as it was"))
        await run.until(protocol.END)
    assert run.kinds == [protocol.END]
    assert not shop.runs


async def test_a_process_that_waits_is_parked_after_a_while(autojump_clock: object) -> None:
    shop = Shop()
    async with serving(shop.definitions, RestateOptions(park_after_seconds=60)) as (
        client,
        endpoint,
    ):
        run = await call(client, asked("tidy"))
        await run.until(protocol.GET_PROMISE, 2)
        began = trio.current_time()
        with trio.fail_after(1000):
            await _until_suspended(run)
        assert 59 <= trio.current_time() - began <= 61
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 0
    # The attempt was stopped from outside: cleaning up emits no effect.
    assert shop.runs == {"finally": 1}
    assert protocol.RUN not in run.kinds


async def test_the_end_of_the_input_suspends_what_only_waits(autojump_clock: object) -> None:
    shop = Shop()
    async with serving(shop.definitions) as (client, _):
        run = await call(client, asked("tidy"), end=True)
        await run.until(protocol.SUSPENSION)
    assert shop.runs == {"finally": 1}


async def test_nothing_is_suspended_that_could_still_do_something(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()

    async def work() -> None:
        await trio.sleep(100)

    async def slow(ctx: ProcessContext) -> None:
        for _ in range(1000):
            await trio.lowlevel.checkpoint()
        await ctx.step("late", work)

    @definitions.process("both", signals=["go"])
    async def both(ctx: ProcessContext) -> None:
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(slow, ctx)
            await ctx.wait_signal("go")

    async with serving(definitions) as (client, _):
        run = await call(client, asked("both"), end=True)
        with trio.fail_after(1000):
            await _until_suspended(run)
    assert run.kinds.index(protocol.PROPOSE) < run.kinds.index(protocol.SUSPENSION)


async def test_a_process_that_waits_for_no_effect_is_not_suspended(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> str:
        await trio.sleep(5000)
        return "done"

    async with serving(definitions) as (client, _):
        run = await call(client, asked("busy"), end=True)
        with trio.fail_after(10_000):
            await _until(run, protocol.END)
    assert protocol.SUSPENSION not in run.kinds


@pytest.mark.parametrize("handler", ["run", "signal", "cancel"])
async def test_a_call_that_breaks_off_leaves_nothing_behind(
    autojump_clock: object, handler: str
) -> None:
    shop = Shop()
    async with serving(shop.definitions) as (client, endpoint):
        body = {"definition": "one", "name": "go", "reason": "r"}
        entry = protocol.input_command(json.dumps(body).encode())
        run = await call(client, entry, handler=handler)
        # For a run: a step has been proposed, and who waits for it is shielded.
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 1
        client.h2.reset_stream(run.stream_id, ErrorCodes.CANCEL)
        await client.flush()
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 0


async def test_a_connection_that_breaks_in_the_middle_of_a_record_ends_quietly(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()

    @shop.definitions.process("mixed", signals=["go"])
    async def mixed(ctx: ProcessContext) -> None:
        # One task waits for its record, shielded, and one for a signal: the end of the
        # attempt is an error for the one and a cancellation for the other.
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(shop.child, ctx, "a", [])
            await ctx.wait_signal("go")

    async with serving(shop.definitions) as (client, endpoint):
        run = await call(client, asked("mixed"))
        await run.until(protocol.PROPOSE)
        stream = client.stream
        assert isinstance(stream, trio.StapledStream)
        await stream.receive_stream.aclose()
        # The endpoint notices when it answers.
        client.h2.ping(b"12345678")
        await client.flush()
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 0
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


async def test_a_cancelled_connection_ends_also_who_waits_for_a_record(
    autojump_clock: object,
) -> None:
    shop = Shop()
    endpoint = RestateEndpoint(HostedProcesses(shop.definitions))
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Http2Connection(theirs, endpoint._serve_request).serve)
        run = await call(Client(ours), asked("one"))
        await run.until(protocol.PROPOSE)
        nursery.cancel_scope.cancel("the program stops")
    assert endpoint.attempts == 0


async def test_a_bug_of_the_handler_is_an_error_to_try_again_after(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    value = b"this is no entry of ours"
    async with serving(shop.definitions) as (client, _):
        run = await call(
            client,
            asked("one"),
            WATCH,
            protocol.run_command("work#1", 2),
            protocol.run_done(2, value),
        )
        error = await run.until(protocol.ERROR)
    assert b"holds no effect" in error
    assert not error.endswith(protocol.message((9, 1)))
    assert "holds no effect" in caplog.text


async def _until_suspended(run: Call) -> None:
    await _until(run, protocol.SUSPENSION)


async def _until(run: Call, kind: int) -> None:
    """As ``run.until``, with no deadline of the client's own."""
    while kind not in run.kinds:
        data = await run.client.stream.receive_some(65_536)
        for event in run.client.h2.receive_data(data):
            if getattr(event, "stream_id", None) == run.stream_id:
                run.client.events[run.stream_id].append(event)
        await run.client.flush()
        body = run.client.body(run.stream_id)
        run.frames += run.reader.feed(body[run.read_bytes :])
        run.read_bytes = len(body)


async def test_a_wait_with_a_timeout_records_when_it_is_due_and_what_came(
    autojump_clock: object,
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("patient", signals=["word"])
    async def patient(ctx: ProcessContext) -> str:
        try:
            await ctx.wait_signal("word", timeout_seconds=30)
        except WaitTimedOut:
            return "nothing"
        return "a word"

    key = "await:signal.word#1"
    # The second attempt finds when it is due, and its outcome begun and cut off.
    for is_second in (False, True):
        async with serving(definitions) as (client, _):
            run = await call(client, asked("patient"))
            await run.until(protocol.PROPOSE)
            due = run.proposed(f"{key}~due")
            assert b'"due_at_ms"' in due
            assert b'"outcome"' not in due
            if is_second:
                run = await call(
                    client,
                    asked("patient"),
                    WATCH,
                    protocol.run_command(f"{key}~due", 2),
                    protocol.run_done(2, due),
                    protocol.promise_command("signal.word:1", 3),
                    protocol.sleep_command(key, 4),
                    protocol.run_command(key, 5),
                )
            else:
                # Ids follow the names: the wait comes before the watch for a cancel.
                await run.send(protocol.run_done(1, due))
                await run.until(protocol.SLEEP)
            timer = 4 if is_second else 3
            await run.send(protocol.frame(protocol.SLEEP_DONE, (1, timer), (4, b"")))
            await run.until(protocol.PROPOSE, 1 if is_second else 2)
            outcome = run.proposed(key) if not is_second else run.frames[-1][1]
            assert b'"timed_out":true' in outcome
            assert run.kinds.count(protocol.SLEEP) == (0 if is_second else 1)
