"""The SQLite stores keep every rule of their ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.abc import EffectJournal, ProcessRegistry
from lash_trio.stores.sqlite import (
    SqliteDatabase,
    SqliteEffectJournal,
    SqliteOptions,
    SqliteProcessRegistry,
    Synchronous,
)
from lash_trio.testing.conformance import (
    DURABLE_JOURNAL_CHECKS,
    DURABLE_REGISTRY_CHECKS,
    JOURNAL_CHECKS,
    REGISTRY_CHECKS,
    JournalCheck,
    JournalUnderTest,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)

# Nothing here is about power cuts, and commits to the disk are slow.
FAST = SqliteOptions(synchronous=Synchronous.NORMAL)

settle = partial(wait_all_tasks_blocked, cushion=0.02)


class Files:
    """Files in a directory, new ones or the last one again."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self._directory = directory
        self._numbers = count()
        self._last = directory / "none.db"

    def new(self) -> SqliteDatabase:
        self._last = self._directory / f"{next(self._numbers)}.db"
        return self.again()

    def again(self) -> SqliteDatabase:
        return SqliteDatabase(self._last, FAST)


def registry_in(
    files: Files, database: SqliteDatabase
) -> AbstractAsyncContextManager[ProcessRegistry]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[ProcessRegistry]:
        async with database:
            yield SqliteProcessRegistry(database, files.clock)

    return opened()


def journal_in(
    files: Files, database: SqliteDatabase
) -> AbstractAsyncContextManager[EffectJournal]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[EffectJournal]:
        async with database:
            with SqliteEffectJournal(database, files.clock) as journal:
                yield journal

    return opened()


@pytest.mark.parametrize("check", [*REGISTRY_CHECKS, *DURABLE_REGISTRY_CHECKS])
def test_registry(check: RegistryCheck, tmp_path: Path) -> None:
    files = Files(tmp_path)
    trio.run(
        check,
        RegistryUnderTest(
            open=lambda: registry_in(files, files.new()),
            reopen=lambda: registry_in(files, files.again()),
            advance_ms=files.clock.advance_ms,
            settle=settle,
        ),
    )


@pytest.mark.parametrize("check", [*JOURNAL_CHECKS, *DURABLE_JOURNAL_CHECKS])
def test_journal(check: JournalCheck, tmp_path: Path) -> None:
    files = Files(tmp_path)

    async def break_leases(_: EffectJournal) -> None:
        files.clock.advance_ms(60_000)

    trio.run(
        check,
        JournalUnderTest(
            open=lambda: journal_in(files, files.new()),
            reopen=lambda: journal_in(files, files.again()),
            break_leases=break_leases,
            settle=settle,
        ),
    )
