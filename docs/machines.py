"""The state machines of lash_trio, as tables from (state, signal) to the next state.

Two of them are tables of the library and are taken from there.  The others are what
its rules amount to: a registry in memory is brought into each state, each signal is
tried on it, and what comes of it is written down.  A signal that is refused is in
no table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import TypeAlias

import attrs
import trio

from lash_trio import (
    CANCELLED,
    COMPLETED,
    CORE_EVENT_TYPES,
    EFFECT_TRANSITIONS,
    FAILED,
    SCOPE_TRANSITIONS,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRegistration,
    Replay,
    SignalWait,
    WaitState,
)

Table: TypeAlias = Mapping[tuple[str, str], str]

_TTL_MS = 1000
_PROCESS = "p"


class _Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


@attrs.define
class _Subject:
    """One process in a registry of its own, and what happened to it."""

    registry: MemoryProcessRegistry
    clock: _Clock
    lease: ProcessLease | None = None

    @property
    def held(self) -> ProcessLease:
        """The last lease that was claimed."""
        if self.lease is None:
            raise LookupError("nobody has claimed the process yet")
        return self.lease


_Act: TypeAlias = Callable[[_Subject], Awaitable[object]]
_See: TypeAlias = Callable[[_Subject], Awaitable[str]]


def effect_machine() -> Table:
    """The life of an effect: the library's own table."""
    return _named(EFFECT_TRANSITIONS.items())


def scope_machine() -> Table:
    """The life of an opened scope: the library's own table."""
    return _named(SCOPE_TRANSITIONS.items())


def process_machine() -> Table:
    """The status of a process, and the events that change it."""

    def append(event_type: str) -> _Act:
        async def act(subject: _Subject) -> None:
            # Every try is another one: a known replay key would change nothing.
            key = f"{event_type} again" if await _status(subject) != "running" else event_type
            await subject.registry.append_event(
                _PROCESS,
                ProcessEventAppendRequest(
                    event_type=event_type, payload=_PAYLOADS.get(event_type), replay=Replay(key=key)
                ),
            )

        return act

    ends = {event_type: append(event_type) for event_type in (COMPLETED, FAILED, CANCELLED)}
    others = {
        event_type.name: append(event_type.name)
        for event_type in (*CORE_EVENT_TYPES, *_DECLARED)
        if event_type.name not in ends
    }
    states: dict[str, list[_Act]] = {"running": []}
    states |= {name.removeprefix("process."): [act] for name, act in ends.items()}
    table = dict(_observe(states, {**ends, **others}, _status))
    return _merge(table, others, "any other event")


def lease_machine() -> Table:
    """The lease of a process: who may run it, under which fencing token."""

    async def claim(subject: _Subject, owner_id: str) -> None:
        before = 0 if subject.lease is None else subject.lease.fencing_token
        subject.lease = await subject.registry.claim_process_lease(_PROCESS, owner_id, _TTL_MS)
        if subject.lease.fencing_token != before + 1:
            raise AssertionError("a claim raises the fencing token by one")

    async def claim_as_ada(subject: _Subject) -> None:
        await claim(subject, "ada")

    async def claim_as_bob(subject: _Subject) -> None:
        await claim(subject, "bob")

    async def renew(subject: _Subject) -> None:
        subject.lease = await subject.registry.renew_process_lease(subject.held, _TTL_MS)

    async def complete(subject: _Subject) -> None:
        await subject.registry.complete_process_lease(ProcessLeaseCompletion.of(subject.held))

    async def expire(subject: _Subject) -> None:
        subject.clock.at_ms += _TTL_MS

    async def see(subject: _Subject) -> str:
        if subject.registry.statistics().leases == 0:
            return "free"
        return "held" if subject.held.is_alive(subject.clock.now_ms()) else "expired"

    states: dict[str, list[_Act]] = {
        "free": [],
        "held": [claim_as_ada],
        "expired": [claim_as_ada, expire],
    }
    signals: dict[str, _Act] = {
        "claim by its owner, token + 1": claim_as_ada,
        "claim by another": claim_as_bob,
        "renew": renew,
        "complete": complete,
        "time runs out": expire,
    }
    table = dict(_observe(states, signals, see))
    # Nobody owns a free process, and the time of an expired lease has run out.
    del table["free", "time runs out"], table["expired", "time runs out"]
    claims = ("claim by its owner, token + 1", "claim by another")
    return _merge(table, claims, "claim by anybody, token + 1", ("free", "expired"))


