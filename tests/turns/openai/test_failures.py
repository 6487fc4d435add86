"""Every way in which there is no answer, as a typed error."""

from __future__ import annotations

import gzip
import json
import socket

import pytest
import trio
from trio.testing import MockClock

from lash_trio import EffectError, LlmTerminalReason, ProviderError
from lash_trio.turns.openai import OpenAIErrorCode, OpenAIOptions, OpenAIProvider

from .server import JSON, STREAM, Exchange, delta, events, finish, reply, serving
from .support import HELLO, KEY, Watch, asking, failure


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with OpenAIProvider(url, KEY) as provider:
            with pytest.raises(ProviderError) as caught:
                await provider.complete(HELLO, Watch())
    assert caught.value.error.code == OpenAIErrorCode.CONNECT_FAILED
    assert caught.value.error.retryable


async def test_a_connection_that_is_never_accepted(patient_clock: MockClock) -> None:
    with socket.socket() as listener, trio.socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # The only place of the queue is taken.
        await first.connect(address)
        options = OpenAIOptions(connect_seconds=7)
        async with OpenAIProvider(f"http://127.0.0.1:{address[1]}", KEY, options=options) as model:
            begun = trio.current_time()
            with pytest.raises(ProviderError) as caught:
                await model.complete(HELLO, Watch())
    assert caught.value.error.code == OpenAIErrorCode.CONNECT_TIMEOUT
    assert caught.value.error.retryable
    assert 7 <= trio.current_time() - begun < 8


async def test_tls_to_a_server_that_has_none() -> None:
    async def handler(exchange: Exchange) -> None:
        raise AssertionError("no request can come")

    async with serving(handler) as server:
        async with OpenAIProvider(server.url.replace("http:", "https:"), KEY) as provider:
            with pytest.raises(ProviderError) as caught:
                await provider.complete(HELLO, Watch())
        await server.wait_closed()
    assert caught.value.error.code == OpenAIErrorCode.TLS_FAILED


@pytest.mark.parametrize("begun", [False, True])
async def test_an_endpoint_that_falls_silent(patient_clock: MockClock, begun: bool) -> None:
    async def handler(exchange: Exchange) -> None:
        if begun:
            await exchange.start(STREAM)
            await exchange.event(delta("x"))
        await exchange.hang()

    before = trio.current_time()
    error = await failure(handler, OpenAIOptions(read_seconds=20))
    assert error.code == OpenAIErrorCode.READ_TIMEOUT
    assert error.retryable
    assert 20 <= trio.current_time() - before < 22


async def test_silence_is_counted_from_the_last_byte(patient_clock: MockClock) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        for _ in range(5):
            await trio.sleep(8)
            await exchange.send(": still here\n\n")
        await exchange.event(delta("late"))
        await exchange.event(finish())
        await exchange.finish()

    async with asking(handler, OpenAIOptions(read_seconds=10)) as (provider, _):
        assert (await provider.complete(HELLO, Watch())).full_text == "late"


async def test_a_request_that_nobody_takes(patient_clock: MockClock) -> None:
    hang = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await hang.wait()

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    options = OpenAIOptions(write_seconds=9, extra_body={"pad": "x" * 20_000_000})
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        async with OpenAIProvider(url, KEY, options=options) as provider:
            with pytest.raises(ProviderError) as caught:
                await provider.complete(HELLO, Watch())
        nursery.cancel_scope.cancel()
    assert caught.value.error.code == OpenAIErrorCode.WRITE_TIMEOUT


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\ndata: {",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
        b"SSH-2.0-something else altogether\r\n",
    ],
)
async def test_a_response_that_is_cut_off(beginning: bytes) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.raw(beginning)

    error = await failure(handler)
    assert error.code == OpenAIErrorCode.CONNECTION_LOST
    assert error.retryable


async def test_a_response_cut_off_after_some_text() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        await exchange.event(delta("some"))

    watch = Watch()
    async with asking(handler) as (provider, _):
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HELLO, watch)
    assert watch.text == "some"
    assert caught.value.error.code == OpenAIErrorCode.CONNECTION_LOST


@pytest.mark.parametrize("done", [False, True])
async def test_a_stream_that_ends_without_a_reason(done: bool) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer(events(delta("half a sen"), done=done), STREAM)

    error = await failure(handler)
    assert error.code == OpenAIErrorCode.STREAM_INCOMPLETE
    assert error.retryable


