"""Calls of objects, as the server sees them frame by frame."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.engines.restate import RestateEndpoint
from lash_trio.engines.restate._frames import _fields
from lash_trio.engines.restate._log_state import LogRow
from lash_trio.model import (
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    dumps,
    prepare_registration,
    to_json,
)
from lash_trio.testing.conformance import ManualClock
from tests.engines.restate import protocol
from tests.engines.restate.protocol import Client, connected
from tests.engines.restate.test_attempt import HEADERS, Call

READ_STATE, WRITE_STATE, CALL, ANY_COMMAND = 0x0402, 0x0403, 0x040D, range(0x0400, 0x0500)
STATE_DONE, CALL_DONE, CANCELLED = 0x8002, 0x800D, 0xFBFF
PLAIN = ProcessRegistration(
    id="p1",
    input=ProcessInput.external(),
    event_types=(ProcessEventType(name="signal.a"),),
    provenance=ProcessProvenance.host("tests"),
)
REGISTERED = dumps(prepare_registration(PLAIN).record(5)).encode()
ROW = dumps(LogRow(updated_at_ms=5)).encode()
APPEND = b'{"request": {"event_type": "signal.a", "payload": 1}}'
CLAIM = b'{"owner_id": "me", "lease_ttl_ms": 100}'


@asynccontextmanager
async def serving(
    clock: ManualClock | None = None,
) -> AsyncGenerator[tuple[Client, RestateEndpoint], None]:
    endpoint = RestateEndpoint(None, clock=clock)
    async with connected(endpoint._serve_request) as (client, _):
        yield client, endpoint


async def call(
    client: Client,
    handler: str,
    *entries: bytes,
    end: bool = False,
    service: str = "LashProcessLog",
) -> Call:
    found = Call(client, await client.request(f"/invoke/{service}/{handler}", HEADERS, end=False))
    # Partial state: what is read is asked for.
    start = protocol.frame(
        protocol.START,
        (1, b"id"),
        (2, "inv_1"),
        (3, len(entries)),
        (5, 1),
        (6, "p1"),
        (9, 1),
    )
    await found.send(start + b"".join(entries), end=end)
    return found


def state(completion_id: int, value: bytes | None) -> bytes:
    result = (4, b"") if value is None else (5, protocol.message((1, value)))
    return protocol.frame(STATE_DONE, (1, completion_id), result)


def framed(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(4, "big") + body


def answered(found: Call) -> Any:
    (body,) = [body for kind, body in found.frames if kind == protocol.OUTPUT]
    return json.loads(body[body.index(b"{") :])


async def test_an_append_asks_once_and_writes_the_row_last() -> None:
    async with serving(ManualClock(77)) as (client, _):
        found = await call(client, "append_event", protocol.input_command(APPEND))
        await found.until(READ_STATE, 2)
        assert found.kinds == [READ_STATE, READ_STATE]
        await found.send(state(1, REGISTERED) + state(2, ROW))
        await found.until(protocol.END)
        writes = [body for kind, body in found.frames if kind == WRITE_STATE]
        names = [
            name for body in writes for name in (b"e/1", b"n/signal.a/1", b"row") if name in body
        ]
        assert names == [b"e/1", b"n/signal.a/1", b"row"]
        # The time is recorded before anything that follows from it.
        assert found.kinds.index(protocol.PROPOSE) < found.kinds.index(WRITE_STATE)
        assert answered(found)["Ok"]["event"]["occurred_at_ms"] == 77


@pytest.mark.parametrize(
    ("handler", "body", "values"),
    [
        ("append_event", APPEND, [REGISTERED, ROW]),
        ("claim_process_lease", CLAIM, [REGISTERED, ROW, None]),
    ],
)
async def test_a_call_that_was_cut_off_anywhere_goes_on_from_there(
    handler: str, body: bytes, values: Sequence[bytes | None]
) -> None:
    clock = ManualClock(1_000)
    asked = protocol.input_command(body)
    results = [state(number, value) for number, value in enumerate(values, 1)]
    async with serving(clock) as (client, _):
        whole = await call(client, handler, asked)
        await whole.until(READ_STATE, len(values))
        await whole.send(b"".join(results))
        await whole.until(protocol.END)
        journal = recorded(whole, results)
        commands = kinds_of(journal)
        drawn = max(n for n, entry in enumerate(journal, 1) if kind_of(entry) == protocol.RUN_DONE)
        for length in range(len(journal) + 1):
            clock.advance_ms(7)
            again = await call(client, handler, asked, *journal[:length])
            await again.send(b"".join(each for each in results if each not in journal[:length]))
            await again.until(protocol.END)
            issued = [kind for kind in again.kinds if kind in ANY_COMMAND]
            assert kinds_of(journal[:length]) + issued == commands
            if length < len(journal):
                # The output was not recorded: it is what it would have been, where all that
                # was drawn is.
                assert (answered(again) == answered(whole)) == (length >= drawn)


def recorded(found: Call, results: Sequence[bytes]) -> list[bytes]:
    """What a server records of a call: its commands, and the results where they came."""
    reads = [framed(kind, body) for kind, body in found.frames if kind == READ_STATE]
    rest: list[bytes] = []
    for kind, body in found.frames:
        if kind == protocol.PROPOSE:
            fields = dict(_fields(body))
            completion_id, value = fields[1], fields[14]
            assert isinstance(completion_id, int)
            assert isinstance(value, bytes)
            rest.append(protocol.run_done(completion_id, value))
        elif kind in ANY_COMMAND and kind != READ_STATE:
            rest.append(framed(kind, body))
    return [*reads, *results, *rest]


def kind_of(entry: bytes) -> int:
    return int.from_bytes(entry[:2], "big")


def kinds_of(entries: Sequence[bytes]) -> list[int]:
    return [kind_of(entry) for entry in entries if kind_of(entry) in ANY_COMMAND]


async def test_what_has_to_wait_too_long_is_suspended() -> None:
    async with serving() as (client, endpoint):
        found = await call(client, "get_process", protocol.input_command(b"{}"), end=True)
        await found.until(protocol.SUSPENSION)
        await client.response(found.stream_id)
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 0


async def test_a_drain_suspends_what_waits() -> None:
    async with serving() as (client, endpoint):
        found = await call(client, "get_process", protocol.input_command(b"{}"))
        await found.until(READ_STATE, 2)
        (attempt,) = endpoint._attempts
        attempt.retire()
        await found.until(protocol.SUSPENSION)


async def test_who_is_cancelled_ends_with_an_error() -> None:
    async with serving() as (client, _):
        found = await call(client, "get_process", protocol.input_command(b"{}"))
        await found.until(READ_STATE, 2)
        cancel = protocol.frame(CANCELLED, (2, 1), (4, b""))
        await found.send(cancel)
        await found.until(protocol.END)
        (body,) = [body for kind, body in found.frames if kind == protocol.OUTPUT]
        assert b"cancelled through Restate" in body


async def test_a_bug_is_no_answer_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (client, _):
        found = await call(client, "events_after", protocol.input_command(b'{"after_sequence": 0}'))
        await found.until(READ_STATE, 2)
        broken = LogRow(updated_at_ms=5, last_sequence=1)
        await found.send(state(1, REGISTERED) + state(2, dumps(broken).encode()))
        await found.until(READ_STATE, 3)
        await found.send(state(3, None))
        body = await found.until(protocol.ERROR)
        assert b"nothing under 'e/1'" in body
        assert protocol.OUTPUT not in found.kinds
    assert "failed" in caplog.text


async def test_a_server_that_leaves_takes_the_call_with_it() -> None:
    async with serving() as (client, endpoint):
        found = await call(client, "get_process", protocol.input_command(b"{}"))
        await found.until(READ_STATE, 2)
        client.h2.reset_stream(found.stream_id)
        await client.flush()
        await wait_all_tasks_blocked()
        assert endpoint.attempts == 0


async def test_an_object_that_was_killed_is_told_as_a_failure_of_the_store() -> None:
    async with serving() as (client, _):
        body = json.dumps({"registration": to_json(PLAIN)}).encode()
        found = await call(client, "register_process", protocol.input_command(body))
        await found.until(READ_STATE, 2)
        await found.send(state(1, None) + state(2, None))
        await found.until(CALL)
        failure = protocol.message((1, 409), (2, "killed"))
        await found.send(protocol.frame(CALL_DONE, (1, 4), (6, failure)))
        await found.until(protocol.END)
        assert answered(found)["Err"]["class"] == "store"
        assert WRITE_STATE not in found.kinds


async def test_what_is_no_journal_is_refused() -> None:
    async with serving() as (client, endpoint):
        path = "/invoke/LashProcessLog/get_process"
        stream_id = await client.request(path, HEADERS, end=False)
        await client.send(stream_id, b"", end=True)
        with trio.fail_after(5):
            await client.response(stream_id)
        assert endpoint.attempts == 0
