"""Attachments in memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import trio

from ...abc import AttachmentStore
from ...model import StoreError

if TYPE_CHECKING:
    from ...model import AttachmentCreateMeta, AttachmentRef


class MemoryAttachmentStore(AttachmentStore):
    """Keeps bytes under the hash of their content."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        # Loaded late, with all that only programs with attachments need.
        from ...model import AttachmentRef

        await trio.lowlevel.checkpoint()
        attachment_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._data[attachment_id] = bytes(data)
        return AttachmentRef(
            id=attachment_id,
            media_type=meta.media_type,
            byte_len=len(data),
            width=meta.width,
            height=meta.height,
            label=meta.label,
        )

    async def get(self, reference: AttachmentRef) -> bytes:
        await trio.lowlevel.checkpoint()
        data = self._data.get(reference.id)
        if data is None:
            raise StoreError(
                f"expected the attachment {reference.id!r} in this store, which has "
                f"{len(self._data)} attachments, but not this one; put its bytes here first"
            )
        return data
