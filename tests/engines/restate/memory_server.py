"""A Restate server in memory, as far as one workflow needs it, and a registry beside it.

It keeps the journal of an invocation, calls the endpoint again with it whenever an attempt
is over, and can cut an attempt off after any number of frames.
"""

from __future__ import annotations

import base64
import json
import struct
import time
from collections import defaultdict

import attrs
import trio
from trio.testing import memory_stream_pair

from lash_trio import MemoryProcessRegistry, PluginError
from lash_trio.engines.restate import RestateEndpoint
from lash_trio.engines.restate._frames import _fields
from lash_trio.engines.restate._http2 import Http2Connection
from lash_trio.engines.restate._parking import ParkingRegistry
from lash_trio.kernel import END, WaitSlot
from lash_trio.model import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    FunctionInput,
    JsonObject,
    JsonValue,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    ProcessRecord,
    ProcessRegistration,
    ProcessStartGrant,
    WaitState,
    parse_json,
    to_json,
)
from tests.engines.restate import protocol
from tests.engines.restate.protocol import Client, FrameReader

HEADERS = [("content-type", protocol.VERSION)]
SIGNAL = 0xFBFF
WATCH = f"{CANCEL_REQUESTED}:1"
COMMANDS = range(0x0400, 0x8000)


def field(message: bytes, number: int) -> int | bytes:
    return dict(_fields(message)).get(number, 0)


def is_command(frame: bytes) -> bool:
    return struct.unpack(">H", frame[:2])[0] in COMMANDS


def number(message: bytes, number: int) -> int:
    found = field(message, number)
    assert isinstance(found, int)
    return found


def content(message: bytes, number: int) -> bytes:
    found = field(message, number)
    assert isinstance(found, bytes)
    return found


@attrs.define
class Invocation:
    """One invocation of a process's workflow."""

    key: str
    body: bytes
    journal: list[bytes] = attrs.field(factory=list[bytes])
    timers: set[int] = attrs.field(factory=set[int])
    watch: int | None = None
    cancelled: bytes | None = None
    news: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    output: JsonValue = None
    attempts: int = 0
    errors: list[str] = attrs.field(factory=list[str])

    def notify(self, frame: bytes) -> None:
        self.journal.append(frame)
        self.news.set()
        self.news = trio.Event()


