"""Artifacts in a SQLite file."""

from __future__ import annotations

from ...abc import ArtifactStore
from ...model import DurabilityTier, StoreError, artifact_reference
from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._writer import Appended


class SqliteArtifactStore(ArtifactStore):
    """Keeps artifacts in a SQLite file.

    Args:
        database: the opened file.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    async def put(self, kind: str, data: bytes) -> str:
        """Store an artifact; see :meth:`lash_trio.abc.ArtifactStore.put`."""
        reference = artifact_reference(kind, data)

        def write(connection: SqlConnection, _: list[Appended]) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO artifacts (reference, kind, data) VALUES (?, ?, ?)",
                (reference, kind, data),
            )

        await self._database.write(write)
        return reference

    async def get(self, reference: str) -> bytes:
        """The bytes of an artifact; see :meth:`lash_trio.abc.ArtifactStore.get`."""

        def read(connection: SqlConnection) -> bytes | None:
            for (data,) in connection.execute(
                "SELECT data FROM artifacts WHERE reference = ?", (reference,)
            ):
                return bytes(data)
            return None

        data = await self._database.read(read)
        if data is None:
            raise StoreError(
                f"expected the artifact {reference!r} in {self._database.path!r}, which does not "
                "have it; put it there first"
            )
        return data
