"""The handlers of the objects keep every rule of the registry's port, without a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from urllib.parse import unquote

import attrs
import httpx2
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.abc import ProcessRegistry
from lash_trio.engines.restate import RestateProcessRegistry
from lash_trio.engines.restate._object import Target
from lash_trio.model import JsonObject, canonical_json
from lash_trio.testing.conformance import (
    DURABLE_REGISTRY_CHECKS,
    REGISTRY_CHECKS,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)
from tests.engines.restate.fake_restate import FakeRestate


@attrs.define(eq=False)
class FakeServer(httpx2.AsyncBaseTransport):
    """An ingress before objects in memory; a call of a known idempotency key is made once."""

    restate: FakeRestate
    made: dict[str, JsonObject] = attrs.field(factory=dict[str, JsonObject])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        service, key, handler = request.url.raw_path.decode().removeprefix("/").split("/")
        body = await request.aread()
        token = request.headers.get("idempotency-key")
        answered = None if token is None else self.made.get(token)
        if answered is None:
            answered = await self.restate.ask(Target(service, unquote(key), handler), body)
        if token is not None:
            self.made[token] = answered
        return httpx2.Response(200, content=canonical_json(answered).encode())


@pytest.mark.parametrize("check", [*REGISTRY_CHECKS, *DURABLE_REGISTRY_CHECKS])
@pytest.mark.parametrize("namespace", ["", "kit"])
def test_registry(check: RegistryCheck, namespace: str) -> None:
    clock = ManualClock()
    server = FakeServer(FakeRestate(clock))

    def opened(*, anew: bool) -> AbstractAsyncContextManager[ProcessRegistry]:
        @asynccontextmanager
        async def manager() -> AsyncGenerator[ProcessRegistry, None]:
            nonlocal server
            if anew:
                server = FakeServer(FakeRestate(clock))
            url = "http://restate.test:8080"
            async with RestateProcessRegistry(url, namespace, transport=server) as registry:
                yield registry

        return manager()

    trio.run(
        check,
        RegistryUnderTest(
            open=partial(opened, anew=True),
            reopen=partial(opened, anew=False),
            advance_ms=clock.advance_ms,
            settle=wait_all_tasks_blocked,
        ),
    )
