"""Registries in memory with one fault each, for the machines to find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, TypeVarTuple

import attrs
import trio

from lash_trio import (
    MemoryProcessRegistry,
    PluginError,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessGrantEntry,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessRecord,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    ProcessStartGrant,
    SessionScope,
    WaitState,
)
from lash_trio.abc import Clock
from lash_trio.kernel import END, EventWaiters, WaitSlot
from lash_trio.model import PluginReason, PreparedAppend
from lash_trio.stores.memory._log import ProcessLog

T = TypeVar("T")
ArgsT = TypeVarTuple("ArgsT")


class _LooksBeforeItRegisters(EventWaiters):
    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        found = await look(*args)
        await trio.lowlevel.checkpoint()
        if found is not None:
            return found
        parked = self._register(process_id, slot)
        try:
            await parked.opened.wait()
        finally:
            if not parked.opened.is_set():
                self._leave(process_id, slot, parked)
        found = await look(*args)
        assert found is not None
        return found


class LostWakeup(MemoryProcessRegistry):
    """Looks for the event, and registers the waiter a moment later."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._waiters = _LooksBeforeItRegisters()


class _ForgetsTheEnd(EventWaiters):
    def notify(self, process_id: str, slot: WaitSlot) -> None:
        if slot != END:
            super().notify(process_id, slot)


class EndNotNotified(MemoryProcessRegistry):
    """Tells nobody that a process has ended."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._waiters = _ForgetsTheEnd()


class _WakesOne(EventWaiters):
    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[*ArgsT], Awaitable[T | None]],
        *args: *ArgsT,
    ) -> T:
        found = await look(*args)
        while found is None:
            event = trio.Event()
            self._queues.setdefault((process_id, slot), []).append(event)
            self.parked += 1
            try:
                await event.wait()
            finally:
                self.parked -= 1
            found = await look(*args)
        await trio.lowlevel.checkpoint()
        return found

    def __init__(self) -> None:
        super().__init__()
        self.parked = 0
        self._queues: dict[tuple[str, WaitSlot], list[trio.Event]] = {}

    @property
    def tasks_waiting(self) -> int:
        return self.parked

    def notify(self, process_id: str, slot: WaitSlot) -> None:
        queue = self._queues.get((process_id, slot))
        if queue:
            queue.pop(0).set()

    def notify_event(self, event: ProcessEvent, ordinal: int) -> None:
        self.notify(event.process_id, (event.event_type, ordinal))
        self.notify(event.process_id, ("", event.sequence))


class OneWaiterNotified(MemoryProcessRegistry):
    """Wakes the first of those who wait for an event, and no other."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._waiters = _WakesOne()


class _Keeps(EventWaiters):
    def _leave(self, process_id: str, slot: WaitSlot, parked: object) -> None:
        pass


class CancelledWaiterKept(MemoryProcessRegistry):
    """Keeps a waiter that was cancelled."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self._waiters = _Keeps()


class OrdinalFromZero(MemoryProcessRegistry):
    """Gives the event before the one that was asked for, where there is one."""

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        event = await super().wait_event_nth(process_id, event_type, ordinal)
        return self._logs[process_id].nth(event_type, max(ordinal - 1, 1)) or event


class OrdinalOfTheLog(MemoryProcessRegistry):
    """Counts events of every type where it should count those of one."""

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        count = await super().count_events_through(process_id, event_type, up_to_sequence)
        return min(max(up_to_sequence, 0), len(self._logs[process_id].events)) if count else 0


class StaleLeaseAccepted(MemoryProcessRegistry):
    """Checks the owner of a writer and not the token."""

    def _append(
        self,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> PreparedAppend:
        held = log.lease.lease
        if fence is not None and held is not None and held.owner_id == fence.owner_id:
            fence = held
        return super()._append(log, request, fence)


class ExpiredLeaseAccepted(MemoryProcessRegistry):
    """Lets the last owner write for as long as nobody else has claimed."""

    def _append(
        self,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> PreparedAppend:
        held = log.lease.lease
        if held is not None and fence is not None and held.lease_token == fence.lease_token:
            fence = None
        return super()._append(log, request, fence)


class LeaseOneMomentLonger(MemoryProcessRegistry):
    """Takes a lease for alive in the very moment in which it expires."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        log = self._log(process_id)
        held = log.lease.lease
        if (
            held is not None
            and held.owner_id != owner_id
            and held.expires_at_epoch_ms == self._clock.now_ms()
        ):
            raise PluginError(PluginReason.LEASE_HELD, "held for a moment longer")
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class TokenUsedAgain(MemoryProcessRegistry):
    """Begins to count fencing tokens again when a lease is given back."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await super().complete_process_lease(completion)
        log = self._log(completion.process_id)
        if log.lease.lease is None:
            log.lease = attrs.evolve(log.lease, fencing_token=0)


class StaleReleaseHonoured(MemoryProcessRegistry):
    """Gives back the lease of whoever holds it."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await trio.lowlevel.checkpoint()
        log = self._log(completion.process_id)
        log.lease = attrs.evolve(log.lease, lease=None)