def wait_machine() -> Table:
    """The wait facet of a row."""

    def wait_for(ordinal: int) -> _Act:
        kind = SignalWait(key=f"k{ordinal}", name="go", event_type="signal.go", ordinal=ordinal)

        async def act(subject: _Subject) -> None:
            await subject.registry.set_process_wait(_PROCESS, WaitState(kind=kind, since_ms=0))

        return act

    async def clear(subject: _Subject) -> None:
        await subject.registry.clear_process_wait(_PROCESS)

    async def end(subject: _Subject) -> None:
        await subject.registry.append_event(
            _PROCESS,
            ProcessEventAppendRequest(
                event_type=COMPLETED, payload=_PAYLOADS[COMPLETED], replay=Replay(key="end")
            ),
        )

    async def see(subject: _Subject) -> str:
        record = await subject.registry.get_process(_PROCESS)
        if record is None or record.is_terminal:
            return "ended"
        return "not waiting" if record.wait is None else "waiting"

    states: dict[str, list[_Act]] = {
        "not waiting": [],
        "waiting": [wait_for(1)],
        "ended": [wait_for(1), end],
    }
    signals = {"set the same": wait_for(1), "set another": wait_for(2), "clear": clear, "end": end}
    table = dict(_observe(states, signals, see))
    # The end of a process that has ended, under the same replay key, is no new end.
    del table["ended", "end"]
    return _merge(table, ("set the same", "set another"), "set", ("not waiting",))


_DECLARED = (ProcessEventType(name="signal.go"),)
_PAYLOADS: dict[str, JsonValue] = {
    COMPLETED: {"await_output": {"type": "success", "value": None}},
    FAILED: {
        "await_output": {"type": "failure", "class": "execution", "code": "c", "message": "m"}
    },
    CANCELLED: {"await_output": {"type": "cancelled", "message": "m"}},
}


async def _status(subject: _Subject) -> str:
    record = await subject.registry.get_process(_PROCESS)
    if record is None:
        raise LookupError("the process was never registered")
    return record.status.label


def _named(table: Iterable[tuple[tuple[Enum, Enum], Enum]]) -> Table:
    return {(_words(state), _words(signal)): _words(target) for (state, signal), target in table}


def _words(member: Enum) -> str:
    return member.name.lower().replace("_", " ")


def _observe(states: Mapping[str, Iterable[_Act]], signals: Mapping[str, _Act], see: _See) -> Table:
    """Try every signal in every state, each time on a new registry."""

    async def run() -> Table:
        table: dict[tuple[str, str], str] = {}
        for state, way in states.items():
            for signal, act in signals.items():
                subject = await _register()
                for step in way:
                    await step(subject)
                if await see(subject) != state:
                    raise AssertionError(f"the way to {state!r} leads to {await see(subject)!r}")
                if await _is_accepted(act, subject):
                    table[state, signal] = await see(subject)
        return table

    return trio.run(run)


async def _is_accepted(act: _Act, subject: _Subject) -> bool:
    try:
        await act(subject)
    except (PluginError, LookupError):
        return False
    return True


async def _register() -> _Subject:
    clock = _Clock()
    registry = MemoryProcessRegistry(clock)
    await registry.register_process(
        ProcessRegistration(
            id=_PROCESS,
            input=ProcessInput.external(),
            provenance=ProcessProvenance.host("docs"),
            event_types=_DECLARED,
        )
    )
    return _Subject(registry, clock)


def _merge(
    table: dict[tuple[str, str], str],
    signals: Iterable[str],
    name: str,
    states: Iterable[str] | None = None,
) -> Table:
    """Give signals that do the same in a state one name there."""
    merged = dict(table)
    alike = list(signals)
    for state in list(dict.fromkeys(state for state, _ in table)) if states is None else states:
        targets = {merged.pop((state, signal), None) for signal in alike}
        (target,) = targets  # they do the same, or the picture must not say so
        if target is not None:
            merged[state, name] = target
    return merged


MACHINES: Mapping[str, Callable[[], Table]] = {
    "effect": effect_machine,
    "scope": scope_machine,
    "process": process_machine,
    "lease": lease_machine,
    "wait": wait_machine,
}
"""Every machine that has a picture, by the name of the picture."""
