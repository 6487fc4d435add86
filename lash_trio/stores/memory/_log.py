"""The row and log of one process in memory."""

from __future__ import annotations

from bisect import bisect_right

import attrs

from ...model import (
    AppendTarget,
    CausalRef,
    DeclaredType,
    LeaseState,
    PreparedAppend,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessRecord,
    RecordedEvent,
    SessionScope,
    WaitState,
)


class ProcessLog:
    """One process: its row, its events, and the indexes that make look-ups constant.

    Args:
        record: the new row.

    Attributes:
        wakes: wake events that nobody has acknowledged, by number and in its order.
    """

    def __init__(self, record: ProcessRecord) -> None:
        self.id = record.id
        self.declared = {
            event_type.name: DeclaredType(event_type) for event_type in record.event_types
        }
        self.wake_target: SessionScope | None = record.wake_target
        self.caused_by: CausalRef | None = record.provenance.caused_by
        self.is_terminal = False
        self.lease = LeaseState()
        self.events: list[ProcessEvent] = []
        self.wakes: dict[int, ProcessEvent] = {}
        self._record = record
        self._updated_at_ms = record.updated_at_ms
        self._sequences: dict[str, list[int]] = {}
        self._recorded: dict[str, RecordedEvent] = {}

    @property
    def record(self) -> ProcessRecord:
        """The row as of now; made when somebody asks, since appends are more frequent."""
        if self._record.updated_at_ms != self._updated_at_ms:
            self._record = attrs.evolve(self._record, updated_at_ms=self._updated_at_ms)
        return self._record

    @property
    def next_sequence(self) -> int:
        """The number of the next event."""
        return len(self.events) + 1

    def recorded(self, request: ProcessEventAppendRequest) -> RecordedEvent | None:
        """What stands under the replay key of a request."""
        return None if request.replay is None else self._recorded.get(request.replay.key)

    def write(self, prepared: PreparedAppend) -> int:
        """Add an event; returns its ordinal among those of its type."""
        event = prepared.event
        self.events.append(event)
        sequences = self._sequences.get(event.event_type)
        if sequences is None:
            sequences = self._sequences[event.event_type] = []
        sequences.append(event.sequence)
        self._updated_at_ms = event.occurred_at_ms
        if event.replay is not None and prepared.content_hash is not None:
            self._recorded[event.replay.key] = RecordedEvent(
                content_hash=prepared.content_hash, event=event
            )
        if event.semantics.wake is not None:
            self.wakes[event.sequence] = event
        if prepared.status is not None:
            self.is_terminal = True
            self._record = attrs.evolve(self.record, status=prepared.status, wait=None)
        return len(sequences)

    def set_wait(self, wait: WaitState | None) -> None:
        """Change what the process waits for."""
        self._record = attrs.evolve(self.record, wait=wait)

    def replace_record(self, record: ProcessRecord) -> None:
        """Change the row."""
        self._record = record
        self._updated_at_ms = record.updated_at_ms

    def nth(self, event_type: str, ordinal: int) -> ProcessEvent | None:
        """Event number ``ordinal`` (from 1) of a type, if it is there."""
        sequences = self._sequences.get(event_type)
        if sequences is None or ordinal > len(sequences):
            return None
        return self.events[sequences[ordinal - 1] - 1]

    def count_through(self, event_type: str, up_to_sequence: int) -> int:
        """How many events of a type have a number of at most ``up_to_sequence``."""
        return bisect_right(self._sequences.get(event_type, []), up_to_sequence)


def as_target(log: ProcessLog) -> AppendTarget:
    """The log as the append rules see it; here so that the type checker compares the two."""
    return log
