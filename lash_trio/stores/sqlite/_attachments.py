"""Attachments in a SQLite file."""

from __future__ import annotations

import hashlib

from ...abc import AttachmentStore, Clock
from ...kernel import SystemClock
from ...model import AttachmentCreateMeta, AttachmentRef, DurabilityTier, StoreError
from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._writer import Appended

_PUT_AGAIN_MS = 60_000


class SqliteAttachmentStore(AttachmentStore):
    """Keeps bytes under the hash of their content.

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

    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        """Store bytes; see :meth:`lash_trio.abc.AttachmentStore.put`."""
        attachment_id = f"sha256:{hashlib.sha256(data).hexdigest()}"

        def write(connection: SqlConnection, _: list[Appended]) -> None:
            connection.execute(
                "INSERT INTO attachments (id, data, put_at_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET put_at_ms = excluded.put_at_ms"
                # It writes the bytes anew, so not for each of many puts.
                f" WHERE excluded.put_at_ms > put_at_ms + {_PUT_AGAIN_MS}",
                (attachment_id, data, self._clock.now_ms()),
            )

        await self._database.write(write)
        return AttachmentRef(
            id=attachment_id,
            media_type=meta.media_type,
            byte_len=len(data),
            width=meta.width,
            height=meta.height,
            label=meta.label,
        )

    async def get(self, reference: AttachmentRef) -> bytes:
        """The bytes of a reference; see :meth:`lash_trio.abc.AttachmentStore.get`."""

        def read(connection: SqlConnection) -> bytes | None:
            for (data,) in connection.execute(
                "SELECT data FROM attachments WHERE id = ?", (reference.id,)
            ):
                return bytes(data)
            return None

        data = await self._database.read(read)
        if data is None:
            raise StoreError(
                f"expected the attachment {reference.id!r} in {self._database.path!r}, which does "
                "not have it; put its bytes there first"
            )
        return data
