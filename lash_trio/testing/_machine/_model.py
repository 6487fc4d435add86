"""The meaning of a process registry in plain Python: the model of the state machine.

Lists and dictionaries, no index, no library code but the plain views.  Slow and
obvious on purpose: where it and a store disagree, one of them is wrong.
"""

from __future__ import annotations

import json

import attrs

from ...model import JsonValue
from ._meaning import DECLARED, NEED_KEY, SCOPE_IDS, WAKE_TARGETS, End, Refused, meaning_of
from ._views import Appended, Delivery, Event, Grant, Lease, Report, Row


@attrs.frozen
class ModelWait:
    """A wait that goes on.

    Args:
        process: at which process.
        kind: ``nth``, ``after``, ``next`` or ``end``.
        type: the event type; of ``nth`` and ``after``.
        number: the ordinal, or the number after which.
        deadline_ms: when its caller gives up.
        refused: for which reasons it has to be refused, if it has.
    """

    process: str
    kind: str
    type: str = ""
    number: int = 0
    deadline_ms: float | None = None
    refused: frozenset[str] = frozenset()


class ModelProcess:
    """One process."""

    def __init__(self, name: str, registered_as: str, created_ms: int) -> None:
        self.name = name
        self.registered_as = registered_as
        self.created_ms = created_ms
        self.events: list[Event] = []
        self.end: End | None = None
        self.wait: str | None = None
        self.external: str | None = None
        self.lease: Lease | None = None
        self.tokens = 0
        self.acknowledged: set[int] = set()

    def copy(self) -> ModelProcess:
        """Another one that changes apart from this."""
        other = ModelProcess(self.name, self.registered_as, self.created_ms)
        other.events = list(self.events)
        other.end, other.wait, other.external = self.end, self.wait, self.external
        other.lease, other.tokens = self.lease, self.tokens
        other.acknowledged = set(self.acknowledged)
        return other

    @property
    def row(self) -> Row:
        """Its row."""
        return Row(
            process=self.name,
            registered_as=self.registered_as,
            created_ms=self.created_ms,
            end=self.end,
            wait=self.wait,
            external=self.external,
        )

    def of_type(self, event_type: str) -> list[Event]:
        """Its events of a type."""
        return [event for event in self.events if event.type == event_type]

    def under_key(self, key: str) -> Event | None:
        """The event under a replay key."""
        return next((event for event in self.events if event.key == key), None)


@attrs.frozen
class Asked:
    """An append.

    Args:
        type: of which type.
        payload: with what.
        key: the replay key, or None.
        wake: whom it wakes in place of the process's target, by its short name.
    """

    type: str
    payload: JsonValue = None
    key: str | None = None
    wake: str | None = None


@attrs.frozen
class Fence:
    """The lease that a writer holds up."""

    process: str
    token: int


