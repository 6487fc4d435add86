"""Registries that wait wrongly."""

import attrs
import trio

from lash_trio import (
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    ProcessRecord,
    WaitState,
)
from lash_trio.abc import Clock
from lash_trio.kernel import EventWaiters

from . import waiters
from .base import Faulty


class OnlyWaitsForNewEvents(Faulty):
    """Does not look for an event that is there."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        if self._log(process_id).nth(event_type, ordinal) is not None:
            await trio.sleep_forever()
        return await super().wait_event_nth(process_id, event_type, ordinal)


class CountsAllTypes(Faulty):
    """Takes the number of an event for its ordinal."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        if event_type in self._log(process_id).declared and ordinal > 0:
            return await self.wait_next_event(process_id, ordinal - 1)
        return await super().wait_event_nth(process_id, event_type, ordinal)


class WaitsForTheOneAfter(Faulty):
    """Is off by one in ordinals."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        return await super().wait_event_nth(process_id, event_type, ordinal + 1)


class ReturnsTheLatest(Faulty):
    """Returns the latest event in place of the one waited for."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        await super().wait_event_nth(process_id, event_type, ordinal)
        return self._log(process_id).events[-1]


class ServesTheNext(Faulty):
    """Serves whatever ordinal with the next event of the type."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        log = self._log(process_id)
        there = log.count_through(event_type, log.next_sequence)
        return await super().wait_event_nth(process_id, event_type, min(ordinal, there + 1))


class AcceptsOrdinalZero(Faulty):
    """Takes an ordinal below one for one."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        return await super().wait_event_nth(process_id, event_type, max(ordinal, 1))


class WaitsForUndeclaredTypes(Faulty):
    """Waits for an event that cannot come."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        if event_type not in self._log(process_id).declared:
            await trio.sleep_forever()
        return await super().wait_event_nth(process_id, event_type, ordinal)


class RefusesToWaitAfterTheEnd(Faulty):
    """Refuses to wait for an event of a process that has ended."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        log = self._log(process_id)
        if log.is_terminal and log.nth(event_type, ordinal) is None:
            raise PluginError(PluginReason.PROCESS_TERMINAL, "it has ended")
        return await super().wait_event_nth(process_id, event_type, ordinal)


class CountsReplays(Faulty):
    """Counts a replayed event once more."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        if result.replayed:
            sequences = self._log(process_id)._sequences[request.event_type]
            sequences.append(result.event.sequence)
            self._waiters.notify(process_id, (request.event_type, len(sequences)))
        return result


class SwallowsCancellation(Faulty):
    """Returns an event where it is cancelled."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        try:
            return await super().wait_event_nth(process_id, event_type, ordinal)
        except trio.Cancelled:
            return ProcessEvent(
                process_id=process_id,
                sequence=10**9,
                event_type=event_type,
                payload=None,
                occurred_at_ms=0,
            )


class WaitsFromTheNumber(Faulty):
    """Takes the event with the number itself for one after it."""

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        return await super().wait_event_after(process_id, event_type, after_sequence - 1)


class ReturnsTheLastForTheNext(Faulty):
    """Does not wait where the type has an event already."""

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        log = self._log(process_id)
        there = log.count_through(event_type, log.next_sequence)
        if there and log.count_through(event_type, after_sequence) == there:
            return await self.wait_event_nth(process_id, event_type, there)
        return await super().wait_event_after(process_id, event_type, after_sequence)


class CountsInsteadOfLookingAhead(Faulty):
    """Takes the next event for one after a number that the log has yet to reach."""

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        ordinal = self._log(process_id).count_through(event_type, after_sequence) + 1
        return await self.wait_event_nth(process_id, event_type, ordinal)


class TakesTheLastForTheNext(Faulty):
    """Takes the event with the number itself for the next one."""

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        return await super().wait_next_event(process_id, after_sequence - 1)


