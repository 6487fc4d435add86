"""The provider: one HTTP client, one request a call."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx2
import trio

from ...abc import Provider, TurnEvents
from ...model import (
    EffectError,
    InvalidValueError,
    JsonObject,
    LlmRequest,
    LlmResponse,
    ProviderError,
)
from ._answer import Answer
from ._endpoint import OFFICIAL, checked_url, request_headers
from ._faults import Fault, Faults
from ._options import OpenAIErrorCode, OpenAIOptions
from ._reading import (
    BoundedStream,
    is_compressed,
    read_beginning,
    read_body,
    read_to_end,
    unwinding,
)
from ._request import request_body
from ._status import status_fault

_CLOSE_SECONDS = 5.0
_END_OF_STREAM = "[DONE]"


class OpenAIProvider(Provider):
    """Asks an endpoint that speaks OpenAI's chat-completions protocol.

    An async context manager: inside, calls may be made, any number at a time; leaving
    it closes all connections.  It makes no attempt twice: whoever calls decides that,
    as each attempt is paid for.

    Args:
        base_url: up to and without ``/chat/completions``; else ``OPENAI_BASE_URL`` of the
            environment, else the official API.
        api_key: else ``OPENAI_API_KEY`` of the environment; servers that want none are
            asked without.  It is in no log, no representation and no error.
        options: waits, limits and dialect.
        transport: for certificates of one's own, for proxies, and for tests; else a new
            one.  Closed with the provider.

    Raises:
        InvalidValueError: a base URL that is none, or that holds a password or a query; a
            key or a header that cannot be sent; no key for the official API.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        options: OpenAIOptions | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._options = options or OpenAIOptions()
        self._base_url = checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL)
        # A key from a file often ends with a line feed.
        self._api_key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        self._headers = request_headers(self._api_key, self._options)
        if self._base_url == OFFICIAL and not self._api_key and not self._options.headers:
            raise InvalidValueError(
                "the official API needs a key: give api_key, or set OPENAI_API_KEY"
            )
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base_url!r}, options={self._options!r})"

    @property
    def name(self) -> str:
        """``openai``."""
        return "openai"

    async def __aenter__(self) -> Self:
        """Open the HTTP client; connections are made when they are needed.

        Raises:
            EffectError: ``openai_provider_open``: it is open already.

        A checkpoint.
        """
        if self._client is not None:
            raise EffectError("openai_provider_open", "the provider is open already")
        # It reads the certificates of the system, which takes a while.
        self._client = await trio.to_thread.run_sync(self._new_client)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections, also when cancelled."""
        client, self._client = self._client, None
        if client is not None:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await client.aclose()
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        """Answer a request.

        Args:
            request: what is asked; its attachments hold their bytes.
            events: told of text and reasoning as they come; while it is behind, the
                response is not read on.

        Raises:
            ProviderError: there is no answer.  Its code is the endpoint's, or one of
                :class:`OpenAIErrorCode`, or ``http_`` and the status.
            EffectError: ``openai_provider_closed``, outside of the provider's block.

        Always a checkpoint.  Cancelled, it drops its connection at once.
        """
        await trio.lowlevel.checkpoint()
        client = self._client
        if client is None:
            raise EffectError(
                "openai_provider_closed",
                "the provider is not open; use it inside of `async with OpenAIProvider(...)`",
            )
        body, faults = self._written(request)
        try:
            async with client.stream(
                "POST", f"{self._base_url}/chat/completions", content=body
            ) as response:
                return await self._answer(response, events, faults)
        except httpx2.TransportError as error:
            raise faults.transport(error) from error

    def _written(self, request: LlmRequest) -> tuple[bytes, Faults]:
        """The bytes to send, and who makes the errors of the call."""
        faults = Faults(secret=self._api_key)
        body = _json_bytes(request_body(request, self._options, faults), faults)
        if not self._options.keep_request_body:
            return body, faults
        kept = _json_bytes(request_body(request, self._options, faults, with_data=False), faults)
        return body, Faults(secret=self._api_key, request_body=kept.decode())

    def _new_client(self) -> httpx2.AsyncClient:
        options = self._options
        return httpx2.AsyncClient(
            headers=self._headers,
            timeout=httpx2.Timeout(
                connect=options.connect_seconds,
                read=options.read_seconds,
                write=options.write_seconds,
                # A call that waits for its turn is no failure of the endpoint.
                pool=None,
            ),
            transport=self._transport,
        )

    async def _answer(
        self, response: httpx2.Response, events: TurnEvents, faults: Faults
    ) -> LlmResponse:
        headers = {name.lower(): value for name, value in response.headers.items()}
        if not response.is_success:
            body = await read_beginning(response)
            raise faults.error(status_fault(response.status_code, headers, body, datetime.now(UTC)))
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = content_type == "application/json"
        if is_compressed(response) or not (is_json or content_type == "text/event-stream"):
            raise await _unexpected(response, content_type, faults)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            most = self._options.max_response_bytes
            # The event source has a limit of its own, and leaves half-run generators
            # behind where it is reached.
            line = most if is_json else self._options.max_line_bytes
            response.stream = BoundedStream(response.stream, most, line)
        answer = Answer(faults)
        if is_json:
            for event in answer.feed((await read_body(response)).decode(errors="replace")):
                await events.send(event)
        else:
            await self._read_stream(response, answer, events)
        if not answer.is_finished:
            raise faults.error(
                Fault(
                    code=OpenAIErrorCode.STREAM_INCOMPLETE,
                    message="the response ended and the model had not said why it stopped",
                    retryable=True,
                )
            )
        return answer.response(faults.request_body, _summary(response.status_code, headers))

    async def _read_stream(
        self, response: httpx2.Response, answer: Answer, events: TurnEvents
    ) -> None:
        response.encoding = "utf-8"  # of every event stream, whatever its headers say
        source = httpx2.EventSource(response, max_event_size=None)
        async with unwinding(aiter(source)) as stream:
            try:
                async for event in stream:
                    if event.data.strip() == _END_OF_STREAM:
                        await read_to_end(stream)
                        return
                    if event.data and not _is_aside(event):
                        for told in answer.feed(event.data):
                            await events.send(told)
            except httpx2.TransportError:
                # What is missing after the end is the count of tokens: no reason to
                # ask, and pay, once more.
                if not answer.is_finished:
                    raise


def _is_aside(event: httpx2.ServerSentEvent) -> bool:
    """Whether a gateway speaks of itself here: chunks have no names, pings have."""
    return event.event not in {"message", "error"} and '"choices"' not in event.data


async def _unexpected(
    response: httpx2.Response, content_type: str, faults: Faults
) -> ProviderError:
    got = content_type or "no content type"
    if is_compressed(response):
        got += ", compressed"
    return faults.error(
        Fault(
            code=OpenAIErrorCode.UNEXPECTED_CONTENT_TYPE,
            message="expected text/event-stream or application/json from the endpoint, "
            f"got {got}; is the base URL right?",
            raw=await read_beginning(response),
        )
    )


def _summary(status: int, headers: dict[str, str]) -> str:
    request_id = headers.get("x-request-id", "")[:100]
    return f"status {status}, request {request_id}" if request_id else f"status {status}"


def _json_bytes(body: JsonObject, faults: Faults) -> bytes:
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except ValueError as error:
        # A lone surrogate, a NaN: nothing that has crossed the effect boundary has them.
        raise faults.error(
            Fault(
                code=OpenAIErrorCode.UNSUPPORTED_REQUEST,
                message=f"the request cannot be written as JSON: {error}",
            )
        ) from error
