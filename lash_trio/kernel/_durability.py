"""A durable host works with durable stores only."""

from __future__ import annotations

from enum import StrEnum

from ..model import DurabilityTier, EffectError


class StoreFacet(StrEnum):
    """The stores that a host may need."""

    ATTACHMENT_STORE = "attachment_store"
    ARTIFACT_STORE = "artifact_store"
    SESSION_STORE = "session_store"
    PROCESS_REGISTRY = "process_registry"
    HOST_EVENT_STORE = "host_event_store"


def require_durable_store(facet: StoreFacet, needed: DurabilityTier, got: DurabilityTier) -> None:
    """Refuse a store that lasts less long than what relies on it.

    Args:
        facet: which store.
        needed: the tier of the host or controller.
        got: the tier of the store.

    Raises:
        EffectError: code ``durable_store_required:<facet>``.
    """
    if needed is DurabilityTier.DURABLE and got is not DurabilityTier.DURABLE:
        raise EffectError(
            f"durable_store_required:{facet}",
            f"a durable host needs a durable {facet.replace('_', ' ')}, got one that is {got}: "
            "what it holds would be lost in a crash that the host survives; use a store on disk",
        )
