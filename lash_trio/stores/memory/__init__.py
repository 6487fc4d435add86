"""Stores in memory: for inline hosts, tests and tools."""

from __future__ import annotations

from ._artifacts import MemoryArtifactStore as MemoryArtifactStore
from ._attachments import MemoryAttachmentStore as MemoryAttachmentStore
from ._journal import MemoryEffectJournal as MemoryEffectJournal
from ._registry import (
    MemoryProcessRegistry as MemoryProcessRegistry,
    MemoryRegistryStatistics as MemoryRegistryStatistics,
)
