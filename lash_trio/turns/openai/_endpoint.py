"""Where requests go, and the headers that all of them have."""

from __future__ import annotations

import httpx2

from ...model import InvalidValueError
from ._options import OpenAIOptions

OFFICIAL = "https://api.openai.com/v1"


def request_headers(api_key: str, options: OpenAIOptions) -> dict[str, str]:
    """The headers of every request.

    Raises:
        InvalidValueError: one of them cannot be sent; its value is not in the text.
    """
    headers = {
        "accept": "text/event-stream, application/json",
        # Compressed, a small response may be a huge one.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "lash-trio",
    }
    if api_key:
        headers["authorization"] = f"Bearer {api_key}"
    headers |= {name.lower(): value for name, value in options.headers.items()}
    for name, value in headers.items():
        # The HTTP client would say the value in its error.
        if not (value.isascii() and value.isprintable()):
            raise InvalidValueError(
                f"the header {name!r} must be of printable ASCII characters alone"
                + (": is the key whole, and a key?" if name == "authorization" else "")
            )
    return headers


def checked_url(base_url: str) -> str:
    """The base URL without a slash at its end.

    Raises:
        InvalidValueError: it is none, or has parts that may hold a secret; those are
            not in the text.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise InvalidValueError(f"the base URL is none: {error}") from error
    if url.userinfo or url.query or url.fragment:
        raise InvalidValueError(
            f"the base URL of {url.host!r} must have no user, password, query or fragment; "
            "a key goes into api_key, other secrets into OpenAIOptions.headers"
        )
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidValueError(f"expected a base URL such as {OFFICIAL!r}, got {base_url[:200]!r}")
    return base_url.rstrip("/")
