"""Reading responses within limits, and leaving them in the middle without a trace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import httpx2
import trio

T = TypeVar("T")

_ERROR_BYTES = 64 * 1024
_ERROR_SECONDS = 5.0
_REST_SECONDS = 0.25


class ResponseTooLarge(httpx2.TransportError):
    """A response is longer than the limit."""


class BoundedStream(httpx2.AsyncByteStream):
    """The body of a response, up to a limit.

    Args:
        stream: the body.
        max_bytes: of the whole.
        max_line_bytes: of a line.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int, max_line_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._max_line_bytes = max_line_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._max_bytes
        line = 0
        async with unwinding(aiter(self._stream)) as chunks:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise ResponseTooLarge(f"it has more than {self._max_bytes} bytes")
                line = _open_line(line, chunk)
                if line > self._max_line_bytes:
                    raise ResponseTooLarge(f"a line has more than {self._max_line_bytes} bytes")
                yield chunk

    async def aclose(self) -> None:
        """Close the body."""
        await self._stream.aclose()


def _open_line(before: int, chunk: bytes) -> int:
    """How long the last line is that has not ended."""
    ended = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
    return len(chunk) - ended if ended else before + len(chunk)


@asynccontextmanager
async def unwinding(parts: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """Leave no half-run generator behind, however the block is left.

    The body of a response is a generator in a generator, several deep, and closing the
    outermost leaves some of the inner ones to the garbage collector, for which trio
    warns.  Cancelling the innermost wait ends every one of them in its own frame.
    """
    try:
        yield parts
    finally:
        with trio.CancelScope(shield=True) as scope:
            scope.cancel()
            with suppress(httpx2.HTTPError):
                async for _ in parts:
                    pass


async def read_to_end(parts: AsyncIterator[object]) -> None:
    """Read what follows the end of an answer, so that the connection can be used again.

    Not for long: where more comes, or nothing, the connection is given up.  Shielded,
    as the answer is there and must not be lost.
    """
    with trio.move_on_after(_REST_SECONDS, shield=True), suppress(httpx2.HTTPError):
        async for _ in parts:
            pass


async def read_body(response: httpx2.Response) -> bytes:
    """The whole body."""
    async with unwinding(response.aiter_bytes()) as chunks:
        return b"".join([chunk async for chunk in chunks])


def is_compressed(response: httpx2.Response) -> bool:
    """Whether a body is compressed, which was not asked for.

    Such a body is never read: a few bytes of it may be any number of bytes.
    """
    encoding: str = response.headers.get("content-encoding", "")
    return encoding.strip().lower() not in {"", "identity"}


async def read_beginning(response: httpx2.Response) -> str:
    """The beginning of a body that explains an error, as far as it comes soon."""
    if is_compressed(response):
        return ""
    body = bytearray()
    # The status says most of it: an error must not hang on its explanation.
    with trio.move_on_after(_ERROR_SECONDS):
        async with unwinding(response.aiter_bytes()) as chunks:
            with suppress(httpx2.HTTPError):
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _ERROR_BYTES:
                        break
    return body[:_ERROR_BYTES].decode(errors="replace")
