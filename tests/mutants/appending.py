"""Registries that append wrongly: numbers, refusals, replays."""

import json

import attrs

from lash_trio import (
    CANCEL_REQUESTED,
    PluginError,
    PluginReason,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    Replay,
)
from lash_trio.model import WireError, canonical_json

from .base import ChangedAppend, ChangedRequest, EarlyRefusal, Faulty, ForgivingAppend


def _is_json(request: ProcessEventAppendRequest) -> bool:
    try:
        canonical_json(request.payload)
    except WireError:
        return False
    return True


class CountsFromZero(ChangedAppend):
    """Returns events numbered from zero."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        event = attrs.evolve(result.event, sequence=result.event.sequence - 1)
        return attrs.evolve(result, event=event)


class SharesReplayKeys(Faulty):
    """Knows the replay keys of one process in another."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        for log in self._logs.values():
            recorded = log.recorded(request)
            if recorded is not None and log.id != process_id:
                return ProcessEventAppendResult(event=recorded.event, replayed=True)
        return await super().append_event(process_id, request, fence)


class ForgetsTheKeyInTheEvent(Faulty):
    """Leaves the replay key out of the event."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        event = attrs.evolve(result.event, replay=None)
        self._log(process_id).events[event.sequence - 1] = event
        return attrs.evolve(result, event=event)


class SharesThePayload(Faulty):
    """Keeps the caller's own payload in the log."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        result = await super().append_event(process_id, request, fence)
        event = attrs.evolve(result.event, payload=request.payload)
        self._log(process_id).events[event.sequence - 1] = event
        return attrs.evolve(result, event=event)


class AcceptsUndeclaredTypes(ForgivingAppend):
    """Appends events of undeclared types."""

    reason = PluginReason.UNDECLARED_EVENT_TYPE


class MakesUpKeysOfEnds(ChangedRequest):
    """Gives a terminal event a replay key that it lacks."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        keyless = request.replay is None or not request.replay.key
        if keyless and request.event_type in ("process.completed", "job.over"):
            return request.with_replay_key(f"made up {self._log(process_id).next_sequence}")
        return request


class AcceptsCancelRequestsWithoutKey(ForgivingAppend):
    """Appends cancel requests without replay key."""

    reason = PluginReason.REPLAY_REQUIRED

    def is_forgiven(self, request: ProcessEventAppendRequest) -> bool:
        return request.event_type == CANCEL_REQUESTED


class IgnoresSchemas(ForgivingAppend):
    """Appends payloads against their schema."""

    reason = PluginReason.INVALID_PAYLOAD

    def is_forgiven(self, request: ProcessEventAppendRequest) -> bool:
        return _is_json(request)


class AcceptsAnyPayload(ForgivingAppend):
    """Appends payloads that are no JSON."""

    reason = PluginReason.INVALID_PAYLOAD

    def is_forgiven(self, request: ProcessEventAppendRequest) -> bool:
        return not _is_json(request)


class EndsTwice(ForgivingAppend):
    """Appends a second terminal event."""

    reason = PluginReason.PROCESS_TERMINAL


class RefusesAfterTheEnd(EarlyRefusal):
    """Refuses every new event of a process that has ended."""

    reason = PluginReason.PROCESS_TERMINAL

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        log = self._log(process_id)
        return log.is_terminal and log.recorded(request) is None


class LooksForTheTypeFirst(EarlyRefusal):
    """Refuses an undeclared type before it looks up the process."""

    reason = PluginReason.UNDECLARED_EVENT_TYPE

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        return request.event_type == "no.such" and process_id not in self._logs


class ChecksTypesBeforeKeys(EarlyRefusal):
    """Refuses an undeclared type before it looks up the replay key."""

    reason = PluginReason.UNDECLARED_EVENT_TYPE

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        return request.event_type not in self._log(process_id).declared


class ChecksPayloadsBeforeKeys(EarlyRefusal):
    """Checks the payload before it looks up the replay key."""

    reason = PluginReason.INVALID_PAYLOAD

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        log = self._log(process_id)
        declared = log.declared.get(request.event_type)
        known = log.recorded(request) is not None
        return known and declared is not None and declared.fault(request.payload) is not None


class ChecksEndsBeforeKeys(EarlyRefusal):
    """Refuses a second end before it looks up the replay key."""

    reason = PluginReason.PROCESS_TERMINAL

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        return (
            self._log(process_id).is_terminal
            and request.event_type == "process.completed"
            and bool(request.replay and request.replay.key)
        )


class ChecksPayloadsBeforeMissingKeys(EarlyRefusal):
    """Checks the payload before it asks for the replay key."""

    reason = PluginReason.INVALID_PAYLOAD

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        declared = self._log(process_id).declared.get(request.event_type)
        keyless = request.replay is None
        return keyless and declared is not None and declared.fault(request.payload) is not None


class ChecksEndsBeforeMissingKeys(EarlyRefusal):
    """Refuses a second end before it asks for the replay key."""

    reason = PluginReason.PROCESS_TERMINAL

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        over = request.event_type == "job.over"
        return over and request.replay is None and self._log(process_id).is_terminal


class ChecksEndsBeforePayloads(EarlyRefusal):
    """Refuses a second end before it checks the payload."""

    reason = PluginReason.PROCESS_TERMINAL

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        over = request.event_type == "job.over"
        return over and request.replay is not None and self._log(process_id).is_terminal


class LooksForOutputsBeforeEnds(EarlyRefusal):
    """Refuses an end without await output before it looks whether the process has ended."""

    reason = PluginReason.INVALID_SELECTOR

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        return request.event_type == "process.completed" and request.payload == {}


class WritesWhatItRefuses(Faulty):
    """Leaves the event of an append that it refuses."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        try:
            return await super().append_event(process_id, request, fence)
        except PluginError:
            if process_id in self._logs:
                self.force_append(process_id, request)
            raise


