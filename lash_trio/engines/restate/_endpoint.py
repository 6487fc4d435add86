"""The endpoint: what Restate calls."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import trio

from ...abc import Clock
from ...kernel import SystemClock
from ._attempt import Attempt
from ._controller import RestateEffectHost
from ._discovery import CANCEL, PROCESS_SERVICE, RUN, SIGNAL, manifest
from ._ending import Ending
from ._frames import JournalReader
from ._http2 import Http2Connection, Http2Stream
from ._logged_process import LoggedProcessHandlers
from ._object import ObjectHandler
from ._object_call import VmObjectCall
from ._objects import registry_objects
from ._options import RestateOptions
from ._parking import ParkingRegistry
from ._process import ProcessHandlers
from ._program import ProcessProgram
from ._vm import IdentityRefused, IdentityVerifier, Vm, VmFault

_logger = logging.getLogger("lash_trio.engines.restate")

_OK = 200
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_UNSUPPORTED = 415

ListenerT = TypeVar("ListenerT", bound="trio.abc.Listener[trio.abc.Stream]")


class RestateEndpoint:
    """Serves processes, and the registry of them, to a Restate server.

    Restate calls it over HTTP/2, without encryption: put a proxy before it where the
    network is not yours.  It serves until :meth:`drain`, or until cancelled.

    Args:
        processes: what there is to run; with None it serves the registry alone, and what
            is registered is run by nobody.
        options: how.
        host: opens the effect scopes of the processes.
        clock: tells the time of rows, events and leases; the time of day where None.
        registry: an opened one on the same server, by which processes reach their own logs
            and each other; without one a process has its steps, sleeps and own signals.

    Raises:
        ValueError: an identity key is none.

    Attributes:
        port: where it listens, once :meth:`serve_tcp` does.
    """

    def __init__(
        self,
        processes: ProcessProgram | None,
        options: RestateOptions | None = None,
        *,
        host: RestateEffectHost | None = None,
        clock: Clock | None = None,
        registry: ParkingRegistry | None = None,
    ) -> None:
        self._options = RestateOptions() if options is None else options
        self._verifier = IdentityVerifier(self._options.identity_keys)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._handlers: Mapping[str, Callable[[Attempt], Awaitable[Ending]]] = {}
        if processes is not None:
            opened = RestateEffectHost() if host is None else host
            handlers = (
                ProcessHandlers(processes, opened)
                if registry is None
                else LoggedProcessHandlers(processes, opened, registry, self._clock)
            )
            self._handlers = {
                RUN: handlers.run,
                SIGNAL: handlers.signal,
                CANCEL: handlers.cancel,
            }
        self._objects = registry_objects(runs_processes=processes is not None)
        self._connections: set[Http2Connection] = set()
        self._attempts: set[Attempt | VmObjectCall] = set()
        self._listening = trio.CancelScope()
        self._stopped = trio.Event()
        self.port: int | None = None

    @property
    def attempts(self) -> int:
        """How many invocations are served just now; those that wait at Restate are not."""
        return len(self._attempts)

    async def serve(
        self,
        listeners: Sequence[ListenerT],
        *,
        task_status: trio.TaskStatus[Sequence[ListenerT]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until :meth:`drain`, or until cancelled; then all attempts are cut off.

        Args:
            listeners: closed at the end.
            task_status: gets the listeners.

        Always a checkpoint.
        """
        try:
            async with trio.open_nursery() as nursery:
                with self._listening:
                    await trio.serve_listeners(
                        self._serve_connection,
                        list(listeners),
                        handler_nursery=nursery,
                        task_status=task_status,
                    )
                with trio.move_on_after(self._options.drain_grace_seconds):
                    async with trio.open_nursery() as draining:
                        for connection in tuple(self._connections):
                            draining.start_soon(connection.drain)
                        for attempt in tuple(self._attempts):
                            attempt.retire()
                nursery.cancel_scope.cancel("the endpoint has drained")
        finally:
            self._stopped.set()

    async def serve_tcp(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on a TCP port; see :meth:`serve`.

        Args:
            port: any free one where 0.
            host: the address to listen on.
            task_status: gets the port.

        Raises:
            OSError: it cannot listen there.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.serve, listeners)
            port = int(listeners[0].socket.getsockname()[1])
            self.port = port
            task_status.started(port)

    async def drain(self) -> None:
        """Take no more calls, let running steps finish, hand the rest back to Restate.

        Returns when :meth:`serve` has ended.  Always a checkpoint.
        """
        self._listening.cancel("the endpoint drains")
        await self._stopped.wait()

    async def _serve_connection(self, stream: trio.abc.Stream) -> None:
        connection = Http2Connection(stream, self._serve_request)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    async def _serve_request(self, stream: Http2Stream) -> None:
        path = stream.path.partition("?")[0]
        if path == "/health":
            await _answer(stream, _OK, "application/json", b'{"status":"ok"}')
            return
        try:
            self._verifier.verify(stream.headers, path)
        except IdentityRefused as error:
            _logger.warning("a request for %s was refused: %s", path, error)
            await _answer(stream, _UNAUTHORIZED)
            return
        if path.endswith("/discover"):
            await self._discover(stream)
            return
        # A proxy may have put something in front.
        _, invoke, service, name = ["", "", "", *path.rsplit("/", 3)][-4:]
        if invoke == "invoke" and service == PROCESS_SERVICE and name in self._handlers:
            await self._invoke(stream, self._handlers[name])
        elif invoke == "invoke" and name in self._objects.get(service, {}):
            await self._call_object(stream, self._objects[service][name])
        else:
            await _answer(stream, _NOT_FOUND)

    async def _discover(self, stream: Http2Stream) -> None:
        accept = dict(stream.headers).get("accept", "")
        found = manifest(accept, self._options, self._objects, runs_processes=bool(self._handlers))
        if found is None:
            text = f"this endpoint knows versions 3 and 4 of the manifest, got {accept!r}"
            await _answer(stream, _UNSUPPORTED, "text/plain", text.encode())
        else:
            await _answer(stream, _OK, *found)

    async def _invoke(
        self, stream: Http2Stream, handler: Callable[[Attempt], Awaitable[Ending]]
    ) -> None:
        vm = await _begin(stream)
        if vm is None:
            return
        attempt = await _open_attempt(vm, stream, self._options.park_after_seconds)
        if attempt is None:
            await _say_last_words(vm, stream)
            return
        self._attempts.add(attempt)
        try:
            await attempt.serve(handler)
        finally:
            self._attempts.discard(attempt)

    async def _call_object(self, stream: Http2Stream, handler: ObjectHandler) -> None:
        vm = await _begin(stream)
        if vm is None:
            return
        call = await VmObjectCall.open(vm, stream, self._clock)
        if call is None:
            await _say_last_words(vm, stream)
            return
        self._attempts.add(call)
        try:
            await call.serve(handler)
        finally:
            self._attempts.discard(call)


