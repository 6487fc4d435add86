"""SQLite registries for the machines: files in a directory, and when they are at rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.abc import ProcessRegistry
from lash_trio.stores.sqlite import (
    SqliteDatabase,
    SqliteOptions,
    SqliteProcessRegistry,
    Synchronous,
)
from lash_trio.stores.sqlite._sql import SqlConnection
from lash_trio.stores.sqlite._writer import Appended
from lash_trio.testing.machines import ManualClock, RegistryUnderTest

T = TypeVar("T")

# Nothing here is about power cuts, and commits to the disk are slow.
FAST = SqliteOptions(synchronous=Synchronous.NORMAL)


class CountedDatabase(SqliteDatabase):
    """Knows how many of its calls are in the threads of the connections."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FAST)
        self.calls = 0
        self.ended = trio.Event()

    async def read(self, function: Callable[[SqlConnection], T]) -> T:
        with self._counted():
            return await super().read(function)

    async def write(self, function: Callable[[SqlConnection, list[Appended]], T]) -> T:
        with self._counted():
            return await super().write(function)

    @contextmanager
    def _counted(self) -> Generator[None]:
        if self.calls == 0:
            self.ended = trio.Event()
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            if self.calls == 0:
                self.ended.set()


class SqliteFiles:
    """Files in a directory, a new one for each program."""

    def __init__(
        self,
        directory: Path,
        kind: Callable[[SqliteDatabase, ManualClock], ProcessRegistry] = SqliteProcessRegistry,
    ) -> None:
        self.clock = ManualClock()
        self._directory = directory
        self._kind = kind
        self._number = 0
        self._database: CountedDatabase | None = None

    def under_test(self) -> RegistryUnderTest:
        return RegistryUnderTest(
            open=self._open_new,
            reopen=self._open,
            advance_ms=self.clock.advance_ms,
            settle=self._settle,
        )

    @asynccontextmanager
    async def _open_new(self) -> AsyncGenerator[ProcessRegistry]:
        for path in self._directory.glob(f"{self._number}.db*"):
            path.unlink()
        self._number += 1
        async with self._open() as registry:
            yield registry

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[ProcessRegistry]:
        self._database = CountedDatabase(self._directory / f"{self._number}.db")
        async with self._database as database:
            yield self._kind(database, self.clock)

    async def _settle(self) -> None:
        """Without a cushion of time: it is known what is under way."""
        await wait_all_tasks_blocked()
        while self._database is not None and self._database.calls:
            await self._database.ended.wait()
            await wait_all_tasks_blocked()
