"""Restate's side of its protocol, as far as tests without a server need it."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from trio.testing import memory_stream_pair

from lash_trio.engines.restate._http2 import Handle, Http2Connection

START, SUSPENSION, ERROR, END, PROPOSE, AWAITING_ON = 0, 1, 2, 3, 5, 6
INPUT, OUTPUT, GET_PROMISE, SLEEP, RUN = 0x0400, 0x0401, 0x0409, 0x040C, 0x0411
PROMISE_DONE, SLEEP_DONE, RUN_DONE = 0x8009, 0x800C, 0x8011
VERSION = "application/vnd.restate.invocation.v6"


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """A protobuf message of numbers, texts and messages."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def frame(kind: int, *fields: tuple[int, int | bytes | str]) -> bytes:
    body = message(*fields)
    return struct.pack(">HHI", kind, 0, len(body)) + body


def start(known_entries: int, key: str = "process-1") -> bytes:
    return frame(START, (1, b"id"), (2, "inv_1"), (3, known_entries), (6, key), (9, 1))


def input_command(body: bytes) -> bytes:
    return frame(INPUT, (14, message((1, body))))


def run_command(name: str, completion_id: int) -> bytes:
    return frame(RUN, (11, completion_id), (12, name))


def run_done(completion_id: int, value: bytes) -> bytes:
    return frame(RUN_DONE, (1, completion_id), (5, message((1, value))))


def promise_command(key: str, completion_id: int) -> bytes:
    return frame(GET_PROMISE, (1, key), (11, completion_id))


def promise_done(completion_id: int, value: bytes) -> bytes:
    return frame(PROMISE_DONE, (1, completion_id), (5, message((1, value))))


def sleep_command(name: str, completion_id: int) -> bytes:
    return frame(SLEEP, (1, 1), (11, completion_id), (12, name))


def output_command(value: bytes) -> bytes:
    return frame(OUTPUT, (14, message((1, value))))


@attrs.define
class FrameReader:
    """Cuts what comes from the endpoint into frames."""

    buffer: bytearray = attrs.field(factory=bytearray)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        self.buffer += data
        found: list[tuple[int, bytes]] = []
        while len(self.buffer) >= 8:
            kind, _, length = struct.unpack_from(">HHI", self.buffer)
            if len(self.buffer) < 8 + length:
                break
            found.append((kind, bytes(self.buffer[8 : 8 + length])))
            del self.buffer[: 8 + length]
        return found


class Client:
    """An HTTP/2 client on a stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: dict[int, list[Event]] = {}
        self.is_closed = False
        self.h2.initiate_connection()

    async def flush(self) -> None:
        await self.stream.send_all(self.h2.data_to_send())

    async def request(
        self, path: str, headers: Sequence[tuple[str, str]] = (), *, end: bool = True
    ) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        fixed = [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "x")]
        self.h2.send_headers(stream_id, [*fixed, *headers], end_stream=end)
        self.events[stream_id] = []
        await self.flush()
        return stream_id

    async def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send data, reading meanwhile where there is no room for it."""
        left = memoryview(data)
        while left:
            room = min(self.h2.local_flow_control_window(stream_id), 16_384, len(left))
            if room == 0:
                await self.read()
                continue
            self.h2.send_data(stream_id, bytes(left[:room]))
            left = left[room:]
            await self.flush()
        if end:
            self.h2.end_stream(stream_id)
            await self.flush()

    async def read(self) -> None:
        """Read once, and give room for what came."""
        with trio.fail_after(5):
            data = await self.stream.receive_some(65_536)
        self.is_closed = not data
        for event in self.h2.receive_data(data) if data else []:
            stream_id = getattr(event, "stream_id", None)
            if stream_id in self.events:
                self.events[stream_id].append(event)
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if not self.is_closed:
            await self.flush()

    async def response(self, stream_id: int) -> tuple[int, bytes]:
        """Wait for the whole response: status and body; status 0 for a reset stream."""
        while not any(isinstance(e, StreamEnded | StreamReset) for e in self.events[stream_id]):
            assert not self.is_closed, "the connection was closed before the response"
            await self.read()
        events = self.events[stream_id]
        if any(isinstance(e, StreamReset) for e in events):
            return 0, b""
        (head,) = [e for e in events if isinstance(e, ResponseReceived)]
        ((_, status),) = [h for h in head.headers or [] if str(h[0]) == ":status"]
        return int(status), self.body(stream_id)

    def body(self, stream_id: int) -> bytes:
        return b"".join(
            e.data or b"" for e in self.events[stream_id] if isinstance(e, DataReceived)
        )


@asynccontextmanager
async def connected(handle: Handle) -> AsyncGenerator[tuple[Client, Http2Connection], None]:
    """A client of a connection that is served."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = Http2Connection(theirs, handle)
        nursery.start_soon(connection.serve)
        client = Client(ours)
        await client.flush()
        yield client, connection
        await ours.aclose()
