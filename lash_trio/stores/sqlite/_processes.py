"""Rows of processes and their events, as functions on a connection."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import attrs

from ...model import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    PLAIN_SEMANTICS,
    CausalRef,
    DeclaredType,
    FunctionInput,
    LeaseState,
    PreparedAppend,
    PreparedRegistration,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSemantics,
    ProcessEventType,
    ProcessExternalRef,
    ProcessInput,
    ProcessLease,
    ProcessListFilter,
    ProcessRecord,
    ProcessRegistration,
    ProcessStatus,
    ProcessStatusFilter,
    RecordedEvent,
    Replay,
    SessionScope,
    WaitState,
    canonical_json as canonical,
    check_fence,
    dumps,
    from_json,
    loads,
    parse_json,
    prepare_append,
    unknown_process,
)
from . import _parked
from ._leases import LEASE_COLUMNS, lease_state
from ._sql import SqlConnection, SqlValue
from ._writer import Appended

_COLUMNS = (
    "number, id, registration, registration_hash, created_at_ms, updated_at_ms,"
    f" external_ref, wait, status, {LEASE_COLUMNS}"
)
_EVENT_COLUMNS = "sequence, type, payload, semantics, occurred_at_ms, replay_key"


@attrs.frozen(kw_only=True)
class EventTypes:
    """The event types of a registration, as they were declared and by their names."""

    declared: tuple[ProcessEventType, ...]
    by_name: dict[str, DeclaredType]


@attrs.frozen(kw_only=True)
class Declared:
    """What never changes of a process: parsed once, kept for as long as it is in use."""

    registration: ProcessRegistration
    types: dict[str, DeclaredType]


# All processes of a definition have the same ones, and most of a registration is them.
@lru_cache(maxsize=1024)
def _event_types(text: str) -> EventTypes:
    declared = loads(tuple[ProcessEventType, ...], text)
    return EventTypes(
        declared=declared,
        by_name={event_type.name: DeclaredType(event_type) for event_type in declared},
    )


# A worker touches the same few thousand again and again.
@lru_cache(maxsize=4096)
def _declared(text: str) -> Declared:
    document = parse_json(text)
    if not isinstance(document, dict):
        raise TypeError(f"a registration is a JSON object, got {text!r}")
    types = _event_types(canonical(document.pop("event_types", [])))
    asked = from_json(ProcessRegistration, document)
    return Declared(
        registration=attrs.evolve(asked, event_types=types.declared), types=types.by_name
    )


@attrs.frozen(kw_only=True)
class Row:
    """A row of ``processes``; it is what the append rules look at."""

    number: int
    id: str
    text: str
    registration_hash: str
    created_at_ms: int
    updated_at_ms: int
    external_ref: str | None
    wait: str | None
    status: ProcessStatus
    lease: LeaseState

    @property
    def declared(self) -> dict[str, DeclaredType]:
        """The declared event types."""
        return _declared(self.text).types

    @property
    def is_terminal(self) -> bool:
        """Whether the process has ended."""
        return self.status.is_terminal

    @property
    def input(self) -> ProcessInput:
        """What it runs."""
        return _declared(self.text).registration.input

    @property
    def wake_target(self) -> SessionScope | None:
        """Whom its wake events wake."""
        return _declared(self.text).registration.wake_target

    @property
    def caused_by(self) -> CausalRef | None:
        """What caused it."""
        return _declared(self.text).registration.provenance.caused_by

    @property
    def record(self) -> ProcessRecord:
        """The row as others see it."""
        asked = _declared(self.text).registration
        return ProcessRecord(
            id=self.id,
            registration_hash=self.registration_hash,
            input=asked.input,
            event_types=asked.event_types,
            provenance=asked.provenance,
            env_ref=asked.env_ref,
            wake_target=asked.wake_target,
            created_at_ms=self.created_at_ms,
            updated_at_ms=self.updated_at_ms,
            external_ref=None
            if self.external_ref is None
            else loads(ProcessExternalRef, self.external_ref),
            wait=None if self.wait is None else loads(WaitState, self.wait),
            status=self.status,
        )


def rows(connection: SqlConnection, where: str, *values: SqlValue) -> Iterator[Row]:
    """The rows of a condition."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM processes WHERE {where}", values):
        yield Row(
            number=row[0],
            id=row[1],
            text=row[2],
            registration_hash=row[3],
            created_at_ms=row[4],
            updated_at_ms=row[5],
            external_ref=row[6],
            wait=row[7],
            status=loads(ProcessStatus, row[8]),
            lease=lease_state(row[1], *row[9:14]),
        )


