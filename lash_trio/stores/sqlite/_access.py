"""How a database reaches SQLite: what lies between the event loop and connections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, cast

import apsw
import attrs
import trio

from ...abc import LeaseRenewer
from ._renewal import RenewalOptions
from ._sql import SqlConnection
from ._watch import FileChanges
from ._writer import Appended, WriterOptions

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Opening:
    """A connection to be opened.

    Args:
        path: of the file.
        vfs: the name of a registered SQLite VFS; the system's where None.
        set_up: what to do with it before anything else.
    """

    path: str
    vfs: str | None
    set_up: Callable[[SqlConnection], None]

    def connect(self) -> SqlConnection:
        """Open it here.

        Raises:
            apsw.Error: SQLite cannot open it, or set it up.
        """
        connection = cast(SqlConnection, apsw.Connection(self.path, vfs=self.vfs))
        try:
            self.set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection


class Reader(Protocol):
    """A connection that reads."""

    async def call(self, function: Callable[[SqlConnection], T]) -> T:
        """Run a function on the connection; always a checkpoint."""
        ...

    async def aclose(self) -> None: ...


class BatchWriter(Protocol):
    """A connection that writes, in transactions that are shared."""

    async def write(
        self, function: Callable[[SqlConnection, list[Appended]], T], *, shielded: bool = False
    ) -> T:
        """Run a function in a transaction; see :meth:`SqliteDatabase.write`."""
        ...

    async def wait_idle(self) -> None:
        """Wait until nothing waits to be written."""
        ...

    async def aclose(self) -> None: ...


class SqliteAccess(ABC):
    """Opens what a database needs: in threads, unless it is told otherwise."""

    @abstractmethod
    async def open_reader(self, opening: Opening) -> Reader:
        """Open the connection that reads.

        Raises:
            apsw.Error: SQLite cannot open it, or set it up.
        """

    @abstractmethod
    async def open_writer(self, opening: Opening, options: WriterOptions) -> BatchWriter:
        """Open the connection that writes.

        Raises:
            apsw.Error: SQLite cannot open it, or set it up.
        """

    @abstractmethod
    def file_changes(self, path: str) -> AbstractContextManager[FileChanges | None]:
        """Be told of changes of a file; None where one has to look."""

    @abstractmethod
    def renew_leases(
        self, options: RenewalOptions, nursery: trio.Nursery
    ) -> AbstractContextManager[LeaseRenewer]:
        """Renew leases for the length of a block.

        Args:
            options: which, and how.
            nursery: the database's, for a task.
        """
