"""The state machine of Restate's protocol: the only module that knows the SDK.

The SDK for Python ships its sans-IO core as ``restate.vm``, which it does not export and
has changed before.  So its version is pinned, all of it that is used is used here, and a
test holds its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from importlib import import_module
from types import TracebackType
from typing import Protocol, TypeAlias, cast

import attrs
import restate.vm as core

# Has no stubs; what is used of it is typed below.
_internal = import_module("restate._internal")
_VMException = cast("type[Exception]", _internal.VMException)
_IdentityKeyException = cast("type[Exception]", _internal.IdentityKeyException)
_IdentityVerificationException = cast("type[Exception]", _internal.IdentityVerificationException)

Headers: TypeAlias = Sequence[tuple[str, str]]


class VmFault(Exception):
    """The state machine refused; what it has to tell the server is in its output."""


@attrs.frozen(kw_only=True)
class InvocationInput:
    """What a handler is called with.

    Args:
        invocation_id: names the invocation to people and to Restate's own tools.
        key: of the workflow or virtual object; empty for a service.
        body: the bytes of the argument.
    """

    invocation_id: str
    key: str
    body: bytes


@attrs.frozen(kw_only=True)
class Failure:
    """A result that is an error, as Restate keeps it."""

    code: int
    message: str


class Progress(Enum):
    """What the state machine says when it is asked to go on."""

    COMPLETED = auto()
    """One of the handles has its result."""
    NEEDS_INPUT = auto()
    """Nothing happens before the server sends something, or a run is proposed."""
    SUSPENDED = auto()
    """The attempt is over: the server calls again when there is a result."""
    CANCELLED = auto()
    """The invocation was cancelled through Restate."""


@attrs.frozen
class RunNeeded:
    """A run that is recorded as begun has to be done by this attempt."""

    handle: int


class Vm:
    """One attempt at one invocation, as a state machine without IO.

    Feed it what the server sends, send what :meth:`take_output` gives.  All other methods
    raise :class:`VmFault`, after which only the output is left to be sent.

    Args:
        headers: of the request.

    Raises:
        VmFault: the headers are none of an invocation.
    """

    def __init__(self, headers: Headers) -> None:
        with _refusals:
            self._core = cast("_Core", core.VMWrapper(list(headers)))

    def response_head(self) -> tuple[int, Headers]:
        """Status and headers to answer the request with."""
        status, headers = self._core.get_response_head()
        return status, list(headers)

    def feed(self, data: bytes) -> None:
        """Hand it what came from the server."""
        self._core.notify_input(data)

    def feed_end(self) -> None:
        """Tell it that nothing more will come: it suspends where it would have to wait."""
        self._core.notify_input_closed()

    def take_output(self) -> bytes:
        """What has to be sent to the server now; empty where that is nothing."""
        return bytes(self._core.take_output())

    @property
    def is_ready(self) -> bool:
        """Whether the journal has been fed as far as it goes."""
        with _refusals:
            return self._core.is_ready_to_execute()

    def read_input(self) -> InvocationInput:
        """What the handler is called with; the first command of every journal."""
        with _refusals:
            found = self._core.sys_input()
        return InvocationInput(
            invocation_id=found.invocation_id, key=found.key or "", body=found.input_buffer
        )

    def run(self, name: str) -> int:
        """Begin something whose result is proposed by :meth:`propose`."""
        with _refusals:
            return self._core.sys_run(name).handle

    def propose(self, handle: int, value: bytes) -> None:
        """Propose the result of a run; it is one when its handle completes."""
        with _refusals:
            self._core.propose_run_completion_success(handle, value)

    def sleep(self, duration_ms: int, name: str) -> int:
        """Have the server keep a timer."""
        with _refusals:
            return self._core.sys_sleep(duration_ms, name)

    def promise(self, key: str) -> int:
        """Wait for a promise of this workflow."""
        with _refusals:
            return self._core.sys_get_promise(key)

    def peek_promise(self, key: str) -> int:
        """Look at a promise of this workflow; None where it has no value."""
        with _refusals:
            return self._core.sys_peek_promise(key)

    def complete_promise(self, key: str, value: bytes) -> int:
        """Give a promise its value; a :class:`Failure` where it has one."""
        with _refusals:
            return self._core.sys_complete_promise_success(key, value)

    def read_state(self, key: str) -> int:
        """Ask for what stands under a key of the object's state; None where nothing does."""
        with _refusals:
            return self._core.sys_get_state(key)

    def read_state_keys(self) -> int:
        """Ask for all keys of the object's state, which :meth:`take_keys` gives."""
        with _refusals:
            return self._core.sys_get_state_keys()

    def write_state(self, key: str, value: bytes) -> None:
        """Write a value under a key of the object's state."""
        with _refusals:
            self._core.sys_set_state(key, value)

    def clear_state(self, key: str) -> None:
        """Remove what stands under a key of the object's state."""
        with _refusals:
            self._core.sys_clear_state(key)

    def call(self, service: str, key: str, handler: str, body: bytes) -> int:
        """Call a handler of another object and ask for its result."""
        with _refusals:
            return self._core.sys_call(service, handler, body, key).result_handle

    def send(self, service: str, key: str, handler: str, body: bytes) -> None:
        """Have a handler of another object called once, without waiting for it."""
        with _refusals:
            self._core.sys_send(service, handler, body, key)

    def awakeable(self) -> tuple[str, int]:
        """Something that anybody can complete who has its name; the name, and its handle."""
        with _refusals:
            name, handle = self._core.sys_awakeable()
        return name, handle

    def complete_awakeable(self, name: str, value: bytes) -> None:
        """Complete an awakeable, wherever it waits."""
        with _refusals:
            self._core.sys_resolve_awakeable(name, value)

    def progress(self, handles: Sequence[int]) -> Progress | RunNeeded:
        """Go on until one of some handles is completed, as far as that goes without IO.

        Args:
            handles: at least one.
        """
        leaves = [core.SingleUnresolvedFuture(handle) for handle in handles]
        found = self._core.do_progress(core.FirstCompletedUnresolvedFuture(list(leaves)))
        match found:
            case core.DoProgressAnyCompleted():
                return Progress.COMPLETED
            case core.DoProgressWaitExternalProgress():
                return Progress.NEEDS_INPUT
            case core.DoProgressExecuteRun():
                return RunNeeded(found.handle)
            case core.DoProgressCancelSignalReceived():
                return Progress.CANCELLED
            case core.Suspended():
                return Progress.SUSPENDED
            case _:
                raise VmFault(str(found))

    def is_completed(self, handle: int) -> bool:
        """Whether a handle has a result that was not taken."""
        return self._core.is_completed(handle)

    def take(self, handle: int) -> bytes | Failure | None:
        """The result of a completed handle, once; None where it is no value."""
        found = self._core.take_notification(handle)
        match found:
            case None | bytes():
                return found
            case core.Failure(code=code, message=message):
                return Failure(code=code, message=message)
            case _:
                raise VmFault(f"expected a result of handle {handle}, got {found!r}")

    def take_keys(self, handle: int) -> list[str]:
        """The keys that a completed handle of :meth:`read_state_keys` has, once."""
        found = self._core.take_notification(handle)
        if not isinstance(found, list):
            raise VmFault(f"expected the keys of handle {handle}, got {found!r}")
        return [str(each) for each in cast("list[object]", found)]

    def write_output(self, value: bytes) -> None:
        """Return a value from the handler."""
        with _refusals:
            self._core.sys_write_output_success(value)

    def write_failure(self, failure: Failure) -> None:
        """Return an error from the handler, for good."""
        with _refusals:
            self._core.sys_write_output_failure(core.Failure(failure.code, failure.message))

    def end(self) -> None:
        """End the invocation; its result has been written."""
        with _refusals:
            self._core.sys_end()

    def fail_attempt(self, message: str, details: str) -> None:
        """Fail this attempt: the server tries again."""
        self._core.notify_error(message, details)


