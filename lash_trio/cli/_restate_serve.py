"""An endpoint that works until it is told to drain."""

from __future__ import annotations

import logging

import attrs
import trio

from .. import ProcessDefinitions
from ._file import CommandError

_logger = logging.getLogger("lash_trio.command")


@attrs.frozen(kw_only=True)
class EndpointRequest:
    """What an endpoint serves, and where.

    Args:
        definitions: what it serves.
        host: the address to listen on.
        port: any free one where 0.
        identity_keys: of the servers that may call; everybody where empty.
        grace_seconds: how long steps may run on in a drain.
        ingress_url: of the server that keeps the rows and logs of the processes.
        namespace: of the processes there.
    """

    definitions: ProcessDefinitions
    host: str
    port: int
    identity_keys: tuple[str, ...] = ()
    grace_seconds: float
    ingress_url: str
    namespace: str = ""


class EndpointServing:
    """An endpoint, whose processes have rows and logs.

    Args:
        request: what it serves.

    Raises:
        CommandError: an identity key, a URL or a namespace is none.
    """

    def __init__(self, request: EndpointRequest) -> None:
        from ..engines.restate import RestateEndpoint, RestateOptions, RestateProcessRegistry
        from ..worker import HostedProcesses

        self._request = request
        options = RestateOptions(
            identity_keys=request.identity_keys, drain_grace_seconds=request.grace_seconds
        )
        try:
            self._registry = RestateProcessRegistry(request.ingress_url, request.namespace)
            self._endpoint = RestateEndpoint(
                HostedProcesses(request.definitions), options, registry=self._registry
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self._whole = trio.CancelScope()
        self.has_drained = False

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until it has drained, or has been stopped.

        Args:
            task_status: gets the endpoint's URL.

        Raises:
            CommandError: it cannot listen there.
        """
        request = self._request
        with self._whole:
            async with self._registry, trio.open_nursery() as nursery:
                try:
                    port = await nursery.start(self._listen)
                except OSError as error:
                    raise CommandError(
                        f"cannot listen on port {request.port} of {request.host}: {error.strerror}"
                    ) from error
                url = f"http://{request.host}:{port}"
                ids = {
                    "processes": [known.name for known in request.definitions],
                    "ingress": request.ingress_url,
                }
                _logger.info("the endpoint serves at %s", url, extra=ids)
                task_status.started(url)
            _logger.info("the endpoint has drained")
            self.has_drained = True

    async def drain(self, reason: str) -> None:
        """Take no more calls; running steps get their grace, the rest is handed back."""
        _logger.info("the endpoint drains (once more stops at once): %s", reason)
        await self._endpoint.drain()

    def stop(self) -> None:
        """Stop at once; what runs is called again, here or elsewhere."""
        self._whole.cancel("stopped by a second signal")

    async def _listen(self, *, task_status: trio.TaskStatus[int]) -> None:
        request = self._request
        await self._endpoint.serve_tcp(request.port, host=request.host, task_status=task_status)
