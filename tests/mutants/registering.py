"""Registries that register or list wrongly."""

import attrs
import trio

from lash_trio import (
    CORE_EVENT_TYPES,
    ExternalInput,
    FunctionInput,
    PluginError,
    PluginReason,
    ProcessExternalRef,
    ProcessListFilter,
    ProcessRecord,
    ProcessRegistration,
    ProcessStartGrant,
    ProcessStatusFilter,
    ToolCallInput,
)
from lash_trio.model import WireError, dumps, prepare_registration
from lash_trio.stores.memory._log import ProcessLog

from .base import Faulty, ForgivingRegistration


def _is_json(registration: ProcessRegistration) -> bool:
    try:
        dumps(registration)
    except WireError:
        return False
    return True


class ForgetsTheEnvironment(Faulty):
    """Leaves the environment out of the row."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await super().register_process(registration, grant)
        return self.change_row(registration.id, env_ref=None)


class ReturnsAnotherRow(Faulty):
    """Returns a row that is not the one it keeps."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        row = await super().register_process(registration, grant)
        return attrs.evolve(row, registration_hash="")


class RegistersAnew(Faulty):
    """Begins again with the same registration."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await super().register_process(registration, grant)
        log = ProcessLog(prepare_registration(registration).record(self._clock.now_ms()))
        self._logs[log.id] = self._running[log.id] = log
        return log.record


class KeepsTheFirstRegistration(Faulty):
    """Takes another registration for the first one."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        row = await self.get_process(registration.id)
        return row or await super().register_process(registration, grant)


class ForgetsCoreTypes(Faulty):
    """Declares only what was asked for."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await super().register_process(registration, grant)
        log = self._log(registration.id)
        asked = {kind.name for kind in registration.event_types}
        for name in log.declared.keys() - asked - {"process.completed"}:
            del log.declared[name]
        return self.change_row(registration.id, event_types=registration.event_types)


class AcceptsBlankIds(ForgivingRegistration):
    """Registers a process with a blank id."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return not registration.id.strip()


class AcceptsBlankHostProfiles(ForgivingRegistration):
    """Registers a process with a blank host profile."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return not registration.provenance.host_profile_id.strip()


class AcceptsBlankSessions(ForgivingRegistration):
    """Registers a wake target with a blank session."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return registration.wake_target is not None


class AcceptsBlankDefinitions(ForgivingRegistration):
    """Registers a function whose definition has a blank name."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        asked = registration.input
        return isinstance(asked, FunctionInput) and not asked.name.strip()


class AcceptsBlankEnvironments(ForgivingRegistration):
    """Registers a blank environment reference."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return registration.env_ref is not None and not registration.env_ref.strip()


class AcceptsOtherCoreTypes(ForgivingRegistration):
    """Registers a core type with another meaning."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        core = {kind.name for kind in CORE_EVENT_TYPES}
        return any(kind.name in core for kind in registration.event_types)


class AcceptsBlankEventTypes(ForgivingRegistration):
    """Registers an event type with a blank name."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return any(not kind.name.strip() for kind in registration.event_types)


class AcceptsEventTypesTwice(ForgivingRegistration):
    """Registers an event type twice."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return len({kind.name for kind in registration.event_types}) < len(registration.event_types)


class AcceptsEndsWithoutOutput(ForgivingRegistration):
    """Registers a failed end without await output."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return any(kind.name == "job.over" for kind in registration.event_types)


class AcceptsAnySchema(ForgivingRegistration):
    """Registers a payload schema that is none."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return any(kind.payload_schema for kind in registration.event_types)


class AcceptsAnyInput(ForgivingRegistration):
    """Registers an input that is no JSON."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return not _is_json(registration)


class AcceptsToolCallsWithoutEnvironment(ForgivingRegistration):
    """Registers a tool call without environment."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return isinstance(registration.input, ToolCallInput)


class AcceptsAnyEnvironment(ForgivingRegistration):
    """Registers an external input with an environment."""

    def is_forgiven(self, registration: ProcessRegistration) -> bool:
        return isinstance(registration.input, ExternalInput)


class RefusesFunctionsWithEnvironment(Faulty):
    """Refuses an environment where it may be."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        if isinstance(registration.input, FunctionInput) and registration.env_ref is not None:
            raise PluginError(PluginReason.INVALID_REGISTRATION, "no environment, please")
        return await super().register_process(registration, grant)


class WritesBeforeItChecks(Faulty):
    """Leaves the row of a registration that it refuses."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        try:
            return await super().register_process(registration, grant)
        except PluginError as error:
            if error.reason == PluginReason.INVALID_REGISTRATION:
                self.force_register(registration)
            raise


class ForgetsTheGrant(Faulty):
    """Registers without the grant."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        return await super().register_process(registration)


class GrantsOnlyWhatIsNew(Faulty):
    """Gives no grant with a registration that it knows."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        known = registration.id in self._logs
        return await super().register_process(registration, None if known else grant)


class GrantsBeforeItChecks(Faulty):
    """Gives the grant of a registration that it refuses."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        if grant is not None:
            self._grants.grant(grant.session_scope, registration.id, grant.descriptor)
        return await super().register_process(registration, grant)


class SharesTheInput(Faulty):
    """Keeps the caller's own input in the row."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        await super().register_process(registration, grant)
        return self.change_row(registration.id, input=registration.input)


class RegistersHalf(Faulty):
    """Can be cancelled between row and grant."""

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        row = await super().register_process(registration)
        if grant is not None:
            await self.grant_handle(grant.session_scope, registration.id, grant.descriptor)
        return row


class RaisesForUnknownProcesses(Faulty):
    """Has an error where there is no row."""

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await trio.lowlevel.checkpoint()
        return self._log(process_id).record


class ListsInOrderOfRegistration(Faulty):
    """Lists the oldest process first."""

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        await trio.lowlevel.checkpoint()
        return [log.record for log in self._logs.values() if filter.matches(log.record)]


class ListsAnyStatus(Faulty):
    """Ignores the status of a filter."""

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        return await super().list_processes(attrs.evolve(filter, status=ProcessStatusFilter.ANY))


class ListsAnyDefinition(Faulty):
    """Ignores the definition of a filter."""

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        return await super().list_processes(attrs.evolve(filter, definition=None))


class ListsAnyWait(Faulty):
    """Ignores the waiting of a filter."""

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        return await super().list_processes(attrs.evolve(filter, waiting=None))


class WorksOnTheEnded(Faulty):
    """Has ended processes in its work list."""

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self.list_processes(ProcessListFilter(status=ProcessStatusFilter.ANY))


class NeverChangesItsTimes(Faulty):
    """Leaves the time of the last change at that of the registration."""

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        row = await super().get_process(process_id)
        return row and attrs.evolve(row, updated_at_ms=row.created_at_ms)


class ForgetsExternalReferences(Faulty):
    """Returns the external reference and does not keep it."""

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        row = await super().set_external_ref(process_id, external_ref)
        self.change_row(process_id, external_ref=None)
        return row
