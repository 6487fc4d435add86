"""The key goes to the endpoint and nowhere else."""

from __future__ import annotations

import json
import logging
import traceback

import pytest

from lash_trio import InvalidValueError, ProviderError
from lash_trio.turns.openai import OpenAIOptions, OpenAIProvider

from .server import JSON, STREAM, Exchange, delta, finish, reply, serving
from .support import HELLO, KEY, Watch, asking

OPTIONS = OpenAIOptions(headers={"api-key": f"also-{KEY}"}, keep_request_body=True)


async def test_it_is_in_no_representation_response_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(reply(delta("x"), finish()), OPTIONS) as (provider, server):
        response = await provider.complete(HELLO, Watch())
        told = f"{provider!r} {provider} {OPTIONS!r} {response!r}"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].headers["api-key"] == f"also-{KEY}"
    assert KEY not in told
    assert server.url in told
    # The HTTP client does log, or this would show nothing.
    assert "/chat/completions" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize("place", ["status", "code", "page", "malformed", "event", "cut"])
async def test_an_endpoint_that_repeats_it_is_not_quoted(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = json.dumps({"error": {"message": f"bad key {KEY}", "code": "x"}})

    async def handler(exchange: Exchange) -> None:
        match place:
            case "status":
                await exchange.answer(error, JSON, 401)
            case "code":
                await exchange.answer(json.dumps({"error": {"code": KEY}}), JSON, 401)
            case "page":
                await exchange.answer(f"<html>{KEY}", "text/html")
            case "malformed":
                await exchange.answer(f"data: {KEY}\n\n", STREAM)
            case "event":
                await exchange.answer(f"data: {error}\n\n", STREAM)
            case _:
                await exchange.raw(f"HTTP/1.1 200 {KEY}\r\n\r\r{KEY}".encode())

    async with asking(handler) as (provider, _):
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HELLO, Watch())
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in f"{shown} {caught.value!r} {caught.value.error!r} {caplog.text}"


async def test_a_word_that_a_local_server_wants_is_no_secret() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer("none such", "text/plain", 404)

    async with serving(handler) as server, OpenAIProvider(server.url, "none") as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.complete(HELLO, Watch())
    assert caught.value.error.raw == "none such"


async def test_both_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(reply(delta("x"), finish())) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
        monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
        async with OpenAIProvider() as provider:
            await provider.complete(HELLO, Watch())
        async with OpenAIProvider(api_key="other") as provider:
            await provider.complete(HELLO, Watch())
        first, second = server.requests
    assert first.path == "/v1/chat/completions"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["authorization"] == "Bearer other"


async def test_a_server_that_wants_no_key_gets_none() -> None:
    async with (
        serving(reply(delta("x"), finish())) as server,
        OpenAIProvider(server.url) as provider,
    ):
        await provider.complete(HELLO, Watch())
    assert "authorization" not in server.requests[0].headers


def test_the_official_api_is_the_default_and_needs_a_key() -> None:
    with pytest.raises(InvalidValueError, match="OPENAI_API_KEY"):
        OpenAIProvider()
    assert "https://api.openai.com/v1" in repr(OpenAIProvider(api_key=KEY))


@pytest.mark.parametrize("key", [f"{KEY}\r\nx: y", f"{KEY}\u00e4", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        OpenAIProvider("http://127.0.0.1", key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY}@127.0.0.1/v1",
        f"http://127.0.0.1/v1?key={KEY}",
        f"http://127.0.0.1/v1#{KEY}",
        "ftp://127.0.0.1/v1",
        "127.0.0.1",
        "http://",
        "http://[::1",
    ],
)
def test_a_base_url_that_is_none_or_that_holds_a_secret(url: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        OpenAIProvider(url, KEY)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_limits_are_numbers_above_zero(value: float) -> None:
    with pytest.raises(InvalidValueError, match="read_seconds"):
        OpenAIOptions(read_seconds=value)