class AwaitsTheRunningOnly(Faulty):
    """Does not look whether a process has ended."""

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        if self._log(process_id).is_terminal:
            await trio.sleep_forever()
        return await super().await_process(process_id)


class AwaitsAnyEnd(Faulty):
    """Takes any event for the end of a process."""

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        log = self._log(process_id)
        if not log.is_terminal:
            await self.wait_next_event(process_id, len(log.events))
        return log.record.status.await_output or ProcessAwaitOutput.success(None)


class _OtherWaiters(Faulty):
    """Lets tasks wait through faulty waiters."""

    waiters: type[EventWaiters]

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._waiters = self.waiters()


class LosesWakeups(_OtherWaiters):
    """Loses an event between its look and its wait."""

    waiters = waiters.LooksBeforeItRegisters


class WakesNobody(_OtherWaiters):
    """Never wakes who waits."""

    waiters = waiters.NeverWakes


class WakesEverybody(_OtherWaiters):
    """Wakes everybody for every event."""

    waiters = waiters.NotifiesEverybody


class ServesOneOfMany(_OtherWaiters):
    """Wakes one of those who wait for an event."""

    waiters = waiters.WakesOne


class CancelsOthersToo(_OtherWaiters):
    """Forgets those who wait for the same event as a cancelled waiter."""

    waiters = waiters.CancelsTheSlot


class EndsSilently(_OtherWaiters):
    """Does not wake who awaits a process."""

    waiters = waiters.ForgetsEnds


class _Silent(Faulty):
    """Can write without waking anybody."""

    def silence(self) -> EventWaiters:
        heard, self._waiters = self._waiters, waiters.NeverWakes()
        return heard


class MirrorsSilently(_Silent):
    """Does not wake who waits for the event that mirrors a wait."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        heard = self.silence()
        try:
            return await super().set_process_wait(process_id, wait, fence)
        finally:
            self._waiters = heard


class CompletesSilently(_Silent):
    """Does not wake anybody when a process is completed."""

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        heard = self.silence()
        try:
            return await super().complete_process(process_id, await_output)
        finally:
            self._waiters = heard


class ForgetsWaits(Faulty):
    """Mirrors a wait and does not keep it."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await super().set_process_wait(process_id, wait, fence)
        self._log(process_id).set_wait(None)
        return self._log(process_id).record


class MirrorsNoWait(Faulty):
    """Keeps a wait and does not mirror it."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await super().clear_process_wait(process_id, fence)
        self._log(process_id).set_wait(wait)
        return self._log(process_id).record


class MirrorsTheSameWait(Faulty):
    """Mirrors a wait that is set already."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        if self._log(process_id).record.wait is not None:
            self._log(process_id).set_wait(None)
        return await super().set_process_wait(process_id, wait, fence)


class WaitsHalf(Faulty):
    """Can be cancelled between the row's wait and the event that mirrors it."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        row = await super().set_process_wait(process_id, wait, fence)
        self._log(process_id).set_wait(None)
        await trio.lowlevel.checkpoint()
        self._log(process_id).set_wait(row.wait)
        return self._log(process_id).record


class KeepsClearedWaits(Faulty):
    """Mirrors that a wait is over and keeps it."""

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        wait = self._log(process_id).record.wait
        await super().clear_process_wait(process_id, fence)
        self._log(process_id).set_wait(wait)
        return self._log(process_id).record


class ResumesWhatDidNotWait(Faulty):
    """Mirrors the end of a wait that was none."""

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        if self._log(process_id).record.wait is None:
            self.force_append(
                process_id, ProcessEventAppendRequest(event_type="process.resumed", payload={})
            )
        return await super().clear_process_wait(process_id, fence)


class WaitsAfterTheEnd(Faulty):
    """Lets a process wait that has ended."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        log = self._log(process_id)
        if log.is_terminal:
            await trio.lowlevel.checkpoint()
            log.set_wait(attrs.evolve(wait))
            return log.record
        return await super().set_process_wait(process_id, wait, fence)
