"""How long what a part holds will last."""

from __future__ import annotations

from enum import StrEnum


class DurabilityTier(StrEnum):
    """Durability of a host, controller, registry or store."""

    INLINE = "inline"
    """Lost with this operating-system process."""
    DURABLE = "durable"
    """Survives it."""
