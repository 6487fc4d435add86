"""What the tests against a real server share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from lash_trio import ProcessDefinitions
from lash_trio.engines.restate import RestateEndpoint, RestateOptions, RestateProcessRegistry
from lash_trio.worker import HostedProcesses
from tests.engines.restate_server.server import RestateServer

SOON_PARKED = RestateOptions(park_after_seconds=0.05)


@asynccontextmanager
async def serving(
    server: RestateServer,
    definitions: ProcessDefinitions,
    options: RestateOptions | None = None,
    *,
    port: int | None = None,
) -> AsyncGenerator[RestateEndpoint, None]:
    """An endpoint that the server knows; cut off at the end of the block."""
    async with trio.open_nursery() as nursery:
        endpoint = RestateEndpoint(HostedProcesses(definitions, cancel_grace_seconds=1), options)
        bound = await nursery.start(
            lambda task_status: endpoint.serve_tcp(port or 0, task_status=task_status)
        )
        answer = await server.register(bound)
        assert answer.status in (200, 201), answer
        yield endpoint
        nursery.cancel_scope.cancel("the test is over")


async def wait_until_parked(endpoint: RestateEndpoint) -> None:
    """Wait until the endpoint has no attempt left."""
    with trio.fail_after(20):
        while endpoint.attempts:  # noqa: ASYNC110
            await trio.sleep(0.02)


@asynccontextmanager
async def serving_with_registry(
    server: RestateServer,
    definitions: ProcessDefinitions,
    options: RestateOptions | None = None,
    *,
    port: int | None = None,
) -> AsyncGenerator[tuple[RestateEndpoint, RestateProcessRegistry], None]:
    """An endpoint whose processes have logs and reach each other, and their registry."""
    async with (
        RestateProcessRegistry(f"http://127.0.0.1:{server.ingress_port}") as registry,
        trio.open_nursery() as nursery,
    ):
        endpoint = RestateEndpoint(
            HostedProcesses(definitions, cancel_grace_seconds=1), options, registry=registry
        )
        bound = await nursery.start(
            lambda task_status: endpoint.serve_tcp(port or 0, task_status=task_status)
        )
        answer = await server.register(bound)
        assert answer.status in (200, 201), answer
        yield endpoint, registry
        nursery.cancel_scope.cancel("the test is over")
