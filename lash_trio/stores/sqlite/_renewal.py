"""A thread that renews leases, so that a busy event loop does not lose them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType
from typing import cast

import apsw
import attrs
import trio

from ...abc import Clock, LeaseRenewer
from ...model import ProcessLease
from ._sql import SqlConnection

_logger = logging.getLogger("lash_trio.sqlite")

_BUSY_MS = 1000


class LeaseTable(StrEnum):
    """Where leases are; the value is the condition that finds the row of one."""

    PROCESSES = "processes SET expires_at_ms = ? WHERE id = ?"
    SCOPES = "scope_leases SET expires_at_ms = ? WHERE scope = ?"


@attrs.define
class _Kept:
    """A lease that is kept, for how long it is good by this machine, whom to tell of its loss."""

    lease: ProcessLease
    on_lost: Callable[[str], None]
    good_until: float


def _good_until(asked_at: float, left_ms: int) -> float:
    # The file's times are whole milliseconds, so its count may have begun up to one earlier.
    return asked_at + (left_ms - 1) / 1000


def _nobody(_: str) -> None:
    """Who is told of a loss where the next write finds it out."""


class LeaseRenewal(LeaseRenewer, AbstractContextManager["LeaseRenewal"]):
    """Renews leases three times in their time to live, all of them in one transaction.

    Use it in a ``with`` block; the thread lives as long.

    Args:
        path: of the file; the thread has its own connection.
        clock: tells the time of leases; called in the thread.
        lease_ttl_ms: for how long a lease lasts.
        table: where the leases are.
    """

    def __init__(
        self, path: str, clock: Clock, lease_ttl_ms: int, table: LeaseTable = LeaseTable.SCOPES
    ) -> None:
        self._path = path
        self._clock = clock
        self._lease_ttl_ms = lease_ttl_ms
        self._table = table
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="lash_trio leases", daemon=True)

    def __enter__(self) -> LeaseRenewal:
        self._token = trio.lowlevel.current_trio_token()
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

    def add(self, lease: ProcessLease, on_lost: Callable[[str], None] = _nobody) -> None:
        """Keep a lease alive; see :meth:`lash_trio.abc.LeaseRenewer.add`."""
        # It was granted a while ago: the write had to be committed, and the caller to run.
        left_ms = min(lease.expires_at_epoch_ms - self._clock.now_ms(), self._lease_ttl_ms)
        good_until = _good_until(time.monotonic(), left_ms)
        with self._lock:
            self._kept[lease.lease_token] = _Kept(lease, on_lost, good_until)

    def remove(self, lease: ProcessLease) -> None:
        """Leave a lease to itself."""
        with self._lock:
            self._kept.pop(lease.lease_token, None)

    def _run(self) -> None:
        ttl = self._lease_ttl_ms / 1000
        connection: SqlConnection | None = None
        pause = ttl / 3
        while not self._stop.wait(pause):
            pause = ttl / 3
            with self._lock:
                kept = list(self._kept.values())
            if not kept:
                continue
            try:
                if connection is None:
                    connection = self._connect()
                self._renew(connection, kept)
            except apsw.Error as error:
                # Sooner than otherwise: some of them may be about to expire.
                pause = ttl / 30
                _logger.warning("leases could not be renewed and are tried again: %s", error)
            self._tell_of_expired(kept)
        if connection is not None:
            connection.close()

    def _connect(self) -> SqlConnection:
        connection = cast(
            SqlConnection, apsw.Connection(self._path, flags=apsw.SQLITE_OPEN_READWRITE)
        )
        connection.set_busy_timeout(min(self._lease_ttl_ms // 3, _BUSY_MS))
        connection.pragma("synchronous", "NORMAL")
        return connection

    def _renew(self, connection: SqlConnection, kept: list[_Kept]) -> None:
        lost: list[_Kept] = []
        # This takes its turn among the writers; the clock is read when it has come.
        connection.execute("BEGIN IMMEDIATE")
        try:
            asked_at, now_ms = time.monotonic(), self._clock.now_ms()
            for each in kept:
                # One that was lost is not found under its token and stays lost.
                connection.execute(
                    f"UPDATE {self._table} AND lease_token = ? AND expires_at_ms > ?",
                    (
                        now_ms + self._lease_ttl_ms,
                        each.lease.process_id,
                        each.lease.lease_token,
                        now_ms,
                    ),
                )
                if connection.changes() == 0:
                    lost.append(each)
            connection.execute("COMMIT")
        except apsw.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        gone = {each.lease.lease_token for each in lost}
        for each in kept:
            if each.lease.lease_token not in gone:
                each.good_until = _good_until(asked_at, self._lease_ttl_ms)
        self._tell(lost, "it expired, or another owner holds it")

    def _tell_of_expired(self, kept: list[_Kept]) -> None:
        now = time.monotonic()
        expired = [each for each in kept if each.good_until <= now]
        self._tell(expired, "it could not be renewed before it expired")

    def _tell(self, lost: list[_Kept], why: str) -> None:
        if lost and self._token is not None:
            self._token.run_sync_soon(self._lose, lost, why)

    def _lose(self, lost: list[_Kept], why: str) -> None:
        """Drop leases; in the event loop, where they are added and removed."""
        for each in lost:
            with self._lock:
                # Who has left it to itself in between has given it back.
                mine = self._kept.pop(each.lease.lease_token, None)
            if mine is not None:
                each.on_lost(f"the lease of process {each.lease.process_id!r} is lost: {why}")
