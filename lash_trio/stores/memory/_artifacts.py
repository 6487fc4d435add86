"""Artifacts in memory."""

from __future__ import annotations

import trio

from ...abc import ArtifactStore
from ...model import StoreError, artifact_reference


class MemoryArtifactStore(ArtifactStore):
    """Keeps artifacts for as long as it lives itself."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    async def put(self, kind: str, data: bytes) -> str:
        """Store an artifact; see :meth:`lash_trio.abc.ArtifactStore.put`."""
        await trio.lowlevel.checkpoint()
        reference = artifact_reference(kind, data)
        self._data[reference] = bytes(data)
        return reference

    async def get(self, reference: str) -> bytes:
        """The bytes of an artifact; see :meth:`lash_trio.abc.ArtifactStore.get`."""
        await trio.lowlevel.checkpoint()
        data = self._data.get(reference)
        if data is None:
            raise StoreError(
                f"expected the artifact {reference!r} in this store, which has "
                f"{len(self._data)} artifacts, but not this one; put it here first"
            )
        return data
