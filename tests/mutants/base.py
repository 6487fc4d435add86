"""What faulty registries are built with."""

from typing import Any

import attrs

from lash_trio import (
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    ProcessRecord,
    ProcessRegistration,
    ProcessStartGrant,
)
from lash_trio.model import PreparedAppend, PreparedRegistration
from lash_trio.stores.memory._log import ProcessLog


class Faulty(MemoryProcessRegistry):
    """Ways around the rules."""

    def change_row(self, process_id: str, **changes: Any) -> ProcessRecord:
        log = self._log(process_id)
        log.replace_record(attrs.evolve(log.record, **changes))
        return log.record

    def force_register(self, registration: ProcessRegistration) -> ProcessRecord:
        prepared = PreparedRegistration(registration=registration, registration_hash="forced")
        log = ProcessLog(prepared.record(self._clock.now_ms()))
        self._logs[log.id] = self._running[log.id] = log
        return log.record

    def force_append(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendResult:
        log = self._log(process_id)
        event = ProcessEvent(
            process_id=process_id,
            sequence=log.next_sequence,
            event_type=request.event_type,
            payload=request.payload,
            occurred_at_ms=self._clock.now_ms(),
            replay=request.replay,
        )
        ordinal = log.write(PreparedAppend(event=event))
        self._waiters.notify_event(event, ordinal)
        return ProcessEventAppendResult(event=event)


class ForgivingRegistration(Faulty):
    """Registers what it should refuse, where `is_forgiven` says so."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        raise NotImplementedError

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        try:
            return await super().register_process(registration, grant)
        except PluginError as error:
            invalid = error.reason == PluginReason.INVALID_REGISTRATION
            if not invalid or not self.is_forgiven(registration):
                raise
            return self.force_register(registration)


class ForgivingAppend(Faulty):
    """Appends what it should refuse for a reason, where `is_forgiven` says so."""

    reason = ""

    def is_forgiven(self, request: ProcessEventAppendRequest) -> bool:
        return True

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        try:
            return await super().append_event(process_id, request, fence)
        except PluginError as error:
            if error.reason != self.reason or not self.is_forgiven(request):
                raise
            return self.force_append(process_id, request)


class EarlyRefusal(Faulty):
    """Refuses for one reason before it looks for others, where `is_refused` says so."""

    reason = ""

    def is_refused(self, process_id: str, request: ProcessEventAppendRequest) -> bool:
        raise NotImplementedError

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        if self.is_refused(process_id, request):
            raise PluginError(self.reason, "refused too early")
        return await super().append_event(process_id, request, fence)


class ChangedAppend(Faulty):
    """Changes what an append returns, by `change`."""

    def change(
        self, request: ProcessEventAppendRequest, result: ProcessEventAppendResult
    ) -> ProcessEventAppendResult:
        raise NotImplementedError

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return self.change(request, await super().append_event(process_id, request, fence))


class ChangedRequest(Faulty):
    """Appends another request than it was asked for, by `changed`."""

    def changed(
        self, process_id: str, request: ProcessEventAppendRequest
    ) -> ProcessEventAppendRequest:
        raise NotImplementedError

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return await super().append_event(process_id, self.changed(process_id, request), fence)


class ChangedRegistration(Faulty):
    """Registers something else than it was asked for, by `changed`."""

    def changed(self, registration: ProcessRegistration) -> ProcessRegistration:
        raise NotImplementedError

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        return await super().register_process(self.changed(registration), grant)
