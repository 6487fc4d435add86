"""Every method of the registry port, called on a registry where each of them does something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from ...abc import ProcessRegistry
from ...model import (
    EventWait,
    PluginError,
    ProcessExternalRef,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessStartGrant,
    ProcessStatusFilter,
    SleepWait,
    WaitState,
    terminal_event,
)
from ._registry_bench import (
    DESCRIPTOR,
    DONE,
    ELSEWHERE,
    FRAME,
    OTHER,
    SESSION,
    SIGNAL,
    named,
    request,
    signal,
)
from ._wakes import WAKEABLE, WAKING

PREPARED_TTL_MS = 1_000
_EVERYTHING = ProcessListFilter(status=ProcessStatusFilter.ANY)
_GRANT = ProcessStartGrant(session_scope=SESSION, descriptor=DESCRIPTOR)
_WAIT = WaitState(kind=SleepWait(key="k2", due_at_ms=1), since_ms=0)
_FIRST_WAIT = WaitState(
    kind=EventWait(key="k1", process_id="p1", event_type=SIGNAL, ordinal=9), since_ms=0
)
_REFERENCE = ProcessExternalRef(backend="jobs", id="1")


@attrs.frozen
class Target:
    """Whom a call is about: a process, and the lease under which it is called."""

    process_id: str
    lease: ProcessLease


Invoke: TypeAlias = "Callable[[ProcessRegistry, Target], Awaitable[object]]"

WRITES: dict[str, Invoke] = {
    "set_external_ref": lambda r, t: r.set_external_ref(t.process_id, _REFERENCE),
    "append_event": lambda r, t: r.append_event(t.process_id, signal(7, "k"), t.lease),
    "complete_process": lambda r, t: r.complete_process(t.process_id, DONE),
    "ack_wake": lambda r, t: r.ack_wake(t.process_id, 1),
    "set_process_wait": lambda r, t: r.set_process_wait(t.process_id, _WAIT, t.lease),
    "clear_process_wait": lambda r, t: r.clear_process_wait(t.process_id, t.lease),
    "grant_handle": lambda r, t: r.grant_handle(FRAME, t.process_id, DESCRIPTOR),
    "revoke_handle": lambda r, t: r.revoke_handle(SESSION, t.process_id),
    "claim_process_lease": lambda r, t: r.claim_process_lease(
        t.process_id, "owner", 9 * PREPARED_TTL_MS
    ),
    "renew_process_lease": lambda r, t: r.renew_process_lease(t.lease, 9 * PREPARED_TTL_MS),
    "complete_process_lease": lambda r, t: r.complete_process_lease(
        ProcessLeaseCompletion.of(t.lease)
    ),
    "complete_leased_process": lambda r, t: r.complete_leased_process(
        t.lease, terminal_event(t.process_id, DONE)
    ),
}
"""Calls that write to one process."""

WIDE_WRITES: dict[str, Invoke] = {
    "register_process": lambda r, _: r.register_process(named("p3"), _GRANT),
    "transfer_handle_grants": lambda r, _: r.transfer_handle_grants(
        SESSION, ELSEWHERE, ["p1", "p2"]
    ),
    "delete_session_process_state": lambda r, _: r.delete_session_process_state("s1"),
}
"""Calls that write, but not to one known process."""

READS: dict[str, Invoke] = {
    "events_after": lambda r, t: r.events_after(t.process_id, 0),
    "recent_events": lambda r, t: r.recent_events(t.process_id, 1),
    "count_events_through": lambda r, t: r.count_events_through(t.process_id, SIGNAL, 1),
    "wake_events_after": lambda r, t: r.wake_events_after(t.process_id, 0),
    "wait_event_after": lambda r, t: r.wait_event_after(t.process_id, SIGNAL, 0),
    "wait_event_nth": lambda r, t: r.wait_event_nth(t.process_id, SIGNAL, 1),
    "wait_next_event": lambda r, t: r.wait_next_event(t.process_id, 0),
    "has_handle_grant": lambda r, t: r.has_handle_grant(SESSION, t.process_id),
    "handle_grants_for_process": lambda r, t: r.handle_grants_for_process(t.process_id),
}
"""Calls that read from one process, and return at once on a prepared registry."""

AWAIT_PROCESS: dict[str, Invoke] = {"await_process": lambda r, t: r.await_process(t.process_id)}
"""The call that returns at once only where the process has ended."""

WIDE_READS: dict[str, Invoke] = {
    "get_process": lambda r, t: r.get_process(t.process_id),
    "list_processes": lambda r, _: r.list_processes(_EVERYTHING),
    "list_non_terminal": lambda r, _: r.list_non_terminal(),
    "list_handle_grants": lambda r, _: r.list_handle_grants(SESSION),
    "list_live_handle_grants": lambda r, _: r.list_live_handle_grants(SESSION),
}
"""Calls that read, and return also where nothing is known of a process."""


async def prepare(registry: ProcessRegistry) -> Target:
    """Processes ``p1`` and ``p2``, with events, a wake, a wait, grants and a lease on ``p1``."""
    await registry.register_process(attrs.evolve(WAKEABLE, id="p1"))
    await registry.register_process(named("p2"))
    for asked in (request(WAKING), signal(1), request(OTHER)):
        await registry.append_event("p1", asked)
    await registry.set_process_wait("p1", _FIRST_WAIT)
    for process_id in ("p1", "p2"):
        await registry.grant_handle(SESSION, process_id, DESCRIPTOR)
    lease = await registry.claim_process_lease("p1", "owner", PREPARED_TTL_MS)
    return Target("p1", lease)


@attrs.frozen(kw_only=True)
class Picture:
    """All that a registry shows, without tokens and times, which differ from run to run."""

    rows: list[tuple[str, object, object, object]]
    logs: list[list[tuple[str, object]]]
    wakes: list[list[int]]
    seen: list[list[str]]
    leases: list[str]


async def picture(registry: ProcessRegistry, advance_ms: Callable[[int], object]) -> Picture:
    """Look at everything; claims leases in the end to see whether they are free."""
    rows = await registry.list_processes(_EVERYTHING)
    ids = [row.id for row in rows]
    grants = [await registry.list_handle_grants(scope) for scope in (SESSION, FRAME, ELSEWHERE)]
    logs = [await registry.events_after(process_id, 0) for process_id in ids]
    wakes = [await registry.wake_events_after(process_id, 0) for process_id in ids]
    leases: list[str] = []
    for elapsed_ms in (0, PREPARED_TTL_MS):
        advance_ms(elapsed_ms)
        leases.extend([await _probe(registry, process_id) for process_id in ids])
    return Picture(
        rows=[(row.id, row.status, row.wait, row.external_ref) for row in rows],
        logs=[[(event.event_type, event.payload) for event in log] for log in logs],
        wakes=[[event.sequence for event in events] for events in wakes],
        seen=[[entry.grant.process_id for entry in entries] for entries in grants],
        leases=leases,
    )


async def _probe(registry: ProcessRegistry, process_id: str) -> str:
    try:
        lease = await registry.claim_process_lease(process_id, "probe", 1)
    except PluginError as error:
        return error.reason
    return f"free, next token {lease.fencing_token}"
