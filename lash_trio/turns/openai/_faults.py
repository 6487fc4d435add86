"""Failures of calls as provider errors: one place, so that no secret gets into any."""

from __future__ import annotations

import ssl

import attrs
import httpx2

from ...model import LlmCallError, LlmTerminalReason, ProviderError
from ._options import OpenAIErrorCode
from ._reading import ResponseTooLarge

_RAW_LENGTH = 2_000
_MESSAGE_LENGTH = 500
_CODE_LENGTH = 100
# A shorter one is no secret but a word that a local server wants to see, and
# words stand in honest error texts.
_SECRET_LENGTH = 8

# The first that fits.  What passes, and what does not.
_PASSING: tuple[tuple[type[httpx2.TransportError], OpenAIErrorCode, str], ...] = (
    (httpx2.ConnectTimeout, OpenAIErrorCode.CONNECT_TIMEOUT, "no connection in time"),
    (httpx2.PoolTimeout, OpenAIErrorCode.CONNECT_TIMEOUT, "no free connection in time"),
    (httpx2.WriteTimeout, OpenAIErrorCode.WRITE_TIMEOUT, "the endpoint took no data in time"),
    (httpx2.ReadTimeout, OpenAIErrorCode.READ_TIMEOUT, "the endpoint was silent for too long"),
    (httpx2.ConnectError, OpenAIErrorCode.CONNECT_FAILED, "no connection"),
    (httpx2.ProxyError, OpenAIErrorCode.CONNECT_FAILED, "no connection through the proxy"),
    (httpx2.NetworkError, OpenAIErrorCode.CONNECTION_LOST, "the connection broke"),
    (httpx2.RemoteProtocolError, OpenAIErrorCode.CONNECTION_LOST, "the response broke off"),
)
_FINAL: tuple[tuple[type[httpx2.TransportError], OpenAIErrorCode, str], ...] = (
    (ResponseTooLarge, OpenAIErrorCode.RESPONSE_TOO_LARGE, "the response is too long"),
    (httpx2.TransportError, OpenAIErrorCode.TRANSPORT_FAILED, "the call could not be made"),
)


@attrs.frozen(kw_only=True)
class Fault:
    """A failure, before it is cleaned."""

    code: str
    message: str
    retryable: bool = False
    raw: str | None = None
    terminal_reason: LlmTerminalReason = LlmTerminalReason.PROVIDER_ERROR
    retry_after_ms: int | None = None


@attrs.frozen(kw_only=True)
class Faults:
    """Makes the errors of one call.

    Args:
        secret: the key, which no error may hold, even where the endpoint repeats it.
        request_body: what was asked, where that is to be kept.
    """

    secret: str = attrs.field(repr=False)
    request_body: str | None = None

    def error(self, fault: Fault) -> ProviderError:
        """The error to raise: without the secret, and of bounded length."""
        return ProviderError(
            LlmCallError(
                message=self._clean(fault.message, _MESSAGE_LENGTH),
                retryable=fault.retryable,
                raw=None if fault.raw is None else self._clean(fault.raw, _RAW_LENGTH),
                code=self._clean(fault.code, _CODE_LENGTH),
                terminal_reason=fault.terminal_reason,
                request_body=self.request_body,
                retry_after_ms=fault.retry_after_ms,
            )
        )

    def transport(self, error: httpx2.TransportError) -> ProviderError:
        """What the HTTP client raised."""
        tls = _cause(error, ssl.SSLError)
        if tls is not None and isinstance(error, httpx2.ConnectError):
            return self.error(
                Fault(
                    code=OpenAIErrorCode.TLS_FAILED,
                    message=f"no secure connection to the endpoint: {tls}",
                    # A certificate that is wrong now is wrong in a second, too.
                    retryable=not isinstance(tls, ssl.SSLCertVerificationError),
                )
            )
        code, words = next(
            (code, words) for kind, code, words in (*_PASSING, *_FINAL) if isinstance(error, kind)
        )
        detail = str(error)
        return self.error(
            Fault(
                code=code,
                message=f"{words}: {detail}" if detail else words,
                retryable=any(isinstance(error, kind) for kind, _, _ in _PASSING),
            )
        )

    def malformed(self, message: str, raw: str | None = None) -> ProviderError:
        """A response that is not what the protocol says."""
        return self.error(
            Fault(code=OpenAIErrorCode.MALFORMED_RESPONSE, message=message, retryable=True, raw=raw)
        )

    def _clean(self, text: str, length: int) -> str:
        if len(self.secret) >= _SECRET_LENGTH:
            text = text.replace(self.secret, "[key]")
        # What an endpoint sends may hold anything; an outcome is valid Unicode.
        text = text.encode(errors="replace").decode()
        return text if len(text) <= length else f"{text[: length - 3]}..."


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, kind):
        seen = seen.__cause__ or seen.__context__
    return seen
