"""Deletion of processes that ended long ago, with all that belongs to them."""

from __future__ import annotations

from functools import partial

import attrs

from ...model import EffectScope
from ._database import SqliteDatabase
from ._scopes import scope_key
from ._sql import SqlConnection
from ._vacuum_report import ROWS_A_TRANSACTION, VacuumReport
from ._writer import Appended

_CANDIDATES = (
    "SELECT updated_at_ms, number, id FROM processes AS ended"
    " WHERE state <> 'running' AND updated_at_ms < ? AND (updated_at_ms, number) > (?, ?)"
    # A parent that still runs may ask for its child's end once more.
    " AND NOT EXISTS (SELECT 1 FROM processes AS parent WHERE parent.state = 'running'"
    " AND parent.id = coalesce("
    "json_extract(ended.registration, '$.provenance.caused_by.process_id'),"
    " json_extract(ended.registration, '$.provenance.caused_by.session_id')))"
    " ORDER BY updated_at_ms, number LIMIT ?"
)


@attrs.frozen(kw_only=True)
class Candidate:
    """A process that may be deleted; its place in the order of ends is where a search goes on."""

    updated_at_ms: int = -1
    number: int = 0
    id: str = ""


async def vacuum_processes(database: SqliteDatabase, now_ms: int, before_ms: int) -> VacuumReport:
    """Delete processes that ended before a time, and that nobody holds."""
    total = VacuumReport()
    last = Candidate()
    while True:
        # The search reads beside the writer; what it found is looked at again before it goes.
        ended = await database.read(partial(candidates, before_ms=before_ms, after=last))
        if not ended:
            return total
        last = ended[-1]
        while ended:
            report, ended = await database.write(
                partial(delete, ended=ended, before_ms=before_ms, now_ms=now_ms)
            )
            total += report


def candidates(
    connection: SqlConnection, before_ms: int, after: Candidate, most: int = 500
) -> list[Candidate]:
    """Processes that nobody touched since a time and whose parents have ended too."""
    found = connection.execute(_CANDIDATES, (before_ms, after.updated_at_ms, after.number, most))
    return [Candidate(updated_at_ms=row[0], number=row[1], id=row[2]) for row in found]


def delete(
    connection: SqlConnection,
    _: list[Appended],
    ended: list[Candidate],
    before_ms: int,
    now_ms: int,
) -> tuple[VacuumReport, list[Candidate]]:
    """Delete processes, each whole, until the transaction is large enough.

    Args:
        connection: in a transaction.
        _: nothing is appended.
        ended: what to delete.
        before_ms: one that was touched since then stays.
        now_ms: one that is leased at that time stays.

    Returns:
        What was deleted, and what is left to do.
    """
    report = VacuumReport()
    for done, candidate in enumerate(ended):
        if report.rows >= ROWS_A_TRANSACTION:
            return report, ended[done:]
        report += _delete(connection, candidate, before_ms, now_ms)
    return report, []


def _delete(
    connection: SqlConnection, ended: Candidate, before_ms: int, now_ms: int
) -> VacuumReport:
    scope = scope_key(EffectScope.process(ended.id))
    found = connection.execute(
        "SELECT l.number, p.owner_id IS NOT NULL, l.owner_id IS NOT NULL FROM processes AS p"
        " LEFT JOIN scope_leases AS l ON l.scope = ?"
        " WHERE p.number = ? AND p.state <> 'running' AND p.updated_at_ms < ?"
        " AND coalesce(p.expires_at_ms, 0) <= ? AND coalesce(l.expires_at_ms, 0) <= ?",
        (scope, ended.number, before_ms, now_ms, now_ms),
    ).fetchall()
    if not found:
        return VacuumReport()
    ((scope_number, has_lease, has_scope_lease),) = found

    def gone(statement: str, value: int | None) -> int:
        connection.execute(f"DELETE FROM {statement} = ?", (value,))
        return connection.changes()

    outcomes = gone("journal WHERE scope", scope_number)
    gone("scope_leases WHERE number", scope_number)
    return VacuumReport(
        leases=has_lease + has_scope_lease,
        outcomes=outcomes,
        grants=gone("grants WHERE process", ended.number),
        events=gone("events WHERE process", ended.number),
        processes=gone("processes WHERE number", ended.number),
    )
