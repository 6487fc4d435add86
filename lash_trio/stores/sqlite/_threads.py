"""SQLite in threads of its own: what every program uses.

Whatever reads runs as one function in the thread of a connection, so it costs one hop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, cast

import apsw
import apsw.aio
import attrs
import trio

from ...abc import LeaseRenewer
from ._access import BatchWriter, Opening, Reader, SqliteAccess
from ._renewal import LeaseRenewal, RenewalOptions
from ._sql import SqlConnection
from ._watch import FileChanges, file_changes
from ._writer import Writer, WriterOptions

T = TypeVar("T")


class ThreadAccess(SqliteAccess):
    """A thread for each connection, and the system's news of changes."""

    async def open_reader(self, opening: Opening) -> Reader:
        """A connection in a thread of apsw's."""
        reader = _ThreadReader(
            cast(_AsyncConnection, await apsw.Connection.as_async(opening.path, vfs=opening.vfs))
        )
        try:
            await reader.call(opening.set_up)
        except BaseException:
            with trio.CancelScope(shield=True):
                # Bounded: its thread has nothing else to do.
                await reader.aclose()
            raise
        return reader

    async def open_writer(self, opening: Opening, options: WriterOptions) -> BatchWriter:
        """A connection in a thread of ours, which commits in groups."""
        return Writer(await trio.to_thread.run_sync(opening.connect), options)

    def file_changes(self, path: str) -> AbstractContextManager[FileChanges | None]:
        """As far as the system tells of them."""
        return file_changes(path)

    def renew_leases(
        self, options: RenewalOptions, nursery: trio.Nursery
    ) -> AbstractContextManager[LeaseRenewer]:
        """In a thread, so that a busy event loop does not lose them."""
        return LeaseRenewal(options)


class _AsyncConnection(Protocol):
    """apsw's, as far as it is used."""

    async def async_run(self, call: Callable[..., T], /, *args: object) -> T: ...
    async def aclose(self) -> None: ...


@attrs.frozen
class _ThreadReader:
    """A connection and the thread it lives in.

    apsw gives one object two faces: to the event loop its methods are async, to
    functions that run in its thread they are plain.

    Args:
        outside: for the event loop.
    """

    outside: _AsyncConnection

    async def call(self, function: Callable[[SqlConnection], T]) -> T:
        """Run a function in the thread."""
        # apsw would turn the caller's deadline into an error of its own; without one
        # trio's cancellation stays trio's.
        token = apsw.aio.deadline.set(math.inf)
        try:
            return await self.outside.async_run(function, cast(SqlConnection, self.outside))
        finally:
            apsw.aio.deadline.reset(token)

    async def aclose(self) -> None:
        """Close it, and end the thread."""
        await self.outside.aclose()
