"""Programs that several tests run."""

from __future__ import annotations

import pytest

from lash_trio.testing.machines import (
    EffectProgram,
    RegistryProgram,
    effect_programs,
    registry_programs,
)

from .support import draw


@pytest.fixture(scope="session")
def programs() -> list[RegistryProgram]:
    return draw(registry_programs(), ordinary=90)


@pytest.fixture(scope="session")
def scope_programs() -> list[EffectProgram]:
    return draw(effect_programs(), ordinary=500)
