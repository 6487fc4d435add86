"""Calls that an endpoint refuses: at once, whatever the caller still has to say."""

from __future__ import annotations

from collections import Counter

import pytest

from lash_trio import ProcessContext, ProcessDefinitions
from lash_trio.engines.restate import RestateOptions
from tests.engines.restate import protocol
from tests.engines.restate.test_attempt import HEADERS, asked, call, serving

KEY = "publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"
SIGNED_BY_NOBODY = [*HEADERS, ("x-restate-signature-scheme", "v1"), ("x-restate-jwt-v1", "a.b.c")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/invoke/LashProcess/run", 401),
        ("/invoke/LashProcess/signal", 401),
        ("/invoke/LashProcessLog/append_event", 401),
        ("/invoke/LashProcessIndex/add", 401),
        ("/invoke/LashGrants/put", 401),
        ("/invoke/LashProcess/another", 401),
        ("/discover", 401),
        ("/health", 200),
    ],
)
@pytest.mark.parametrize("headers", [HEADERS, SIGNED_BY_NOBODY])
async def test_a_foreign_caller_is_refused_before_it_has_said_all(
    autojump_clock: object, path: str, status: int, headers: list[tuple[str, str]]
) -> None:
    options = RestateOptions(identity_keys=(KEY,))
    async with serving(ProcessDefinitions(), options) as (client, endpoint):
        stream_id = await client.request(path, headers, end=False)
        await client.send(stream_id, protocol.start(1) + asked("sale"))
        assert (await client.response(stream_id))[0] == status
        assert endpoint.attempts == 0


async def test_nothing_is_run_for_a_foreign_caller(autojump_clock: object) -> None:
    definitions = ProcessDefinitions()
    runs: Counter[str] = Counter()

    @definitions.process("sale")
    async def sale(ctx: ProcessContext) -> None:
        runs["sale"] += 1

    options = RestateOptions(identity_keys=(KEY,))
    async with serving(definitions, options) as (client, _):
        foreign = await call(client, asked("sale"), end=True)
        assert (await client.response(foreign.stream_id))[0] == 401
    assert not runs
    async with serving(definitions) as (client, _):
        own = await call(client, asked("sale"), end=True)
        await client.response(own.stream_id)
    assert runs, "it is run for somebody else"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/invoke/LashProcess/another", HEADERS, 404),
        ("/invoke/Another/run", HEADERS, 404),
        ("/invoke/LashProcess/run", [("content-type", "text/plain")], 415),
    ],
)
async def test_what_is_not_served_is_refused_while_the_call_is_open(
    autojump_clock: object, path: str, headers: list[tuple[str, str]], status: int
) -> None:
    # Restate ends the body of a call only after it has got an answer.
    async with serving(ProcessDefinitions()) as (client, _):
        stream_id = await client.request(path, headers, end=False)
        assert (await client.response(stream_id))[0] == status


async def test_what_was_not_read_of_calls_takes_no_room_from_others(
    autojump_clock: object,
) -> None:
    head = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
    async with serving(ProcessDefinitions()) as (client, _):
        # Together more than a connection may have under way.
        for _ in range(600):
            stream_id = client.h2.get_next_available_stream_id()
            client.events[stream_id] = []
            client.h2.send_headers(stream_id, head)
            assert client.h2.local_flow_control_window(stream_id) >= 16_384
            client.h2.send_data(stream_id, bytes(16_384), end_stream=True)
            # Head and body at once: the body is there before anybody looks at the head.
            await client.flush()
            assert (await client.response(stream_id))[0] == 404
