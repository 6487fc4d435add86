"""The shared waiter: how every store lets tasks wait for events.

A store does point look-ups only.  To wait is: register, look, park, and look
again on every notification, which is a hint and no more.  Registering before
looking is what makes it impossible to miss an event, whatever the order of
append and wait.

Everything to wait for comes down to a slot: an ordinal of an event type, or the
end of the process.  One append opens the one slot that it fills, so its cost
does not depend on how many others wait, nor for what.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar, TypeVarTuple

import attrs
import trio

from ..abc import Tell
from ..model import ProcessEvent

T = TypeVar("T")
ArgsT = TypeVarTuple("ArgsT")

WaitSlot: TypeAlias = "tuple[str, int]"
"""An event type and an ordinal of it, from 1.

Or, under an empty type, a sequence number: see :data:`END` and :func:`any_event`.
"""

END: WaitSlot = ("", 0)


def any_event(sequence: int) -> WaitSlot:
    """The slot of the event with a number, of whatever type."""
    return ("", sequence)


@attrs.define
class _Parked:
    """Who is parked at one slot."""

    opened: trio.Event = attrs.field(factory=trio.Event)
    count: int = 0


class EventWaiters:
    """Parked tasks, by process and slot."""

    def __init__(self) -> None:
        self._parked: dict[str, dict[WaitSlot, _Parked]] = {}
        self._listeners: dict[object, Tell] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits, and nobody wants to be told."""
        return not self._parked and not self._listeners

    @contextmanager
    def listen(self, tell: Tell) -> Generator[None]:
        """Tell somebody of every event and every end that is notified, inside a block."""
        key = object()
        self._listeners[key] = tell
        try:
            yield
        finally:
            del self._listeners[key]

    @property
    def tasks_waiting(self) -> int:
        """How many tasks are parked."""
        return sum(parked.count for slots in self._parked.values() for parked in slots.values())

    def tasks_waiting_for(self, process_id: str) -> int:
        """How many tasks are parked at events of one process."""
        return sum(parked.count for parked in self._parked.get(process_id, {}).values())

    def notify(self, process_id: str, slot: WaitSlot) -> None:
        """Wake who is parked at a slot; call it when the store has what they look for."""
        if self._listeners and (slot[0] or slot == END):
            for tell in self._listeners.values():
                tell(process_id, slot[0], slot[1])
        slots = self._parked.get(process_id)
        if slots is not None:
            parked = slots.pop(slot, None)
            if parked is not None:
                if not slots:
                    del self._parked[process_id]
                parked.opened.set()

    def notify_event(self, event: ProcessEvent, ordinal: int) -> None:
        """Wake who waits for an event that was appended, number ``ordinal`` of its type."""
        if self._listeners or event.process_id in self._parked:
            self.notify(event.process_id, (event.event_type, ordinal))
            self.notify(event.process_id, any_event(event.sequence))

    def notify_process(self, process_id: str) -> None:
        """Wake all who are parked at a process: something changed, it is not known what."""
        for parked in self._parked.pop(process_id, {}).values():
            parked.opened.set()

    def notify_all(self) -> None:
        """Wake everybody: anything may have changed."""
        for process_id in list(self._parked):
            self.notify_process(process_id)

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        """Wait until ``look`` finds something.

        Args:
            process_id: the process whose slot it is.
            slot: what is waited for.
            look: asks the store; returns None while it is not there.
            args: of ``look``; a parked task that keeps them takes less memory than one
                that keeps a function made for it.

        Always a checkpoint.
        """
        while True:
            parked = self._register(process_id, slot)
            try:
                found = await look(*args)
                if found is None:
                    await parked.opened.wait()
                else:
                    await trio.lowlevel.checkpoint()
            finally:
                if not parked.opened.is_set():
                    self._leave(process_id, slot, parked)
            if found is None:
                # Mostly it is there now.  A notification without an event goes round:
                # it is looked up once more behind a new registration, so that nothing
                # falls between.
                found = await look(*args)
            if found is not None:
                return found

    def _register(self, process_id: str, slot: WaitSlot) -> _Parked:
        parked = self._parked.setdefault(process_id, {}).setdefault(slot, _Parked())
        parked.count += 1
        return parked

    def _leave(self, process_id: str, slot: WaitSlot, parked: _Parked) -> None:
        parked.count -= 1
        if parked.count == 0:
            slots = self._parked[process_id]
            del slots[slot]
            if not slots:
                del self._parked[process_id]
