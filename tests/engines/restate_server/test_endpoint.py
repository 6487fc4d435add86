"""The endpoint as the server sees it: draining, identity."""

from __future__ import annotations

import base64
import os
import re
from collections import Counter
from pathlib import Path

import trio

from lash_trio import JsonValue, ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateEndpoint, RestateOptions
from lash_trio.worker import HostedProcesses
from tests.engines.restate_server.server import Answer, RestateServer
from tests.engines.restate_server.support import serving


async def test_a_drain_lets_the_running_step_finish_and_hands_the_rest_on(
    server: RestateServer,
) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()
    began = trio.Event()
    may_end = trio.Event()

    async def first() -> str:
        runs["first"] += 1
        began.set()
        await may_end.wait()
        return "first"

    async def second() -> str:
        runs["second"] += 1
        return "second"

    @definitions.process("drained", signals=["go"])
    async def drained(ctx: ProcessContext) -> list[JsonValue]:
        found = [await ctx.step("first", first)]
        await ctx.wait_signal("go")
        return [*found, await ctx.step("second", second)]

    async with serving(server, definitions) as endpoint:
        await server.start_process("drain-1", "drained", {})
        with trio.fail_after(10):
            await began.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(endpoint.drain)
            await trio.sleep(0.1)
            assert endpoint.attempts == 1
            may_end.set()
        assert endpoint.attempts == 0
        port = endpoint.port
    async with serving(server, definitions, port=port):
        await server.signal("drain-1", "go")
        answer = await server.output("drain-1")
    assert answer.body["value"] == ["first", "second"]
    assert runs == {"first": 1, "second": 1}


# Some other server's: an example of Restate's documentation.
OTHER_KEY = "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"

# What stands before the 32 bytes of a private key of Ed25519 in PKCS #8 (RFC 8410).
PKCS8_HEAD = bytes.fromhex("302e020100300506032b657004220420")


async def test_only_the_restate_whose_key_it_has_may_call(
    own_server: RestateServer, tmp_path: Path
) -> None:
    private_key = tmp_path / "private.pem"
    text = base64.b64encode(PKCS8_HEAD + os.urandom(32)).decode()
    private_key.write_text(f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    own_server.more_environment["RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE"] = str(private_key)
    own_server.start()
    (public_key,) = set(re.findall(r"publickeyv1_\w+", own_server.log))
    answers: dict[str, Answer] = {}
    for key in (public_key, OTHER_KEY):
        async with trio.open_nursery() as nursery:
            endpoint = RestateEndpoint(
                HostedProcesses(ProcessDefinitions()), RestateOptions(identity_keys=(key,))
            )
            port = await nursery.start(endpoint.serve_tcp, 0)
            answers[key] = await own_server.register(port)
            nursery.cancel_scope.cancel("the test is over")
    assert answers[public_key].status in (200, 201)
    assert answers[OTHER_KEY].status >= 400
    assert "401" in str(answers[OTHER_KEY].body)
