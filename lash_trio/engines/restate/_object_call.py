"""A call of a virtual object's handler, on Restate's state machine.

A handler is one task that does one thing after another, so what it asks for has the same
order on every replay, and nothing has to be told apart by name.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Callable

import trio

from ...abc import Clock
from ...model import JsonObject, JsonValue, StoreError, canonical_json, parse_json
from ._answer import unwrap
from ._http2 import Http2Stream, StreamBroken
from ._object import ObjectHandler, Target, answer
from ._vm import Failure, InvocationInput, Progress, RunNeeded, Vm, VmFault

_logger = logging.getLogger("lash_trio.engines.restate")

_CANCELLED = 409


class _CallSuspended(Exception):
    """The attempt is over; another goes on from what is recorded."""


class _CallCancelled(Exception):
    """The call was cancelled through Restate."""


class VmObjectCall:
    """A call as its handler sees it; see :class:`~._object.ObjectCall`.

    Args:
        vm: the state machine, with the journal fed to it.
        stream: carries it; its response has begun.
        clock: tells the time.
    """

    def __init__(self, vm: Vm, stream: Http2Stream, clock: Clock) -> None:
        self._vm = vm
        self._stream = stream
        self._clock = clock
        self._awakeables: dict[str, int] = {}
        self._is_retired = False
        self._was_told = False
        self._receiving = trio.CancelScope()
        self.input: InvocationInput = vm.read_input()

    @staticmethod
    async def open(vm: Vm, stream: Http2Stream, clock: Clock) -> VmObjectCall | None:
        """Read the journal; None where it is none, of which the state machine has told."""
        try:
            while not vm.is_ready:
                data = await stream.receive()
                if data is None:
                    vm.feed_end()
                    return None
                vm.feed(data)
            return VmObjectCall(vm, stream, clock)
        except VmFault as error:
            _logger.warning("a call could not be read: %s", error)
            return None

    @property
    def key(self) -> str:
        """Of the object."""
        return self.input.key

    async def serve(self, handler: ObjectHandler) -> None:
        """Have a handler answer, or suspend where it has to wait for too long.

        Raises:
            StreamBroken: the server has left.
        """
        try:
            await self._answer(handler)
        except VmFault as error:
            # It has told the server, in what is sent now.
            _logger.error("invocation %s: %s", self.input.invocation_id, error)
        await self._flush()
        self._stream.end()

    def retire(self) -> None:
        """Be over as soon as there is nothing to do but wait; another attempt goes on."""
        self._is_retired = True
        self._receiving.cancel("the endpoint drains")

    async def read(self, *keys: str) -> list[str | None]:
        """See :class:`~._object.ObjectCall`."""
        handles = [self._vm.read_state(key) for key in keys]
        values = [await self._result(handle) for handle in handles]
        return [value.decode() if isinstance(value, bytes) else None for value in values]

    async def keys(self) -> list[str]:
        """See :class:`~._object.ObjectCall`."""
        handle = self._vm.read_state_keys()
        await self._wait(handle)
        return self._vm.take_keys(handle)

    def write(self, key: str, text: str) -> None:
        """See :class:`~._object.ObjectCall`."""
        self._vm.write_state(key, text.encode())

    def clear(self, key: str) -> None:
        """See :class:`~._object.ObjectCall`."""
        self._vm.clear_state(key)

    def now_ms(self) -> int:
        """See :class:`~._object.ObjectCall`."""
        return int(self._draw("now_ms", lambda: str(self._clock.now_ms())))

    def token(self) -> str:
        """See :class:`~._object.ObjectCall`."""
        return self._draw("token", lambda: uuid.uuid4().hex)

    async def call(self, target: Target, body: JsonObject) -> JsonValue:
        """See :class:`~._object.ObjectCall`."""
        asked = canonical_json(body).encode()
        result = await self._result(
            self._vm.call(target.service, target.key, target.handler, asked)
        )
        if isinstance(result, bytes):
            return unwrap(parse_json(result))
        why = "nothing" if result is None else result.message
        raise StoreError(
            f"{target.handler} of {target.service} {target.key!r} did not answer: {why}"
        )

    def send(self, target: Target, body: JsonObject) -> None:
        """See :class:`~._object.ObjectCall`."""
        asked = canonical_json(body).encode()
        self._vm.send(target.service, target.key, target.handler, asked)

    def awakeable(self) -> str:
        """See :class:`~._object.ObjectCall`."""
        name, handle = self._vm.awakeable()
        self._awakeables[name] = handle
        return name

    async def wait_awakeable(self, name: str, duration_ms: int) -> str | None:
        """See :class:`~._object.ObjectCall`."""
        handle = self._awakeables[name]
        await self._wait(handle, self._vm.sleep(duration_ms, "timeout"))
        if not self._vm.is_completed(handle):
            return None
        value = self._vm.take(handle)
        return value.decode() if isinstance(value, bytes) else None

    def complete_awakeable(self, name: str, text: str) -> None:
        """See :class:`~._object.ObjectCall`."""
        self._vm.complete_awakeable(name, text.encode())

    async def _answer(self, handler: ObjectHandler) -> None:
        try:
            self._vm.write_output(await answer(handler, self, self.input.body))
            self._vm.end()
        except _CallSuspended:
            _logger.debug("invocation %s goes on later", self.input.invocation_id)
        except _CallCancelled:
            self._vm.write_failure(Failure(code=_CANCELLED, message="cancelled through Restate"))
            self._vm.end()
        except (VmFault, StreamBroken):
            raise
        except Exception as error:
            # A bug, whatever it is: the server shows it and tries again.
            _logger.exception("invocation %s failed", self.input.invocation_id)
            self._vm.fail_attempt(str(error), "".join(traceback.format_exception(error)))

    def _draw(self, name: str, make: Callable[[], str]) -> str:
        """What an earlier attempt has recorded, or something new that is recorded.

        It need not be waited for: the server keeps the order of what it is sent, so what
        follows from it is not recorded unless it is.
        """
        handle = self._vm.run(name)
        match self._vm.progress([handle]):
            case Progress.COMPLETED:
                value = self._vm.take(handle)
                if not isinstance(value, bytes):
                    raise VmFault(f"expected the recorded {name!r} to have a value, got {value!r}")
                return value.decode()
            case Progress.CANCELLED:
                raise _CallCancelled
            case Progress.SUSPENDED | Progress.NEEDS_INPUT:
                raise VmFault(f"expected to draw {name!r}, and was told to wait for it")
            case RunNeeded():
                text = make()
                self._vm.propose(handle, text.encode())
                return text

    async def _result(self, handle: int) -> bytes | Failure | None:
        await self._wait(handle)
        return self._vm.take(handle)

    async def _wait(self, *handles: int) -> None:
        """Wait until one of some handles is completed."""
        while True:
            await self._flush()
            match self._vm.progress(handles):
                case Progress.COMPLETED:
                    return
                case Progress.SUSPENDED:
                    raise _CallSuspended
                case Progress.CANCELLED:
                    raise _CallCancelled
                case Progress.NEEDS_INPUT:
                    await self._receive()
                case RunNeeded():
                    raise VmFault("a run is waited for that was proposed")

    async def _receive(self) -> None:
        data: bytes | None = None
        if not self._is_retired:
            with trio.CancelScope() as self._receiving:
                data = await self._stream.receive()
        if data is not None:
            self._vm.feed(data)
        elif self._was_told:
            raise _CallSuspended
        else:
            self._was_told = True
            self._vm.feed_end()

    async def _flush(self) -> None:
        await self._stream.send(bytearray(self._vm.take_output()))