class _Refusals:
    """Turns what the state machine raises into :class:`VmFault`.

    No generator: every operation enters it, several times for a step.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, _VMException):
            raise VmFault(str(error)) from error


_refusals = _Refusals()


class IdentityRefused(Exception):
    """A request does not come from the Restate that this endpoint serves."""


class IdentityVerifier:
    """Checks that requests come from a Restate whose public key is known.

    Args:
        keys: as Restate prints them (``publickeyv1_…``); none means that all are served.

    Raises:
        ValueError: a key is none.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._verifier = cast("_Verifier", _internal.PyIdentityVerifier(list(keys)))
        except _IdentityKeyException as error:
            raise ValueError(
                f"expected public keys of Restate, as 'publickeyv1_…', got {list(keys)!r}: {error}"
            ) from error

    def verify(self, headers: Headers, path: str) -> None:
        """Refuse a request that is not signed by one of the keys.

        Raises:
            IdentityRefused: it is not.
        """
        try:
            self._verifier.verify(list(headers), path)
        except _IdentityVerificationException as error:
            raise IdentityRefused(str(error)) from error


class _Input(Protocol):
    invocation_id: str
    key: str | None
    input_buffer: bytes


class _Run(Protocol):
    @property
    def handle(self) -> int: ...


class _Called(Protocol):
    @property
    def result_handle(self) -> int: ...


class _Core(Protocol):
    """What is used of ``restate.vm.VMWrapper``, with the types that it has in fact."""

    def get_response_head(self) -> tuple[int, Sequence[tuple[str, str]]]: ...
    def notify_input(self, input_buf: bytes) -> None: ...
    def notify_input_closed(self) -> None: ...
    def notify_error(self, error: str, stacktrace: str) -> None: ...
    def take_output(self) -> bytes: ...
    def is_ready_to_execute(self) -> bool: ...
    def is_completed(self, handle: int) -> bool: ...
    def do_progress(self, unresolved_future: core.UnresolvedFuture) -> object: ...
    def take_notification(self, handle: int) -> object: ...
    def sys_input(self) -> _Input: ...
    def sys_run(self, name: str) -> _Run: ...
    def sys_sleep(self, millis: int, name: str | None = None) -> int: ...
    def sys_get_promise(self, name: str) -> int: ...
    def sys_peek_promise(self, name: str) -> int: ...
    def sys_complete_promise_success(self, name: str, value: bytes) -> int: ...
    def sys_get_state(self, name: str) -> int: ...
    def sys_get_state_keys(self) -> int: ...
    def sys_set_state(self, name: str, value: bytes) -> None: ...
    def sys_clear_state(self, name: str) -> None: ...
    def sys_call(self, service: str, handler: str, parameter: bytes, key: str) -> _Called: ...
    def sys_send(self, service: str, handler: str, parameter: bytes, key: str) -> int: ...
    def sys_awakeable(self) -> tuple[str, int]: ...
    def sys_resolve_awakeable(self, name: str, value: bytes) -> None: ...
    def propose_run_completion_success(self, handle: int, output: bytes) -> None: ...
    def sys_write_output_success(self, output: bytes) -> None: ...
    def sys_write_output_failure(self, output: core.Failure) -> None: ...
    def sys_end(self) -> None: ...


class _Verifier(Protocol):
    def verify(self, headers: list[tuple[str, str]], path: str) -> None: ...