class MemoryServer:
    """Runs what is registered, with an endpoint.

    Args:
        nursery: in which invocations run.
        cuts: after how many frames the next attempts are cut off, by process id; one that
            is used up is gone.
    """

    def __init__(self, nursery: trio.Nursery, cuts: dict[str, list[int]] | None = None) -> None:
        self._nursery = nursery
        self._cuts = {} if cuts is None else cuts
        self.endpoint: RestateEndpoint | None = None
        self.invocations: dict[str, Invocation] = {}

    def invoke(self, key: str, definition: str, args: JsonObject) -> None:
        if key not in self.invocations:
            body = json.dumps({"definition": definition, "args": args}).encode()
            self.invocations[key] = Invocation(key, body)
            self._nursery.start_soon(self._run, self.invocations[key])

    def cancel(self, key: str, reason: str | None) -> None:
        invocation = self.invocations[key]
        if invocation.cancelled is None:
            invocation.cancelled = json.dumps({"payload": {"reason": reason}}).encode()
            self._tell_cancel(invocation)

    def complete(self, awakeable: str, value: bytes) -> None:
        data = base64.urlsafe_b64decode(awakeable.removeprefix("sign_1") + "==")
        (index,) = struct.unpack(">I", data[-4:])
        invocation = self.invocations[data[:-4].decode()]
        invocation.notify(protocol.frame(SIGNAL, (2, index), (5, protocol.message((1, value)))))

    async def _run(self, invocation: Invocation) -> None:
        while not invocation.ended.is_set():
            invocation.attempts += 1
            cuts = self._cuts.get(invocation.key, [])
            await self._attempt(invocation, cuts.pop(0) if cuts else None)

    async def _attempt(self, invocation: Invocation, cut_after: int | None) -> None:
        assert self.endpoint is not None
        ours, theirs = memory_stream_pair()
        connection = Http2Connection(theirs, self.endpoint._serve_request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            client = Client(ours)
            stream_id = await client.request("/invoke/LashProcess/run", HEADERS, end=False)
            known = list(invocation.journal)
            start = protocol.frame(
                protocol.START,
                (1, invocation.key.encode()),
                (2, "inv_1"),
                (3, len(known) + 1),
                (6, invocation.key),
                (9, 1),
            )
            head = start + protocol.input_command(invocation.body)
            await client.send(stream_id, head + b"".join(known))
            attempt = _Attempt(invocation, client, stream_id, len(known), cut_after)
            nursery.start_soon(attempt.tell)
            await attempt.listen(self._nursery)
            nursery.cancel_scope.cancel("the attempt is over")
        # What came while it ended is a reason for the next one.
        if attempt.is_suspended and all(map(is_command, invocation.journal[attempt.told :])):
            await invocation.news.wait()

    def _tell_cancel(self, invocation: Invocation) -> None:
        if invocation.watch is not None and invocation.cancelled is not None:
            invocation.notify(protocol.promise_done(invocation.watch, invocation.cancelled))


@attrs.define
class _Attempt:
    invocation: Invocation
    client: Client
    stream_id: int
    told: int
    cut_after: int | None
    is_over: bool = False
    is_suspended: bool = False
    sending: trio.Lock = attrs.field(factory=trio.Lock)

    async def tell(self) -> None:
        """Send notifications as they come; commands come back from the endpoint's own."""
        while True:
            news = self.invocation.news
            for frame in self.invocation.journal[self.told :]:
                self.told += 1
                if not is_command(frame):
                    self.client.h2.send_data(self.stream_id, frame)
                    await self.flush()
            await news.wait()

    async def flush(self) -> None:
        async with self.sending:
            await self.client.flush()

    async def listen(self, nursery: trio.Nursery) -> None:
        reader, read = FrameReader(), 0
        while not self.is_over:
            data = await self.client.stream.receive_some(65_536)
            assert data, "the endpoint has closed the connection"
            for event in self.client.h2.receive_data(data):
                if getattr(event, "stream_id", None) == self.stream_id:
                    self.client.events[self.stream_id].append(event)
            body = self.client.body(self.stream_id)
            frames, read = reader.feed(body[read:]), len(body)
            for kind, message in frames:
                if self.cut_after == 0:
                    return
                if self.cut_after is not None:
                    self.cut_after -= 1
                self.take(kind, message, nursery)
            await self.flush()

    def take(self, kind: int, message: bytes, nursery: trio.Nursery) -> None:
        invocation = self.invocation
        if kind in COMMANDS:
            invocation.journal.append(struct.pack(">HHI", kind, 0, len(message)) + message)
        match kind:
            case protocol.PROPOSE:
                done = protocol.run_done(number(message, 1), content(message, 14))
                invocation.notify(done)
            case protocol.SLEEP:
                nursery.start_soon(self._sleep, message)
            case protocol.GET_PROMISE:
                assert content(message, 1).decode() == WATCH
                invocation.watch = number(message, 11)
                if invocation.cancelled is not None:
                    invocation.notify(protocol.promise_done(invocation.watch, invocation.cancelled))
            case protocol.OUTPUT:
                result = content(message, 14)
                invocation.output = parse_json(content(result, 1).decode())
            case protocol.ERROR:
                invocation.errors.append(content(message, 2).decode())
                self.is_over = True
            case protocol.SUSPENSION:
                self.is_over = self.is_suspended = True
            case protocol.END:
                invocation.ended.set()
                self.is_over = True
            case _:
                pass

    async def _sleep(self, message: bytes) -> None:
        # The wall clock says when it is due, trio's clock is the test's.
        await trio.sleep(max(number(message, 1) / 1000 - time.time(), 0))
        done = protocol.frame(protocol.SLEEP_DONE, (1, number(message, 11)), (4, b""))
        self.invocation.notify(done)


class MemoryParking(MemoryProcessRegistry, ParkingRegistry):
    """A registry in memory that completes awakeables of a server in memory."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__()
        self._server = server
        self.parked: dict[tuple[str, WaitSlot], list[str]] = defaultdict(list)

    @property
    def namespace(self) -> str:
        return ""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        record = await super().register_process(registration, grant)
        assert isinstance(record.input, FunctionInput)
        self._server.invoke(record.id, record.input.name, dict(record.input.args))
        return record

    async def append_event(
        self, process_id: str, request: ProcessEventAppendRequest, fence: ProcessLease | None = None
    ) -> ProcessEventAppendResult:
        appended = await super().append_event(process_id, request, fence)
        if not appended.replayed:
            event = appended.event
            ordinal = await self.count_events_through(process_id, event.event_type, event.sequence)
            self._wake(process_id, (event.event_type, ordinal), to_json(event))
            if event.semantics.terminal is not None:
                self._wake(process_id, END, to_json(await self.await_process(process_id)))
            if event.event_type == CANCEL_REQUESTED and ordinal == 1:
                payload = event.payload
                assert isinstance(payload, dict)
                reason = payload["reason"]
                assert reason is None or isinstance(reason, str)
                self._server.cancel(process_id, reason)
        return appended

    async def park(
        self, process_id: str, slot: WaitSlot, awakeable: str, wait: WaitState | None = None
    ) -> JsonObject | None:
        found = await self._found(process_id, slot)
        if found is None:
            if wait is not None:
                await self.set_process_wait(process_id, wait)
            if awakeable not in self.parked[process_id, slot]:
                self.parked[process_id, slot].append(awakeable)
            # It may have come meanwhile.
            found = await self._found(process_id, slot)
            if found is not None:
                self._wake(process_id, slot, found)
                found = None
        return found

    async def unpark(self, process_id: str, slot: WaitSlot, awakeable: str) -> None:
        await trio.lowlevel.checkpoint()
        if awakeable in self.parked[process_id, slot]:
            self.parked[process_id, slot].remove(awakeable)

    async def _found(self, process_id: str, slot: WaitSlot) -> JsonObject | None:
        if slot == END:
            record = await self.get_process(process_id)
            if record is None:
                raise PluginError("unknown_process", f"there is no process {process_id!r}")
            found = to_json(await self.await_process(process_id)) if record.is_terminal else None
        else:
            there = await self.count_events_through(process_id, slot[0], MAX_SEQUENCE)
            found = (
                to_json(await self.wait_event_nth(process_id, *slot)) if there >= slot[1] else None
            )
        assert found is None or isinstance(found, dict)
        return found

    def _wake(self, process_id: str, slot: WaitSlot, value: JsonValue) -> None:
        for awakeable in self.parked.pop((process_id, slot), []):
            self._server.complete(awakeable, json.dumps(value).encode())
