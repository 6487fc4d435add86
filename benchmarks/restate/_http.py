"""Talking to the server, on one connection that stays open."""

from __future__ import annotations

import json
import time
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60


class Client:
    """One connection.

    Args:
        url: of the server; no path.
    """

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)
        self.sent_at = 0.0

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request; returns the JSON of the answer, or None where there is none.

        :attr:`sent_at` is when it was about to be sent, by ``time.monotonic``.

        Raises:
            SystemExit: the answer is an error.
        """
        headers = {"accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        self.sent_at = time.monotonic()
        self._connection.request(method, path, data, headers)
        with self._connection.getresponse() as response:
            answer = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path} was answered with {response.status}: {answer!r}")
        return json.loads(answer) if answer else None
