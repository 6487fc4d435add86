"""What the object of a process keeps, and under which keys.

``row`` is written last of all that belongs together: an event that the row does not
count is not there.  All else is found by its key, however long the log is:

* ``registered``: the row as it was registered; never changes.
* ``row``: what changes, with the counters.
* ``lease``: who may run it.
* ``e/{sequence}``: an event.
* ``n/{type}/{ordinal}``: the number of an event.
* ``r/{replay key}``: the number of the event that was appended under it.
* ``w/{n}``: the number of the event that is wake n, while nobody has acknowledged it.
* ``p/{slot}``: the awakeables that wait for what opens a slot.
"""

from __future__ import annotations

from functools import lru_cache

import attrs

from ...model import (
    CausalRef,
    DeclaredType,
    JsonValue,
    LeaseState,
    ProcessEvent,
    ProcessExternalRef,
    ProcessRecord,
    ProcessRunning,
    ProcessStatus,
    RecordedEvent,
    SessionScope,
    WaitState,
    from_json,
    loads,
    parse_json,
    unknown_process,
)
from ._keys import ProcessKey, process_of
from ._object import ObjectCall

REGISTERED = "registered"
ROW = "row"
LEASE = "lease"


class Registered:
    """What never changes of a process: parsed once, kept for as long as it is in use."""

    def __init__(self, text: str) -> None:
        self.record = loads(ProcessRecord, text)
        self.types = {
            event_type.name: DeclaredType(event_type) for event_type in self.record.event_types
        }


_registered = lru_cache(maxsize=1024)(Registered)


@attrs.frozen(kw_only=True)
class LogRow:
    """What changes of a process.

    Args:
        updated_at_ms: when it changed last.
        last_sequence: the number of the last event.
        counts: how many events there are of each type.
        first_wake: below it are acknowledged wakes alone.
        last_wake: the number of wakes.
        parked: the slots that awakeables wait for.
        status: whether it runs.
        wait: what it waits for.
        external_ref: which work outside stands for it.
    """

    updated_at_ms: int
    last_sequence: int = 0
    counts: dict[str, int] = attrs.field(factory=dict[str, int])
    first_wake: int = 1
    last_wake: int = 0
    parked: tuple[str, ...] = ()
    status: ProcessStatus = attrs.field(factory=ProcessRunning)
    wait: WaitState | None = None
    external_ref: ProcessExternalRef | None = None

    def count(self, event_type: str) -> int:
        """How many events there are of a type."""
        return self.counts.get(event_type, 0)


@attrs.define
class ProcessLog:
    """A process as one call sees and changes it; the append rules look at it.

    Args:
        key: of the object.
        registered: what never changes.
        row: what changes.
        lease: as it was read; the empty one where it was not.
        recorded: what stands under the replay key that was asked for.
    """

    key: ProcessKey
    registered: Registered
    row: LogRow
    lease: LeaseState = attrs.field(factory=LeaseState)
    recorded: RecordedEvent | None = None

    @property
    def id(self) -> str:
        """The process id."""
        return self.key.process_id

    @property
    def declared(self) -> dict[str, DeclaredType]:
        """The declared event types."""
        return self.registered.types

    @property
    def is_terminal(self) -> bool:
        """Whether the process has ended."""
        return self.row.status.is_terminal

    @property
    def wake_target(self) -> SessionScope | None:
        """Whom its wake events wake."""
        return self.registered.record.wake_target

    @property
    def caused_by(self) -> CausalRef | None:
        """What caused it."""
        return self.registered.record.provenance.caused_by

    @property
    def record(self) -> ProcessRecord:
        """The row as others see it."""
        return attrs.evolve(
            self.registered.record,
            updated_at_ms=self.row.updated_at_ms,
            status=self.row.status,
            wait=self.row.wait,
            external_ref=self.row.external_ref,
        )


@attrs.frozen(kw_only=True)
class StoredEvent:
    """An event as the object keeps it.

    Args:
        event: as others see it, in its wire form.
        ordinal: its number among those of its type.
        content_hash: of what was appended, where that had a replay key.
        wake: its number among the wakes, where it is one.
    """

    event: dict[str, JsonValue]
    ordinal: int
    content_hash: str | None = None
    wake: int | None = None

    @staticmethod
    def read(text: str) -> StoredEvent:
        """Read one as it is kept."""
        return from_json(StoredEvent, parse_json(text))


def event_key(sequence: int) -> str:
    """Where an event is kept."""
    return f"e/{sequence}"


def ordinal_key(event_type: str, ordinal: int) -> str:
    """Where the number of an event of a type is kept."""
    return f"n/{event_type}/{ordinal}"


def replay_key(key: str) -> str:
    """Where the number of the event under a replay key is kept."""
    return f"r/{key}"


def wake_key(wake: int) -> str:
    """Where the number of a wake event is kept."""
    return f"w/{wake}"


def slot_key(slot: str) -> str:
    """Where the awakeables of a slot are kept."""
    return f"p/{slot}"


async def find_log(call: ObjectCall) -> ProcessLog | None:
    """The process of this object, or None."""
    return _log(call, *await call.read(REGISTERED, ROW))


async def get_log(
    call: ObjectCall, *, under_key: str | None = None, with_lease: bool = False
) -> ProcessLog:
    """The process of this object.

    Args:
        call: of the handler.
        under_key: a replay key; what was appended under it is read as well.
        with_lease: whether its lease is read as well.

    Raises:
        PluginError: reason ``unknown_process``.
    """
    more = [LEASE] if with_lease else []
    if under_key:
        more.append(replay_key(under_key))
    registered, row, *found = await call.read(REGISTERED, ROW, *more)
    log = _log(call, registered, row)
    if log is None:
        raise unknown_process(process_of(call.key).process_id)
    if with_lease and found[0] is not None:
        log.lease = loads(LeaseState, found[0])
    if under_key and found[-1] is not None:
        log.recorded = await _recorded(call, log, under_key, int(found[-1]))
    return log


def _log(call: ObjectCall, registered: str | None, row: str | None) -> ProcessLog | None:
    if registered is None or row is None:
        return None
    return ProcessLog(process_of(call.key), _registered(registered), loads(LogRow, row))


async def _recorded(
    call: ObjectCall, log: ProcessLog, key: str, sequence: int
) -> RecordedEvent | None:
    if sequence > log.row.last_sequence:
        return None
    (text,) = await call.read(event_key(sequence))
    stored = None if text is None else StoredEvent.read(text)
    event = None if stored is None else from_json(ProcessEvent, stored.event)
    # A call that was killed may have left a number that another event has got since.
    if stored is None or event is None or event.replay is None or event.replay.key != key:
        return None
    return RecordedEvent(content_hash=stored.content_hash or "", event=event)
