"""A thread that renews a lease, so that a busy event loop does not lose it."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import cast

import apsw

from ...abc import Clock
from ...model import ProcessLease
from ._sql import SqlConnection

_logger = logging.getLogger("lash_trio.sqlite")


class LeaseRenewal:
    """Renews leases of scopes three times in their time to live, from a thread of its own.

    Args:
        path: of the file; the thread has its own connection.
        clock: tells the time of leases; called in the thread.
        lease_ttl_ms: for how long a lease lasts.
    """

    def __init__(self, path: str, clock: Clock, lease_ttl_ms: int) -> None:
        self._path = path
        self._clock = clock
        self._lease_ttl_ms = lease_ttl_ms
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._leases: dict[str, ProcessLease] = {}
        self._thread = threading.Thread(target=self._run, name="lash_trio leases", daemon=True)

    def __enter__(self) -> LeaseRenewal:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        # It is asleep, or in the middle of one short transaction.
        self._thread.join()

    def add(self, lease: ProcessLease) -> None:
        """Keep a lease alive."""
        with self._lock:
            self._leases[lease.lease_token] = lease

    def remove(self, lease: ProcessLease) -> None:
        """Leave a lease to itself."""
        with self._lock:
            self._leases.pop(lease.lease_token, None)

    def _run(self) -> None:
        connection: SqlConnection | None = None
        while not self._stop.wait(self._lease_ttl_ms / 3000):
            with self._lock:
                tokens = list(self._leases)
            if not tokens:
                continue
            try:
                if connection is None:
                    connection = cast(
                        SqlConnection,
                        apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE),
                    )
                    connection.set_busy_timeout(self._lease_ttl_ms // 3)
                    connection.pragma("synchronous", "NORMAL")
                self._renew(connection, tokens)
            except apsw.Error as error:
                _logger.warning("leases could not be renewed and are tried again: %s", error)
        if connection is not None:
            connection.close()

    def _renew(self, connection: SqlConnection, tokens: list[str]) -> None:
        # One that was lost is not found under its token and stays lost.
        now_ms = self._clock.now_ms()
        with connection:
            connection.executemany(
                "UPDATE scope_leases SET expires_at_ms = ?"
                " WHERE lease_token = ? AND expires_at_ms > ?",
                [(now_ms + self._lease_ttl_ms, token, now_ms) for token in tokens],
            )
