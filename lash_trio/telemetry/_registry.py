"""Process registries that tell of waits, leases, appends and ends."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from ..abc import LeaseRenewer, ProcessRegistry
from ..model import (
    CANCEL_REQUESTED,
    LeaseHeldError,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessFailure,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessRecord,
    WaitState,
)
from ._forwarding import ForwardingProcessRegistry
from ._leases import LeaseEvent, LeaseWatch, traced_renewer
from ._names import (
    EVENT_APPENDED,
    EVENT_ORDINAL,
    EVENT_REPLAYED,
    EVENT_SEQUENCE,
    EVENT_TYPE,
    FENCING_TOKEN,
    LEASE_EVENT,
    LEASE_OWNER,
    PROCESS_ID,
    PROCESS_STATE,
    WAIT_TYPE,
)
from ._operation import Ending, Measures, Operation, Outcome
from ._telemetry import Telemetry


class TracedProcessRegistry(ForwardingProcessRegistry):
    """A registry with spans for waits, claims and ends, and metrics of what it is asked.

    The spans: ``wait event``, ``wait next_event``, ``wait process``, ``claim lease``,
    ``end process``.  What is appended is an event of the span that is current then.  The
    wait for a cancel request, which a worker keeps for each process that it runs, is
    left out.

    Metrics: ``lash_trio.wait.active``, ``lash_trio.wait.duration``,
    ``lash_trio.lease.events``, ``lash_trio.lease.recoveries``,
    ``lash_trio.event.appended``, ``lash_trio.process.ended``.

    Args:
        registry: does the work.
        telemetry: where spans and metrics go.
    """

    def __init__(self, registry: ProcessRegistry, telemetry: Telemetry) -> None:
        super().__init__(registry)
        self._telemetry = telemetry
        self._leases = LeaseWatch(telemetry)

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        """Append an event."""
        with self._leases.losing(LeaseEvent.FENCED, fence):
            result = await super().append_event(process_id, request, fence)
        event = result.event
        self._appended(event, result.replayed)
        if event.semantics.terminal is not None and not result.replayed:
            self._ended(event.semantics.terminal.await_output)
        return result

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        """End a process that nobody runs here."""
        with self._end(process_id) as operation:
            record = await super().complete_process(process_id, await_output)
            self._conclude(operation, record)
            return record

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        """Append a terminal event and give the lease back."""
        with (
            self._end(lease.process_id) as operation,
            self._leases.losing(LeaseEvent.FENCED, lease),
        ):
            operation.span.set_attribute(FENCING_TOKEN, lease.fencing_token)
            record = await super().complete_leased_process(lease, request)
            self._leases.count(LeaseEvent.RELEASED)
            self._conclude(operation, record)
            return record

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        """Wait for the first event of a type after a number."""
        asked: dict[str, AttributeValue] = {EVENT_SEQUENCE: after_sequence}
        with self._waiting("event", process_id, event_type, asked):
            return await super().wait_event_after(process_id, event_type, after_sequence)

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        """Wait for the event of a type that is number ``ordinal`` of that type."""
        if event_type == CANCEL_REQUESTED:
            return await super().wait_event_nth(process_id, event_type, ordinal)
        with self._waiting("event", process_id, event_type, {EVENT_ORDINAL: ordinal}):
            return await super().wait_event_nth(process_id, event_type, ordinal)

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        """Wait for the event with the number after ``after_sequence``."""
        asked: dict[str, AttributeValue] = {EVENT_SEQUENCE: after_sequence}
        with self._waiting("next_event", process_id, None, asked):
            return await super().wait_next_event(process_id, after_sequence)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        """Wait for the end of a process."""
        with self._waiting("process", process_id, None, {}):
            return await super().await_process(process_id)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note what the process waits for."""
        with self._leases.losing(LeaseEvent.FENCED, fence):
            return await super().set_process_wait(process_id, wait, fence)

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note that it waits no longer."""
        with self._leases.losing(LeaseEvent.FENCED, fence):
            return await super().clear_process_wait(process_id, fence)

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        """Become the one owner of a process."""
        asked: dict[str, AttributeValue] = {PROCESS_ID: process_id, LEASE_OWNER: owner_id}
        with Operation(self._telemetry, "claim lease", asked) as operation:
            try:
                lease = await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)
            except LeaseHeldError:
                # What happens all the time where several workers share a registry.
                self._leases.count(LeaseEvent.HELD)
                operation.span.set_attribute(LEASE_EVENT, LeaseEvent.HELD.value)
                operation.conclude(Ending(outcome=Outcome.OK))
                raise
            operation.span.set_attribute(FENCING_TOKEN, lease.fencing_token)
            operation.span.set_attribute(LEASE_EVENT, LeaseEvent.CLAIMED.value)
            self._leases.claimed(lease)
            return lease

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        """Keep a lease for longer."""
        with self._leases.losing(LeaseEvent.LOST, lease):
            renewed = await super().renew_process_lease(lease, lease_ttl_ms)
        self._leases.count(LeaseEvent.RENEWED)
        return renewed

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        """Give a lease back."""
        await super().complete_process_lease(completion)
        self._leases.count(LeaseEvent.RELEASED)

    def renew_leases(self, lease_ttl_ms: int) -> AbstractContextManager[LeaseRenewer] | None:
        """What keeps leases alive, if the registry has it; losses are counted."""
        renewing = super().renew_leases(lease_ttl_ms)
        return None if renewing is None else traced_renewer(renewing, self._leases)

    def _appended(self, event: ProcessEvent, replayed: bool) -> None:
        attributes: dict[str, AttributeValue] = {
            EVENT_TYPE: event.event_type,
            EVENT_REPLAYED: replayed,
        }
        self._telemetry.instruments.events_appended.add(1, attributes)
        trace.get_current_span().add_event(
            EVENT_APPENDED,
            {**attributes, PROCESS_ID: event.process_id, EVENT_SEQUENCE: event.sequence},
        )

    def _ended(self, output: ProcessAwaitOutput) -> None:
        self._telemetry.instruments.processes_ended.add(
            1, {PROCESS_STATE: output.terminal_state.value}
        )

    def _end(self, process_id: str) -> Operation:
        return Operation(self._telemetry, "end process", {PROCESS_ID: process_id})

    def _conclude(self, operation: Operation, record: ProcessRecord) -> None:
        output = record.status.await_output
        if output is None:
            return
        operation.span.set_attribute(PROCESS_STATE, output.terminal_state.value)
        self._ended(output)
        if isinstance(output, ProcessFailure):
            operation.conclude(
                Ending(outcome=Outcome.ERROR, error_type=output.code, error=output.message)
            )

    def _waiting(
        self,
        what: str,
        process_id: str,
        event_type: str | None,
        asked: dict[str, AttributeValue],
    ) -> Operation:
        instruments = self._telemetry.instruments
        labels: dict[str, AttributeValue] = {WAIT_TYPE: what}
        if event_type is not None:
            labels[EVENT_TYPE] = event_type
        measures = Measures(
            duration=instruments.wait_duration, active=instruments.active_waits, labels=labels
        )
        attributes = {**asked, PROCESS_ID: process_id}
        return Operation(self._telemetry, f"wait {what}", attributes, measures=measures)
