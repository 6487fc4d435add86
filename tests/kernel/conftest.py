"""Fixtures of the kernel's tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.kernel.support import Registry, registration


@pytest.fixture
async def registry() -> AsyncGenerator[Registry, None]:
    """A registry with the process ``p1``, in which no waiter may be left at the end."""
    registry = Registry()
    await registry.register_process(registration())
    yield registry
    assert registry.statistics().tasks_waiting == 0
