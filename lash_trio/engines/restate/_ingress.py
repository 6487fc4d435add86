"""Calls of handlers through the ingress of a Restate server.

Source: https://docs.restate.dev/services/invocation/http
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import quote

import attrs
import httpx2
import trio

from ...model import (
    InvalidValueError,
    JsonObject,
    StoreError,
    WireError,
    canonical_json,
    parse_json,
)
from ._answer import unwrap
from ._client_options import RestateRegistryOptions

_CLOSE_SECONDS = 5.0
_SHOWN_LENGTH = 300
# The server or what stands before it is not ready, or overrun: it passes.
_PASSING_STATUS = frozenset({408, 425, 429, 502, 503, 504})
_NOT_FOUND = 404


@attrs.frozen(kw_only=True)
class HandlerCall:
    """A handler to call.

    Args:
        service: the name of the virtual object.
        key: which of them.
        handler: the handler's name.
        body: its parameters.
        idempotency_key: under which the server makes the call once, however often it is
            sent; None for a call that changes nothing.
    """

    service: str
    key: str
    handler: str
    body: JsonObject
    idempotency_key: str | None = None

    @property
    def path(self) -> str:
        """Where the ingress takes it."""
        return f"{self.service}/{quote(self.key, safe='')}/{self.handler}"


class Ingress:
    """A client of the ingress, for the length of an ``async with`` block.

    Args:
        url: of the ingress, for example ``http://127.0.0.1:8080``.
        options: how long to wait.
        transport: for certificates of one's own, and for tests.

    Raises:
        InvalidValueError: the URL is none of ``http`` or ``https``.
    """

    def __init__(
        self,
        url: str,
        options: RestateRegistryOptions,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = _checked(url)
        self._options = options
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None
        self._turns = trio.CapacityLimiter(options.calls_at_once)

    async def __aenter__(self) -> Self:
        if self._transport is None and self._url.startswith("https:"):
            # It reads the certificates of the system, which takes a while.
            self._client = await trio.to_thread.run_sync(self._new_client)
        else:
            await trio.lowlevel.checkpoint()
            self._client = self._new_client()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await client.aclose()

    async def call(self, call: HandlerCall) -> JsonObject:
        """Call a handler; attempts that fail in a way that passes are made again.

        Returns:
            The answer, which has a member ``Ok``.

        Raises:
            EffectError: what the handler refused.
            StoreError: the server was not reached in time, or answered with something
                else.

        A checkpoint.
        """
        seconds = self._options.request_seconds
        trouble = "its turn among the other calls did not come"
        with trio.move_on_after(seconds):
            async with self._turns:
                trouble = "it was silent"
                for pause in self._pauses():
                    answer = await self._attempt(call)
                    if not isinstance(answer, str):
                        return answer
                    trouble = answer
                    await trio.sleep(pause)
        raise StoreError(
            f"{self._url} did not answer {call.handler} of {call.service} {call.key!r} within "
            f"{seconds:g} s: {trouble}.  {_afterwards(call)}"
        )

    async def poll(self, call: HandlerCall, seconds: float) -> JsonObject:
        """Call a handler once that may take its time; see :meth:`call`.

        Args:
            call: it has to change nothing.
            seconds: for how long it is waited for.
        """
        answer: JsonObject | str = "it was silent"
        with trio.move_on_after(seconds):
            answer = await self._attempt(call)
        if isinstance(answer, str):
            raise StoreError(
                f"{self._url} did not answer {call.handler} of {call.service} {call.key!r} "
                f"within {seconds:g} s: {answer}"
            )
        return answer

    def _pauses(self) -> Iterator[float]:
        pause = self._options.first_retry_seconds
        while True:
            yield pause
            pause = min(2 * pause, self._options.longest_retry_seconds)

    def _new_client(self) -> httpx2.AsyncClient:
        transport = self._transport
        # The length of calls is bounded as a whole, not by the silence between bytes.
        timeout = httpx2.Timeout(None, connect=self._options.connect_seconds)
        if transport is None:
            is_secure = self._url.startswith("https:")
            transport = httpx2.AsyncHTTPTransport(
                verify=ssl.create_default_context() if is_secure else False,
                # Every process that is waited for takes a connection.
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
            )
        return httpx2.AsyncClient(
            timeout=timeout, transport=transport, headers={"content-type": "application/json"}
        )

    async def _attempt(self, call: HandlerCall) -> JsonObject | str:
        """The answer, or the trouble where another attempt may do better."""
        if self._client is None:
            raise StoreError("the registry is closed; use it inside its block")
        headers: dict[str, str] = {}
        if call.idempotency_key is not None:
            headers["idempotency-key"] = call.idempotency_key
        try:
            response = await self._client.post(
                f"{self._url}/{call.path}",
                content=canonical_json(call.body).encode(),
                headers=headers,
            )
        except httpx2.TransportError as error:
            return f"{type(error).__name__}: {error}"
        if response.status_code in _PASSING_STATUS:
            return f"it answered with status {response.status_code}, {_shown(response)}"
        return _answer(call, response)


def _checked(url: str) -> str:
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidValueError(f"the URL of the ingress cannot be read: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidValueError(
            f"the ingress of Restate has a URL like http://127.0.0.1:8080, got {url!r}"
        )
    return url.rstrip("/")


def _answer(call: HandlerCall, response: httpx2.Response) -> JsonObject:
    if response.status_code == _NOT_FOUND:
        raise StoreError(
            f"the Restate server knows no {call.service}/{call.handler}; register an endpoint "
            f"there that serves the registry ({_shown(response)})"
        )
    if not response.is_success:
        raise StoreError(
            f"expected {call.handler} of {call.service} {call.key!r} to answer, got status "
            f"{response.status_code}: {_shown(response)}"
        )
    try:
        answer = parse_json(response.content)
    except WireError as error:
        raise _malformed(call, response) from error
    if not isinstance(answer, dict) or not answer.keys() & {"Ok", "Err"}:
        raise _malformed(call, response)
    unwrap(answer)
    return answer


def _malformed(call: HandlerCall, response: httpx2.Response) -> StoreError:
    return StoreError(
        f"expected an object with 'Ok' or 'Err' from {call.handler} of {call.service} "
        f"{call.key!r}, got {_shown(response)}; is there another service of this name?"
    )


def _shown(response: httpx2.Response) -> str:
    text = response.content[:_SHOWN_LENGTH].decode(errors="replace")
    return repr(text) if text else "without a body"


def _afterwards(call: HandlerCall) -> str:
    if call.idempotency_key is None:
        return "Nothing was changed; ask again"
    return "It is not known whether it took effect; look before you ask again"