async def _begin(stream: Http2Stream) -> Vm | None:
    """Begin the response to an invocation; None where the request is none of one."""
    try:
        vm = Vm(stream.headers)
    except VmFault as error:
        await _answer(stream, _UNSUPPORTED, "text/plain", str(error).encode())
        return None
    status, headers = vm.response_head()
    stream.begin(status, headers)
    if status != _OK:
        stream.end()
        return None
    return vm


async def _say_last_words(vm: Vm, stream: Http2Stream) -> None:
    await stream.send(bytearray(vm.take_output()))
    stream.end()


async def _open_attempt(vm: Vm, stream: Http2Stream, park_after_seconds: float) -> Attempt | None:
    """Read the journal; None where it is none, of which the state machine has told."""
    journal = JournalReader()
    try:
        while not vm.is_ready:
            data = await stream.receive()
            if data is None:
                vm.feed_end()
                return None
            vm.feed(data)
            journal.feed(data)
        return Attempt(vm, stream, journal, park_after_seconds)
    except (VmFault, ValueError) as error:
        _logger.warning("a call could not be read: %s", error)
        return None


async def _answer(
    stream: Http2Stream, status: int, content_type: str = "text/plain", body: bytes = b""
) -> None:
    """Answer a plain request, whatever its body: Restate ends that of a call only later."""
    stream.begin(status, [("content-type", content_type), ("content-length", str(len(body)))])
    await stream.send(bytearray(body))
    stream.end()
