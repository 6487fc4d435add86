"""Registries that end processes, wake sessions or read logs wrongly."""

from collections.abc import Callable

import attrs
import trio

from lash_trio import (
    CORE_EVENT_TYPES,
    ConstantDedupe,
    EventIdentityDedupe,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCompleted,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessEventType,
    ProcessLease,
    ProcessRecord,
    ProcessRegistration,
    ProcessRunning,
    ProcessValueSelector,
    ProcessWakeDelivery,
    ProcessWakeSpec,
    SelectorDedupe,
)
from lash_trio.model import terminal_event

from .base import ChangedAppend, ChangedRegistration, ChangedRequest, Faulty, ForgivingAppend

NOTHING = ProcessAwaitOutput.success(None)


class CompletesWhateverEnds(Faulty):
    """Takes every end for a completion."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        if result.event.semantics.terminal is not None:
            self.change_row(process_id, status=ProcessCompleted(await_output=NOTHING))
        return result


class EndsWithAnyEvent(Faulty):
    """Takes every event for an end."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        self.change_row(process_id, status=ProcessCompleted(await_output=NOTHING))
        return result


class EndsWithCoreTypesOnly(Faulty):
    """Does not end a process with a terminal type of its own."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        is_core = request.event_type in {core.name for core in CORE_EVENT_TYPES}
        if not is_core and self._log(process_id).is_terminal:
            self.change_row(process_id, status=ProcessRunning())
        return result


class CompletesWithNothing(Faulty):
    """Drops the payload of an end that takes it as value."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        declared = self._log(process_id).declared[request.event_type].event_type.semantics
        if declared.terminal is not None and declared.terminal.await_output is None:
            self.change_row(process_id, status=ProcessCompleted(await_output=NOTHING))
        return result


class AppendsWhatSelectorsMiss(ForgivingAppend):
    """Appends events in whose payload a selector finds nothing."""

    reason = PluginReason.INVALID_SELECTOR


class AcceptsOtherOutputs(ForgivingAppend):
    """Ends a process with the await output of another end."""

    reason = PluginReason.INVALID_PAYLOAD


class KeepsTheWait(Faulty):
    """Leaves the wait in the row of a process that has ended."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        wait = self._log(process_id).record.wait
        result = await super().append_event(process_id, request, fence)
        if result.event.semantics.terminal is not None:
            self.change_row(process_id, wait=wait)
        return result


class CompletesWithoutEvent(Faulty):
    """Sets the status and appends nothing."""

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        return self.change_row(process_id, status=ProcessCompleted(await_output=await_output))


class CompletesUnderNewKeys(Faulty):
    """Takes a repeated completion for a second one."""

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        log = self._log(process_id)
        request = terminal_event(process_id, await_output)
        self._append(log, request.with_replay_key(f"end {log.next_sequence}"))
        return log.record


class CompletesTheEnded(Faulty):
    """Says nothing where a process has ended otherwise."""

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        try:
            return await super().complete_process(process_id, await_output)
        except PluginError as error:
            if error.reason != PluginReason.PROCESS_TERMINAL:
                raise
            return self._log(process_id).record


class CompletesHalf(Faulty):
    """Can be cancelled between event and row."""

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        await trio.lowlevel.checkpoint()
        self.force_append(process_id, terminal_event(process_id, await_output))
        await trio.lowlevel.checkpoint()
        self._log(process_id).is_terminal = True
        return self.change_row(
            process_id, wait=None, status=ProcessCompleted(await_output=await_output)
        )


def _change_delivery(
    result: ProcessEventAppendResult,
    change: Callable[[ProcessWakeDelivery], ProcessWakeDelivery],
) -> ProcessEventAppendResult:
    delivery = result.wake_delivery
    return result if delivery is None else attrs.evolve(result, wake_delivery=change(delivery))


class WakesTheWholeSession(ChangedAppend):
    """Forgets the frame of the wake target."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        return _change_delivery(
            result, lambda d: attrs.evolve(d, target_scope_id=f"session:{d.target_session_id}")
        )


class _ChangedWakes(ChangedRegistration):
    """Registers other wakes than those that were asked for."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        raise NotImplementedError

    def changed(self, registration: ProcessRegistration) -> ProcessRegistration:
        kinds = tuple(self._changed_type(kind) for kind in registration.event_types)
        return attrs.evolve(registration, event_types=kinds)

    def _changed_type(self, kind: ProcessEventType) -> ProcessEventType:
        wake = kind.semantics.wake
        if wake is None:
            return kind
        changed = attrs.evolve(kind.semantics, wake=self.changed_wake(wake))
        return attrs.evolve(kind, semantics=changed)


class WakesWithThePayload(_ChangedWakes):
    """Ignores the selector of the wake's input."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        return attrs.evolve(wake, input=ProcessValueSelector.payload())


