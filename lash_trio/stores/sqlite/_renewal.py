"""Renewing leases: in a thread, so that a busy event loop does not lose them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import partial
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


@attrs.frozen(kw_only=True)
class RenewalOptions:
    """Which leases are renewed, and how.

    Args:
        path: of the file; renewing has its own connection.
        clock: tells the time of leases; called where they are renewed.
        lease_ttl_ms: for how long a lease lasts.
        table: where the leases are.
    """

    path: str
    clock: Clock
    lease_ttl_ms: int
    table: LeaseTable


class KeptLeases(LeaseRenewer):
    """Leases to be renewed three times in their time to live, all of them in one transaction.

    Args:
        options: which, and how.
        monotonic: tells seconds that no clock is set back by.
        post: calls a function in the event loop.
    """

    def __init__(
        self,
        options: RenewalOptions,
        monotonic: Callable[[], float],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._options = options
        self._monotonic = monotonic
        self._post = post
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._connection: SqlConnection | None = None

    @property
    def pause(self) -> float:
        """For how many seconds leases are left alone when all is well."""
        return self._ttl / 3

    @property
    def _ttl(self) -> float:
        return self._options.lease_ttl_ms / 1000

    def add(self, lease: ProcessLease, on_lost: Callable[[str], None]) -> None:
        """Keep a lease alive; see :meth:`lash_trio.abc.LeaseRenewer.add`."""
        options = self._options
        # It was granted a while ago: the write had to be committed, and the caller to run.
        left_ms = min(lease.expires_at_epoch_ms - options.clock.now_ms(), options.lease_ttl_ms)
        good_until = _good_until(self._monotonic(), left_ms)
        with self._lock:
            self._kept[lease.lease_token] = _Kept(lease, on_lost, good_until)

    def remove(self, lease: ProcessLease) -> None:
        """Leave a lease to itself."""
        with self._lock:
            self._kept.pop(lease.lease_token, None)

    def renew_all(self) -> float:
        """Renew them now, and tell of those that are lost.

        Returns:
            In how many seconds to do it again.
        """
        pause = self.pause
        with self._lock:
            kept = list(self._kept.values())
        if not kept:
            return pause
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._renew(self._connection, kept)
        except apsw.Error as error:
            # Sooner than otherwise: some of them may be about to expire.
            pause = self._ttl / 30
            _logger.warning("leases could not be renewed and are tried again: %s", error)
        self._tell_of_expired(kept)
        return pause

    def close(self) -> None:
        """Close its connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> SqlConnection:
        connection = cast(
            SqlConnection, apsw.Connection(self._options.path, flags=apsw.SQLITE_OPEN_READWRITE)
        )
        connection.set_busy_timeout(min(self._options.lease_ttl_ms // 3, _BUSY_MS))
        connection.pragma("synchronous", "NORMAL")
        return connection

    def _renew(self, connection: SqlConnection, kept: list[_Kept]) -> None:
        lost: list[_Kept] = []
        # This takes its turn among the writers; the clock is read when it has come.
        connection.execute("BEGIN IMMEDIATE")
        try:
            asked_at, now_ms = self._monotonic(), self._options.clock.now_ms()
            for each in kept:
                # One that was lost is not found under its token and stays lost.
                connection.execute(
                    f"UPDATE {self._options.table} AND lease_token = ? AND expires_at_ms > ?",
                    (
                        now_ms + self._options.lease_ttl_ms,
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
                each.good_until = _good_until(asked_at, self._options.lease_ttl_ms)
        self._tell(lost, "it expired, or another owner holds it")

    def _tell_of_expired(self, kept: list[_Kept]) -> None:
        now = self._monotonic()
        expired = [each for each in kept if each.good_until <= now]
        self._tell(expired, "it could not be renewed before it expired")

    def _tell(self, lost: list[_Kept], why: str) -> None:
        if lost:
            self._post(partial(self._lose, lost, why))

    def _lose(self, lost: list[_Kept], why: str) -> None:
        """Drop leases; in the event loop, where they are added and removed."""
        for each in lost:
            with self._lock:
                # Who has left it to itself in between has given it back.
                mine = self._kept.pop(each.lease.lease_token, None)
            if mine is not None:
                each.on_lost(f"the lease of process {each.lease.process_id!r} is lost: {why}")


class LeaseRenewal(AbstractContextManager[LeaseRenewer]):
    """A thread that renews leases, for the length of a ``with`` block.

    Args:
        options: which, and how.
    """

    def __init__(self, options: RenewalOptions) -> None:
        self._options = options
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lash_trio leases", daemon=True)

    def __enter__(self) -> LeaseRenewer:
        token = trio.lowlevel.current_trio_token()
        self._leases = KeptLeases(self._options, time.monotonic, token.run_sync_soon)
        self._thread.start()
        return self._leases

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        # It is asleep, or in the middle of one short transaction.
        self._thread.join()

    def _run(self) -> None:
        pause = self._leases.pause
        while not self._stop.wait(pause):
            pause = self._leases.renew_all()
        self._leases.close()