def find(connection: SqlConnection, process_id: str) -> Row | None:
    """The row of a process, or None."""
    return next(rows(connection, "id = ?", process_id), None)


def get(connection: SqlConnection, process_id: str) -> Row:
    """The row of a process.

    Raises:
        PluginError: reason ``unknown_process``.
    """
    row = find(connection, process_id)
    if row is None:
        raise unknown_process(process_id)
    return row


def condition(filter: ProcessListFilter) -> tuple[str, list[SqlValue]]:
    """The condition that says what :meth:`ProcessListFilter.matches` says."""
    parts: list[str] = ["true"]
    values: list[SqlValue] = []
    if filter.status is ProcessStatusFilter.RUNNING:
        # A literal, so that the partial index is used.
        parts.append("state = 'running'")
    elif filter.status is not ProcessStatusFilter.ANY:
        parts.append("state = ?")
        values.append(str(filter.status))
    if filter.definition is not None:
        parts.append("definition = ?")
        values.append(filter.definition)
    if filter.waiting is not None:
        parts.append(f"wait IS {'NOT ' if filter.waiting else ''}NULL")
    return " AND ".join(parts), values


def held_leases(connection: SqlConnection) -> list[ProcessLease]:
    """The leases that were claimed and not given back, ordered by process id."""
    found = connection.execute(
        f"SELECT id, {LEASE_COLUMNS} FROM processes WHERE owner_id IS NOT NULL ORDER BY id"
    )
    states = [lease_state(*row) for row in found]
    return [state.lease for state in states if state.lease is not None]


def number_of(connection: SqlConnection, process_id: str) -> int:
    """The number of a process.

    Raises:
        PluginError: reason ``unknown_process``.
    """
    for (number,) in connection.execute("SELECT number FROM processes WHERE id = ?", (process_id,)):
        return int(number)
    return get(connection, process_id).number


def insert(connection: SqlConnection, prepared: PreparedRegistration, now_ms: int) -> None:
    """Add a row."""
    asked = prepared.registration
    record = prepared.record(now_ms)
    definition = asked.input.name if isinstance(asked.input, FunctionInput) else None
    connection.execute(
        "INSERT INTO processes (id, registration, registration_hash, definition, created_at_ms,"
        " updated_at_ms, state, status, look_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            asked.id,
            dumps(asked),
            prepared.registration_hash,
            definition,
            now_ms,
            now_ms,
            record.status.label,
            dumps(record.status),
            _parked.look_at_first(asked.input),
        ),
    )


def update(connection: SqlConnection, number: int, column: str, value: SqlValue) -> None:
    """Change one column of a row; ``column`` is never input."""
    connection.execute(f"UPDATE processes SET {column} = ? WHERE number = ?", (value, number))


