"""Waiters with one bug each; registries that use some of them are in `waiting`."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import trio

from lash_trio import ProcessEvent
from lash_trio.kernel import END, EventWaiters, WaitSlot

T = TypeVar("T")
ArgsT = TypeVarTuple("ArgsT")


class FindsWithoutCheckpoint(EventWaiters):
    """Returns at once what is there."""

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        found = await look(*args)
        return found if found is not None else await super().wait(process_id, slot, look, *args)


class NeverWakes(EventWaiters):
    """Loses every notification."""

    def notify(self, process_id: str, slot: WaitSlot) -> None:
        pass


class LooksBeforeItRegisters(EventWaiters):
    """Loses a notification between look and registration."""

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        found = await look(*args)
        await trio.lowlevel.checkpoint()
        while found is None:
            parked = self._register(process_id, slot)
            try:
                await parked.opened.wait()
            finally:
                if not parked.opened.is_set():
                    self._leave(process_id, slot, parked)
            found = await look(*args)
        return found


class TrustsNotifications(EventWaiters):
    """Takes a notification for what it announces."""

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        looked = 0

        async def trusting() -> T | None:
            nonlocal looked
            looked += 1
            found = await look(*args)
            if looked > 1 and found is None:
                raise LookupError("it must be there")
            return found

        return await super().wait(process_id, slot, trusting)


class NotifiesEverybody(EventWaiters):
    """Wakes everybody for every event."""

    def notify(self, process_id: str, slot: WaitSlot) -> None:
        self.notify_all()

    def notify_event(self, event: ProcessEvent, ordinal: int) -> None:
        self.notify_all()


class WakesOne(EventWaiters):
    """Wakes one of those who wait at a slot, and forgets the others."""

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        if await look(*args) is None and slot in self._parked.get(process_id, {}):
            await trio.sleep_forever()
        return await super().wait(process_id, slot, look, *args)


class ForgetsNumbers(EventWaiters):
    """Does not wake who waits for an event by its number."""

    def notify_event(self, event: ProcessEvent, ordinal: int) -> None:
        self.notify(event.process_id, (event.event_type, ordinal))


class ForgetsOrdinals(EventWaiters):
    """Does not wake who waits for an event by its ordinal."""

    def notify_event(self, event: ProcessEvent, ordinal: int) -> None:
        self.notify(event.process_id, ("", event.sequence))


class ForgetsEnds(EventWaiters):
    """Does not wake who waits for an end."""

    def notify(self, process_id: str, slot: WaitSlot) -> None:
        if slot != END:
            super().notify(process_id, slot)


class NotifiesOtherProcesses(EventWaiters):
    """Wakes the waiters of all processes for one."""

    def notify_process(self, process_id: str) -> None:
        for other in list(self._parked):
            super().notify_process(other)


class NotifiesOneProcess(EventWaiters):
    """Wakes the waiters of one process for all."""

    def notify_all(self) -> None:
        for process_id in list(self._parked)[:1]:
            self.notify_process(process_id)


class KeepsTheCancelled(EventWaiters):
    """Leaves a cancelled waiter registered."""

    def _leave(self, process_id: str, slot: WaitSlot, parked: object) -> None:
        pass


class CancelsTheSlot(EventWaiters):
    """Forgets everybody at the slot of a cancelled waiter."""

    def _leave(self, process_id: str, slot: WaitSlot, parked: object) -> None:
        self._parked.get(process_id, {}).pop(slot, None)


class SwallowsErrors(EventWaiters):
    """Takes an error of a look for nothing found."""

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        try:
            return await super().wait(process_id, slot, look, *args)
        except ZeroDivisionError as error:
            raise LookupError("nothing found") from error


class CountsSlots(EventWaiters):
    """Counts the slots at which somebody waits."""

    @property
    def tasks_waiting(self) -> int:
        return sum(len(slots) for slots in self._parked.values())
