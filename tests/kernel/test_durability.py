"""A durable host works with durable stores only."""

from __future__ import annotations

import pytest

from lash_trio import (
    DurabilityTier,
    EffectError,
    InlineEffectController,
    InlineEffectHost,
    MemoryProcessRegistry,
    ProcessDefinitions,
    Runtime,
    RuntimeParts,
    StoreFacet,
    require_durable_store,
)


class DurableController(InlineEffectController):
    @property
    def durability_tier(self) -> DurabilityTier:
        return DurabilityTier.DURABLE


@pytest.mark.parametrize("facet", list(StoreFacet))
def test_each_facet_is_named(facet: StoreFacet) -> None:
    require_durable_store(facet, DurabilityTier.DURABLE, DurabilityTier.DURABLE)
    require_durable_store(facet, DurabilityTier.INLINE, DurabilityTier.INLINE)
    require_durable_store(facet, DurabilityTier.INLINE, DurabilityTier.DURABLE)
    with pytest.raises(EffectError) as caught:
        require_durable_store(facet, DurabilityTier.DURABLE, DurabilityTier.INLINE)
    assert caught.value.code == f"durable_store_required:{facet.value}"
    assert "inline" in str(caught.value)


def test_the_facets_are_those_of_the_design() -> None:
    assert {facet.value for facet in StoreFacet} == {
        "attachment_store",
        "artifact_store",
        "session_store",
        "process_registry",
        "host_event_store",
    }


async def test_a_runtime_refuses_a_registry_that_is_not_durable() -> None:
    parts = RuntimeParts(
        registry=MemoryProcessRegistry(), host=InlineEffectHost(DurableController())
    )
    with pytest.raises(EffectError) as caught:
        Runtime(ProcessDefinitions(), parts)
    assert caught.value.code == "durable_store_required:process_registry"
