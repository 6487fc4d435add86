"""What the tests of the worker share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    DurabilityTier,
    EffectEnvelope,
    EffectOutcome,
    InlineEffectController,
    InlineEffectHost,
    JsonValue,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessFailure,
    ProcessFunction,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRecord,
    ProcessSuccess,
    ProcessWorkRunner,
    StartRequest,
    WaitState,
    WorkerOptions,
)
from lash_trio.abc import EffectHost, LocalExecution

T = TypeVar("T")

Hook = Callable[[str], Awaitable[None]]
"""Called with a process id before a method runs; may raise or wait."""


class HookedRegistry(MemoryProcessRegistry):
    """A memory registry whose methods can be made to fail or to hang.

    ``hooks`` has hooks by the names of methods; ``calls`` the names that were called.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        super().__init__(clock)
        self.hooks: dict[str, Hook] = {}
        self.calls: list[tuple[str, str]] = []

    async def _before(self, method: str, process_id: str) -> None:
        self.calls.append((method, process_id))
        if method in self.hooks:
            await self.hooks[method](process_id)

    async def list_non_terminal(self) -> list[ProcessRecord]:
        await self._before("list_non_terminal", "")
        return await super().list_non_terminal()

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await self._before("get_process", process_id)
        return await super().get_process(process_id)

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        await self._before("append_event", process_id)
        return await super().append_event(process_id, request, fence)

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        await self._before("count_events_through", process_id)
        return await super().count_events_through(process_id, event_type, up_to_sequence)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await self._before("set_process_wait", process_id)
        return await super().set_process_wait(process_id, wait, fence)

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        await self._before("clear_process_wait", process_id)
        return await super().clear_process_wait(process_id, fence)

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        await self._before("claim_process_lease", process_id)
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        await self._before("renew_process_lease", lease.process_id)
        return await super().renew_process_lease(lease, lease_ttl_ms)

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await self._before("complete_process_lease", completion.process_id)
        await super().complete_process_lease(completion)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await self._before("complete_leased_process", lease.process_id)
        return await super().complete_leased_process(lease, request)


class DurableJournal(MemoryEffectJournal):
    """Says that it is durable, and is for as long as a test lasts."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return DurabilityTier.DURABLE


@attrs.define
class ManualClock:
    """Tells the time that it is told."""

    ms: int = 1_000_000

    def now_ms(self) -> int:
        return self.ms


def raising(error: Exception, only_for: str | None = None, times: int = 10**6) -> Hook:
    """A hook that raises, the first times, for one process or all."""
    left = times

    async def hook(process_id: str) -> None:
        nonlocal left
        if left and only_for in (None, process_id):
            left -= 1
            raise error

    return hook


def hanging(only_for: str | None = None) -> Hook:
    """A hook that never returns, for one process or all."""

    async def hook(process_id: str) -> None:
        if only_for in (None, process_id):
            await trio.sleep_forever()

    return hook


def worker(
    registry: MemoryProcessRegistry,
    definitions: ProcessDefinitions,
    options: WorkerOptions | None = None,
    owner_id: str | None = None,
    host: EffectHost | None = None,
) -> ProcessWorkRunner:
    """A worker on a registry."""
    return ProcessWorkRunner(
        registry,
        InlineEffectHost() if host is None else host,
        definitions,
        options,
        owner_id=owner_id,
    )


@asynccontextmanager
async def working(*workers: ProcessWorkRunner) -> AsyncGenerator[None, None]:
    """Workers that work for the length of a block and are cancelled then."""
    async with trio.open_nursery() as nursery:
        for each in workers:
            await nursery.start(_started, each)
        yield
        nursery.cancel_scope.cancel()


async def _started(
    each: ProcessWorkRunner, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await each.run(task_status=task_status)


async def register(
    registry: MemoryProcessRegistry,
    definitions: ProcessDefinitions,
    definition: str | ProcessFunction,
    process_id: str = "p",
    /,
    **args: JsonValue,
) -> None:
    """Add a row of a definition without telling anybody."""
    start = StartRequest(id=process_id, provenance=ProcessProvenance.host("tests"))
    await registry.register_process(definitions.registration(definition, args, start))


async def end_of(
    registry: MemoryProcessRegistry,
    definitions: ProcessDefinitions,
    definition: str | ProcessFunction,
    **args: JsonValue,
) -> ProcessAwaitOutput:
    """Run one process to its end."""
    await register(registry, definitions, definition, "p", **args)
    async with working(worker(registry, definitions)):
        return await registry.await_process("p")
    raise AssertionError


async def row(registry: MemoryProcessRegistry, process_id: str = "p") -> ProcessRecord:
    """The row of a process."""
    record = await registry.get_process(process_id)
    assert record is not None
    return record


async def log(registry: MemoryProcessRegistry, process_id: str = "p") -> list[str]:
    """The types of a process's events."""
    return [event.event_type for event in await registry.events_after(process_id, 0)]


async def send(
    registry: MemoryProcessRegistry, event_type: str, payload: JsonValue = None, id: str = "p"
) -> None:
    """Append an event."""
    await registry.append_event(
        id, ProcessEventAppendRequest(event_type=event_type, payload=payload)
    )


async def ask_to_cancel(
    registry: MemoryProcessRegistry, reason: str | None = "enough", id: str = "p"
) -> None:
    """Append a cancel request."""
    await registry.append_event(id, ProcessEventAppendRequest.cancel_requested(id, reason))


def check_nothing_left(registry: MemoryProcessRegistry) -> None:
    """Expect that no task waits and that no lease is held."""
    statistics = registry.statistics()
    assert statistics.tasks_waiting == 0
    assert statistics.leases == 0


def run_in_virtual_time(
    function: Callable[[], Awaitable[T]],
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> T:
    """``trio.run`` with a clock that jumps whenever all tasks wait; for an hour at most."""

    async def main() -> T:
        with trio.fail_after(3600):
            return await function()
        raise AssertionError

    time = MockClock(autojump_threshold=0) if clock is None else clock
    return trio.run(main, clock=time, instruments=instruments)


def jump(seconds: float) -> None:
    """Let the clock pass while the loop stands still."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    clock.jump(seconds)


async def settled() -> None:
    """Wait until every task is blocked, without moving the clock."""
    await wait_all_tasks_blocked()


async def idle(ctx: ProcessContext) -> None:
    """A process that has nothing to do."""


async def result_of(
    registry: MemoryProcessRegistry,
    definitions: ProcessDefinitions,
    definition: str | ProcessFunction,
    **args: JsonValue,
) -> JsonValue:
    """Run one process that is expected to complete; returns its value."""
    output = await end_of(registry, definitions, definition, **args)
    if isinstance(output, ProcessFailure) and isinstance(output.raw, dict):
        raise AssertionError(output.raw["traceback"])
    assert isinstance(output, ProcessSuccess), output
    return output.value


class RecordingController(InlineEffectController):
    """Runs effects inline, and keeps their envelopes in the order of asking."""

    def __init__(self) -> None:
        self.envelopes: list[EffectEnvelope] = []

    @property
    def keys(self) -> list[str]:
        return [envelope.replay_key for envelope in self.envelopes]

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        self.envelopes.append(envelope)
        return await super().execute_effect(envelope, local_executor)
