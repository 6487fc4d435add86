"""What the requests of programs mean, said again without the library's own rules."""

from __future__ import annotations

import json
from typing import TypeAlias

import attrs

from ...model import JsonValue

End: TypeAlias = tuple[str, str, object]
"""The state, the tag of the await output, and its value or message."""

CORE_TYPES = (
    "process.cancel_requested",
    "process.waiting",
    "process.resumed",
    "process.completed",
    "process.failed",
    "process.cancelled",
)
OWN_TYPES = ("note", "signal.go", "job.wake", "job.digest", "job.over", "job.broken")
DECLARED = frozenset((*CORE_TYPES, *OWN_TYPES))

ENDS = {
    "process.completed": "completed",
    "process.failed": "failed",
    "process.cancelled": "cancelled",
    "job.over": "completed",
    "job.broken": "failed",
}
"""The state in which a terminal type ends a process."""

OUTPUTS: dict[str, tuple[str, JsonValue]] = {
    "success": ("process.completed", {"type": "success", "value": 7}),
    "failure": (
        "process.failed",
        {"type": "failure", "class": "execution", "code": "broken", "message": "it broke"},
    ),
    "cancelled": ("process.cancelled", {"type": "cancelled", "message": "not needed"}),
}
"""The terminal event of each way to end, and its await output on the wire."""

NEED_KEY = frozenset((*ENDS, "process.cancel_requested"))

SCOPE_IDS = {"s1": "session:s1", "s1/f1": "session:s1/frame:f1", "s2": "session:s2"}
WAKE_TARGETS: dict[str, str | None] = {"plain": None, "waking": "s1"}
"""The good registrations, and whom their wakes are for."""

_TAG_OF_STATE = {"completed": "success", "failed": "failure", "cancelled": "cancelled"}


class Refused(Exception):
    """The registry has to refuse.

    Args:
        reasons: any of which it may give; more than one where the order of two
            checks does not matter.
    """

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = frozenset(reasons)


@attrs.frozen
class Meaning:
    """What an event means."""

    end: End | None = None
    wake: tuple[str, str] | None = None
    """What the target is told, and the dedupe key."""


def meaning_of(event_type: str, payload: JsonValue, identity: str, ended: bool) -> Meaning:
    """What an event would mean.

    Args:
        event_type: a declared type.
        payload: the payload.
        identity: names the event.
        ended: whether the process has ended.

    Raises:
        Refused: it cannot be appended.
    """
    if event_type == "signal.go" and not _is_signal(payload):
        raise Refused("invalid_payload")
    try:
        end = _end(event_type, payload)
        wake = _wake(event_type, payload, identity)
    except LookupError:
        if ended and event_type in ENDS:
            raise Refused("invalid_selector", "process_terminal") from None
        raise Refused("invalid_selector") from None
    if end is not None and _TAG_OF_STATE[end[0]] != end[1]:
        raise Refused("invalid_payload", *(["process_terminal"] if ended else []))
    if ended and end is not None:
        raise Refused("process_terminal")
    return Meaning(end=end, wake=wake)


def text_of(value: object) -> str:
    """Text as it is, anything else as JSON."""
    return (
        value
        if isinstance(value, str)
        else json.dumps(value, sort_keys=True, separators=(",", ":"))
    )


def _is_signal(payload: JsonValue) -> bool:
    return isinstance(payload, dict) and type(payload.get("n")) is int


def _end(event_type: str, payload: JsonValue) -> End | None:
    state = ENDS.get(event_type)
    if state is None:
        return None
    if event_type == "job.over":
        return state, "success", payload
    found = _at(payload, "why" if event_type == "job.broken" else "await_output")
    if isinstance(found, dict) and found.get("type") in _TAG_OF_STATE.values():
        tag = str(found["type"])
        return state, tag, found["value" if tag == "success" else "message"]
    return state, _TAG_OF_STATE[state], found if state == "completed" else text_of(found)


def _wake(event_type: str, payload: JsonValue, identity: str) -> tuple[str, str] | None:
    if event_type == "job.wake" and isinstance(payload, dict) and "urgent" in payload:
        return text_of(_at(payload, "text")), identity
    if event_type == "job.digest":
        topic = text_of(_at(payload, "topic"))
        return f"news of {topic}", topic
    return None


def _at(payload: JsonValue, name: str) -> JsonValue:
    if not isinstance(payload, dict):
        raise LookupError(name)
    return payload[name]
