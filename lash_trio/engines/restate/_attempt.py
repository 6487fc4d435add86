"""One attempt at one invocation, and the one task in it that talks to Restate.

Restate numbers what an invocation asks for, and a later attempt must ask for the same in
the same order.  Tasks of trio run in any order.  So nobody but the owner's task touches
the state machine: others hand their operations to it, and it issues those that are there
at the same time in the order of their names.  A later attempt issues what is recorded
before anything else, in the order of the record, and gives each task the result of its
own name; so no order of tasks can make it differ from the record.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from typing import TypeAlias

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from ...model import EffectError, EffectErrorCode
from ._ending import BrokeOff, Ending, NeedsRepair, Refused, Returned
from ._frames import CommandKind, JournalReader, RecordedCommand, pause_frame
from ._http2 import Http2Stream, StreamBroken
from ._vm import Failure, InvocationInput, Progress, RunNeeded, Vm, VmFault

_logger = logging.getLogger("lash_trio.engines.restate")

_LAST_WORDS_SECONDS = 5.0
_INTERNAL = 500
_JOURNAL_MISMATCH = 570

Result: TypeAlias = "bytes | Failure | None"


class _Step(Enum):
    DONE = auto()
    STUCK = auto()
    OVER = auto()


@attrs.define(eq=False)
class _Request:
    """What a task has handed to the owner."""

    order: str
    issue: Callable[[], int]
    is_watch: bool = False
    done: trio.Event = attrs.field(factory=trio.Event)
    handle: int | None = None
    result: Result = None
    has_result: bool = False
    is_lost: bool = False

    def settle(self, result: Result) -> None:
        self.result = result
        self.has_result = True
        self.done.set()

    def lose(self) -> None:
        self.is_lost = True
        self.done.set()


class Attempt:
    """One attempt at one invocation.

    Args:
        vm: the state machine, with the journal fed to it.
        stream: carries it; its response has begun.
        journal: what is recorded.
        park_after_seconds: how long nothing but waits may happen before it is over.
    """

    def __init__(
        self, vm: Vm, stream: Http2Stream, journal: JournalReader, park_after_seconds: float
    ) -> None:
        self._vm = vm
        self._park_after_seconds = park_after_seconds
        self._stream = stream
        self._recorded: Sequence[RecordedCommand] = journal.commands
        self._unsent = bytearray()
        self._inbox: list[bytes] = []
        self._is_input_over = False
        self._requests: list[_Request] = []
        self._waiting: dict[int, list[_Request]] = {}
        self._results: dict[int, Result] = {}
        # A timer or a promise may be asked for again, and its result is given out once.
        self._kept: set[int] = set()
        self._runs: dict[str, int] = {}
        self._sleeps: dict[str, int] = {}
        self._promises: dict[str, int] = {}
        self._working = 0
        self._wake = trio.Event()
        self._is_over = False
        self._is_unattended = False
        self._scope = trio.CancelScope()
        self.input: InvocationInput = vm.read_input()
        self.recorded_runs: dict[str, bytes] = {}
        self.cancelled: trio.Event = trio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nobody records anything for it any more."""
        return self._is_over or self._is_unattended

    @property
    def recorded_output(self) -> bytes | None:
        """What the handler has returned in an earlier attempt that was cut off then."""
        last = self._recorded[-1]
        return last.value if last.kind == CommandKind.OUTPUT else None

    def adopt_record(self) -> None:
        """Issue all that is recorded, in the order of the record.

        Raises:
            VmFault: what is recorded was not written by this engine.
        """
        for command in self._recorded[1:]:
            match command.kind:
                case CommandKind.RUN:
                    self._runs[command.name] = self._vm.run(command.name)
                case CommandKind.SLEEP:
                    self._sleeps[command.name] = self._vm.sleep(1, command.name)
                case CommandKind.GET_PROMISE:
                    self._promises[command.name] = self._vm.promise(command.name)
                case CommandKind.OUTPUT:
                    pass
                case _:
                    raise VmFault(f"a command of type {command.kind:#06x} is none of a process")
        if self.recorded_output is not None:
            return
        for name, handle in list(self._runs.items()):
            # One without a result was cut off; it stays to be proposed once more.
            if self._vm.progress([handle]) is Progress.COMPLETED:
                del self._runs[name]
                value = self._vm.take(handle)
                self.recorded_runs[name] = value if isinstance(value, bytes) else b""

    async def serve(self, body: Callable[[Attempt], Awaitable[Ending]]) -> None:
        """Run a handler to its end, or until the server has enough of this attempt.

        Args:
            body: the handler; cancelled when the attempt is over before it.

        Raises:
            StreamBroken: the server has left.
        """
        ending: Ending | None = None
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    nursery.start_soon(self._own)
                    ending = await _ending_of(body, self)
                    nursery.cancel_scope.cancel("the handler has ended")
        except* Exception as errors:  # noqa: BLE001
            # Beside a cancellation: who was stopped may fail at cleaning up, and all who
            # waited for a record do.  Another attempt goes on.
            _logger.debug("invocation %s was left: %r", self.input.invocation_id, errors)
        finally:
            self._lose_requests()
        if not self._is_over and ending is not None:
            await self._end(ending)

    async def record(self, name: str, value: bytes, *, wait: bool = True) -> None:
        """Record a value under a name.

        Args:
            name: not used for a value before.
            value: any bytes.
            wait: whether to return only when it is recorded; the order of what is
                recorded stays in any case.

        Raises:
            EffectError: ``effect_scope_lease_lost``, where the attempt is over before.
        """

        def issue() -> int:
            handle = self._runs.pop(name, None)
            if handle is None:
                handle = self._vm.run(name)
            self._vm.propose(handle, value)
            return handle

        request = self._hand_over(name, issue)
        if wait:
            await self._wait(request)
        else:
            await trio.lowlevel.checkpoint()

    async def sleep(self, name: str, duration_ms: int) -> None:
        """Have the server keep a timer, and wait for it; one of a known name goes on."""
        await self._wait(self._hand_over(name, partial(self._issue_sleep, name, duration_ms)))

    async def promise(self, key: str, *, is_watch: bool = False) -> bytes:
        """Wait for a promise of this workflow.

        Args:
            key: of the promise.
            is_watch: whether this is no reason to end the attempt: what runs here does
                not wait for it.
        """
        request = self._hand_over(key, partial(self._issue_promise, key))
        request.is_watch = is_watch
        value = await self._wait(request)
        return value if isinstance(value, bytes) else b""

    async def promise_until(self, key: str, name: str, duration_ms: int) -> bytes | None:
        """Wait for a promise as long as a timer runs; None where the timer is over first."""
        promise = self._hand_over(key, partial(self._issue_promise, key))
        timer = self._hand_over(name, partial(self._issue_sleep, name, duration_ms))
        timer.done = promise.done
        try:
            await promise.done.wait()
        finally:
            self._forget(promise)
            self._forget(timer)
        if promise.has_result:
            return promise.result if isinstance(promise.result, bytes) else b""
        if timer.has_result:
            return None
        raise _attempt_lost(self.input)

    async def complete_promise(self, key: str, value: bytes) -> bool:
        """Give a promise of this workflow its value; False where it has one."""
        request = self._hand_over(key, lambda: self._vm.complete_promise(key, value))
        return not isinstance(await self._wait(request), Failure)

    async def peek_promise(self, key: str) -> bytes | None:
        """The value of a promise of this workflow, or None."""
        value = await self._wait(self._hand_over(key, lambda: self._vm.peek_promise(key)))
        return value if isinstance(value, bytes) else None

    def retire(self) -> None:
        """Be over as soon as nothing is done here; another attempt goes on."""
        self._is_input_over = True
        self._wake.set()

    @contextmanager
    def working(self) -> Generator[None, None, None]:
        """While something is done here the attempt is not given up for want of events."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._wake.set()

    def _issue_sleep(self, name: str, duration_ms: int) -> int:
        if name not in self._sleeps:
            self._sleeps[name] = self._vm.sleep(duration_ms, name)
        self._kept.add(self._sleeps[name])
        return self._sleeps[name]

    def _issue_promise(self, key: str) -> int:
        if key not in self._promises:
            self._promises[key] = self._vm.promise(key)
        self._kept.add(self._promises[key])
        return self._promises[key]

    def _hand_over(self, order: str, issue: Callable[[], int]) -> _Request:
        if self.is_over:
            raise _attempt_lost(self.input)
        request = _Request(order=order, issue=issue)
        self._requests.append(request)
        self._wake.set()
        return request

    async def _wait(self, request: _Request) -> Result:
        try:
            await request.done.wait()
        finally:
            self._forget(request)
        if request.is_lost:
            raise _attempt_lost(self.input)
        return request.result

    def _forget(self, request: _Request) -> None:
        if request in self._requests:
            self._requests.remove(request)
        if request.handle is not None and request in (
            waiting := self._waiting.get(request.handle, [])
        ):
            waiting.remove(request)
            if not waiting:
                del self._waiting[request.handle]

    async def _read(self) -> None:
        try:
            while (data := await self._stream.receive()) is not None:
                self._inbox.append(data)
                self._wake.set()
        except StreamBroken as error:
            self._give_up(str(error))
            return
        self._is_input_over = True
        self._wake.set()

    async def _own(self) -> None:
        """Issue operations and hand out results until the attempt is over."""
        try:
            await self._serve_requests()
        except Exception:
            # A bug here; it ends this attempt and nothing else.
            _logger.exception("invocation %s was given up", self.input.invocation_id)
            self._give_up("the attempt has failed")
        finally:
            # Who waits may be shielded from the cancellation that ends this task.
            self._is_unattended = True
            self._lose_requests()

    async def _serve_requests(self) -> None:
        was_told = False
        try:
            while True:
                self._wake = trio.Event()
                for data in self._take_inbox():
                    if not was_told:
                        self._vm.feed(data)
                if self._is_input_over and not was_told:
                    was_told = True
                    self._vm.feed_end()
                self._issue()
                await self._flush()
                match await self._advance():
                    case _Step.DONE:
                        pass
                    case _Step.STUCK:
                        await self._flush()
                        await self._wait_woken()
                    case _Step.OVER:
                        break
        except VmFault as error:
            _logger.error("invocation %s: %s", self.input.invocation_id, error)
        except StreamBroken as error:
            self._give_up(str(error))
            return
        self._give_up("the attempt is over for the server")
        with trio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
            await self._say_last_words()

    def _take_inbox(self) -> list[bytes]:
        inbox, self._inbox = self._inbox, []
        return inbox

    def _issue(self) -> None:
        requests, self._requests = sorted(self._requests, key=lambda r: r.order), []
        for request in requests:
            request.handle = request.issue()
            if request.handle in self._results:
                request.settle(self._results[request.handle])
            else:
                self._waiting.setdefault(request.handle, []).append(request)

    async def _advance(self) -> _Step:
        """Hand out what is there."""
        if not self._waiting:
            return _Step.STUCK
        if self._is_input_over and not await self._is_at_rest():
            return _Step.DONE if self._wake.is_set() else _Step.STUCK
        match self._vm.progress(list(self._waiting)):
            case Progress.COMPLETED:
                self._hand_out()
                return _Step.DONE
            case Progress.CANCELLED:
                self.cancelled.set()
                return _Step.DONE
            case Progress.SUSPENDED:
                return _Step.OVER
            case Progress.NEEDS_INPUT:
                return _Step.STUCK
            case RunNeeded():
                return _Step.DONE

    async def _wait_woken(self) -> None:
        """Wait for news; where all that runs here waits for Restate, not for too long."""
        with trio.CancelScope() as scope:
            if self._is_parked() and not self._is_input_over:
                scope.relative_deadline = self._park_after_seconds
            await self._wake.wait()
        if scope.cancelled_caught:
            self.retire()

    def _is_parked(self) -> bool:
        """Whether something waits for Restate, and nothing is done here meanwhile."""
        return not self._working and any(
            not request.is_watch for requests in self._waiting.values() for request in requests
        )

    async def _is_at_rest(self) -> bool:
        """Wait until no task of this program can run; False where there is news before.

        Only then may the attempt end as suspended: a task that has just got a result and
        not looked at it yet would wait for the next attempt, which nothing may bring on.
        """
        if not self._is_parked():
            return False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_at_news, nursery.cancel_scope)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("nothing happens here")
        return self._is_parked() and not self._wake.is_set()

    async def _cancel_at_news(self, scope: trio.CancelScope) -> None:
        await self._wake.wait()
        scope.cancel("there is news")

    def _hand_out(self) -> None:
        for handle in [h for h in self._waiting if self._vm.is_completed(h)]:
            result = self._vm.take(handle)
            if handle in self._kept:
                self._results[handle] = result
            for request in self._waiting.pop(handle):
                request.settle(result)

    async def _flush(self) -> None:
        self._unsent += self._vm.take_output()
        await self._stream.send(self._unsent)

    def _give_up(self, why: str) -> None:
        self._is_over = True
        # First those that may be cancelled: they must not take it for a lost lease.
        self._scope.cancel(why)
        self._lose_requests()

    def _lose_requests(self) -> None:
        for request in [*self._requests, *(r for rs in self._waiting.values() for r in rs)]:
            request.lose()

    async def _end(self, ending: Ending) -> None:
        try:
            self._issue()
            self._write_ending(ending)
        except VmFault as error:
            _logger.error("invocation %s: %s", self.input.invocation_id, error)
        await self._say_last_words()

    async def _say_last_words(self) -> None:
        try:
            await self._flush()
            self._stream.end()
        except StreamBroken as error:
            _logger.debug("invocation %s: %s", self.input.invocation_id, error)

    def _write_ending(self, ending: Ending) -> None:
        match ending:
            case Returned(value=value):
                self._vm.write_output(value)
                self._vm.end()
            case Refused(failure=failure):
                self._vm.write_failure(failure)
                self._vm.end()
            case NeedsRepair(error=error):
                self._unsent += self._vm.take_output()
                is_mismatch = error.code == EffectErrorCode.REPLAY_MISMATCH
                code = _JOURNAL_MISMATCH if is_mismatch else _INTERNAL
                self._unsent += pause_frame(code, str(error))
            case BrokeOff(error=error):
                details = "".join(traceback.format_exception(error))
                self._vm.fail_attempt(str(error), details)


async def _ending_of(body: Callable[[Attempt], Awaitable[Ending]], attempt: Attempt) -> Ending:
    try:
        return await body(attempt)
    except Exception as error:
        if attempt.is_over:
            _logger.debug("invocation %s was left: %r", attempt.input.invocation_id, error)
        else:
            # Whatever it is: the server shows it and tries again.
            _logger.exception("invocation %s failed", attempt.input.invocation_id)
        return BrokeOff(error)


def _attempt_lost(found: InvocationInput) -> EffectError:
    return EffectError(
        EffectErrorCode.SCOPE_LEASE_LOST,
        f"the attempt at invocation {found.invocation_id} ({found.key!r}) is over; Restate "
        "makes another, which goes on from what is recorded",
    )
