"""The journal of an effect scope, as entries of an invocation's journal."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...abc import ScopeJournal
from ...model import (
    JournalEntry,
    JsonValue,
    StoreError,
    WireError,
    canonical_json,
    outcome_from_text,
    outcome_text,
    parse_json,
)
from ._attempt import Attempt

_DUE = "~due"


class RestateScopeJournal(ScopeJournal):
    """What one effect scope has in the journal of one invocation.

    An entry is a run of Restate whose name is the replay key, and whose value holds the
    canonical envelope beside the outcome; so a changed envelope is noticed, which Restate
    by itself would not.

    Args:
        attempt: at the invocation.
        prefix: before the replay keys of this scope, where it is not the invocation's own.

    Raises:
        StoreError: an entry is none of this engine's.
    """

    def __init__(self, attempt: Attempt, prefix: str) -> None:
        self._attempt = attempt
        self._prefix = prefix
        self._derived: set[str] = set()
        self._entries = {
            entry.replay_key: entry for entry in _merged(prefix, attempt.recorded_runs)
        }

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        """What was recorded in earlier attempts."""
        return self._entries

    def derive(self, replay_key: str) -> None:
        """Note that the outcome of a key follows from what Restate has recorded already.

        It is written down then without waiting: a later attempt that does not find it
        finds what it follows from.
        """
        self._derived.add(replay_key)

    async def record(self, entry: JournalEntry) -> JournalEntry:
        """Record an entry; see :meth:`lash_trio.abc.ScopeJournal.record`."""
        name = self._prefix + entry.replay_key
        if entry.outcome is None:
            name += _DUE
        await self._attempt.record(
            name, entry_bytes(entry), wait=entry.replay_key not in self._derived
        )
        return entry


def entry_bytes(entry: JournalEntry) -> bytes:
    """An entry as the value of a run: JSON that people can read in Restate's own tools."""
    members = [f'"envelope":{entry.envelope}']
    if entry.due_at_ms is not None:
        members.append(f'"due_at_ms":{entry.due_at_ms}')
    if entry.outcome is not None:
        outcome = entry.outcome_json or outcome_text(entry.outcome)
        members.append(f'"outcome":{outcome}')
    members.append(f'"recorded_at_ms":{entry.recorded_at_ms}')
    return f"{{{','.join(members)}}}".encode()


def entry_from_bytes(replay_key: str, data: bytes) -> JournalEntry:
    """The entry that :func:`entry_bytes` has written.

    Raises:
        StoreError: the bytes are none.
    """
    try:
        value = parse_json(data.decode())
        if not isinstance(value, dict) or "envelope" not in value:
            raise StoreError(f"the run {replay_key!r} of this invocation holds no effect")
        return JournalEntry(
            replay_key=replay_key,
            envelope=canonical_json(value["envelope"]),
            outcome=outcome_from_text(canonical_json(value["outcome"]))
            if "outcome" in value
            else None,
            due_at_ms=_milliseconds(value.get("due_at_ms")),
            recorded_at_ms=_milliseconds(value.get("recorded_at_ms")) or 0,
        )
    except (WireError, UnicodeDecodeError) as error:
        raise StoreError(
            f"the run {replay_key!r} of this invocation holds no effect: {error}"
        ) from error


def _milliseconds(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None


def _merged(prefix: str, runs: Mapping[str, bytes]) -> list[JournalEntry]:
    found: dict[str, JournalEntry] = {}
    for name, data in runs.items():
        if not name.startswith(prefix):
            continue
        replay_key = name.removeprefix(prefix)
        is_due = replay_key.endswith(_DUE)
        replay_key = replay_key.removesuffix(_DUE)
        entry = entry_from_bytes(replay_key, data)
        first = found.get(replay_key)
        if first is None:
            found[replay_key] = entry
        elif is_due:
            found[replay_key] = attrs.evolve(first, due_at_ms=entry.due_at_ms)
        else:
            found[replay_key] = attrs.evolve(entry, due_at_ms=first.due_at_ms)
    return list(found.values())
