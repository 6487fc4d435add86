"""What the tests of the provider share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from lash_trio import (
    LlmCallError,
    LlmMessage,
    LlmRequest,
    LlmResponse,
    LlmRole,
    ProviderError,
    TextDelta,
    TurnStreamEvent,
)
from lash_trio.turns.openai import OpenAIOptions, OpenAIProvider

from .server import Handler, Server, serving

#: Reading those of the system takes longer than most of these tests.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
KEY = "sk-very-secret-1234567890"
HELLO = LlmRequest(model="m1", messages=(LlmMessage.text(LlmRole.USER, "hello"),))


class Watch:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[TurnStreamEvent] = []

    async def send(self, event: TurnStreamEvent) -> None:
        self.events.append(event)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))


@asynccontextmanager
async def asking(
    handler: Handler, options: OpenAIOptions | None = None
) -> AsyncIterator[tuple[OpenAIProvider, Server]]:
    """A provider and the server that it asks; afterwards no connection may be left."""
    async with serving(handler) as server:
        transport = httpx2.AsyncHTTPTransport(verify=NO_CERTIFICATES)
        async with OpenAIProvider(
            server.url, KEY, options=options, transport=transport
        ) as provider:
            yield provider, server
        await server.wait_closed()


async def ask(handler: Handler, options: OpenAIOptions | None = None) -> LlmResponse:
    """The answer to a hello."""
    async with asking(handler, options) as (provider, _):
        return await provider.complete(HELLO, Watch())


async def failure(handler: Handler, options: OpenAIOptions | None = None) -> LlmCallError:
    """Why there is no answer; the connection that failed is not kept."""
    async with asking(handler, options) as (provider, _):
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HELLO, Watch())
    error = caught.value.error
    assert caught.value.code == error.code
    assert KEY not in f"{caught.value!r} {error!r} {caught.value}"
    return error
