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


class ArtifactStore(ABC):
    """Keeps what durable rows refer to by a string, and what never changes.

    For example the execution environment that a process captured when it was started:
    its reference is the row's ``env_ref``.
    """

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long stored artifacts last."""
        return DurabilityTier.INLINE

    @abstractmethod
    async def put(self, kind: str, data: bytes) -> str:
        """Store an artifact; the same one again is no change.

        Args:
            kind: what it is, for whoever reads it; for example ``execution_env``.
            data: its bytes.

        Returns:
            Its reference, :func:`~lash_trio.model.artifact_reference`: the same for the
            same kind and bytes in every store.

        Raises:
            InvalidValueError: the kind is blank.

        Always a checkpoint.  Cancelled, it either did not begin or has finished.
        """

    @abstractmethod
    async def get(self, reference: str) -> bytes:
        """The bytes of an artifact.

        Raises:
            StoreError: where the store does not have it.

        Always a checkpoint.
        """
