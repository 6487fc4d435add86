"""The bench on which a registry is checked, and what checks put on it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs
from trio.testing import wait_all_tasks_blocked

from ...abc import ProcessRegistry
from ...model import (
    JsonValue,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessEventType,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessLease,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    Replay,
    SessionScope,
    terminal_event,
)
from ._calls import Calls, Settle, open_calls
from ._rules import named_check

OpenRegistry: TypeAlias = Callable[[], AbstractAsyncContextManager[ProcessRegistry]]


class ManualClock:
    """A clock for registries that stands still until it is moved.

    Args:
        now_ms: the time at first, in milliseconds since the epoch.
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self._now_ms

    def advance_ms(self, duration_ms: int) -> None:
        """Move it on by a number of milliseconds."""
        self._now_ms += duration_ms


@attrs.frozen(kw_only=True)
class RegistryUnderTest:
    """A kind of registry, as the checks need it.

    Args:
        open: opens a new, empty registry for the length of a block.
        advance_ms: moves the clock by which the registry's leases expire on by a
            number of milliseconds, without waiting for it.
        settle: waits until every task is blocked and the registry has nothing under
            way.  The default is enough for a registry that works in trio's own
            thread; one that works in others gives, for example,
            ``functools.partial(wait_all_tasks_blocked, cushion=0.05)``.
        reopen: opens again what the last block of ``open`` or ``reopen`` left; for
            registries that survive, which must pass the durable checks as well.
    """

    open: OpenRegistry
    advance_ms: Callable[[int], object]
    settle: Settle = wait_all_tasks_blocked
    reopen: OpenRegistry | None = None


RegistryCheck: TypeAlias = Callable[[RegistryUnderTest], Awaitable[None]]
"""A check of one rule; the function's name is the rule's, its docstring the rule."""


@attrs.frozen(kw_only=True)
class RegistryBench:
    """An open registry and the means to check it."""

    registry: ProcessRegistry
    advance_ms: Callable[[int], object]
    settle: Settle

    def calls(self) -> AbstractAsyncContextManager[Calls]:
        """Calls in tasks of their own."""
        return open_calls(self.settle)

    async def register(self, *process_ids: str) -> None:
        """Register plain processes; ``p1`` where no id is given."""
        for process_id in process_ids or ("p1",):
            await self.registry.register_process(named(process_id))

    async def signals(self, *numbers: int, process_id: str = "p1") -> list[ProcessEvent]:
        """Append signals with these numbers in their payloads."""
        return [
            (await self.registry.append_event(process_id, signal(number))).event
            for number in numbers
        ]

    async def end(self, process_id: str = "p1") -> ProcessEventAppendResult:
        """End a process as completed."""
        return await self.registry.append_event(process_id, terminal_event(process_id, DONE))

    async def row(self, process_id: str = "p1") -> ProcessRecord:
        """The row of a process that is there."""
        record = await self.registry.get_process(process_id)
        if record is None:
            raise AssertionError(f"expected get_process({process_id!r}) to be a row, got None")
        return record

    async def log(self, process_id: str = "p1") -> list[ProcessEvent]:
        """All events of a process."""
        return await self.registry.events_after(process_id, 0)

    async def claim(self, owner_id: str, ttl_ms: int = 1_000) -> ProcessLease:
        """A lease of ``p1``."""
        return await self.registry.claim_process_lease("p1", owner_id, ttl_ms)


def registry_check(body: Callable[[RegistryBench], Awaitable[None]]) -> RegistryCheck:
    """A check on a new registry, from what it does with one."""

    @functools.wraps(body)
    async def check(under_test: RegistryUnderTest) -> None:
        async with under_test.open() as registry:
            await body(
                RegistryBench(
                    registry=registry, advance_ms=under_test.advance_ms, settle=under_test.settle
                )
            )

    return named_check(check)


SIGNAL = "signal.ready"
OTHER = "signal.other"
SESSION = SessionScope(session_id="s1")
FRAME = SessionScope(session_id="s1", agent_frame_id="f1")
ELSEWHERE = SessionScope(session_id="s2")
DESCRIPTOR = ProcessHandleDescriptor(kind="job", label="A job")
DONE = ProcessAwaitOutput.success({"ok": True})

PLAIN = ProcessRegistration(
    id="p1",
    input=ProcessInput.external({"job": 1}),
    event_types=(ProcessEventType(name=SIGNAL), ProcessEventType(name=OTHER)),
    provenance=ProcessProvenance.host("conformance"),
)
"""What most checks register."""


def named(process_id: str) -> ProcessRegistration:
    """A plain registration under an id."""
    return attrs.evolve(PLAIN, id=process_id)


def declaring(*event_types: ProcessEventType) -> ProcessRegistration:
    """A plain registration that declares these event types."""
    return attrs.evolve(PLAIN, event_types=event_types)


def request(
    event_type: str, payload: JsonValue = None, key: str | None = None
) -> ProcessEventAppendRequest:
    """An append, under a replay key where there is one."""
    return ProcessEventAppendRequest(
        event_type=event_type, payload=payload, replay=None if key is None else Replay(key=key)
    )


def signal(number: int, key: str | None = None) -> ProcessEventAppendRequest:
    """A signal with a number in its payload."""
    return request(SIGNAL, {"n": number}, key)
