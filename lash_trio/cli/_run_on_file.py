"""Where ``lash-trio run --db`` runs its process: in a file, among others that it leaves alone.

Imported where a file is given: it needs the extra ``sqlite``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from ..abc import ClaimablePage, Clock
from ..model import ProcessCausalRef, ProcessRecord
from ..stores.sqlite import SqliteDatabase, SqliteProcessRegistry
from ._file import opened
from ._run import Place


class OneFamily(SqliteProcessRegistry):
    """The registry of a file, whose workers drive one process and what that starts.

    Args:
        database: the opened file.
        clock: tells the time of events and leases.
        process_id: the one process.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock, process_id: str) -> None:
        super().__init__(database, clock)
        self._members = {process_id}

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        """Those of the family; see :meth:`lash_trio.abc.ProcessRegistry.list_claimable`."""
        page = await super().list_claimable(owner_id, skip, after=after, limit=limit, parked=parked)
        # A child's id comes after its parent's; if it does not, the next look finds it.
        records = tuple(record for record in page.records if self._is_member(record))
        held = tuple(lease for lease in page.held if lease.process_id in self._members)
        return attrs.evolve(page, records=records, held=held)

    def _is_member(self, record: ProcessRecord) -> bool:
        cause = record.provenance.caused_by
        if isinstance(cause, ProcessCausalRef) and cause.process_id in self._members:
            self._members.add(record.id)
        return record.id in self._members


@asynccontextmanager
async def place_in(db: Path, process_id: str) -> AsyncGenerator[Place]:
    """A file as the place of one process, for the length of an ``async with`` block.

    Raises:
        StoreError: the file cannot be used.
    """
    async with opened(db) as stores:
        yield Place(
            registry=OneFamily(stores.database, stores.clock, process_id),
            host=stores.host(),
            file=str(db),
        )
