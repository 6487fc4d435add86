"""The shared handlers of a process's object: they only read.

Source: the port :class:`lash_trio.abc.ProcessRegistry`, whose methods they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...model import (
    JsonObject,
    JsonValue,
    check_event_wait,
    check_limit,
    to_json,
)
from ._answer import Asked, ok
from ._log_state import (
    ProcessLog,
    StoredEvent,
    event_key,
    find_log,
    get_log,
    ordinal_key,
    wake_key,
)
from ._object import ObjectCall
from ._slots import AskedSlot

MAX_EVENTS = 256
"""How many events an answer has at most."""

_PROBES = 15


async def get_process(call: ObjectCall, _: Asked) -> JsonObject:
    """The row, or null."""
    log = await find_log(call)
    return ok(None if log is None else to_json(log.record))


async def events_after(call: ObjectCall, asked: Asked) -> JsonObject:
    """The first events above a number."""
    after_sequence = asked.take(int, "after_sequence")
    limit = asked.find(int, "limit")
    most = MAX_EVENTS if limit is None else min(check_limit(limit), MAX_EVENTS)
    log = await get_log(call)
    first = max(after_sequence, 0) + 1
    return await _page(call, log, range(first, min(first + most, log.row.last_sequence + 1)))


async def recent_events(call: ObjectCall, asked: Asked) -> JsonObject:
    """The last events."""
    most = min(check_limit(asked.take(int, "limit")), MAX_EVENTS)
    log = await get_log(call)
    last = log.row.last_sequence
    return await _page(call, log, range(max(last - most, 0) + 1, last + 1))


async def count_events_through(call: ObjectCall, asked: Asked) -> JsonObject:
    """How many events of a type have at most a number."""
    event_type = asked.take(str, "event_type")
    up_to_sequence = asked.take(int, "up_to_sequence")
    log = await get_log(call)
    return ok(await _count_through(call, log, event_type, up_to_sequence))


async def wake_events_after(call: ObjectCall, asked: Asked) -> JsonObject:
    """The wake events above a number that nobody has acknowledged."""
    after_sequence = asked.take(int, "after_sequence")
    log = await get_log(call)
    wakes = await present_wakes(call, log.row.first_wake, log.row.last_wake)
    stored = await _events(call, [sequence for _, sequence in wakes if sequence > after_sequence])
    return ok([each.event for each in stored])


async def nth_event(call: ObjectCall, asked: Asked) -> JsonObject:
    """The event of a type by its ordinal, or null."""
    slot = AskedSlot(event_type=asked.take(str, "event_type"), ordinal=asked.take(int, "ordinal"))
    log = await get_log(call)
    return _found(log, await first_of_slot(call, log, slot))


async def first_after(call: ObjectCall, asked: Asked) -> JsonObject:
    """The first event of a type above a number, or null."""
    event_type = asked.take(str, "event_type")
    after_sequence = asked.take(int, "after_sequence")
    log = await get_log(call)
    check_event_wait(log.id, log.declared, event_type, 1)
    ordinal = await _count_through(call, log, event_type, after_sequence) + 1
    slot = AskedSlot(event_type=event_type, ordinal=ordinal)
    return _found(log, await first_of_slot(call, log, slot))


async def event_at(call: ObjectCall, asked: Asked) -> JsonObject:
    """The event with a number, or null."""
    sequence = asked.take(int, "sequence")
    log = await get_log(call)
    return _found(log, await first_of_slot(call, log, AskedSlot(sequence=sequence)))


async def await_output(call: ObjectCall, _: Asked) -> JsonObject:
    """The end of the process, or null."""
    log = await get_log(call)
    found = await first_of_slot(call, log, AskedSlot())
    output = None if found is None else found["output"]
    return ok({"output": output, "last_sequence": log.row.last_sequence})


async def first_of_slot(call: ObjectCall, log: ProcessLog, slot: AskedSlot) -> JsonObject | None:
    """What has opened a slot, as ``{"event": ...}`` or ``{"output": ...}``; None where nothing has.

    Raises:
        PluginError: the rules of :func:`~lash_trio.model.check_event_wait`.
    """
    sequence = slot.sequence
    if slot.event_type is not None:
        check_event_wait(log.id, log.declared, slot.event_type, slot.ordinal)
        if slot.ordinal > log.row.count(slot.event_type):
            return None
        (sequence,) = await _sequences(call, [ordinal_key(slot.event_type, slot.ordinal)])
    elif sequence is None:
        output = log.row.status.await_output
        return None if output is None else {"output": to_json(output)}
    if not 1 <= sequence <= log.row.last_sequence:
        return None
    (stored,) = await _events(call, [sequence])
    return {"event": stored.event}


async def present_wakes(
    call: ObjectCall, first: int, last: int, most: int = MAX_EVENTS
) -> list[tuple[int, int]]:
    """Wakes that nobody has acknowledged.

    Args:
        call: of the handler.
        first: the number of the first wake that may be one.
        last: that of the last.
        most: how many are enough.

    Returns:
        Their numbers among the wakes, and those of their events.
    """
    found: list[tuple[int, int]] = []
    while first <= last and len(found) < most:
        wakes = range(first, min(first + MAX_EVENTS, last + 1))
        texts = await call.read(*map(wake_key, wakes))
        found += [
            (wake, int(text)) for wake, text in zip(wakes, texts, strict=True) if text is not None
        ]
        first = wakes.stop
    return found


async def read_stored(call: ObjectCall, log: ProcessLog, after_sequence: int) -> list[StoredEvent]:
    """The first events above a number, as they are kept."""
    first = max(after_sequence, 0) + 1
    last = min(log.row.last_sequence, first + MAX_EVENTS - 1)
    return await _events(call, range(first, last + 1))


async def _page(call: ObjectCall, log: ProcessLog, sequences: Sequence[int]) -> JsonObject:
    events: list[JsonValue] = [each.event for each in await _events(call, sequences)]
    return ok({"events": events, "last_sequence": log.row.last_sequence})


async def _events(call: ObjectCall, sequences: Iterable[int]) -> list[StoredEvent]:
    keys = [event_key(sequence) for sequence in sequences]
    texts = await call.read(*keys) if keys else []
    return [StoredEvent.read(_there(key, text)) for key, text in zip(keys, texts, strict=True)]


async def _sequences(call: ObjectCall, keys: Sequence[str]) -> list[int]:
    texts = await call.read(*keys)
    return [int(_there(key, text)) for key, text in zip(keys, texts, strict=True)]


async def _count_through(
    call: ObjectCall, log: ProcessLog, event_type: str, up_to_sequence: int
) -> int:
    """Search the ordinals of a type for the last one at or below a number."""
    low, high = 0, log.row.count(event_type)
    if up_to_sequence >= log.row.last_sequence:
        return high
    # The one of ordinal low is at or below, the one of high + 1 above.
    while low < high:
        step = max((high - low) // (_PROBES + 1), 1)
        probes = list(range(low + step, high + 1, step))[: _PROBES + 1]
        for ordinal, sequence in zip(
            probes,
            await _sequences(call, [ordinal_key(event_type, probe) for probe in probes]),
            strict=True,
        ):
            if sequence > up_to_sequence:
                high = ordinal - 1
                break
            low = ordinal
    return low


def _there(key: str, text: str | None) -> str:
    if text is None:
        # The row counts it, and it was written before the row.
        raise LookupError(f"the object's state has nothing under {key!r}, which its row counts")
    return text


def _found(log: ProcessLog, found: JsonObject | None) -> JsonObject:
    event = None if found is None else found["event"]
    return ok({"event": event, "last_sequence": log.row.last_sequence})
