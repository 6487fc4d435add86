"""A real server; where there is none the tests fail, they are not skipped."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.engines.restate_server.server import RestateServer, bring_loopback_up


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RestateServer, None, None]:
    """One for all tests; their processes have ids of their own."""
    bring_loopback_up()
    started = RestateServer(tmp_path_factory.mktemp("restate"))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def own_server(
    server: RestateServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RestateServer, None, None]:
    """One that a test may kill or configure; not started yet."""
    own = RestateServer(tmp_path_factory.mktemp("own-restate"))
    yield own
    own.stop()
