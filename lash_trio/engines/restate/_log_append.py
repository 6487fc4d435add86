"""Appending to the log of a process's object, and whom that wakes."""

from __future__ import annotations

import attrs

from ...model import (
    CANCEL_REQUESTED,
    FunctionInput,
    JsonObject,
    JsonValue,
    PreparedAppend,
    ProcessEvent,
    ProcessEventAppendRequest,
    WaitState,
    canonical_json,
    dumps,
    prepare_append,
    to_json,
)
from ._discovery import CANCEL, PROCESS_SERVICE
from ._log_state import (
    ROW,
    ProcessLog,
    StoredEvent,
    event_key,
    ordinal_key,
    replay_key,
    slot_key,
    wake_key,
)
from ._object import INDEX_SERVICE, ObjectCall, Target
from ._slots import END_SLOT, event_slot, parked_from_text, sequence_slot


@attrs.frozen(kw_only=True)
class Append:
    """An append that is decided and not written yet.

    Args:
        prepared: by the rules.
        ordinal: of the event among those of its type.
        woken: the awakeables that it completes, by slot.
    """

    prepared: PreparedAppend
    ordinal: int = 0
    woken: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])

    @property
    def told(self) -> JsonObject | None:
        """What the answer says of the event; None where there is none that is new."""
        if self.prepared.replayed:
            return None
        event = self.prepared.event
        return {
            "sequence": event.sequence,
            "event_type": event.event_type,
            "ordinal": self.ordinal,
            "is_terminal": self.prepared.status is not None,
        }


async def decide_append(
    call: ObjectCall, log: ProcessLog, request: ProcessEventAppendRequest, now_ms: int
) -> Append:
    """Decide what an append does; all that has to be read for it is read here.

    Raises:
        PluginError: the rules refuse it.
    """
    row = log.row
    prepared = prepare_append(log, request, log.recorded, row.last_sequence + 1, now_ms)
    if prepared.replayed:
        return Append(prepared=prepared)
    event = prepared.event
    ordinal = row.count(event.event_type) + 1
    opened = [event_slot(event.event_type, ordinal), sequence_slot(event.sequence)]
    if prepared.status is not None:
        opened.append(END_SLOT)
    woken = [slot for slot in opened if slot in row.parked]
    texts = await call.read(*map(slot_key, woken)) if woken else []
    names = [parked_from_text(text) for text in texts]
    return Append(prepared=prepared, ordinal=ordinal, woken=dict(zip(woken, names, strict=True)))


async def write_append(
    call: ObjectCall,
    log: ProcessLog,
    append: Append,
    wait: WaitState | None,
    *,
    runs_processes: bool,
) -> None:
    """Write an append that was decided, and wake who waits for it.

    Args:
        call: of the handler.
        log: changed accordingly.
        append: not one that is replayed.
        wait: what the process waits for from now on, unless this is its end.
        runs_processes: whether a cancel request goes to the process's workflow.
    """
    prepared = append.prepared
    event = prepared.event
    row = log.row
    wake = None if event.semantics.wake is None else row.last_wake + 1
    stored = StoredEvent(
        event=_as_object(to_json(event)),
        ordinal=append.ordinal,
        content_hash=prepared.content_hash,
        wake=wake,
    )
    call.write(event_key(event.sequence), dumps(stored))
    call.write(ordinal_key(event.event_type, append.ordinal), str(event.sequence))
    if event.replay is not None and prepared.content_hash is not None:
        call.write(replay_key(event.replay.key), str(event.sequence))
    if wake is not None:
        call.write(wake_key(wake), str(event.sequence))
    for slot in append.woken:
        call.clear(slot_key(slot))
    log.row = attrs.evolve(
        row,
        updated_at_ms=event.occurred_at_ms,
        last_sequence=event.sequence,
        counts={**row.counts, event.event_type: append.ordinal},
        last_wake=row.last_wake if wake is None else wake,
        parked=tuple(slot for slot in row.parked if slot not in append.woken),
        status=row.status if prepared.status is None else prepared.status,
        wait=None if prepared.status is not None else wait,
    )
    call.write(ROW, dumps(log.row))
    _wake(call, append, canonical_json(stored.event))
    if runs_processes and isinstance(log.registered.record.input, FunctionInput):
        _hand_on(call, event, append.ordinal)
    if prepared.status is not None:
        index = Target(INDEX_SERVICE, log.key.keys.whole, "end")
        await call.call(index, {"process_id": log.id})


def _wake(call: ObjectCall, append: Append, event_text: str) -> None:
    for slot, names in append.woken.items():
        text = event_text
        status = append.prepared.status
        if slot == END_SLOT and status is not None and status.await_output is not None:
            text = dumps(status.await_output)
        for name in names:
            call.complete_awakeable(name, text)


def _hand_on(call: ObjectCall, event: ProcessEvent, ordinal: int) -> None:
    if event.event_type == CANCEL_REQUESTED and ordinal == 1:
        reason = event.payload.get("reason") if isinstance(event.payload, dict) else None
        reason = reason if isinstance(reason, str) else None
        call.send(Target(PROCESS_SERVICE, call.key, CANCEL), {"reason": reason})


def _as_object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"an event is an object, got {value!r}")
    return value
