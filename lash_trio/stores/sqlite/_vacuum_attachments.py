"""Deletion of attachments and artifacts that nothing in the file refers to.

What refers to one has its name somewhere in its JSON, whatever it is; so all that is there
is searched for names, beside the writer, a part at a time.  What was written meanwhile is
searched in the transaction that deletes.
"""

from __future__ import annotations

import re
from functools import partial

import attrs

from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._vacuum_report import VacuumReport
from ._writer import Appended

_HASH = re.compile("sha256:[0-9a-f]{64}")
_ROWS_A_READ = 5_000
_ITEMS_A_TRANSACTION = 200

# Each with a number that grows with every row that is added.
_TABLES = (
    ("events", "position", "payload, semantics"),
    ("journal", "number", "envelope, outcome"),
    ("processes", "number", "registration, external_ref, wait, status"),
)


@attrs.frozen(kw_only=True)
class _Old:
    """What was put long ago: the hashes by which it is named."""

    attachments: list[str]
    artifacts: list[str]


@attrs.define
class _Search:
    """The hashes that were found, and how far each table was searched."""

    found: set[str] = attrs.field(factory=set[str])
    up_to: dict[str, int] = attrs.field(factory=dict[str, int])

    def go_on(self, connection: SqlConnection, table: tuple[str, str, str]) -> bool:
        """Search the next rows of a table; returns whether there may be more."""
        rows = self._search_rows(connection, table, _ROWS_A_READ)
        if rows:
            self.up_to[table[0]] = rows[-1]
        return len(rows) == _ROWS_A_READ

    def _search_rows(
        self, connection: SqlConnection, table: tuple[str, str, str], most: int
    ) -> list[int]:
        name, number, columns = table
        rows = connection.execute(
            f"SELECT {number}, {columns} FROM {name} WHERE {number} > ? ORDER BY {number} LIMIT ?",
            (self.up_to.get(name, -1), most),
        ).fetchall()
        for row in rows:
            self._search(row[1:])
        return [int(row[0]) for row in rows]

    def finish(self, connection: SqlConnection) -> None:
        """Search what is left, and what has no numbers or may have changed."""
        for table in _TABLES:
            # It may run again, after what it shared its transaction with was taken back.
            self._search_rows(connection, table, most=-1)
        # A grant has no number, and what stands for a process outside may be set late.  An
        # outcome that was not there yet is a time, or an event of a log.
        for row in connection.execute(
            "SELECT descriptor FROM grants WHERE instr(descriptor, 'sha256:')"
        ):
            self._search(row)
        for row in connection.execute(
            "SELECT external_ref FROM processes WHERE external_ref IS NOT NULL"
        ):
            self._search(row)

    def _search(self, texts: tuple[str | None, ...]) -> None:
        for text in texts:
            if text is not None and "sha256:" in text:
                self.found.update(_HASH.findall(text))


async def vacuum_attachments(database: SqliteDatabase, before_ms: int) -> VacuumReport:
    """Delete attachments and artifacts that were put before a time and that nothing refers to."""
    old = await database.read(partial(_old, before_ms=before_ms))
    total = VacuumReport()
    if not old.attachments and not old.artifacts:
        return total
    search = _Search()
    for table in _TABLES:
        while await database.read(partial(search.go_on, table=table)):
            pass
    attachments, artifacts = old.attachments, old.artifacts
    while attachments or artifacts:
        some = _Old(
            attachments=attachments[:_ITEMS_A_TRANSACTION],
            artifacts=artifacts[:_ITEMS_A_TRANSACTION],
        )
        attachments = attachments[_ITEMS_A_TRANSACTION:]
        artifacts = artifacts[_ITEMS_A_TRANSACTION:]
        total += await database.write(
            partial(_delete, some=some, search=search, before_ms=before_ms)
        )
    return total


def _old(connection: SqlConnection, before_ms: int) -> _Old:
    def of(table: str, name: str) -> list[str]:
        found = connection.execute(
            f"SELECT {name} FROM {table} WHERE put_at_ms < ? ORDER BY {name}", (before_ms,)
        )
        return [str(row[0]) for row in found]

    return _Old(attachments=of("attachments", "id"), artifacts=of("artifacts", "reference"))


def _delete(
    connection: SqlConnection, _: list[Appended], some: _Old, search: _Search, before_ms: int
) -> VacuumReport:
    search.finish(connection)

    def gone(table: str, name: str, references: list[str]) -> int:
        count = 0
        for reference in references:
            # An artifact's name has its kind before the hash.
            if reference[reference.rindex("sha256:") :] not in search.found:
                connection.execute(
                    # One that was put again is wanted again.
                    f"DELETE FROM {table} WHERE {name} = ? AND put_at_ms < ?",
                    (reference, before_ms),
                )
                count += connection.changes()
        return count

    return VacuumReport(
        attachments=gone("attachments", "id", some.attachments),
        artifacts=gone("artifacts", "reference", some.artifacts),
    )
