"""One attempt at one invocation: named operations, and what earlier attempts made of them.

A later attempt issues what is recorded before anything else, in the order of the record,
and gives each task the result of its own name; so no order of tasks can make it differ
from the record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from ._ending import Ending
from ._frames import CommandKind, JournalReader
from ._http2 import Http2Stream
from ._owner import Owner
from ._requests import Awakeable, Request, attempt_lost
from ._vm import Failure, Progress, Vm, VmFault

# Before the names of runs that are no effects of a scope.
_NOTE = "~note:"
_AWAKEABLE = "~awakeable:"


class Attempt(Owner):
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
        super().__init__(vm, stream, park_after_seconds)
        self._recorded = journal.commands
        self._runs: dict[str, int] = {}
        self._sleeps: dict[str, int] = {}
        self._over: set[str] = set()
        self._promises: dict[str, int] = {}
        self._awakeables: dict[str, Awakeable] = {}
        self._notes: dict[str, bytes] = {}
        self.recorded_runs: dict[str, bytes] = {}

    async def serve(self, body: Callable[[Attempt], Awaitable[Ending]]) -> None:
        """Run a handler to its end, or until the server has enough of this attempt.

        Args:
            body: the handler; cancelled when the attempt is over before it.

        Raises:
            StreamBroken: the server has left.
        """
        await self.drive(partial(body, self))

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier attempt has recorded something."""
        return len(self._recorded) > 1

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
                    if command.name.startswith(_AWAKEABLE):
                        # Its number is how many there were before, so it comes here again.
                        self._create_awakeable(command.name)
                    self._runs[command.name] = self._vm.run(command.name)
                case CommandKind.SLEEP:
                    self._sleeps[command.name] = self._vm.sleep(1, command.name)
                case CommandKind.GET_PROMISE:
                    self._promises[command.name] = self._vm.promise(command.name)
                case CommandKind.OUTPUT:
                    pass
                case _:
                    raise VmFault(f"a command of type {command.kind:#06x} is none of a process")
        if self.recorded_output is None:
            self._adopt_results()

    def _adopt_results(self) -> None:
        """Note what has its result already."""
        for name, handle in list(self._runs.items()):
            # One without a result was cut off; it stays to be proposed once more.
            if self._vm.progress([handle]) is Progress.COMPLETED:
                del self._runs[name]
                value = self._vm.take(handle)
                kept = self._notes if name.startswith((_NOTE, _AWAKEABLE)) else self.recorded_runs
                kept[name] = value if isinstance(value, bytes) else b""
        for name, handle in self._sleeps.items():
            if self._vm.progress([handle]) is Progress.COMPLETED:
                self._over.add(name)
        for handle in self._promises.values():
            if self._vm.progress([handle]) is Progress.COMPLETED:
                self._kept.add(handle)
                self._results[handle] = self._vm.take(handle)
        for name, found in self._awakeables.items():
            if self._vm.progress([found.handle]) is Progress.COMPLETED:
                self._awakeables[name] = attrs.evolve(found, is_completed=True)

    async def record(self, name: str, value: bytes, *, wait: bool = True) -> None:
        """Record a value under a name.

        Args:
            name: not used for a value before.
            value: any bytes.
            wait: whether to return only when it is recorded; the order of what is
                recorded stays in any case.

        Raises:
            EffectError: ``effect_scope_lease_lost``, where the attempt is over before.

        A checkpoint where it waits.
        """

        def issue() -> int:
            handle = self._runs.pop(name, None)
            if handle is None:
                handle = self._vm.run(name)
            self._vm.propose(handle, value)
            return handle

        request = self._hand_over(name, issue)
        # Who does not wait has come here from a wait, and goes on at once.
        if wait:
            await self._wait(request)

    async def sleep(self, name: str, duration_ms: int) -> None:
        """Have the server keep a timer, and wait for it; one of a known name goes on."""
        await self._wait(self._hand_over(name, partial(self._issue_sleep, name, duration_ms)))

    def was_over(self, name: str) -> bool:
        """Whether the timer of a name was over when the attempt began."""
        return name in self._over

    async def promise(self, key: str, *, is_watch: bool = False) -> bytes:
        """Wait for a promise of this workflow.

        Args:
            key: of the promise.
            is_watch: whether this is no reason to end the attempt: what runs here does
                not wait for it.
        """
        request = self._hand_over(key, partial(self._issue_promise, key))
        request.is_watch = is_watch
        await self._wait(request)
        return request.value

    def promised(self, key: str) -> bytes | None:
        """The value that a promise had when the attempt began, where one waited for it."""
        value = self._results.get(self._promises.get(key, -1))
        return value if isinstance(value, bytes) else None

    async def promise_until(self, key: str, name: str, duration_ms: int) -> bytes | None:
        """Wait for a promise as long as a timer runs; None where the timer is over first."""
        promise = self._hand_over(key, partial(self._issue_promise, key))
        return await self._until(promise, name, duration_ms)

    async def awakeable(self, name: str) -> Awakeable:
        """Something that others can complete, and that every attempt finds under its name.

        Its id is recorded before it is returned: an attempt that gave it out and forgot
        it would give it to somebody else the next time.
        """
        run = f"{_AWAKEABLE}{name}"
        if run not in self._awakeables or run in self._runs:
            await self._wait(self._hand_over(run, partial(self._issue_awakeable, run)))
        else:
            await trio.lowlevel.checkpoint()
        return self._awakeables[run]

    async def completed(self, awakeable: Awakeable) -> bytes:
        """Wait until somebody has completed an awakeable; returns with what."""
        request = self._hand_over(awakeable.id, partial(self._issue_kept, awakeable.handle))
        await self._wait(request)
        return request.value

    async def completed_until(
        self, awakeable: Awakeable, name: str, duration_ms: int
    ) -> bytes | None:
        """As :meth:`completed`, as long as a timer runs; None where it is over first."""
        request = self._hand_over(awakeable.id, partial(self._issue_kept, awakeable.handle))
        return await self._until(request, name, duration_ms)

    def noted(self, name: str) -> bytes | None:
        """What was noted under a name in an earlier attempt, or None."""
        return self._notes.get(_NOTE + name)

    def noted_names(self, beginning: str) -> list[str]:
        """What follows a beginning in the names of the notes of this and earlier attempts."""
        whole = _NOTE + beginning
        return [name.removeprefix(whole) for name in self._notes if name.startswith(whole)]

    async def note(self, name: str, value: bytes, *, wait: bool = True) -> None:
        """Record a value that is the engine's own and no effect's; see :meth:`record`."""
        await self.record(_NOTE + name, value, wait=wait)
        self._notes[_NOTE + name] = value

    async def complete_promise(self, key: str, value: bytes) -> bool:
        """Give a promise of this workflow its value; False where it has one."""
        request = self._hand_over(key, lambda: self._vm.complete_promise(key, value))
        return not isinstance(await self._wait(request), Failure)

    async def peek_promise(self, key: str) -> bytes | None:
        """The value of a promise of this workflow, or None."""
        value = await self._wait(self._hand_over(key, lambda: self._vm.peek_promise(key)))
        return value if isinstance(value, bytes) else None

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

    def _issue_awakeable(self, run: str) -> int:
        handle = self._runs.pop(run, None)
        if handle is None:
            self._create_awakeable(run)
            handle = self._vm.run(run)
        self._vm.propose(handle, self._awakeables[run].id.encode())
        return handle

    def _create_awakeable(self, run: str) -> None:
        self._awakeables[run] = Awakeable(*self._vm.awakeable())

    def _issue_kept(self, handle: int) -> int:
        self._kept.add(handle)
        return handle

    async def _until(self, request: Request, name: str, duration_ms: int) -> bytes | None:
        """Wait for a result as long as a timer runs."""
        timer = self._hand_over(name, partial(self._issue_sleep, name, duration_ms))
        timer.done = request.done
        try:
            await request.done.wait()
        finally:
            self._forget(request)
            self._forget(timer)
        if request.has_result:
            return request.value
        if timer.has_result:
            return None
        raise attempt_lost(self.input)