class ModelRegistry:
    """All processes, and who sees them."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.processes: dict[str, ModelProcess] = {}
        self.grants: dict[tuple[str, str], str | None] = {}
        self.waits: dict[int, ModelWait] = {}

    def copy(self) -> ModelRegistry:
        """Another one that changes apart from this."""
        other = ModelRegistry()
        other.now_ms = self.now_ms
        other.processes = {name: process.copy() for name, process in self.processes.items()}
        other.grants = dict(self.grants)
        other.waits = dict(self.waits)
        return other

    def process(self, name: str) -> ModelProcess:
        """A process that is there.

        Raises:
            Refused: it is not.
        """
        if name not in self.processes:
            raise Refused("unknown_process")
        return self.processes[name]

    def register(self, name: str, registered_as: str, grant: tuple[str, str] | None) -> Row:
        if registered_as not in WAKE_TARGETS:
            raise Refused("invalid_registration")
        known = self.processes.get(name)
        if known is None:
            known = self.processes[name] = ModelProcess(name, registered_as, self.now_ms)
        elif known.registered_as != registered_as:
            raise Refused("registration_conflict")
        if grant is not None:
            self.grants[grant[0], name] = grant[1]
        return known.row

    def append(self, name: str, asked: Asked, fence: Fence | None = None) -> Appended:
        process = self.process(name)
        lost = fence is not None and not self.holds(fence)
        known = None if asked.key is None else process.under_key(asked.key)
        if known is not None:
            same = known.type == asked.type and _same(known, asked)
            if lost or not same:
                reasons = {"process_lease_lost"} if lost else {"event_replay_conflict"}
                raise Refused(*reasons)
            return Appended(known, self._delivery(process, known, asked), replayed=True)
        if lost:
            raise Refused("process_lease_lost")
        return self._append_new(process, asked)

    def _append_new(self, process: ModelProcess, asked: Asked) -> Appended:
        if asked.type not in DECLARED:
            raise Refused("undeclared_event_type")
        if asked.type in NEED_KEY and asked.key is None:
            raise Refused("event_replay_required")
        number = len(process.events) + 1
        identity = f"{process.name}:{number}"
        meaning = meaning_of(asked.type, asked.payload, identity, process.end is not None)
        event = Event(
            process=process.name,
            number=number,
            type=asked.type,
            payload=asked.payload,
            at_ms=self.now_ms,
            key=asked.key,
            end=meaning.end,
            wake=meaning.wake,
        )
        process.events.append(event)
        if meaning.end is not None:
            process.end, process.wait = meaning.end, None
        return Appended(event, self._delivery(process, event, asked), replayed=False)

    def _delivery(self, process: ModelProcess, event: Event, asked: Asked) -> Delivery | None:
        target = asked.wake or WAKE_TARGETS[process.registered_as]
        if event.wake is None or target is None:
            return None
        told, dedupe = event.wake
        return Delivery(SCOPE_IDS[target], process.name, event.number, event.type, told, dedupe)

    def complete(self, name: str, end_type: str, output: JsonValue) -> Row:
        key = f"process:{name}:terminal"
        self.append(name, Asked(end_type, {"await_output": output}, key))
        return self.process(name).row

    def set_external(self, name: str, reference: str) -> Row:
        process = self.process(name)
        process.external = reference
        return process.row

    def set_wait(self, name: str, wait: str, fence: Fence | None) -> Row:
        process = self.process(name)
        lost = fence is not None and not self.holds(fence)
        if process.end is not None:
            raise Refused("process_terminal", *(["process_lease_lost"] if lost else []))
        if process.wait != wait:
            self.append(name, Asked("process.waiting", wait), fence)
            process.wait = wait
        return process.row

    def clear_wait(self, name: str, fence: Fence | None) -> Row:
        process = self.process(name)
        if process.wait is not None:
            self.append(name, Asked("process.resumed", process.wait), fence)
            process.wait = None
        return process.row

    def wakes_after(self, name: str, number: int) -> tuple[Event, ...]:
        process = self.process(name)
        return tuple(
            event
            for event in process.events
            if event.wake and event.number > number and event.number not in process.acknowledged
        )

    def acknowledge(self, name: str, number: int) -> None:
        process = self.process(name)
        if 0 < number <= len(process.events):
            process.acknowledged.add(number)

    def grant(self, scope: str, name: str, label: str) -> Grant:
        self.process(name)
        self.grants[scope, name] = label
        return Grant(SCOPE_IDS[scope], name, label)

    def revoke(self, scope: str, name: str) -> None:
        self.process(name)
        self.grants.pop((scope, name), None)

    def transfer(self, source: str, target: str, names: tuple[str, ...]) -> None:
        if any((source, name) not in self.grants for name in names):
            raise Refused("unknown_grant")
        for name in dict.fromkeys(names):
            self.grants[target, name] = self.grants.pop((source, name))

    def seen_by(self, scope: str, live: bool) -> tuple[tuple[Grant, Row], ...]:
        return tuple(
            (Grant(SCOPE_IDS[holder], name, label), self.processes[name].row)
            for (holder, name), label in sorted(self.grants.items(), key=lambda item: item[0][1])
            if holder == scope and not (live and self.processes[name].end)
        )

    def seers_of(self, name: str) -> tuple[Grant, ...]:
        self.process(name)
        grants = [Grant(SCOPE_IDS[s], n, label) for (s, n), label in self.grants.items()]
        return tuple(sorted((g for g in grants if g.process == name), key=lambda g: g.scope_id))

    def delete_session(self, session: str) -> Report:
        mine = [(s, name) for s, name in self.grants if s == session or s.startswith(f"{session}/")]
        for key in mine:
            del self.grants[key]
        names = {name for _, name in mine}
        kept = {name for _, name in self.grants} & names
        running = {name for name in names if self.processes[name].end is None}
        return Report(
            session=session,
            count=len(mine),
            revoked=tuple(sorted(names)),
            orphaned=tuple(sorted(running - kept)),
            preserved=tuple(sorted(kept)),
        )

    def claim(self, name: str, owner: str, ttl_ms: int) -> Lease:
        process = self.process(name)
        if process.end is not None:
            raise Refused("process_terminal", *([] if ttl_ms > 0 and owner else ["invalid_lease"]))
        if ttl_ms < 1 or not owner:
            raise Refused("invalid_lease")
        held = process.lease
        if held is not None and held.owner != owner and self.now_ms < held.expires_ms:
            raise Refused("process_lease_held")
        process.tokens += 1
        process.lease = Lease(name, owner, process.tokens, self.now_ms, self.now_ms + ttl_ms)
        return process.lease

    def renew(self, fence: Fence, ttl_ms: int) -> Lease:
        process = self.process(fence.process)
        if ttl_ms < 1:
            raise Refused("invalid_lease", *([] if self.holds(fence) else ["process_lease_lost"]))
        if not self.holds(fence) or process.lease is None:
            raise Refused("process_lease_lost")
        process.lease = attrs.evolve(process.lease, expires_ms=self.now_ms + ttl_ms)
        return process.lease

    def release(self, fence: Fence) -> None:
        process = self.process(fence.process)
        if process.lease is not None and process.lease.token == fence.token:
            process.lease = None

    def complete_leased(self, fence: Fence, asked: Asked) -> Row:
        self.append(fence.process, asked, fence)
        process = self.process(fence.process)
        process.lease = None
        return process.row

    def holds(self, fence: Fence) -> bool:
        """Whether a lease is the live one of its process."""
        lease = self.process(fence.process).lease
        return lease is not None and lease.token == fence.token and self.now_ms < lease.expires_ms

    def start_wait(self, number: int, wait: ModelWait) -> None:
        self.process(wait.process)
        faults: list[str] = []
        if wait.kind == "nth" and wait.number < 1:
            faults.append("invalid_ordinal")
        if wait.kind in ("nth", "after") and wait.type not in DECLARED:
            faults.append("undeclared_event_type")
        if faults:
            raise Refused(*faults)
        self.waits[number] = wait

    def there(self, name: str, kind: str, event_type: str) -> int:
        """How many events there are for a wait to count from."""
        process = self.processes.get(name)
        if process is None:
            return 0
        return len(process.of_type(event_type) if kind == "nth" else process.events)

    def found(self, wait: ModelWait) -> Event | tuple[str, object] | None:
        """What a wait is for, if it is there: an event, or an await output."""
        process = self.process(wait.process)
        if wait.kind == "end":
            return None if process.end is None else process.end[1:]
        if wait.kind == "next":
            index = max(wait.number, 0)
            return process.events[index] if index < len(process.events) else None
        events = process.of_type(wait.type)
        if wait.kind == "nth":
            return events[wait.number - 1] if wait.number <= len(events) else None
        return next((event for event in events if event.number > wait.number), None)


def _same(known: Event, asked: Asked) -> bool:
    """Whether an append has the content of a known event; 1, 1.0 and true all differ."""
    return json.dumps(known.payload, sort_keys=True) == json.dumps(asked.payload, sort_keys=True)
