"""Calls by a Restate that is not the one whose key an endpoint has."""

from __future__ import annotations

import base64
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from lash_trio import ProcessContext, ProcessDefinitions, ProcessProvenance, StartRequest
from lash_trio.engines.restate import RestateEndpoint, RestateOptions, RestateProcessRegistry
from lash_trio.model import ProcessSuccess
from lash_trio.worker import HostedProcesses
from tests.engines.restate_server.server import RestateServer, free_port

# Some other server's: an example of Restate's documentation.
OTHER_KEY = "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"

# What stands before the 32 bytes of a private key of Ed25519 in PKCS #8 (RFC 8410).
PKCS8_HEAD = bytes.fromhex("302e020100300506032b657004220420")


@pytest.fixture
def key(own_server: RestateServer, tmp_path: Path) -> str:
    """The public key of a server that signs its calls, and is up."""
    private_key = tmp_path / "private.pem"
    text = base64.b64encode(PKCS8_HEAD + os.urandom(32)).decode()
    private_key.write_text(f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    own_server.more_environment["RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE"] = str(private_key)
    own_server.start()
    found = re.search(r"publickeyv1_\w+", own_server.log)
    assert found is not None
    return found[0]


class Shop:
    """A process with one step, and endpoints that know a key."""

    def __init__(self, server: RestateServer) -> None:
        self.definitions = ProcessDefinitions()
        self.runs: Counter[str] = Counter()
        self.port = free_port()
        self._server = server
        self.definitions.process("sale")(self.sale)

    async def sell(self, name: str) -> str:
        self.runs[name] += 1
        return f"sold {name}"

    async def sale(self, ctx: ProcessContext, name: str) -> str:
        return str(await ctx.step("sell", self.sell, name))

    @asynccontextmanager
    async def serving(self, key: str) -> AsyncGenerator[RestateProcessRegistry, None]:
        """An endpoint that takes the calls of one server only, at the same address as before."""
        url = f"http://127.0.0.1:{self._server.ingress_port}"
        async with RestateProcessRegistry(url) as registry, trio.open_nursery() as nursery:
            options = RestateOptions(identity_keys=(key,), longest_retry_ms=200)
            endpoint = RestateEndpoint(
                HostedProcesses(self.definitions), options, registry=registry
            )
            await nursery.start(endpoint.serve_tcp, self.port)
            yield registry
            nursery.cancel_scope.cancel("it is cut off")

    async def refused(self, target: str) -> str:
        """Wait until the server knows why it is not served."""
        text = f"select last_failure from sys_invocation where target = '{target}'"
        with trio.fail_after(20):
            while True:
                for row in await self._server.query(text):
                    if row.get("last_failure"):
                        return str(row["last_failure"])
                await trio.sleep(0.02)


async def test_calls_of_another_restate_are_refused_and_nothing_is_run(
    own_server: RestateServer, key: str
) -> None:
    shop = Shop(own_server)
    sale = {"definition": "sale", "args": {"name": "tea"}}
    async with shop.serving(key) as registry:
        assert (await own_server.register(shop.port)).status in (200, 201)
        start = StartRequest(id="kept", provenance=ProcessProvenance.host("tests"))
        registration = shop.definitions.registration("sale", {"name": "milk"}, start)
        await registry.register_process(registration)
        with trio.fail_after(20):
            await registry.await_process("kept")
        assert shop.runs == {"milk": 1}
    async with shop.serving(OTHER_KEY):
        for target, body in (
            ("LashProcess/foreign/run", sale),
            ("LashProcess/kept/signal", {"name": "any"}),
            ("LashProcess/kept/cancel", {"reason": "any"}),
            ("LashProcessLog/kept/get_process", {}),
            ("LashProcessIndex/all/add", {"process_id": "foreign"}),
            ("LashGrants/all/list_handle_grants", {"session_scope": {"session_id": "s"}}),
        ):
            answer = await own_server.ingress("POST", f"/{target}/send", body)
            assert answer.status in (200, 202), answer
            assert "401" in await shop.refused(target), target
        assert shop.runs == {"milk": 1}
    async with shop.serving(key) as registry:
        # It was not lost: who it was meant for does it now, once.
        with trio.fail_after(20):
            output = await registry.await_process("foreign") if await seen(registry) else None
        assert output == ProcessSuccess(value="sold tea")
    assert shop.runs == {"milk": 1, "tea": 1}


async def seen(registry: RestateProcessRegistry) -> bool:
    """Wait until the process has a row."""
    with trio.fail_after(20):
        while await registry.get_process("foreign") is None:  # noqa: ASYNC110
            await trio.sleep(0.02)
    return True
