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
)
from ...kernel import (
    ReplayController,
    ReplayOptions,
    ScopedEffectController,
    SystemClock,
)
from ...model import (
    AwaitEventCommand,
    DurabilityTier,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectScope,
    ProcessEffectCommand,
    ProcessScope,
    ScopeLeaseHeldError,
    SleepCommand,
    dumps,
)
from ._attempt import Attempt
from ._journal import RestateScopeJournal
from ._ways import AskedWait, DurableWays, Work

OUTSIDE_HANDLER = "restate_outside_handler"
"""The code of the error for effects that are asked for where no invocation is served."""


@attrs.frozen(kw_only=True)
class Execution:
    """An attempt to which effect scopes can be opened.

    Args:
        attempt: at the invocation.
        process_id: the process that the invocation runs.
        ways: how it waits, and reaches others.
        open_scopes: those that are open, by their prefix.
    """

    attempt: Attempt
    process_id: str
    ways: DurableWays
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
            self._journal, scope, clock, options, execution.ways.commands(prefix)
        )

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """True: an attempt may run on any machine."""
        return True

    def is_recorded(self, envelope: EffectEnvelope) -> bool:
        """Whether an earlier attempt has recorded the outcome of this very effect."""
        return self._replay.is_recorded(envelope)

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Replay an effect, or run and record it.

        Raises:
            EffectError: the effect's own failure, recorded or new;
                ``effect_replay_mismatch``, ``effect_replay_missing``,
                ``effect_scope_lease_lost``, ``effect_outcome_too_large``;
                ``runtime_effect_local_executor_unavailable``, for what needs a registry
                where there is none.

        Always a checkpoint.
        """
        return await self._replay.execute_effect(envelope, self._way(envelope, local_executor))

    def _way(self, envelope: EffectEnvelope, local_executor: LocalExecution) -> LocalExecution:
        asked = AskedWait(
            name=self._prefix + envelope.replay_key,
            local=local_executor,
            on_derived=self._journal.derive,
        )
        match envelope.command:
            case SleepCommand():
                return self._execution.ways.sleep(asked)
            case AwaitEventCommand():
                return self._execution.ways.wait_event(asked)
            case ProcessEffectCommand():
                return local_executor
            case _:
                return Work(self._execution.attempt, local_executor)
