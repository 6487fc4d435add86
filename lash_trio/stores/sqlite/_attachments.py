"""Attachments in a SQLite file."""

from __future__ import annotations

import hashlib

from ...abc import AttachmentStore
from ...model import AttachmentCreateMeta, AttachmentRef, DurabilityTier, StoreError
from ._database import SqliteDatabase
from ._sql import SqlConnection
from ._writer import Appended


class SqliteAttachmentStore(AttachmentStore):
    """Keeps bytes under the hash of their content.

    Args:
        database: the opened file.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        """Store bytes; see :meth:`lash_trio.abc.AttachmentStore.put`."""
        attachment_id = f"sha256:{hashlib.sha256(data).hexdigest()}"

        def write(connection: SqlConnection, _: list[Appended]) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO attachments (id, data) VALUES (?, ?)",
                (attachment_id, data),
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
