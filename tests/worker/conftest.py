"""Virtual time, a registry that must be clean when a test ends, and definitions for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from lash_trio import ProcessDefinitions

from .support import HookedRegistry, check_nothing_left, run_in_virtual_time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every async test of this directory in virtual time, whatever its arguments."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and iscoroutinefunction(
            getattr(item, "obj", None)
        ):
            item.add_marker(pytest.mark.trio(run=run_in_virtual_time))


@pytest.fixture
async def registry() -> AsyncGenerator[HookedRegistry, None]:
    """No task may wait and no lease be held when the test ends."""
    made = HookedRegistry()
    yield made
    made.hooks.clear()
    check_nothing_left(made)


@pytest.fixture
def definitions() -> ProcessDefinitions:
    return ProcessDefinitions()
