"""Deletion of what is recorded of scopes that belong to no process: turns, above all."""

from __future__ import annotations

from functools import partial

from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._vacuum_report import ROWS_A_TRANSACTION, VacuumReport
from ._writer import Appended

# One that was opened and has recorded nothing tells no time, and is no loss.
_IS_OLD = (
    "coalesce(expires_at_ms, 0) <= :now_ms"
    " AND coalesce((SELECT max(recorded_at_ms) FROM journal WHERE scope = opened.number), 0)"
    " < :before_ms"
    " AND NOT EXISTS (SELECT 1 FROM processes WHERE id ="
    " CASE json_extract(opened.scope, '$.type') WHEN 'process'"
    " THEN json_extract(opened.scope, '$.process_id') END)"
)
_CANDIDATES = (
    f"SELECT number FROM scope_leases AS opened WHERE number > :after AND {_IS_OLD}"
    " ORDER BY number LIMIT 500"
)
_STILL = f"SELECT owner_id IS NOT NULL FROM scope_leases AS opened WHERE number = :n AND {_IS_OLD}"


async def vacuum_turns(database: SqliteDatabase, now_ms: int, before_ms: int) -> VacuumReport:
    """Delete scopes of no process that nobody holds and nothing was recorded of since a time."""
    total = VacuumReport()
    last = 0
    while True:
        # As with processes: found beside the writer, and looked at again before it goes.
        numbers = await database.read(
            partial(_candidates, after=last, now_ms=now_ms, before_ms=before_ms)
        )
        if not numbers:
            return total
        last = numbers[-1]
        while numbers:
            report, numbers = await database.write(
                partial(_delete, numbers=numbers, now_ms=now_ms, before_ms=before_ms)
            )
            total += report


def _candidates(connection: SqlConnection, after: int, now_ms: int, before_ms: int) -> list[int]:
    values = {"after": after, "now_ms": now_ms, "before_ms": before_ms}
    return [int(number) for (number,) in connection.execute(_CANDIDATES, values)]


def _delete(
    connection: SqlConnection,
    _: list[Appended],
    numbers: list[int],
    now_ms: int,
    before_ms: int,
) -> tuple[VacuumReport, list[int]]:
    report = VacuumReport()
    for done, number in enumerate(numbers):
        if report.rows >= ROWS_A_TRANSACTION:
            return report, numbers[done:]
        values = {"n": number, "now_ms": now_ms, "before_ms": before_ms}
        for (has_lease,) in connection.execute(_STILL, values).fetchall():
            connection.execute("DELETE FROM journal WHERE scope = ?", (number,))
            outcomes = connection.changes()
            connection.execute("DELETE FROM scope_leases WHERE number = ?", (number,))
            report += VacuumReport(turns=1, outcomes=outcomes, leases=int(has_lease))
    return report, []
