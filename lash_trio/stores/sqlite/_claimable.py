"""What a worker asks about many rows at once, and what spares it work."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice

import attrs

from ...abc import ClaimablePage, Clock, LeaseRenewer, ProcessRegistry, Tell
from ...model import (
    CANCEL_REQUESTED,
    EventWait,
    PluginError,
    ProcessEndWait,
    ProcessLease,
    SignalWait,
    WaitKind,
    WaitState,
    dumps,
)
from . import _parked, _processes
from ._database import SqliteDatabase
from ._leases import LEASE_COLUMNS, lease_state
from ._renewal import LeaseTable, RenewalOptions
from ._sql import SqlConnection, SqlRows

_MOST_HELD = 100
_FREE = "(expires_at_ms IS NULL OR expires_at_ms <= ? OR owner_id = ?)"


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
        return self._database.renew_leases(
            RenewalOptions(
                path=self._database.path,
                clock=self._clock,
                lease_ttl_ms=lease_ttl_ms,
                table=LeaseTable.PROCESSES,
            )
        )

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
        parked: bool = True,
    ) -> ClaimablePage:
        """In one hop to the reader; see :meth:`lash_trio.abc.ProcessRegistry.list_claimable`."""
        query = ClaimableQuery(
            owner_id=owner_id,
            skip=skip,
            after=after,
            limit=limit,
            parked=parked,
            now_ms=self._clock.now_ms(),
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
    parked: bool
    now_ms: int


def claimable(connection: SqlConnection, query: ClaimableQuery) -> ClaimablePage:
    """A page of the rows that have not ended and that nobody else holds."""
    # The ids first: reading a row costs more, and most ids may be of no interest.
    found = _wanted(_ids(connection, query), query)
    next_after = found[-2] if len(found) > query.limit else None
    ids = found[: query.limit]
    held: list[ProcessLease] = []
    next_expiry_ms: int | None = None
    if next_after is None:
        if not query.parked:
            due = _wanted(_due_ids(connection, query), query)
            ids += due[: query.limit]
            # The others are there as soon as these are taken.
            next_expiry_ms = 0 if len(due) > query.limit else None
        held, soonest_ms = _held_by_others(connection, query)
        if next_expiry_ms is None and soonest_ms is not None:
            next_expiry_ms = soonest_ms - query.now_ms
    rows = [_processes.find(connection, process_id) for process_id in ids]
    return ClaimablePage(
        records=tuple(row.record for row in rows if row is not None and not row.is_terminal),
        next_after=next_after,
        next_expiry_ms=next_expiry_ms,
        held=tuple(held),
    )


def _ids(connection: SqlConnection, query: ClaimableQuery) -> SqlRows:
    return connection.execute(
        f"SELECT id FROM processes WHERE state = 'running' AND id > ? AND {_FREE}"
        # A literal, so that the index of such rows is used, in its order.
        f" {'' if query.parked else 'AND look_at_ms = 0'} ORDER BY id",
        (query.after or "", query.now_ms, query.owner_id),
    )


def _due_ids(connection: SqlConnection, query: ClaimableQuery) -> SqlRows:
    return connection.execute(
        "SELECT id FROM processes WHERE state = 'running' AND look_at_ms > 0 AND look_at_ms <= ?"
        f" AND {_FREE} ORDER BY look_at_ms",
        (query.now_ms, query.now_ms, query.owner_id),
    )


def _wanted(found: SqlRows, query: ClaimableQuery) -> list[str]:
    """The ids that are of interest, one more than may be in a page."""
    wanted = (str(row[0]) for row in found)
    return list(islice((each for each in wanted if each not in query.skip), query.limit + 1))


def _held_by_others(
    connection: SqlConnection, query: ClaimableQuery
) -> tuple[list[ProcessLease], int | None]:
    """The leases of other owners that end first, and when the very first one does."""
    held: list[ProcessLease] = []
    for owner_id in _owners(connection):
        if owner_id == query.owner_id:
            continue
        # Of each owner so many: how many there are is of no interest.
        found = connection.execute(
            f"SELECT id, {LEASE_COLUMNS} FROM processes WHERE owner_id = ?"
            " AND expires_at_ms > ? AND state = 'running' ORDER BY expires_at_ms LIMIT ?",
            (owner_id, query.now_ms, _MOST_HELD),
        )
        held += [state.lease for state in (lease_state(*row) for row in found) if state.lease]
    held.sort(key=lambda lease: lease.expires_at_epoch_ms)
    return held[:_MOST_HELD], held[0].expires_at_epoch_ms if held else None


def _owners(connection: SqlConnection) -> Iterator[str]:
    """Who holds leases, from owner to owner over the index."""
    owner_id = ""
    while True:
        ((found,),) = connection.execute(
            "SELECT min(owner_id) FROM processes WHERE owner_id > ?", (owner_id,)
        )
        if found is None:
            return
        owner_id = str(found)
        yield owner_id


def show_wait(connection: SqlConnection, row: _processes.Row, wait: WaitState | None) -> None:
    """Store what a process waits for, and with it when to look at its row."""
    look_at_ms, waits_on = _parked.look_at(row.id, row.input, wait)
    if waits_on is not None and wait is not None and ready(connection, {row.id: (wait.kind,)}):
        # It came before the row said that it was waited for.
        look_at_ms, waits_on = _parked.ANY_TIME, None
    connection.execute(
        "UPDATE processes SET wait = ?, look_at_ms = ?, waits_on = ? WHERE number = ?",
        (None if wait is None else dumps(wait), look_at_ms, waits_on, row.number),
    )


def ready(connection: SqlConnection, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
    """The processes that were asked to end, or have one of the things they wait for."""
    return {
        process_id
        for process_id, kinds in waits.items()
        if _has_event(connection, process_id, CANCEL_REQUESTED, 1)
        or any(_is_ready(connection, process_id, kind) for kind in kinds)
    }


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
