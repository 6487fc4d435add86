"""Effects inside an invocation of Restate.

What is replayed, recorded and compared is what every journal replays, records and
compares: :class:`~lash_trio.ReplayController` decides.  Restate's part is to keep the
journal, the timers and the promises.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import attrs
import trio

from ...abc import (
    Clock,
    EffectController,
    EffectHost,
    LocalExecution,
    ProcessLocalExecution,
)
from ...kernel import (
    InlineEffectController,
    ReplayController,
    ReplayOptions,
    ScopedEffectController,
    SystemClock,
)
from ...model import (
    SLEPT,
    AwaitEventCommand,
    AwaitEventOutcome,
    DurabilityTier,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessEffectCommand,
    ProcessScope,
    ScopeLeaseHeldError,
    SleepCommand,
    dumps,
    parse_json,
)
from ._attempt import Attempt
from ._journal import RestateScopeJournal

OUTSIDE_HANDLER = "restate_outside_handler"
"""The code of the error for effects that are asked for where no invocation is served."""


@attrs.frozen(kw_only=True)
class Execution:
    """An attempt to which effect scopes can be opened.

    Args:
        attempt: at the invocation.
        process_id: the process that the invocation runs.
        event_types: those that its log may have.
        open_scopes: those that are open, by their prefix.
    """

    attempt: Attempt
    process_id: str
    event_types: frozenset[str]
    open_scopes: set[str] = attrs.field(factory=set[str])


current_execution: ContextVar[Execution | None] = ContextVar("current_execution", default=None)
"""The execution that the current task belongs to."""


class RestateEffectHost(EffectHost):
    """Effect scopes inside invocations of Restate.

    Args:
        options: how outcomes are recorded and replayed.
        clock: tells when sleeps and timeouts are due.
    """

    def __init__(self, options: ReplayOptions | None = None, *, clock: Clock | None = None) -> None:
        self._options = ReplayOptions() if options is None else options
        self._clock: Clock = SystemClock() if clock is None else clock

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """True: an attempt may run on any machine."""
        return True

    def scoped(self, scope: EffectScope) -> ScopedEffectController:
        """A scope for the length of an ``async with`` block, inside a handler.

        Raises:
            EffectError: ``missing_effect_scope_id``, or ``restate_outside_handler``, at
                once; ``effect_scope_lease_held`` on entry, while it is open already.
        """
        scope.validate()
        execution = current_execution.get()
        if execution is None:
            raise EffectError(
                OUTSIDE_HANDLER,
                f"the {scope.tag} scope {scope.id!r} was asked for outside of an invocation, and "
                "this host records in the journal of the invocation that is served; open it in "
                "a process that a RestateEndpoint runs, or use another host here",
            )
        return ScopedEffectController(self._open(execution, scope), scope)

    @asynccontextmanager
    async def _open(
        self, execution: Execution, scope: EffectScope
    ) -> AsyncGenerator[EffectController, None]:
        await trio.lowlevel.checkpoint()
        prefix = "" if scope == ProcessScope(process_id=execution.process_id) else dumps(scope)
        if prefix in execution.open_scopes:
            raise ScopeLeaseHeldError(
                f"the {scope.tag} scope {scope.id!r} is open already in this invocation; leave "
                "that block first",
                0,
            )
        execution.open_scopes.add(prefix)
        try:
            yield RestateEffectController(
                execution, scope, prefix, options=self._options, clock=self._clock
            )
        finally:
            execution.open_scopes.discard(prefix)


class RestateEffectController(EffectController):
    """Effects of one scope, recorded in the journal of an invocation.

    Steps run here, and their outcomes are recorded.  Sleeps and waits for events are
    Restate's: while all that runs is asleep or waits, the attempt may end, and another
    goes on when there is something to go on with.

    Made by :class:`RestateEffectHost`.

    Args:
        execution: to which it belongs.
        scope: whose effects.
        prefix: tells the scope's entries from those of others in the same invocation.
        options: how outcomes are recorded and replayed.
        clock: tells when sleeps and timeouts are due.
    """

    def __init__(
        self,
        execution: Execution,
        scope: EffectScope,
        prefix: str,
        *,
        options: ReplayOptions,
        clock: Clock,
    ) -> None:
        self._execution = execution
        self._prefix = prefix
        self._journal = RestateScopeJournal(execution.attempt, prefix)
        self._replay = ReplayController(
            self._journal, scope, clock, options, InlineEffectController()
        )

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """True: an attempt may run on any machine."""
        return True

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Replay an effect, or run and record it.

        Raises:
            EffectError: the effect's own failure, recorded or new;
                ``effect_replay_mismatch``, ``effect_replay_missing``,
                ``effect_scope_lease_lost``, ``effect_outcome_too_large``;
                ``runtime_effect_local_executor_unavailable``, for a wait for another
                process.

        Always a checkpoint.
        """
        return await self._replay.execute_effect(envelope, self._way(envelope, local_executor))

    def _way(self, envelope: EffectEnvelope, local_executor: LocalExecution) -> LocalExecution:
        name = self._prefix + envelope.replay_key
        match envelope.command:
            case SleepCommand():
                return _DurableSleep(self._execution.attempt, name)
            case AwaitEventCommand():
                return _DurableWait(self._execution, self._journal, name)
            case ProcessEffectCommand():
                return local_executor
            case _:
                return _Work(self._execution.attempt, local_executor)


