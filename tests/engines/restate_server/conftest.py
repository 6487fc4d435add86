"""A real server; where there is none the tests fail, they are not skipped."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.engines.restate_server.server import Isolation, RestateServer, isolation_here


def pytest_report_header() -> str:
    return f"restate: the server is kept from the network by {isolation_here().value}"


@pytest.fixture(scope="session")
def isolation() -> Isolation:
    """What keeps servers from the network."""
    return isolation_here()


@pytest.fixture(scope="session")
def server(
    isolation: Isolation, tmp_path_factory: pytest.TempPathFactory
) -> Generator[RestateServer, None, None]:
    """One for all tests; their processes have ids of their own."""
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
