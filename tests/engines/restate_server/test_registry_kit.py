"""The registry on a real server keeps every rule of its port.

Each check has a namespace of its own.  The objects are served by a thread of the test's own
process, so that a check can move the clock of the leases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from threading import Event, Thread

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio.abc import ProcessRegistry
from lash_trio.engines.restate import RestateEndpoint, RestateProcessRegistry
from lash_trio.testing.conformance import (
    DURABLE_REGISTRY_CHECKS,
    REGISTRY_CHECKS,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)
from tests.engines.restate_server.server import RestateServer

# A call crosses two connections and the server's log on its way.
settle = partial(wait_all_tasks_blocked, cushion=0.1)

_namespaces = count()


@pytest.fixture(scope="session")
def clock() -> ManualClock:
    """That of the objects."""
    return ManualClock()


@pytest.fixture(scope="session")
def objects(server: RestateServer, clock: ManualClock) -> Generator[RestateServer, None, None]:
    """The server, which knows an endpoint that serves the objects and runs no processes."""
    began, may_end = Event(), Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            endpoint = RestateEndpoint(None, clock=clock)
            port = await nursery.start(
                lambda task_status: endpoint.serve_tcp(0, task_status=task_status)
            )
            answer = await server.register(port)
            assert answer.status in (200, 201), answer
            began.set()
            await trio.to_thread.run_sync(may_end.wait)
            nursery.cancel_scope.cancel("the tests are over")

    def run() -> None:
        try:
            trio.run(serve)
        except BaseException as error:
            # A thread's own exception is seen by nobody.
            failed.append(error)
            raise
        finally:
            began.set()

    thread = Thread(target=run)
    thread.start()
    began.wait()
    assert not failed, failed
    yield server
    may_end.set()
    thread.join()


@pytest.mark.parametrize("check", [*REGISTRY_CHECKS, *DURABLE_REGISTRY_CHECKS])
def test_registry(check: RegistryCheck, objects: RestateServer, clock: ManualClock) -> None:
    url = f"http://127.0.0.1:{objects.ingress_port}"
    namespace = ""

    def opened(*, anew: bool) -> AbstractAsyncContextManager[ProcessRegistry]:
        @asynccontextmanager
        async def manager() -> AsyncIterator[ProcessRegistry]:
            nonlocal namespace
            if anew:
                namespace = f"kit-{next(_namespaces)}"
            async with RestateProcessRegistry(url, namespace) as registry:
                yield registry

        return manager()

    trio.run(
        check,
        RegistryUnderTest(
            open=partial(opened, anew=True),
            reopen=partial(opened, anew=False),
            advance_ms=clock.advance_ms,
            settle=settle,
        ),
    )