class WakesUnconditionally(_ChangedWakes):
    """Ignores the condition of a wake."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        return attrs.evolve(wake, when=None)


class WakesOnce(_ChangedWakes):
    """Takes all wakes of a target for one."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        if isinstance(wake.dedupe_key, EventIdentityDedupe):
            return attrs.evolve(wake, dedupe_key=ConstantDedupe(key="all"))
        return wake


class IgnoresDedupeSelectors(_ChangedWakes):
    """Takes wakes with equal selections for different ones."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        if isinstance(wake.dedupe_key, SelectorDedupe):
            return attrs.evolve(wake, dedupe_key=EventIdentityDedupe())
        return wake


class IgnoresDedupeConstants(_ChangedWakes):
    """Takes wakes under one constant key for different ones."""

    def changed_wake(self, wake: ProcessWakeSpec) -> ProcessWakeSpec:
        if isinstance(wake.dedupe_key, ConstantDedupe):
            return attrs.evolve(wake, dedupe_key=EventIdentityDedupe())
        return wake


class IgnoresTargetsInWakeIds(ChangedAppend):
    """Takes the wakes of two targets for one."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        return _change_delivery(result, lambda d: attrs.evolve(d, wake_id=d.dedupe_key))


class WakesWithoutTarget(ChangedAppend):
    """Delivers a wake to nobody."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        wake, event = result.event.semantics.wake, result.event
        if wake is None or result.wake_delivery is not None:
            return result
        delivery = ProcessWakeDelivery(
            wake_id="nobody",
            target_session_id="",
            target_scope_id="",
            process_id=event.process_id,
            sequence=event.sequence,
            dedupe_key=wake.dedupe_key,
            input=wake.input,
            created_at_ms=event.occurred_at_ms,
        )
        return attrs.evolve(result, wake_delivery=delivery)


class IgnoresTheTargetOfRequests(ChangedRequest):
    """Wakes the target of the process, whatever the request says."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        return attrs.evolve(request, wake_target_scope=None)


class ListsWakesFromTheNumber(Faulty):
    """Lists the wake with the number itself."""

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        return await super().wake_events_after(process_id, after_sequence - 1)


class AcknowledgesNothing(Faulty):
    """Lists wakes that were acknowledged."""

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await super().ack_wake(process_id, 0)


class AcknowledgesAllBefore(Faulty):
    """Takes an acknowledgement for one of all wakes up to it."""

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        for number in range(1, sequence + 1):
            await super().ack_wake(process_id, number)


class RefusesToAcknowledgeAgain(Faulty):
    """Has an error for a second acknowledgement."""

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        if sequence not in self._log(process_id).wakes:
            raise PluginError("unknown_wake", "there is no such wake")
        await super().ack_wake(process_id, sequence)


class AcknowledgesAhead(Faulty):
    """Takes an acknowledgement for one of a wake that is still to come."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.acknowledged: set[int] = set()

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await super().ack_wake(process_id, sequence)
        self.acknowledged.add(sequence)

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        events = await super().wake_events_after(process_id, after_sequence)
        return [event for event in events if event.sequence not in self.acknowledged]


class ReadsFromTheNumber(Faulty):
    """Reads the event with the number itself."""

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        return await super().events_after(process_id, max(after_sequence - 1, 0), limit)


class LimitsToTheLast(Faulty):
    """Reads the last events where there is a limit."""

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        events = await super().events_after(process_id, after_sequence)
        return events if limit is None else events[max(len(events) - limit, 0) :]


class ReadsTheRecentBackwards(Faulty):
    """Reads the last event first."""

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        return (await super().recent_events(process_id, limit))[::-1]


class CountsUpToTheNumber(Faulty):
    """Does not count the event with the number itself."""

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        return await super().count_events_through(process_id, event_type, up_to_sequence - 1)


class CannotCountNothing(Faulty):
    """Has an error for a type without events."""

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        counted = await super().count_events_through(process_id, event_type, up_to_sequence)
        if counted == 0 and up_to_sequence > 0:
            raise KeyError(event_type)
        return counted


class TakesNegativeLimitsForNone(Faulty):
    """Reads nothing where the limit is negative."""

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        return await super().recent_events(process_id, max(limit, 0))


class HandsOutItsOwnList(Faulty):
    """Gives readers the very list it keeps."""

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        if after_sequence == 0 and limit is None:
            await trio.lowlevel.checkpoint()
            return self._log(process_id).events
        return await super().events_after(process_id, after_sequence, limit)