def append(
    connection: SqlConnection,
    appended: list[Appended],
    row: Row,
    request: ProcessEventAppendRequest,
    now_ms: int,
    fence: ProcessLease | None = None,
) -> PreparedAppend:
    """Append an event to the log of a row, by the rules."""
    if fence is not None:
        check_fence(row.lease, fence, now_ms)
    ((last,),) = connection.execute(
        "SELECT coalesce(max(sequence), 0) FROM events WHERE process = ?", (row.number,)
    )
    prepared = prepare_append(row, request, _recorded(connection, row, request), last + 1, now_ms)
    if prepared.replayed:
        return prepared
    event = prepared.event
    ordinal = count(connection, row.number, event.event_type) + 1
    connection.execute(
        "INSERT INTO events (process, sequence, type, ordinal, payload, semantics, occurred_at_ms,"
        " replay_key, content_hash, wake) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.number,
            event.sequence,
            event.event_type,
            ordinal,
            canonical(event.payload),
            None if event.semantics is PLAIN_SEMANTICS else dumps(event.semantics),
            event.occurred_at_ms,
            None if prepared.content_hash is None or event.replay is None else event.replay.key,
            prepared.content_hash,
            int(event.semantics.wake is not None),
        ),
    )
    position = connection.last_insert_rowid()
    if prepared.status is None:
        update(connection, row.number, "updated_at_ms", now_ms)
    else:
        connection.execute(
            "UPDATE processes SET updated_at_ms = ?, wait = NULL, waits_on = NULL, state = ?,"
            " status = ? WHERE number = ?",
            (now_ms, prepared.status.label, dumps(prepared.status), row.number),
        )
    _parked.event_came(
        connection, row.id, event.event_type, ordinal, is_end=prepared.status is not None
    )
    if event.event_type == CANCEL_REQUESTED:
        _parked.look_now(connection, row.number)
    appended.append(
        Appended(
            position,
            row.id,
            event.event_type,
            ordinal,
            event.sequence,
            prepared.status is not None,
        )
    )
    return prepared


def bounded(number: int) -> int:
    """A number that SQLite can hold; no sequence or ordinal is ever larger."""
    return max(-MAX_SEQUENCE, min(number, MAX_SEQUENCE))


def count(
    connection: SqlConnection, number: int, event_type: str, up_to_sequence: int | None = None
) -> int:
    """How many events of a type there are, all or up to a sequence.

    The ordinal of the last one says it, so nothing is counted.
    """
    if up_to_sequence is None:
        found = connection.execute(
            "SELECT max(ordinal) FROM events WHERE process = ? AND type = ?", (number, event_type)
        )
    else:
        found = connection.execute(
            "SELECT max(ordinal) FROM events WHERE process = ? AND type = ? AND sequence <= ?",
            (number, event_type, bounded(up_to_sequence)),
        )
    ((ordinal,),) = found
    return 0 if ordinal is None else int(ordinal)


def events(
    connection: SqlConnection, process_id: str, rest: str, *values: SqlValue
) -> list[ProcessEvent]:
    """The events of a process that a condition, with its order and limit, selects.

    Raises:
        PluginError: reason ``unknown_process``.
    """
    number = number_of(connection, process_id)
    found = connection.execute(
        f"SELECT {_EVENT_COLUMNS} FROM events WHERE process = ? AND {rest}", (number, *values)
    )
    return [
        ProcessEvent(
            process_id=process_id,
            sequence=sequence,
            event_type=event_type,
            payload=parse_json(payload),
            semantics=PLAIN_SEMANTICS
            if semantics is None
            else loads(ProcessEventSemantics, semantics),
            occurred_at_ms=occurred_at_ms,
            replay=None if replay_key is None else Replay(key=replay_key),
        )
        for sequence, event_type, payload, semantics, occurred_at_ms, replay_key in found
    ]


def _recorded(
    connection: SqlConnection, row: Row, request: ProcessEventAppendRequest
) -> RecordedEvent | None:
    if request.replay is None:
        return None
    for (content_hash,) in connection.execute(
        "SELECT content_hash FROM events WHERE process = ? AND replay_key = ?",
        (row.number, request.replay.key),
    ):
        (event,) = events(connection, row.id, "replay_key = ?", request.replay.key)
        return RecordedEvent(content_hash=content_hash, event=event)
    return None
