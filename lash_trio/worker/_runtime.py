"""The common case in one block: a host, a registry, definitions and a worker."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import attrs
import trio

from ..abc import EffectHost, ProcessRegistry
from ..kernel import (
    InlineEffectHost,
    StoreFacet,
    request_process_cancel,
    require_durable_store,
)
from ..model import (
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRecord,
    Replay,
    SessionScope,
    signal_event_type,
)
from ._definitions import ProcessDefinitions, ProcessFunction, StartRequest
from ._errors import value_of
from ._options import WorkerOptions
from ._runner import ProcessWorkRunner
from ._waiting import WaitingOn


@attrs.frozen(kw_only=True)
class RuntimeParts:
    """What a runtime is made of, beside its definitions.

    Args:
        registry: keeps the processes.
        host: opens their effect scopes.
        worker: how its worker works.
        host_profile_id: names this configuration in the provenance of processes.
        owner_id: names the worker; chosen at random where None.
    """

    registry: ProcessRegistry
    host: EffectHost = attrs.field(factory=InlineEffectHost)
    worker: WorkerOptions = attrs.field(factory=WorkerOptions)
    host_profile_id: str = "default"
    owner_id: str | None = None


class Runtime(AbstractAsyncContextManager["Runtime"]):
    """Runs processes for the length of an ``async with`` block.

    Leaving the block drains the worker: processes that run get their grace, and
    what has not ended then stays in the registry as it is.  Leaving it by an
    exception stops the worker at once; the exception leaves as it is, in no group.

    Args:
        definitions: what can be started and run.
        parts: what it works with.

    Raises:
        EffectError: code ``durable_store_required:process_registry``, for a durable
            host on a registry that is not.
    """

    def __init__(self, definitions: ProcessDefinitions, parts: RuntimeParts) -> None:
        require_durable_store(
            StoreFacet.PROCESS_REGISTRY,
            parts.host.durability_tier,
            parts.registry.durability_tier,
        )
        self.definitions = definitions
        self.registry: ProcessRegistry = parts.registry
        self._parts = parts
        self.worker: ProcessWorkRunner = ProcessWorkRunner(
            parts.registry, parts.host, definitions, parts.worker, owner_id=parts.owner_id
        )

    async def __aenter__(self) -> Runtime:
        # Strict: what leaves it is a group then, whatever trio.run() was told.
        self._nursery_manager = trio.open_nursery(strict_exception_groups=True)
        self._nursery = await self._nursery_manager.__aenter__()
        self._nursery.start_soon(self.worker.run, name="lash_trio worker")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Only a worker that crashed has cancelled the nursery by now; the block's
        # cancellation is the nursery's own then, and has to end there.
        has_crashed = self._nursery.cancel_scope.cancel_called
        if exc is None:
            self._nursery.start_soon(self.worker.drain, name="lash_trio drain")
        else:
            self._nursery.cancel_scope.cancel("the block of the runtime was left by an exception")
        # Otherwise it is not shown the block's exception: it would wrap it.
        shown = exc if has_crashed else None
        try:
            await self._nursery_manager.__aexit__(
                None if shown is None else type(shown), shown, None
            )
        except BaseExceptionGroup as group:
            faults = group.split(trio.Cancelled)[1]
            if exc is not None and faults is None:
                # The worker was stopped and that is all: the block's own exception goes on.
                return
            if exc is not None and shown is None:
                raise BaseExceptionGroup(group.message, [exc, group]) from None
            raise

    async def start(
        self,
        definition: str | ProcessFunction,
        args: Mapping[str, JsonValue] | None = None,
        *,
        id: str | None = None,
        wake_target: SessionScope | None = None,
    ) -> ProcessHandle:
        """Start a process; the same start under the same id again is no change.

        Args:
            definition: the name of a definition, or its function.
            args: its JSON arguments, by name.
            id: of the process; its definition's name and a random part where None.
            wake_target: the session that its wake events wake.

        Raises:
            PluginError: ``unknown_definition``, ``invalid_arguments``,
                ``registration_conflict``, where another process has the id.
        """
        known = self.definitions.get(definition)
        start = StartRequest(
            id=f"{known.name}-{uuid.uuid4().hex[:12]}" if id is None else id,
            provenance=ProcessProvenance.host(self._parts.host_profile_id),
            wake_target=wake_target,
        )
        registration = self.definitions.registration(known.name, args or {}, start)
        record = await self.registry.register_process(registration)
        self.worker.poke(record.id)
        return ProcessHandle(self, record.id)

    async def get(self, process_id: str) -> ProcessHandle:
        """A process that was started before.

        Raises:
            PluginError: ``unknown_process``.
        """
        handle = ProcessHandle(self, process_id)
        await handle.record()
        return handle

    async def list(self, filter: ProcessListFilter | None = None) -> list[ProcessRecord]:
        """The processes that pass a filter, ordered by id; those that run where None."""
        return await self.registry.list_processes(ProcessListFilter() if filter is None else filter)

    def waiting_on(self) -> WaitingOn:
        """All that processes of its worker wait for, and since when.  Not a checkpoint."""
        return self.worker.waiting_on()


class ProcessHandle:
    """A process, seen from outside.

    Args:
        runtime: where it is.
        process_id: which one.
    """

    def __init__(self, runtime: Runtime, process_id: str) -> None:
        self._runtime = runtime
        self._registry = runtime.registry
        self.id = process_id

    def __repr__(self) -> str:
        return f"<process {self.id!r}>"

    async def record(self) -> ProcessRecord:
        """Its row.

        Raises:
            PluginError: ``unknown_process``.
        """
        record = await self._registry.get_process(self.id)
        if record is None:
            raise PluginError(
                PluginReason.UNKNOWN_PROCESS, f"there is no process {self.id!r} in the registry"
            )
        return record

    async def output(self) -> ProcessAwaitOutput:
        """Wait for its end, however it ends."""
        return await self._registry.await_process(self.id)

    async def result(self) -> JsonValue:
        """Wait for its value.

        Raises:
            ProcessFailedError: it failed.
            ProcessCancelledError: it was cancelled.
        """
        return value_of(self.id, await self.output())

    async def signal(
        self, name: str, payload: JsonValue = None, *, signal_id: str | None = None
    ) -> ProcessEvent:
        """Send it a signal.

        Args:
            name: as its definition declares it.
            payload: plain JSON.
            signal_id: makes the signal idempotent: the same id again is no new signal.

        Raises:
            PluginError: ``undeclared_event_type``, ``invalid_payload``,
                ``event_replay_conflict``.
        """
        replay = None if signal_id is None else Replay(key=f"signal:{name}:{signal_id}")
        appended = await self._registry.append_event(
            self.id,
            ProcessEventAppendRequest(
                event_type=signal_event_type(name), payload=payload, replay=replay
            ),
        )
        return appended.event

    async def cancel(self, reason: str | None = None) -> ProcessRecord:
        """Ask it to end as cancelled; returns its row at once, which may still run."""
        return await request_process_cancel(self._registry, self.id, reason)

    def events(self, after_sequence: int = 0) -> ProcessEventStream:
        """Its events after a number, as they come, up to the one that ends it."""
        return ProcessEventStream(self._registry, self.id, after_sequence)


class ProcessEventStream:
    """An async iterator over the events of a process; holds nothing between two of them."""

    def __init__(self, registry: ProcessRegistry, process_id: str, after_sequence: int) -> None:
        self._registry = registry
        self._process_id = process_id
        self._after_sequence = after_sequence
        self._end_is_ahead: bool | None = None

    def __aiter__(self) -> ProcessEventStream:
        return self

    async def __anext__(self) -> ProcessEvent:
        if self._end_is_ahead is None:
            self._end_is_ahead = await self._is_end_ahead()
        if not self._end_is_ahead:
            raise StopAsyncIteration
        event = await self._registry.wait_next_event(self._process_id, self._after_sequence)
        self._after_sequence = event.sequence
        self._end_is_ahead = event.semantics.terminal is None
        return event

    async def _is_end_ahead(self) -> bool:
        """Whether the terminal event is still to come, after where the stream begins."""
        record = await self._registry.get_process(self._process_id)
        if record is None or not record.is_terminal:
            return True
        rest = await self._registry.events_after(self._process_id, self._after_sequence)
        return any(event.semantics.terminal is not None for event in rest)
