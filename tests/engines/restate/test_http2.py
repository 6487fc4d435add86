"""The HTTP/2 connection, against a client of h2's."""

from __future__ import annotations

import logging

import pytest
import trio
from h2.errors import ErrorCodes
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, RstStreamFrame
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from lash_trio.engines.restate._http2 import Http2Connection, Http2Stream, StreamBroken
from tests.engines.restate.protocol import connected

BIG = bytes(range(256)) * 12_000  # 3 MB: more than any window at the start


async def echo(stream: Http2Stream) -> None:
    """Answers each part of the body while the next is still to come."""
    stream.begin(200, [("content-type", "application/octet-stream")])
    while (data := await stream.receive()) is not None:
        await stream.send(bytearray(data))
    stream.end()


async def test_both_directions_are_open_at_the_same_time(autojump_clock: object) -> None:
    async with connected(echo) as (client, _):
        stream_id = await client.request("/echo", end=False)
        for part in (b"one", b"two"):
            await client.send(stream_id, part)
            while not client.body(stream_id).endswith(part):
                await client.read()
        await client.send(stream_id, b"", end=True)
        assert await client.response(stream_id) == (200, b"onetwo")


async def test_bodies_larger_than_the_windows_arrive_whole(autojump_clock: object) -> None:
    received = bytearray()

    async def swallow_then_send(stream: Http2Stream) -> None:
        while (data := await stream.receive()) is not None:
            received.extend(data)
        stream.begin(200, [])
        await stream.send(bytearray(BIG))
        stream.end()

    async with connected(swallow_then_send) as (client, _):
        stream_id = await client.request("/big", end=False)
        await client.send(stream_id, BIG, end=True)
        status, body = await client.response(stream_id)
    assert (status, bytes(received) == BIG, body == BIG) == (200, True, True)


async def test_a_handler_that_fails_resets_its_own_stream_alone(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(stream: Http2Stream) -> None:
        if stream.path == "/bad":
            raise RuntimeError("a bug in the handler")
        await echo(stream)

    async with connected(handle) as (client, _):
        good = await client.request("/good", end=False)
        bad = await client.request("/bad")
        assert await client.response(bad) == (0, b"")
        await client.send(good, b"still here", end=True)
        assert await client.response(good) == (200, b"still here")
    assert "a bug in the handler" in caplog.text


async def test_data_for_an_answered_stream_harms_nobody(autojump_clock: object) -> None:
    async def hasty(stream: Http2Stream) -> None:
        stream.begin(200, [])
        stream.end()

    async with connected(hasty) as (client, _):
        answered = await client.request("/hasty", end=False)
        assert (await client.response(answered))[0] == 200
        # More than the windows hold at once: it is read and thrown away.
        await client.send(answered, b"x" * 10_000_000, end=True)
        other = await client.request("/other")
        assert (await client.response(other))[0] == 200


async def test_a_reset_is_told_to_who_reads_and_who_writes(autojump_clock: object) -> None:
    broken: list[str] = []

    async def handle(stream: Http2Stream) -> None:
        stream.begin(200, [])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, stream)
            nursery.start_soon(write, stream)

    async def read(stream: Http2Stream) -> None:
        try:
            await stream.receive()
        except StreamBroken:
            broken.append("reader")

    async def write(stream: Http2Stream) -> None:
        try:
            await stream.send(bytearray(BIG))
        except StreamBroken:
            broken.append("writer")

    async with connected(handle) as (client, _):
        stream_id = await client.request("/", end=False)
        await wait_all_tasks_blocked()
        client.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        await client.flush()
        await wait_all_tasks_blocked()
        assert sorted(broken) == ["reader", "writer"]


async def test_a_connection_that_breaks_ends_its_handlers(autojump_clock: object) -> None:
    ended: list[str] = []

    async def handle(stream: Http2Stream) -> None:
        try:
            await stream.receive()
        except StreamBroken as error:
            ended.append(str(error))
            raise

    async with connected(handle) as (client, _):
        await client.request("/", end=False)
        await wait_all_tasks_blocked()
        await client.stream.aclose()
        await wait_all_tasks_blocked()
        assert ended == ["the connection is gone"]


