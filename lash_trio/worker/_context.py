"""What a process function is given: durable steps, waits, other processes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVarTuple

import attrs

from ..abc import Clock, ProcessRegistry
from ..kernel import (
    EventToAwait,
    LocalExecutor,
    ScopedEffectController,
    effect_envelope,
    milliseconds,
)
from ..model import (
    MAX_SEQUENCE,
    AwaitEventCommand,
    AwaitEventOutcome,
    CancelProcess,
    CausalRef,
    EffectCausalRef,
    EffectCommand,
    EffectEnvelope,
    EffectOutcome,
    EventWait,
    JsonValue,
    ProcessAwaitOutput,
    ProcessCausalRef,
    ProcessEndWait,
    ProcessEventAppendRequest,
    ProcessLease,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRecord,
    ProcessSignalled,
    Replay,
    SignalProcess,
    SignalWait,
    SleepCommand,
    SleepWait,
    StartProcess,
    WaitKind,
    WaitTimedOut,
    from_json,
    json_hash,
    signal_event_type,
    to_json,
)
from ._child import ChildProcess
from ._definitions import ProcessDefinitions, ProcessFunction, StartRequest
from ._lease import fenced
from ._nursery import ProcessNurseryManager
from ._parking import Wait, Waits
from ._signals import SignalOrdinals
from ._slots import Activity

ArgsT = TypeVarTuple("ArgsT")


@attrs.frozen(kw_only=True)
class ContextParts:
    """What a context works with.

    Args:
        scope: the opened effect scope of the run.
        registry: keeps the processes.
        record: the row of this process.
        lease: gives the lease under which it runs, as it is now; None where an engine
            fences its runs itself.
        definitions: what it can start.
        waits: parks it.
        activity: which of its tasks are active.
        clock: tells the time.
        poke: tells the worker which process there is to run.
    """

    scope: ScopedEffectController
    registry: ProcessRegistry
    record: ProcessRecord
    lease: Callable[[], ProcessLease | None]
    definitions: ProcessDefinitions
    waits: Waits
    activity: Activity
    clock: Clock
    poke: Callable[[str], None]


class ProcessContext:
    """The way of a process function to the world.

    Everything that could come out differently on a second run goes through here, so
    that it can be recorded and replayed.  Each call is an effect of the process's
    scope, under a structural replay key: the path of the task, the name, and its
    occurrence there.

    The worker makes contexts; so does ``lash_trio.testing`` for tests.
    """

    def __init__(self, parts: ContextParts) -> None:
        self._parts = parts
        self._scope = parts.scope
        self._registry = parts.registry
        self._record = parts.record
        self._signals = SignalOrdinals()
        self._children: dict[str, None] = {}

    @property
    def process_id(self) -> str:
        """The id of this process."""
        return self._record.id

    @property
    def scope(self) -> ScopedEffectController:
        """The effect scope of this run, for effects that the context has no method for."""
        return self._scope

    @property
    def signals_consumed(self) -> dict[str, int]:
        """How many different signals of each event type this run has waited for and got."""
        return self._signals.consumed

    @property
    def children(self) -> tuple[str, ...]:
        """The ids of the processes that this run started and has not left to themselves."""
        return tuple(self._children)

    async def step(
        self,
        name: str,
        function: Callable[[*ArgsT], Awaitable[JsonValue]],
        *args: *ArgsT,
    ) -> JsonValue:
        """Run an async function as a durable step; see :meth:`ScopedEffectController.step`.

        Raises:
            StepError: the function raised.
        """
        return await self._scope.step(name, function, *args)

    def idempotency_key(self, name: str) -> str:
        """A key for the outside world that the next step called ``name`` can hand on.

        It is the same in every run of this process, on every machine, and differs
        between steps.  Ask for it before the step, in the same task.

        Not a checkpoint.
        """
        return json_hash([self.process_id, self._scope.path.peek(name)])

    async def sleep(self, seconds: float) -> None:
        """Sleep.

        Args:
            seconds: for how long; rounded up to whole milliseconds.

        Raises:
            EffectError: code ``runtime_effect_sleep_cancelled``.
        """
        duration_ms = milliseconds(seconds, "a sleep")
        key = self._scope.path.next("sleep")
        envelope = effect_envelope(self._scope.effect_scope, key, EffectCommand.sleep(duration_ms))

        def kind(running: EffectEnvelope) -> WaitKind:
            # Of a sleep that goes on after a crash, what is left is run.
            left = running.command
            left_ms = left.duration_ms if isinstance(left, SleepCommand) else duration_ms
            return SleepWait(key=key, due_at_ms=self._parts.clock.now_ms() + left_ms)

        async def is_over() -> bool:
            return duration_ms == 0

        wait = Wait(kind=kind, envelope=envelope, inner=LocalExecutor.sleep(), is_there=is_over)
        await self._parts.waits.execute(self._scope, wait)

    async def wait_signal(
        self, name: str, *, ordinal: int | None = None, timeout_seconds: float | None = None
    ) -> JsonValue:
        """Wait for a signal.

        Args:
            name: of the signal, as the definition declares it.
            ordinal: which one of that name, from 1; where None, the one after the
                last that this task has got.  One task of a process may leave the
                ordinals of a name to the context; others name theirs.
            timeout_seconds: for how long; for ever where None.

        Returns:
            The payload.

        Raises:
            WaitTimedOut: it did not come in time; it is still the next one.
            EffectError: ``runtime_effect_await_event_cancelled``,
                ``runtime_effect_await_event_invalid_ordinal``, ``effect_path_shared``.
            PluginError: ``undeclared_event_type``, ``invalid_signal_name``.
        """
        event_type = signal_event_type(name)
        number = self._signals.next(event_type, self._scope.path) if ordinal is None else ordinal
        awaited = self._awaited(self.process_id, event_type, number, timeout_seconds)
        return await self._await_event(
            awaited,
            lambda running: SignalWait(
                key=awaited.key,
                name=name,
                event_type=event_type,
                ordinal=number,
                due_at_ms=self._due_at_ms(running),
            ),
        )

    async def wait_event(
        self,
        process_id: str,
        event_type: str,
        ordinal: int,
        *,
        timeout_seconds: float | None = None,
    ) -> JsonValue:
        """Wait for an event of any process.

        Args:
            process_id: whose event.
            event_type: of which type.
            ordinal: which one of that type, from 1.
            timeout_seconds: for how long; for ever where None.

        Returns:
            The payload.

        Raises:
            WaitTimedOut: it did not come in time.
            EffectError: ``runtime_effect_await_event_cancelled``,
                ``runtime_effect_await_event_invalid_ordinal``.
            PluginError: ``unknown_process``, ``undeclared_event_type``.
        """
        awaited = self._awaited(process_id, event_type, ordinal, timeout_seconds)
        return await self._await_event(
            awaited,
            lambda running: EventWait(
                key=awaited.key,
                process_id=process_id,
                event_type=event_type,
                ordinal=ordinal,
                due_at_ms=self._due_at_ms(running),
            ),
        )

    async def emit(self, event_type: str, payload: JsonValue = None) -> int:
        """Append an event of a declared type to this process's log.

        Returns:
            Its number there.

        Raises:
            PluginError: what the append rules refuse.
            EffectError: ``effect_scope_lease_lost``, ``runtime_effect_cancelled``.
        """
        replay = Replay(key=f"{self.process_id}:{self._scope.path.peek(f'emit:{event_type}')}")
        request = ProcessEventAppendRequest(event_type=event_type, payload=payload, replay=replay)

        async def append() -> JsonValue:
            # The log has the end of the wait before what the process did then.
            await self._parts.waits.settled()
            appended = await fenced(
                self._registry.append_event(self.process_id, request, self._parts.lease())
            )
            return appended.event.sequence

        return from_json(int, await self._scope.step(f"emit:{event_type}", append))

    async def start(
        self,
        definition: str | ProcessFunction,
        args: Mapping[str, JsonValue] | None = None,
        *,
        detached: bool = False,
    ) -> ChildProcess:
        """Start another process.

        Its id follows from this process's id and the place of the call, so a second
        run finds the child that the first one started.

        Args:
            definition: the name of a definition, or its function.
            args: its JSON arguments, by name.
            detached: leave it to itself; otherwise it is asked to end when this
                process fails or is cancelled.

        Raises:
            PluginError: ``unknown_definition``, ``invalid_arguments``,
                ``registration_conflict`` where another run started something else here.
            EffectError: ``runtime_effect_cancelled``.
        """
        known = self._parts.definitions.get(definition)
        place = self._scope.path.next(f"start:{known.name}")
        child_id = f"{self.process_id}/{place}"
        provenance = self._record.provenance
        # The cause tells who ends it: a child belongs to this process, a detached one
        # is owed to the one effect that started it.
        cause: CausalRef = ProcessCausalRef(process_id=self.process_id)
        if detached:
            cause = EffectCausalRef(session_id=self.process_id, effect_id=place)
        registration = self._parts.definitions.registration(
            known.name,
            args or {},
            StartRequest(
                id=child_id,
                provenance=ProcessProvenance(
                    originator=provenance.originator,
                    host_profile_id=provenance.host_profile_id,
                    caused_by=cause,
                ),
                wake_target=self._record.wake_target,
            ),
        )
        await self._scope.process(self._registry, StartProcess(registration=registration))
        if not detached:
            self._children[child_id] = None
        self._parts.poke(child_id)
        return ChildProcess(self, child_id)

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        """Wait for the end of a process.

        Raises:
            EffectError: ``runtime_effect_await_event_cancelled``.
            PluginError: ``unknown_process``.
        """

        async def wait_end(_: EffectEnvelope) -> EffectOutcome:
            output = await self._registry.await_process(process_id)
            return AwaitEventOutcome(payload=to_json(output))

        async def has_ended() -> bool:
            record = await self._registry.get_process(process_id)
            # The wait itself says what is wrong with a process that is not there.
            return record is None or record.is_terminal

        key = self._scope.path.next(f"await_process:{process_id}")
        command = EffectCommand.await_event(f"process:{process_id}:end")
        wait = Wait(
            kind=lambda _: ProcessEndWait(key=key, process_id=process_id),
            envelope=effect_envelope(self._scope.effect_scope, key, command),
            inner=LocalExecutor.call(wait_end),
            is_there=has_ended,
        )
        outcome = await self._parts.waits.execute(self._scope, wait)
        self._children.pop(process_id, None)
        return from_json(ProcessAwaitOutput, outcome.expect(AwaitEventOutcome).payload)

    async def signal(self, process_id: str, name: str, payload: JsonValue = None) -> int:
        """Send a signal to another process, once, however often this process runs.

        Returns:
            Its number in that process's log.

        Raises:
            PluginError: ``unknown_process``, ``undeclared_event_type``, ``invalid_payload``.
        """
        event_type = signal_event_type(name)
        place = self._scope.path.next(f"signal:{process_id}:{name}")
        signal_id = f"{self.process_id}:{place}"
        request = ProcessEventAppendRequest(
            event_type=event_type, payload=payload, replay=Replay(key=signal_id)
        )
        command = SignalProcess(
            process_id=process_id, signal_name=name, signal_id=signal_id, request=request
        )
        outcome = await self._scope.process(self._registry, command)
        if not isinstance(outcome, ProcessSignalled):
            raise TypeError(f"expected the outcome of a signal command, got {outcome.tag!r}")
        return outcome.event.sequence

    async def cancel(self, process_id: str, reason: str | None = None) -> None:
        """Ask another process to end as cancelled.

        Raises:
            PluginError: ``unknown_process``.
        """
        await self._scope.process(
            self._registry, CancelProcess(process_id=process_id, reason=reason)
        )

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        """The row of a process as it was when this was first asked, or None."""

        async def read() -> JsonValue:
            record = await self._registry.get_process(process_id)
            return None if record is None else to_json(record)

        value = await self.step(f"get_process:{process_id}", read)
        return None if value is None else from_json(ProcessRecord, value)

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        """The processes that passed a filter when this was first asked."""

        async def read() -> JsonValue:
            return [to_json(record) for record in await self._registry.list_processes(filter)]

        return from_json(list[ProcessRecord], await self.step("list_processes", read))

    async def now(self) -> datetime:
        """The time of day, in UTC, as it was when this was first asked."""

        async def read() -> JsonValue:
            return self._parts.clock.now_ms()

        now_ms = from_json(int, await self.step("now", read))
        return datetime.fromtimestamp(now_ms / 1000, UTC)

    async def random(self) -> float:
        """A number from 0 up to 1, drawn when this was first asked."""

        async def draw() -> JsonValue:
            return random.random()

        return from_json(float, await self.step("random", draw))

    async def uuid(self) -> uuid.UUID:
        """A random UUID, drawn when this was first asked."""

        async def draw() -> JsonValue:
            return str(uuid.uuid4())

        return uuid.UUID(from_json(str, await self.step("uuid", draw)))

    def open_nursery(self) -> ProcessNurseryManager:
        """A nursery whose children may use this context, each under a path of its own.

        Use it as ``async with ctx.open_nursery() as nursery:``; errors leave it in
        groups as they leave trio's nurseries.
        """
        return ProcessNurseryManager(self._scope, self._parts.activity)

    def _awaited(
        self, process_id: str, event_type: str, ordinal: int, timeout_seconds: float | None
    ) -> EventToAwait:
        return EventToAwait(
            registry=self._registry,
            process_id=process_id,
            event_type=event_type,
            ordinal=ordinal,
            timeout_seconds=timeout_seconds,
        )

    def _due_at_ms(self, running: EffectEnvelope) -> int | None:
        """When the timeout of a wait is over that is run now with what is left of it."""
        command = running.command
        if not isinstance(command, AwaitEventCommand) or command.timeout_ms is None:
            return None
        return self._parts.clock.now_ms() + command.timeout_ms

    async def _await_event(
        self, awaited: EventToAwait, kind: Callable[[EffectEnvelope], WaitKind]
    ) -> JsonValue:
        timeout = awaited.timeout_seconds
        command = EffectCommand.await_event(
            awaited.key, None if timeout is None else milliseconds(timeout, "a timeout")
        )
        path = self._scope.path
        key = path.next(f"await:{awaited.event_type}")

        async def has_come() -> bool:
            there = await self._registry.count_events_through(
                awaited.process_id, awaited.event_type, MAX_SEQUENCE
            )
            return there >= awaited.ordinal

        wait = Wait(
            kind=kind,
            envelope=effect_envelope(self._scope.effect_scope, key, command),
            inner=awaited.executor(),
            is_there=has_come,
        )
        outcome = await self._parts.waits.execute(self._scope, wait)
        awaited_outcome = outcome.expect(AwaitEventOutcome)
        if awaited_outcome.timed_out:
            raise WaitTimedOut(f"{awaited.key} did not come within {timeout} s")
        if awaited.process_id == self.process_id:
            self._signals.consume(awaited.event_type, awaited.ordinal, path)
        return awaited_outcome.payload
