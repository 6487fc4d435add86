"""A SQLite file for the simulator."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from ..abc import Clock, ProcessRegistry
from ..kernel import TrioClock
from ..stores.sqlite import (
    CrashPoint,
    InlineAccess,
    SqliteDatabase,
    SqliteEffectJournal,
    SqliteOptions,
    SqliteProcessRegistry,
    Synchronous,
)
from ._simulate._stores import SimulatedProgram, SimulatedStore

_LEASE_TTL_MS = 3_000


@attrs.frozen
class SimulatedSqlite(SimulatedStore):
    """A SQLite file that all programs open for themselves; killed, they leave it as it is.

    Args:
        path: of the file.
        registry: makes the registry of a program.
        journal: what kind of journal a program has.
    """

    path: str | os.PathLike[str]
    registry: Callable[[SqliteDatabase, Clock], ProcessRegistry] = SqliteProcessRegistry
    journal: type[SqliteEffectJournal] = SqliteEffectJournal

    @asynccontextmanager
    async def open_program(
        self, hold_up: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[SimulatedProgram]:
        """Open the file, in the event loop; a program is killed at rest or in a transaction."""
        access = InlineAccess(hold_up)
        clock = TrioClock()
        # The power stays on here, so what has left the program is kept.
        options = SqliteOptions(synchronous=Synchronous.NORMAL)
        async with SqliteDatabase(self.path, options, access) as database:
            with self.journal(database, clock, lease_ttl_ms=_LEASE_TTL_MS) as journal:
                yield SimulatedProgram(
                    registry=self.registry(database, clock),
                    journal=journal,
                    killed=access.crashed,
                    ways_to_kill=(
                        access.crash,
                        *(partial(access.crash_in_next_write, point) for point in CrashPoint),
                    ),
                )


@contextmanager
def simulated_sqlite(
    registry: Callable[[SqliteDatabase, Clock], ProcessRegistry] = SqliteProcessRegistry,
    journal: type[SqliteEffectJournal] = SqliteEffectJournal,
) -> Generator[SimulatedSqlite]:
    """A new file in a directory of its own, for the length of a block.

    Args:
        registry: makes the registry of a program.
        journal: what kind of journal a program has.
    """
    with TemporaryDirectory(prefix="lash-trio-") as directory:
        yield SimulatedSqlite(Path(directory) / "simulated.db", registry, journal)
