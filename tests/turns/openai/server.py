"""A server on loopback that answers as a test tells it to: h11 on trio's sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import h11
import trio

JSON = "application/json"
STREAM = "text/event-stream"


@attrs.frozen(kw_only=True)
class Seen:
    """A request that has come."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


class Exchange:
    """One request and what is answered to it.

    Args:
        stream: the connection.
        http: its state.
        request: what has come.
    """

    def __init__(self, stream: trio.SocketStream, http: h11.Connection, request: Seen) -> None:
        self.request = request
        self._stream = stream
        self._http = http

    async def start(
        self, content_type: str | None, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        fields = {"transfer-encoding": "chunked"} | (headers or {})
        if content_type is not None:
            fields["content-type"] = content_type
        await self._send(h11.Response(status_code=status, headers=list(fields.items())))

    async def send(self, data: bytes | str) -> None:
        data = data.encode() if isinstance(data, str) else data
        await self._send(h11.Data(data=data))

    async def event(self, chunk: object) -> None:
        await self.send(f"data: {json.dumps(chunk)}\n\n")

    async def finish(self) -> None:
        await self._send(h11.EndOfMessage())

    async def answer(
        self,
        body: bytes | str,
        content_type: str | None = JSON,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        await self.start(content_type, status, headers)
        await self.send(body)
        await self.finish()

    async def raw(self, data: bytes) -> None:
        """Bytes past all rules; the connection is of no use after them."""
        await self._stream.send_all(data)

    async def hang(self) -> None:
        """Say nothing until the client has gone."""
        while await self._stream.receive_some():
            pass

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.send_all(data)


Handler = Callable[[Exchange], Awaitable[None]]


class Server:
    """What has come to a server, and how many connections it has.

    Args:
        port: on loopback.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.port = port
        self.requests: list[Seen] = []
        self.accepted = 0
        self.open = 0
        self._changed = trio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_closed(self) -> None:
        """Return when no client has a connection; fails after a while."""
        with trio.fail_after(5):
            while self.open:
                await self._changed.wait()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    """A server that answers by `handler`, in a nursery of its own, until the block is left."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listener.socket.getsockname()[1])

    async def serve(stream: trio.SocketStream) -> None:
        server.accepted += 1
        server.open += 1
        try:
            async with stream:
                await _connection(stream, server, handler)
        finally:
            server.open -= 1
            server.changed()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield server
        nursery.cancel_scope.cancel()


async def _connection(stream: trio.SocketStream, server: Server, handler: Handler) -> None:
    http = h11.Connection(h11.SERVER)
    try:
        while True:
            request = await _request(stream, http)
            if request is None:
                return
            server.requests.append(request)
            await handler(Exchange(stream, http, request))
            if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
                return
            http.start_next_cycle()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        # The client is free to go whenever it likes.
        return


async def _request(stream: trio.SocketStream, http: h11.Connection) -> Seen | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            return Seen(
                method=head.method.decode(),
                path=head.target.decode(),
                headers={name.decode(): value.decode() for name, value in head.headers},
                body=bytes(body),
            )
        else:
            return None


def delta(content: str | None = None, **fields: object) -> dict[str, object]:
    """A chunk with a delta."""
    said = fields if content is None else {"content": content} | fields
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said}]}


def finish(reason: str = "stop") -> dict[str, object]:
    """The chunk that says why the model stopped."""
    choice = {"index": 0, "delta": {}, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def usage(**counts: object) -> dict[str, object]:
    """The chunk that counts the tokens."""
    return {"object": "chat.completion.chunk", "choices": [], "usage": counts}


def events(*chunks: object, done: bool = True) -> bytes:
    """Chunks as the bytes of a stream."""
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return (text + ("data: [DONE]\n\n" if done else "")).encode()


def reply(*chunks: object) -> Handler:
    """A handler that answers with a whole stream, each event in a write of its own."""

    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        for chunk in chunks:
            await exchange.event(chunk)
        await exchange.send("data: [DONE]\n\n")
        await exchange.finish()

    return handler
