"""Artifacts in a SQLite file."""

from __future__ import annotations

from ...abc import ArtifactStore, Clock
from ...kernel import SystemClock
from ...model import DurabilityTier, StoreError, artifact_reference
from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._writer import Appended

_PUT_AGAIN_MS = 60_000


class SqliteArtifactStore(ArtifactStore):
    """Keeps artifacts in a SQLite file.

    Args:
        database: the opened file.
        clock: tells when something was put; the time of day where None.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock: Clock = SystemClock() if clock is None else clock

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    async def put(self, kind: str, data: bytes) -> str:
        """Store an artifact; see :meth:`lash_trio.abc.ArtifactStore.put`."""
        reference = artifact_reference(kind, data)

        def write(connection: SqlConnection, _: list[Appended]) -> None:
            connection.execute(
                "INSERT INTO artifacts (reference, kind, data, put_at_ms) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (reference) DO UPDATE SET put_at_ms = excluded.put_at_ms"
                # It writes the bytes anew, so not for each of many puts.
                f" WHERE excluded.put_at_ms > put_at_ms + {_PUT_AGAIN_MS}",
                (reference, kind, data, self._clock.now_ms()),
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
