"""What ``--json`` prints: the wire shapes, in small documents of their own.

They are promised to programs (``docs/reference/command.md``): fields are added,
never renamed or taken away.
"""

from __future__ import annotations

from .. import (
    Err,
    JournalEntry,
    JsonObject,
    JsonValue,
    Ok,
    ProcessLease,
    ProcessRecord,
    parse_json,
    to_json,
)
from ._details import Details

_NOT_IN_A_LIST = ("event_types", "registration_hash")


def row_shape(record: ProcessRecord) -> JsonObject:
    """A row on the wire, without what makes it long."""
    row = _object(to_json(record))
    return {name: value for name, value in row.items() if name not in _NOT_IN_A_LIST}


def details_shape(details: Details) -> JsonObject:
    """All of a row, and what stands around it."""
    shape: JsonObject = {
        "process": to_json(details.record),
        "event_count": details.event_count,
        "recorded_count": len(details.entries),
    }
    if details.lease is not None:
        shape["lease"] = lease_shape(details.lease, details.is_lease_alive)
    if details.advice is not None:
        shape["advice"] = details.advice
    return shape


def lease_shape(lease: ProcessLease, is_alive: bool) -> JsonObject:
    """A lease without its token, which is its holder's secret."""
    return {
        "owner_id": lease.owner_id,
        "fencing_token": lease.fencing_token,
        "claimed_at_epoch_ms": lease.claimed_at_epoch_ms,
        "expires_at_epoch_ms": lease.expires_at_epoch_ms,
        "is_alive": is_alive,
    }


def entry_shape(entry: JournalEntry) -> JsonObject:
    """A recorded effect: its key, its kind, what came of it, and when."""
    shape: JsonObject = {
        "replay_key": entry.replay_key,
        "kind": kind_of(entry),
        "recorded_at_ms": entry.recorded_at_ms,
    }
    if entry.due_at_ms is not None:
        shape["due_at_ms"] = entry.due_at_ms
    match entry.outcome:
        case Ok(value=value):
            shape["outcome"] = to_json(value)
        case Err(error=failure):
            shape["failure"] = to_json(failure)
        case None:
            pass
    return shape


def command_of(entry: JournalEntry) -> JsonObject:
    """The command that a recorded envelope carries."""
    return _object(_object(parse_json(entry.envelope)).get("command"))


def kind_of(entry: JournalEntry) -> str:
    """The kind of a recorded effect."""
    return str(command_of(entry).get("type", "unknown"))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
