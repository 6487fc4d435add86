"""What a worker asks about many rows at once, and what spares it work."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager

import attrs

from ...abc import ClaimablePage, Clock, LeaseRenewer, ProcessRegistry, Tell
from ...model import (
    CANCEL_REQUESTED,
    EventWait,
    PluginError,
    ProcessEndWait,
    SignalWait,
    WaitKind,
)
from . import _processes
from ._database import SqliteDatabase
from ._renewal import LeaseRenewal, LeaseTable
from ._sql import SqlConnection


class WorkerSide(ProcessRegistry):
    """The part of a registry that a worker can do without.

    Args:
        database: the opened file.
        clock: tells the time of leases.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def renew_leases(self, lease_ttl_ms: int) -> AbstractContextManager[LeaseRenewer]:
        """A thread with its own connection; see :meth:`lash_trio.abc.ProcessRegistry.renew_leases`."""
        return LeaseRenewal(self._database.path, self._clock, lease_ttl_ms, LeaseTable.PROCESSES)

    def listen(self, tell: Tell) -> AbstractContextManager[None]:
        """Be told of every event; see :meth:`lash_trio.abc.ProcessRegistry.listen`."""
        return self._database.waiters.listen(tell)

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
    ) -> ClaimablePage:
        """One query; see :meth:`lash_trio.abc.ProcessRegistry.list_claimable`."""
        query = ClaimableQuery(
            owner_id=owner_id, skip=skip, after=after, limit=limit, now_ms=self._clock.now_ms()
        )
        return await self._database.read(lambda connection: claimable(connection, query))

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        """One hop to the reader; see :meth:`lash_trio.abc.ProcessRegistry.find_ready`."""
        return await self._database.read(lambda connection: ready(connection, waits))


@attrs.frozen(kw_only=True)
class ClaimableQuery:
    """Which rows to list; see :meth:`lash_trio.abc.ProcessRegistry.list_claimable`."""

    owner_id: str
    skip: Container[str]
    after: str | None
    limit: int
    now_ms: int


def claimable(connection: SqlConnection, query: ClaimableQuery) -> ClaimablePage:
    """A page of the rows that have not ended and that nobody else holds."""
    # The ids first: reading a row costs more, and most ids may be of no interest.
    found = connection.execute(
        "SELECT id FROM processes WHERE state = 'running' AND id > ?"
        " AND (expires_at_ms IS NULL OR expires_at_ms <= ? OR owner_id = ?) ORDER BY id",
        (query.after or "", query.now_ms, query.owner_id),
    )
    ids: list[str] = []
    next_after: str | None = None
    for (process_id,) in found:
        if process_id in query.skip:
            continue
        if len(ids) == query.limit:
            next_after = ids[-1]
            break
        ids.append(process_id)
    rows = [_processes.find(connection, process_id) for process_id in ids]
    return ClaimablePage(
        records=tuple(row.record for row in rows if row is not None and not row.is_terminal),
        next_after=next_after,
        next_expiry_ms=_next_expiry_ms(connection, query) if next_after is None else None,
    )


def ready(connection: SqlConnection, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
    """The processes that were asked to end, or have one of the things they wait for."""
    return {
        process_id
        for process_id, kinds in waits.items()
        if _has_event(connection, process_id, CANCEL_REQUESTED, 1)
        or any(_is_ready(connection, process_id, kind) for kind in kinds)
    }


def _next_expiry_ms(connection: SqlConnection, query: ClaimableQuery) -> int | None:
    ((expires_at_ms,),) = connection.execute(
        "SELECT min(expires_at_ms) FROM processes"
        " WHERE state = 'running' AND expires_at_ms > ? AND owner_id <> ?",
        (query.now_ms, query.owner_id),
    )
    return None if expires_at_ms is None else int(expires_at_ms) - query.now_ms


def _is_ready(connection: SqlConnection, process_id: str, kind: WaitKind) -> bool:
    match kind:
        case SignalWait(event_type=event_type, ordinal=ordinal):
            return _has_event(connection, process_id, event_type, ordinal)
        case EventWait(process_id=other, event_type=event_type, ordinal=ordinal):
            return _has_event(connection, other, event_type, ordinal)
        case ProcessEndWait(process_id=other):
            row = _processes.find(connection, other)
            return row is None or row.is_terminal
        case _:
            return False


def _has_event(connection: SqlConnection, process_id: str, event_type: str, ordinal: int) -> bool:
    try:
        number = _processes.number_of(connection, process_id)
    except PluginError:
        return True
    return _processes.count(connection, number, event_type) >= ordinal
