"""The client keeps every rule of the port, with an ingress that answers as agreed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.abc import ProcessRegistry
from lash_trio.engines.restate import RestateProcessRegistry
from lash_trio.testing.conformance import (
    DURABLE_REGISTRY_CHECKS,
    REGISTRY_CHECKS,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)
from tests.engines.restate.ingress import URL, FakeIngress


@pytest.mark.parametrize("check", [*REGISTRY_CHECKS, *DURABLE_REGISTRY_CHECKS])
def test_registry(check: RegistryCheck) -> None:
    clock = ManualClock()
    ingress = FakeIngress(clock)

    def opened(*, anew: bool) -> AbstractAsyncContextManager[ProcessRegistry]:
        @asynccontextmanager
        async def manager() -> AsyncIterator[ProcessRegistry]:
            nonlocal ingress
            if anew:
                ingress = FakeIngress(clock)
            async with RestateProcessRegistry(URL, "kit", transport=ingress) as registry:
                yield registry

        return manager()

    trio.run(
        check,
        RegistryUnderTest(
            open=partial(opened, anew=True),
            reopen=partial(opened, anew=False),
            advance_ms=clock.advance_ms,
            settle=wait_all_tasks_blocked,
        ),
    )