class IgnoresReplayKeys(ChangedRequest):
    """Appends an event again under the same replay key."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        known = self._log(process_id).recorded(request) is not None
        return request.with_replay_key("another") if known else request


class NeverSaysReplayed(ChangedAppend):
    """Does not tell a replay from a first append."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        return attrs.evolve(result, replayed=False)


class IgnoresReplayConflicts(Faulty):
    """Returns the first event for another content, too."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        try:
            return await super().append_event(process_id, request, fence)
        except PluginError as error:
            recorded = self._log(process_id).recorded(request)
            if error.reason != PluginReason.REPLAY_CONFLICT or recorded is None:
                raise
            return ProcessEventAppendResult(event=recorded.event, replayed=True)


class ComparesPayloadsOnly(ChangedRequest):
    """Takes another type with the same payload for the same content."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        recorded = self._log(process_id).recorded(request)
        if recorded is None:
            return request
        return attrs.evolve(request, event_type=recorded.event.event_type)


class ComparesTextAsWritten(Faulty):
    """Takes another order of fields for another content."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        recorded = self._log(process_id).recorded(request)
        known = request if recorded is None else recorded.event
        if json.dumps(known.payload) != json.dumps(request.payload):
            raise PluginError(PluginReason.REPLAY_CONFLICT, "another text")
        return await super().append_event(process_id, request, fence)


class TakesEmptyKeysForKeys(ChangedRequest):
    """Replays events under the empty key."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        if request.replay == Replay(key="") and request.event_type == "signal.ready":
            return request.with_replay_key("<empty>")
        return request


class BurnsKeysOfRefused(Faulty):
    """Takes the replay key of an append that it refused for used."""

    burnt: frozenset[str] = frozenset()

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        key = "" if request.replay is None else request.replay.key
        if key and key in self.burnt:
            raise PluginError(PluginReason.REPLAY_CONFLICT, "burnt")
        try:
            return await super().append_event(process_id, request, fence)
        except PluginError:
            self.burnt |= {key}
            raise


class ReplaysWithoutWake(ChangedAppend):
    """Leaves the wake out of a replayed append."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        return attrs.evolve(result, wake_delivery=None) if result.replayed else result