async def test_what_is_no_http2_ends_the_connection_quietly(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Http2Connection(theirs, echo).serve)
        await ours.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 10)
        with trio.fail_after(5):
            while await ours.receive_some(1000):
                pass
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


async def test_a_drain_waits_for_those_that_run_and_refuses_others(
    autojump_clock: object,
) -> None:
    drained: list[str] = []

    async with connected(echo) as (client, connection):
        running = await client.request("/running", end=False)
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def drain() -> None:
                await connection.drain()
                drained.append("drained")

            await wait_all_tasks_blocked()
            assert not drained
            # A client that has not read the farewell yet.
            late = await client.request("/late")
            await client.send(running, b"last words", end=True)
            await wait_all_tasks_blocked()
            assert drained == ["drained"]
        frames = parsed(await client.stream.receive_some(65_536))
    assert [f.last_stream_id for f in frames if isinstance(f, GoAwayFrame)] == [running]
    assert [(f.stream_id, f.error_code) for f in frames if isinstance(f, RstStreamFrame)] == [
        (late, ErrorCodes.REFUSED_STREAM)
    ]
    assert b"".join(f.data for f in frames if isinstance(f, DataFrame)) == b"last words"


def parsed(data: bytes | bytearray) -> list[Frame]:
    """Frames; h2 as a client would stop at the farewell."""
    frames: list[Frame] = []
    while data:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        frames.append(frame)
        data = data[9 + length :]
    return frames


async def test_a_cancelled_connection_ends_at_once(autojump_clock: object) -> None:
    ours, theirs = memory_stream_pair()
    with trio.move_on_after(1) as scope:
        await Http2Connection(theirs, echo).serve()
    assert scope.cancelled_caught
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"x")


class Heard:
    """Notes what a listener is told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = trio.Event()
        self.broken = trio.Event()

    def take_data(self, data: bytes) -> None:
        self.data += data

    def take_end(self) -> None:
        self.ended.set()

    def take_break(self, why: str) -> None:
        self.broken.set()


async def test_a_listener_is_told_what_came_before_and_after_it(autojump_clock: object) -> None:
    heard = Heard()

    async def handle(stream: Http2Stream) -> None:
        # Something has come by then that nobody has received.
        await wait_all_tasks_blocked()
        with stream.listened_to(heard):
            await heard.ended.wait()
        stream.begin(200, [])
        stream.end()

    async with connected(handle) as (client, _):
        stream_id = await client.request("/heard", end=False)
        await client.send(stream_id, b"early ")
        await wait_all_tasks_blocked()
        with trio.fail_after(5):
            # More than the windows: a listener makes room as it is told.
            await client.send(stream_id, BIG, end=True)
            status, _ = await client.response(stream_id)
    assert (status, bytes(heard.data) == b"early " + BIG) == (200, True)


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_listener_is_told_of_a_reset(is_late: bool, autojump_clock: object) -> None:
    heard = Heard()
    may_listen = trio.Event()

    async def handle(stream: Http2Stream) -> None:
        await may_listen.wait()
        with stream.listened_to(heard):
            await heard.broken.wait()

    async with connected(handle) as (client, _):
        stream_id = await client.request("/reset", end=False)
        if not is_late:
            may_listen.set()
            await wait_all_tasks_blocked()
        client.h2.reset_stream(stream_id)
        await client.flush()
        await wait_all_tasks_blocked()
        may_listen.set()
        with trio.fail_after(5):
            await heard.broken.wait()


async def test_what_came_together_is_received_together(autojump_clock: object) -> None:
    received: list[bytes | None] = []

    async def handle(stream: Http2Stream) -> None:
        await wait_all_tasks_blocked()
        received.extend([await stream.receive(), await stream.receive()])
        stream.begin(200, [])
        stream.end()

    async with connected(handle) as (client, _):
        stream_id = await client.request("/parts", end=False)
        await client.send(stream_id, b"one ")
        await client.send(stream_id, b"two", end=True)
        await client.response(stream_id)
    assert received == [b"one two", None]
