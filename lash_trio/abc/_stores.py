"""Stores of bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ..model import DurabilityTier

if TYPE_CHECKING:
    # Loaded late, with all that only programs with attachments need.
    from ..model import AttachmentCreateMeta, AttachmentRef


class AttachmentStore(ABC):
    """Keeps the bytes that envelopes refer to."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long stored bytes last."""
        return DurabilityTier.INLINE

    @abstractmethod
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        """Store bytes; the same bytes again may give the same reference."""

    @abstractmethod
    async def get(self, reference: AttachmentRef) -> bytes:
        """The bytes of a reference.

        Raises:
            StoreError: where the store does not have them.
        """
