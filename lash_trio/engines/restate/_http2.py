"""An HTTP/2 connection as a server sees it: h2's state machine on a trio stream.

Restate keeps the request's body open for as long as an invocation lasts and expects
the response meanwhile, so both directions of a stream are used at the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

_logger = logging.getLogger("lash_trio.engines.restate")

_READ_BYTES = 65_536
_STREAM_WINDOW_BYTES = 1 << 20
_CONNECTION_WINDOW_BYTES = 8 << 20
_MAX_STREAMS = 1000

Handle: TypeAlias = "Callable[[Http2Stream], Awaitable[None]]"


class StreamBroken(Exception):
    """The client has reset the stream, or the connection is gone."""


class Listener(Protocol):
    """Is told at once what comes in a stream, without a task that waits for it."""

    def take_data(self, data: bytes) -> None:
        """A part of the request's body has come."""
        ...

    def take_end(self) -> None:
        """The request's body is over."""
        ...

    def take_break(self, why: str) -> None:
        """Nobody is there any more."""
        ...


class Http2Stream:
    """One request and its response.

    Made by :class:`Http2Connection`.

    Args:
        connection: carries it.
        stream_id: its number there.
        headers: of the request, those that begin with a colon included.
    """

    def __init__(
        self, connection: Http2Connection, stream_id: int, headers: Sequence[tuple[str, str]]
    ) -> None:
        fields = dict(headers)
        self.method: str = fields.get(":method", "")
        self.path: str = fields.get(":path", "")
        self.headers: list[tuple[str, str]] = [h for h in headers if not h[0].startswith(":")]
        self.stream_id = stream_id
        self._connection = connection
        self._chunks: list[tuple[bytes, int]] = []
        self._changed = trio.Event()
        self._is_request_ended = False
        self._has_ended = False
        self._why_broken: str | None = None
        self._listener: Listener | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the whole response has been handed over."""
        return self._has_ended

    async def receive(self) -> bytes | None:
        """What has come of the request's body since the last call; None at its end.

        Raises:
            StreamBroken: there is no request any more.

        Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        while True:
            if self._why_broken is not None:
                raise StreamBroken(self._why_broken)
            if self._chunks:
                chunks, self._chunks = self._chunks, []
                self._connection.acknowledge(self.stream_id, sum(length for _, length in chunks))
                return b"".join(data for data, _ in chunks)
            if self._is_request_ended:
                return None
            await self._changed.wait()

    @contextmanager
    def listened_to(self, listener: Listener) -> Generator[None, None, None]:
        """Inside the block a listener is told what comes, and nobody may :meth:`receive`."""
        self._listener = listener
        chunks, self._chunks = self._chunks, []
        for data, flow_controlled_bytes in chunks:
            self._tell(data, flow_controlled_bytes)
        if self._why_broken is not None:
            listener.take_break(self._why_broken)
        elif self._is_request_ended:
            listener.take_end()
        try:
            yield
        finally:
            self._listener = None

    def begin(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Begin the response.

        Raises:
            StreamBroken: there is nobody to respond to.

        Not a checkpoint.
        """
        self._connection.send_headers(self.stream_id, [(":status", str(status)), *headers])

    async def send(self, unsent: bytearray) -> None:
        """Send a part of the response's body.

        Args:
            unsent: what to send; what was sent is taken out of it, so who is cancelled
                can go on later.

        Raises:
            StreamBroken: there is nobody to respond to.

        A checkpoint where it has to wait.
        """
        while unsent:
            if self._why_broken is not None:
                raise StreamBroken(self._why_broken)
            changed = self._changed
            sent = self._connection.send_data(self.stream_id, unsent)
            del unsent[:sent]
            if not sent:
                await changed.wait()

    def end(self) -> None:
        """End the response.

        Raises:
            StreamBroken: there is nobody to respond to.

        Not a checkpoint.
        """
        self._connection.end_stream(self.stream_id)
        self._has_ended = True

    def feed(self, data: bytes, flow_controlled_bytes: int) -> None:
        """Note a part of the request's body."""
        if self._listener is None:
            self._chunks.append((data, flow_controlled_bytes))
            self.wake()
        else:
            self._tell(data, flow_controlled_bytes)

    def feed_end(self) -> None:
        """Note the end of the request's body."""
        self._is_request_ended = True
        self.wake()
        if self._listener is not None:
            self._listener.take_end()

    def discard(self) -> None:
        """Throw away what nobody has received: it takes room that the others need."""
        chunks, self._chunks = self._chunks, []
        self._connection.acknowledge(self.stream_id, sum(length for _, length in chunks))

    def break_off(self, why: str) -> None:
        """Note that nobody is there any more."""
        self._why_broken = why
        self.wake()
        if self._listener is not None:
            self._listener.take_break(why)

    def wake(self) -> None:
        """Have those look again who wait for the other side."""
        self._changed.set()
        self._changed = trio.Event()

    def _tell(self, data: bytes, flow_controlled_bytes: int) -> None:
        self._connection.acknowledge(self.stream_id, flow_controlled_bytes)
        if self._listener is not None:
            self._listener.take_data(data)


class Http2Connection:
    """Serves one connection.

    Args:
        stream: a connected stream; closed at the end.
        handle: is called for each request, in a task of its own.  What it raises resets
            its stream, and nothing else.
    """

    def __init__(self, stream: trio.abc.Stream, handle: Handle) -> None:
        self._stream = stream
        self._handle = handle
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, Http2Stream] = {}
        self._unwritten = bytearray()
        self._to_write = trio.Event()
        self._idle = trio.Event()
        self._idle.set()
        self._last_stream_id = 0
        self._is_draining = False

    async def serve(self) -> None:
        """Serve it until the client leaves, or until cancelled.

        No ``Exception`` leaves.  Always a checkpoint.
        """
        try:
            async with self._stream, trio.open_nursery() as nursery:
                self._greet()
                nursery.start_soon(self._write)
                try:
                    await self._read(nursery)
                finally:
                    for stream in self._streams.values():
                        stream.break_off("the connection is gone")
                await self._idle.wait()
                nursery.cancel_scope.cancel("the connection is over")
        except* (trio.BrokenResourceError, trio.ClosedResourceError) as group:
            _logger.debug("a connection broke: %r", group.exceptions[0])
        except* Exception:
            # One connection must not take the endpoint with it.
            _logger.exception("a connection failed")

    async def drain(self) -> None:
        """Take no more requests; returns when those that run have ended.  A checkpoint."""
        if not self._is_draining:
            self._is_draining = True
            # h2 would close the connection at once; those that run shall end first.
            self._hand_over()
            self._unwritten += GoAwayFrame(0, last_stream_id=self._last_stream_id).serialize()
            self._to_write.set()
        await trio.lowlevel.checkpoint()
        await self._idle.wait()

    def acknowledge(self, stream_id: int, flow_controlled_bytes: int) -> None:
        """Let the client send as much again."""
        if flow_controlled_bytes:
            self._h2.acknowledge_received_data(flow_controlled_bytes, stream_id)
            self._hand_over()

    def send_headers(self, stream_id: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head of a response."""
        try:
            self._h2.send_headers(stream_id, list(headers))
        except ProtocolError as error:
            raise StreamBroken(str(error)) from error
        self._hand_over()

    def send_data(self, stream_id: int, data: bytearray) -> int:
        """Send as much of some data as there is room for; returns how much that was."""
        try:
            room = min(
                self._h2.local_flow_control_window(stream_id),
                self._h2.max_outbound_frame_size,
                len(data),
            )
            if room <= 0:
                return 0
            self._h2.send_data(stream_id, bytes(data[:room]))
        except ProtocolError as error:
            raise StreamBroken(str(error)) from error
        self._hand_over()
        return room

    def end_stream(self, stream_id: int) -> None:
        """End a response."""
        try:
            self._h2.end_stream(stream_id)
        except ProtocolError as error:
            raise StreamBroken(str(error)) from error
        self._hand_over()

    def _greet(self) -> None:
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MAX_STREAMS,
            },
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)
        self._hand_over()

    async def _write(self) -> None:
        """The only task that writes: a write that is cut off would garble the connection."""
        while True:
            await self._to_write.wait()
            self._to_write = trio.Event()
            data, self._unwritten = self._unwritten, bytearray()
            await self._stream.send_all(data)

    def _hand_over(self) -> None:
        """Give the writer what there is; mostly there is nothing, and it sleeps on."""
        data = self._h2.data_to_send()
        if data:
            self._unwritten += data
            self._to_write.set()

    async def _read(self, nursery: trio.Nursery) -> None:
        while data := await self._stream.receive_some(_READ_BYTES):
            try:
                events = self._h2.receive_data(data)
            except H2Error as error:
                # What h2 has to say about it is in its output.
                self._hand_over()
                _logger.warning("a client broke the rules of HTTP/2: %s", error)
                return
            for event in events:
                if isinstance(event, ConnectionTerminated):
                    return
                self._take(event, nursery)
            self._hand_over()

    def _take(self, event: Event, nursery: trio.Nursery) -> None:
        match event:
            case RequestReceived(stream_id=int(stream_id)):
                self._open(stream_id, _decoded(event), nursery)
            case DataReceived(stream_id=int(stream_id)):
                length = event.flow_controlled_length or 0
                if (stream := self._streams.get(stream_id)) is None:
                    # Its response has ended; what the client still says is thrown away.
                    self.acknowledge(stream_id, length)
                else:
                    stream.feed(event.data or b"", length)
            case StreamEnded(stream_id=int(stream_id)):
                if (stream := self._streams.get(stream_id)) is not None:
                    stream.feed_end()
            case StreamReset(stream_id=int(stream_id)):
                if (stream := self._streams.get(stream_id)) is not None:
                    stream.break_off("the client has reset the stream")
            case WindowUpdated() | RemoteSettingsChanged():
                for stream in self._streams.values():
                    stream.wake()
            case _:
                pass

    def _open(
        self, stream_id: int, headers: Sequence[tuple[str, str]], nursery: trio.Nursery
    ) -> None:
        if self._is_draining:
            self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        self._last_stream_id = stream_id
        stream = self._streams[stream_id] = Http2Stream(self, stream_id, headers)
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        nursery.start_soon(self._run, stream, name=f"request {stream.path}")

    async def _run(self, stream: Http2Stream) -> None:
        try:
            await self._handle(stream)
        except* StreamBroken as broken:
            _logger.debug("the request %s was left: %r", stream.path, broken.exceptions[0])
        except* Exception:
            # One request must not take the others on this connection with it; also where
            # it was cancelled, and failed at cleaning up.
            _logger.exception("the request %s failed", stream.path)
        finally:
            stream.discard()
            if not stream.has_ended:
                self._reset(stream.stream_id, ErrorCodes.INTERNAL_ERROR)
            del self._streams[stream.stream_id]
            if not self._streams:
                self._idle.set()

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        try:
            self._h2.reset_stream(stream_id, code)
        except (ProtocolError, StreamClosedError):
            return  # The client was faster, or the connection is closed.
        self._hand_over()


def _decoded(event: RequestReceived) -> list[tuple[str, str]]:
    return [(_text(name), _text(value)) for name, value in event.headers or ()]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