class WaitKeptAtTheEnd(MemoryProcessRegistry):
    """Leaves what the process waits for in the row when it ends."""

    def _append(
        self,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> PreparedAppend:
        wait = log.record.wait
        prepared = super()._append(log, request, fence)
        if prepared.status is not None and not prepared.replayed:
            log.set_wait(wait)
        return prepared


class PartialTransfer(MemoryProcessRegistry):
    """Moves grants one by one until one is missing."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        for process_id in dict.fromkeys(process_ids):
            self._grants.transfer(from_scope, to_scope, [process_id])


class ReplayConflictIgnored(MemoryProcessRegistry):
    """Returns the first event of a replay key for whatever content."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        log = self._logs.get(process_id)
        known = None if log is None else log.recorded(request)
        if known is not None:
            first = known.event
            request = attrs.evolve(request, event_type=first.event_type, payload=first.payload)
        return await super().append_event(process_id, request, fence)


class TerminalTwice(MemoryProcessRegistry):
    """Lets a second terminal event end a process again."""

    def _append(
        self,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> PreparedAppend:
        if log.is_terminal:
            log.is_terminal = False
            self._running[log.id] = log
        return super()._append(log, request, fence)


class AppendInTwoParts(MemoryProcessRegistry):
    """Ends a process, and gives its lease back a moment later."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(lease.process_id)
        self._append(log, request, lease)
        await trio.lowlevel.checkpoint()
        await self.complete_process_lease(ProcessLeaseCompletion.of(lease))
        return log.record


class WaitInTwoParts(MemoryProcessRegistry):
    """Appends ``process.waiting``, and changes the row a moment later."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        record = await super().set_process_wait(process_id, wait, fence)
        log = self._log(process_id)
        before = None if record.wait == log.record.wait else log.record.wait
        log.set_wait(before)
        await trio.lowlevel.checkpoint()
        if not log.is_terminal:
            log.set_wait(wait)
        return log.record


class FramesForgotten(MemoryProcessRegistry):
    """Deletes a session's own grants, and not those of its frames."""

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        await trio.lowlevel.checkpoint()
        frames = [
            grant
            for log in self._logs.values()
            for grant in self._grants.of_process(log.id)
            if grant.session_scope.agent_frame_id
        ]
        report = await super().delete_session_process_state(session_id)
        for grant in frames:
            self._grants.grant(grant.session_scope, grant.process_id, grant.descriptor)
        return report


class AcknowledgesAllBefore(MemoryProcessRegistry):
    """Takes the acknowledgement of a wake for that of all before it."""

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await super().ack_wake(process_id, sequence)
        wakes = self._logs[process_id].wakes
        for number in [number for number in wakes if number < sequence]:
            del wakes[number]


class GrantLostOnRepeat(MemoryProcessRegistry):
    """Gives no grant where the registration is there already."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        known = registration.id in self._logs
        return await super().register_process(registration, None if known else grant)


class LiveMeansAll(MemoryProcessRegistry):
    """Lists ended processes among the live ones."""

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return await self.list_handle_grants(session_scope)


class SwallowsCancelled(MemoryProcessRegistry):
    """Answers a cancelled read, as if nothing had been."""

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        try:
            return await super().await_process(process_id)
        except trio.Cancelled:
            return ProcessAwaitOutput.cancelled("the wait was cancelled")


PLANTED = (
    LostWakeup,
    EndNotNotified,
    OneWaiterNotified,
    CancelledWaiterKept,
    OrdinalFromZero,
    OrdinalOfTheLog,
    StaleLeaseAccepted,
    ExpiredLeaseAccepted,
    LeaseOneMomentLonger,
    TokenUsedAgain,
    StaleReleaseHonoured,
    WaitKeptAtTheEnd,
    PartialTransfer,
    ReplayConflictIgnored,
    TerminalTwice,
    AppendInTwoParts,
    WaitInTwoParts,
    FramesForgotten,
    AcknowledgesAllBefore,
    GrantLostOnRepeat,
    LiveMeansAll,
    SwallowsCancelled,
)