@attrs.frozen
class _Work(LocalExecution):
    """Work that is done here: the attempt is not given up meanwhile."""

    attempt: Attempt
    inner: LocalExecution

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        with self.attempt.working():
            return await self.inner.execute(envelope)

    def into_process(self) -> ProcessLocalExecution:
        return self.inner.into_process()


class _NoProcessControl(LocalExecution):
    def into_process(self) -> ProcessLocalExecution:
        raise EffectError(
            EffectErrorCode.EXECUTOR_UNAVAILABLE,
            "a process effect needs the process control executor",
        )


@attrs.frozen
class _DurableSleep(_NoProcessControl):
    attempt: Attempt
    name: str

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = envelope.command
        duration_ms = command.duration_ms if isinstance(command, SleepCommand) else 0
        await self.attempt.sleep(self.name, duration_ms)
        return SLEPT


@attrs.frozen
class _DurableWait(_NoProcessControl):
    """A wait for an event of the process that the invocation runs, as a promise."""

    execution: Execution
    journal: RestateScopeJournal
    name: str

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = envelope.command
        if not isinstance(command, AwaitEventCommand):
            raise TypeError(f"expected a wait, got {command!r}")
        key = self._promise_key(envelope, command.key)
        attempt = self.execution.attempt
        if command.timeout_ms is None:
            value: bytes | None = await attempt.promise(key)
            self.journal.derive(envelope.replay_key)
        else:
            value = await attempt.promise_until(key, self.name, command.timeout_ms)
        if value is None:
            return AwaitEventOutcome(payload=None, timed_out=True)
        return AwaitEventOutcome(payload=event_payload(value))

    def _promise_key(self, envelope: EffectEnvelope, key: str) -> str:
        own = f"process:{self.execution.process_id}:"
        event_type, _, ordinal = key.removeprefix(own).rpartition(":")
        if not key.startswith(own) or not ordinal.removeprefix("-").isdecimal():
            raise EffectError(
                EffectErrorCode.EXECUTOR_UNAVAILABLE,
                f"the effect {envelope.effect_id!r} waits for {key!r}, and this engine can wait "
                f"for events of its own process {self.execution.process_id!r} only; have the "
                "other process send a signal",
            )
        if int(ordinal) < 1:
            raise EffectError(
                EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL,
                f"ordinals count from 1, the effect {envelope.effect_id!r} asks for number "
                f"{ordinal} of {event_type!r}",
            )
        if event_type not in self.execution.event_types:
            raise PluginError(
                PluginReason.UNDECLARED_EVENT_TYPE,
                f"process {self.execution.process_id!r} does not declare {event_type!r}; it "
                f"declares {', '.join(sorted(self.execution.event_types))}",
            )
        return f"{event_type}:{ordinal}"


def event_payload(data: bytes) -> JsonValue:
    """What an event carries, from the value of its promise."""
    value = parse_json(data.decode())
    return value.get("payload") if isinstance(value, dict) else None
