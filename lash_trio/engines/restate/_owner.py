"""The one task of an attempt that talks to Restate.

Restate numbers what an invocation asks for, and a later attempt must ask for the same in
the same order.  Tasks of trio run in any order.  So nobody but the owner's task touches
the state machine: others hand their operations to it, and it issues those that are there
at the same time in the order of their names.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from enum import Enum, auto

import trio
from trio.testing import wait_all_tasks_blocked

from ._ending import BrokeOff, Ending, write_ending
from ._http2 import Http2Stream, StreamBroken
from ._requests import Request, Result, attempt_lost
from ._vm import InvocationInput, Progress, RunNeeded, Vm, VmFault

_logger = logging.getLogger("lash_trio.engines.restate")

_LAST_WORDS_SECONDS = 5.0


class _Step(Enum):
    DONE = auto()
    STUCK = auto()
    OVER = auto()


class Owner:
    """Issues the operations of an attempt, and hands out their results.

    Args:
        vm: the state machine, with the journal fed to it.
        stream: carries it; its response has begun.
        park_after_seconds: how long nothing but waits may happen before it is over.
    """

    def __init__(self, vm: Vm, stream: Http2Stream, park_after_seconds: float) -> None:
        self._vm = vm
        self._park_after_seconds = park_after_seconds
        self._stream = stream
        self._unsent = bytearray()
        self._inbox: list[bytes] = []
        self._is_input_over = False
        self._requests: list[Request] = []
        self._waiting: dict[int, list[Request]] = {}
        self._results: dict[int, Result] = {}
        # A timer or a promise may be asked for again, and its result is given out once.
        self._kept: set[int] = set()
        self._working = 0
        self._wake = trio.Event()
        self._is_over = False
        self._is_unattended = False
        self._scope = trio.CancelScope()
        self.input: InvocationInput = vm.read_input()
        self.cancelled: trio.Event = trio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nobody records anything for it any more."""
        return self._is_over or self._is_unattended

    async def drive(self, body: Callable[[], Awaitable[Ending]]) -> None:
        """Run something to its end, or until the server has enough of this attempt.

        Args:
            body: cancelled when the attempt is over before it.

        Raises:
            StreamBroken: the server has left.
        """
        ending: Ending | None = None
        try:
            with self._scope, self._stream.listened_to(self):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._own)
                    ending = await self._ending_of(body)
                    nursery.cancel_scope.cancel("the handler has ended")
        except* Exception as errors:  # noqa: BLE001
            # Beside a cancellation: who was stopped may fail at cleaning up, and all who
            # waited for a record do.  Another attempt goes on.
            _logger.debug("invocation %s was left: %r", self.input.invocation_id, errors)
        finally:
            self._lose_requests()
        if not self._is_over and ending is not None:
            await self._end(ending)

    def retire(self) -> None:
        """Be over as soon as nothing is done here; another attempt goes on."""
        self._is_input_over = True
        self._wake.set()

    def stay(self) -> None:
        """Go on for want of events: no other attempt can."""
        self._park_after_seconds = math.inf
        self._wake.set()

    def take_data(self, data: bytes) -> None:
        """See :class:`~._http2.Listener`."""
        self._inbox.append(data)
        self._wake.set()

    def take_end(self) -> None:
        """See :class:`~._http2.Listener`."""
        self._is_input_over = True
        self._wake.set()

    def take_break(self, why: str) -> None:
        """See :class:`~._http2.Listener`."""
        self._give_up(why)

    @contextmanager
    def working(self) -> Generator[None, None, None]:
        """While something is done here the attempt is not given up for want of events."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._wake.set()

    async def _ending_of(self, body: Callable[[], Awaitable[Ending]]) -> Ending:
        try:
            return await body()
        except Exception as error:
            if self.is_over:
                _logger.debug("invocation %s was left: %r", self.input.invocation_id, error)
            else:
                # Whatever it is: the server shows it and tries again.
                _logger.exception("invocation %s failed", self.input.invocation_id)
            return BrokeOff(error)

    def _hand_over(self, order: str, issue: Callable[[], int]) -> Request:
        if self.is_over:
            raise attempt_lost(self.input)
        request = Request(order=order, issue=issue)
        self._requests.append(request)
        self._wake.set()
        return request

    async def _wait(self, request: Request) -> Result:
        try:
            await request.done.wait()
        finally:
            self._forget(request)
        if request.is_lost:
            raise attempt_lost(self.input)
        return request.result

    def _forget(self, request: Request) -> None:
        if request in self._requests:
            self._requests.remove(request)
        if request.handle is not None and request in (
            waiting := self._waiting.get(request.handle, [])
        ):
            waiting.remove(request)
            if not waiting:
                del self._waiting[request.handle]

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
        if self._is_input_over or not self._is_parked():
            await self._wake.wait()
            return
        with trio.move_on_after(self._park_after_seconds) as scope:
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
        if self._unsent:
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
            self._unsent += write_ending(self._vm, ending)
        except VmFault as error:
            _logger.error("invocation %s: %s", self.input.invocation_id, error)
        await self._say_last_words()

    async def _say_last_words(self) -> None:
        try:
            await self._flush()
            self._stream.end()
        except StreamBroken as error:
            _logger.debug("invocation %s: %s", self.input.invocation_id, error)
