"""The shared handler by which a client follows a log: it waits until there is more."""

from __future__ import annotations

from ...model import InvalidValueError, JsonObject, JsonValue, parse_json
from ._answer import Asked, ok
from ._log_reads import read_stored
from ._log_state import ProcessLog, StoredEvent, event_key, get_log
from ._object import LOG_SERVICE, ObjectCall, Target

_LONGEST_MS = 600_000


async def changed(call: ObjectCall, asked: Asked) -> JsonObject:
    """Tell of the events above a number, as soon as there are some."""
    after_sequence = max(asked.take(int, "after_sequence"), 0)
    timeout_ms = asked.take(int, "timeout_ms")
    if not 1 <= timeout_ms <= _LONGEST_MS:
        raise InvalidValueError(
            f"'timeout_ms' is between 1 and {_LONGEST_MS} milliseconds, got {timeout_ms}"
        )
    log = await get_log(call)
    stored = await read_stored(call, log, after_sequence)
    if not stored:
        event = await _wait_for(call, after_sequence + 1, timeout_ms)
        if event is not None:
            # Not read before by this call: so it is as it is now.
            (text,) = await call.read(event_key(after_sequence + 1))
            stored = [] if text is None else [StoredEvent.read(text)]
    return ok(_news(log, after_sequence, stored))


async def _wait_for(call: ObjectCall, sequence: int, timeout_ms: int) -> JsonValue:
    """The event with a number, once it is there; None where it is not in time."""
    name = call.awakeable()
    asked: JsonObject = {"slot": {"sequence": sequence}, "awakeable": name}
    found = await call.call(Target(LOG_SERVICE, call.key, "park"), asked)
    if isinstance(found, dict):
        return found["event"]
    text = await call.wait_awakeable(name, timeout_ms)
    if text is None:
        call.send(Target(LOG_SERVICE, call.key, "unpark"), asked)
        return None
    return parse_json(text)


def _news(log: ProcessLog, after_sequence: int, stored: list[StoredEvent]) -> JsonObject:
    events: list[JsonValue] = [
        {
            "sequence": each.event["sequence"],
            "event_type": each.event["event_type"],
            "ordinal": each.ordinal,
        }
        for each in stored
    ]
    last = stored[-1].event["sequence"] if stored else after_sequence
    ended = log.is_terminal or any(_is_end(each) for each in stored)
    return {"last_sequence": last, "is_terminal": ended, "events": events}


def _is_end(stored: StoredEvent) -> bool:
    semantics = stored.event.get("semantics")
    return isinstance(semantics, dict) and semantics.get("terminal") is not None