@pytest.mark.parametrize(
    "data",
    [
        "{",
        "nonsense",
        "[]",
        "3",
        "{}",
        '{"choices": 3}',
        '{"choices": [3]}',
        '{"choices": [{"delta": []}]}',
        '{"choices": [{"delta": {"content": 5}}]}',
        '{"choices": [{"delta": {"content": "\\ud800"}}]}',
        '{"choices": [{"delta": {"tool_calls": {}}}]}',
        '{"choices": [{"delta": {"tool_calls": ["f"]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": "0"}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"index": true}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": 1}]}}]}',
        '{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]}',
        '{"choices": [{"finish_reason": 1}]}',
        '{"choices": NaN}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("content_type", [STREAM, JSON])
async def test_a_response_that_is_no_chat_completion(data: str, content_type: str) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer(f"data: {data}\n\n" if content_type == STREAM else data, content_type)

    error = await failure(handler)
    assert error.code == OpenAIErrorCode.MALFORMED_RESPONSE
    assert error.retryable
    assert len(error.raw or "") <= 2000


@pytest.mark.parametrize(
    "calls",
    [
        [{"index": 0, "id": "a"}],
        [
            {"index": 0, "id": "a", "function": {"name": "f"}},
            {"index": 1, "id": "a", "function": {"name": "g"}},
        ],
    ],
)
async def test_tool_calls_that_cannot_be_told_apart_or_run(calls: list[object]) -> None:
    error = await failure(reply(delta(tool_calls=calls), finish("tool_calls")))
    assert error.code == OpenAIErrorCode.MALFORMED_RESPONSE


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", None])
async def test_a_page_instead_of_an_answer(content_type: str | None) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("<html>Sign in</html>", content_type)

    error = await failure(handler)
    assert error.code == OpenAIErrorCode.UNEXPECTED_CONTENT_TYPE
    assert not error.retryable
    assert error.raw == "<html>Sign in</html>"


async def test_a_compressed_answer_was_not_asked_for() -> None:
    async def handler(exchange: Exchange) -> None:
        assert exchange.request.headers["accept-encoding"] == "identity"
        await exchange.answer(b"\x1f\x8b", JSON, headers={"content-encoding": "gzip"})

    assert (await failure(handler)).code == OpenAIErrorCode.UNEXPECTED_CONTENT_TYPE


async def test_a_compressed_error_is_not_unpacked() -> None:
    async def handler(exchange: Exchange) -> None:
        bomb = gzip.compress(b"x" * 10_000_000)
        await exchange.answer(bomb, JSON, 500, headers={"content-encoding": "gzip"})

    error = await failure(handler)
    assert (error.code, error.raw) == ("http_500", "")


@pytest.mark.parametrize(
    ("content_type", "unit"),
    [
        (STREAM, f"data: {json.dumps(delta('x' * 900))}\n\n"),
        (STREAM, ": a comment that says nothing\n"),
        (STREAM, "data: one line without an end"),
        (JSON, " " * 1000),
    ],
)
async def test_a_response_without_end(content_type: str, unit: str) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(content_type)
        while True:
            await exchange.send(unit * 50)

    options = OpenAIOptions(max_line_bytes=10_000, max_response_bytes=200_000)
    error = await failure(handler, options)
    assert error.code == OpenAIErrorCode.RESPONSE_TOO_LARGE
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (301, False),
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (409, True),
        (422, False),
        (429, True),
        (500, True),
        (501, False),
        (502, True),
        (503, True),
        (529, True),
    ],
)
async def test_a_status(status: int, retryable: bool) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("no", "text/plain", status)

    error = await failure(handler)
    assert error.code == f"http_{status}"
    assert error.retryable == retryable
    assert error.message == f"the endpoint answered with status {status}: no"
    assert error.terminal_reason is LlmTerminalReason.PROVIDER_ERROR


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("", "text/plain", 307, {"location": "/v1/elsewhere"})

    async with asking(handler) as (provider, server):
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HELLO, Watch())
        assert len(server.requests) == 1
    assert caught.value.code == "http_307"


async def test_an_error_that_explains_itself_forever(patient_clock: MockClock) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(JSON, 503)
        await exchange.send("overloaded, because")
        await exchange.hang()

    before = trio.current_time()
    error = await failure(handler)
    assert (error.code, error.raw) == ("http_503", "overloaded, because")
    assert trio.current_time() - before < 6


async def test_an_error_that_explains_itself_at_length() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.start(JSON, 500)
        while True:
            await exchange.send("because " * 1000)

    error = await failure(handler)
    assert error.code == "http_500"
    assert len(error.raw or "") == 2000
    assert len(error.message) <= 500


async def test_how_long_to_wait_comes_with_the_error() -> None:
    async def handler(exchange: Exchange) -> None:
        body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        await exchange.answer(json.dumps(body), JSON, 429, {"Retry-After": "3"})

    error = await failure(handler)
    assert error.retryable
    assert (error.code, error.retry_after_ms) == ("rate_limit_exceeded", 3000)
    assert error.message == "the endpoint answered with status 429: slow down"


@pytest.mark.parametrize("content_type", [STREAM, JSON])
async def test_an_error_in_an_answer_that_began_well(content_type: str) -> None:
    body = json.dumps({"error": {"message": "worker died", "type": "server_error"}})

    async def handler(exchange: Exchange) -> None:
        await exchange.start(content_type)
        if content_type == STREAM:
            await exchange.event(delta("some"))
            body_sent = f"data: {body}\n\n"
        else:
            body_sent = body
        await exchange.send(body_sent)
        await exchange.finish()

    error = await failure(handler)
    assert error.code == "server_error"
    assert error.retryable
    assert error.message == "the endpoint answered in its stream: worker died"


async def test_no_call_is_made_twice() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("", JSON, 503, {"retry-after": "0"})

    async with asking(handler) as (provider, server):
        with pytest.raises(ProviderError):
            await provider.complete(HELLO, Watch())
        assert len(server.requests) == 1


async def test_a_provider_that_is_not_open() -> None:
    provider = OpenAIProvider("http://127.0.0.1:1", KEY)
    with pytest.raises(EffectError) as caught:
        await provider.complete(HELLO, Watch())
    assert caught.value.code == "openai_provider_closed"
    async with provider:
        with pytest.raises(EffectError) as caught:
            await provider.__aenter__()
        assert caught.value.code == "openai_provider_open"
    with pytest.raises(EffectError):
        await provider.complete(HELLO, Watch())
