"""Replay: an effect whose outcome is recorded never runs again.

The rules are those of any store; a store brings an
:class:`~lash_trio.abc.EffectJournal`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio
from attrs.validators import ge

from ..abc import (
    Clock,
    EffectController,
    EffectHost,
    EffectJournal,
    LocalExecution,
    ScopeJournal,
)
from ..model import (
    SLEPT,
    AwaitEventCommand,
    DurabilityTier,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectFailure,
    EffectOutcome,
    EffectScope,
    Err,
    JournalEntry,
    Ok,
    ProcessEffectCommand,
    SleepCommand,
    check_same_envelope,
    envelope_text,
    error_of,
    failure_of,
    is_outcome,
    round_trip_outcome,
)
from ._clock import SystemClock
from ._executor import LocalExecutor
from ._inline import InlineEffectController
from ._scope import ScopedEffectController


@attrs.frozen(kw_only=True)
class ReplayOptions:
    """How outcomes are recorded and replayed.

    Args:
        replay_only: raise ``effect_replay_missing`` instead of running anything.
        max_outcome_bytes: how large the JSON of an outcome may be.
    """

    replay_only: bool = False
    max_outcome_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=ge(1))


class ReplayController(EffectController):
    """Returns what the journal has, and records what it has not.

    Args:
        journal: of the scope, opened.
        scope: whose effects.
        clock: tells when sleeps and timeouts are due.
        options: how.
        inner: runs what has to run.
    """

    def __init__(
        self,
        journal: ScopeJournal,
        scope: EffectScope,
        clock: Clock,
        options: ReplayOptions,
        inner: EffectController,
    ) -> None:
        self._journal = journal
        self._scope = scope
        self._clock = clock
        self._options = options
        self._inner = inner
        self._entries: dict[str, JournalEntry] = dict(journal.entries)

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable: recorded outcomes outlive the scope."""
        return DurabilityTier.DURABLE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """True: a recorded envelope may refer to attachments."""
        return True

    def is_recorded(self, envelope: EffectEnvelope) -> bool:
        """Whether the journal has the outcome of this very effect; a sleep has to be over."""
        entry = self._entries.get(envelope.replay_key)
        if entry is None or entry.outcome is None or entry.envelope != envelope_text(envelope):
            return False
        is_sleep = isinstance(envelope.command, SleepCommand)
        return not is_sleep or (entry.due_at_ms or 0) <= self._clock.now_ms()

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Replay an effect, or run and record it.

        Raises:
            EffectError: the effect's own failure, recorded or new;
                ``effect_replay_mismatch``, ``effect_replay_missing``,
                ``effect_scope_lease_lost``, ``effect_outcome_too_large``.

        Always a checkpoint.
        """
        # Whatever has to run checkpoints itself; what is replayed does so below.
        await trio.lowlevel.checkpoint_if_cancelled()
        text = envelope_text(envelope)
        entry = self._entries.get(envelope.replay_key)
        if entry is not None:
            check_same_envelope(entry, text, self._scope.id)
        elif self._options.replay_only:
            raise EffectError(
                EffectErrorCode.REPLAY_MISSING,
                f"the {envelope.command.kind} effect {envelope.replay_key!r} of scope "
                f"{self._scope.id!r} is not recorded, and this host only replays",
            )
        command = envelope.command
        if isinstance(command, SleepCommand):
            return await self._sleep(envelope, text, entry, local_executor, command)
        if entry is not None and entry.outcome is not None:
            # It is there: a cancellation that comes only now does not take it away.
            await trio.lowlevel.cancel_shielded_checkpoint()
            return _replayed(entry.outcome)
        if isinstance(command, AwaitEventCommand) and command.timeout_ms is not None:
            envelope = await self._with_time_left(envelope, text, entry, command.timeout_ms)
        if isinstance(command, ProcessEffectCommand):
            running = self._inner.execute_effect(envelope, local_executor)
        elif isinstance(local_executor, LocalExecutor):
            running = local_executor.execute_to_record(envelope)
        else:
            running = local_executor.execute(envelope)
        try:
            result: Ok[EffectOutcome] | Err[EffectFailure] = Ok(await running)
        except EffectError as error:
            if not is_outcome(error):
                raise
            result = Err(failure_of(error))
            entry = await self._record_outcome(envelope.replay_key, text, result)
            if entry.outcome is None or entry.outcome == result:
                raise
            return _replayed(entry.outcome)
        entry = await self._record_outcome(envelope.replay_key, text, result)
        return _replayed(result if entry.outcome is None else entry.outcome)

    async def _sleep(
        self,
        envelope: EffectEnvelope,
        text: str,
        entry: JournalEntry | None,
        local_executor: LocalExecution,
        command: SleepCommand,
    ) -> EffectOutcome:
        """Record when it is due, once; then wait for what is left."""
        is_new = entry is None
        if entry is None:
            now_ms = self._clock.now_ms()
            entry = await self._record(
                JournalEntry(
                    replay_key=envelope.replay_key,
                    envelope=text,
                    outcome=Ok(SLEPT),
                    due_at_ms=now_ms + command.duration_ms,
                    recorded_at_ms=now_ms,
                )
            )
        left_ms = 0 if entry.due_at_ms is None else max(entry.due_at_ms - self._clock.now_ms(), 0)
        # A new one is slept by the executor, however short: one that is not is a replay.
        if is_new or left_ms > 0:
            rest = attrs.evolve(envelope, command=SleepCommand(duration_ms=left_ms))
            await local_executor.execute(rest)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return SLEPT

    async def _with_time_left(
        self, envelope: EffectEnvelope, text: str, entry: JournalEntry | None, timeout_ms: int
    ) -> EffectEnvelope:
        """The envelope to run a wait with: its timeout goes on where it was."""
        if entry is None:
            now_ms = self._clock.now_ms()
            entry = await self._record(
                JournalEntry(
                    replay_key=envelope.replay_key,
                    envelope=text,
                    due_at_ms=now_ms + timeout_ms,
                    recorded_at_ms=now_ms,
                )
            )
        left_ms = 0 if entry.due_at_ms is None else max(entry.due_at_ms - self._clock.now_ms(), 0)
        command = envelope.command
        if not isinstance(command, AwaitEventCommand):
            return envelope
        return attrs.evolve(envelope, command=attrs.evolve(command, timeout_ms=left_ms))

    async def _record_outcome(
        self, replay_key: str, envelope: str, outcome: Ok[EffectOutcome] | Err[EffectFailure]
    ) -> JournalEntry:
        # From its JSON, so that the first run sees what a replay will see.
        outcome, text = round_trip_outcome(outcome)
        size = len(text) if text.isascii() else len(text.encode())
        if size > self._options.max_outcome_bytes:
            raise EffectError(
                EffectErrorCode.OUTCOME_TOO_LARGE,
                f"the outcome of effect {replay_key!r} of scope {self._scope.id!r} has {size} bytes, "
                f"more than the {self._options.max_outcome_bytes} that this host records; put the "
                "data into a store and return a reference",
            )
        return await self._record(
            JournalEntry(
                replay_key=replay_key,
                envelope=envelope,
                outcome=outcome,
                recorded_at_ms=self._clock.now_ms(),
                outcome_json=text,
            )
        )

    async def _record(self, entry: JournalEntry) -> JournalEntry:
        recorded = await self._journal.record_shielded(entry)
        self._entries[entry.replay_key] = recorded
        return recorded


class ReplayingEffectHost(EffectHost):
    """Effect scopes whose outcomes are recorded in a journal.

    Args:
        journal: keeps the outcomes.
        options: how they are recorded and replayed.
        owner_id: whose scopes they are; chosen at random where None.
        clock: tells when sleeps and timeouts are due.
    """

    def __init__(
        self,
        journal: EffectJournal,
        options: ReplayOptions | None = None,
        *,
        owner_id: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._journal = journal
        self._options = ReplayOptions() if options is None else options
        self._owner_id = f"host-{uuid.uuid4().hex[:12]}" if owner_id is None else owner_id
        self._clock: Clock = SystemClock() if clock is None else clock

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of the journal."""
        return self._journal.durability_tier

    @property
    def requires_durable_attachment_store(self) -> bool:
        """Whether the journal is durable."""
        return self._journal.durability_tier is DurabilityTier.DURABLE

    def scoped(self, scope: EffectScope) -> ScopedEffectController:
        """A scope for the length of an ``async with`` block; its journal is loaded on entry.

        Raises:
            EffectError: ``missing_effect_scope_id`` at once;
                ``effect_scope_lease_held`` on entry, while another opening is alive.
        """
        return ScopedEffectController(self._open(scope), scope)

    @asynccontextmanager
    async def _open(self, scope: EffectScope) -> AsyncGenerator[EffectController, None]:
        async with self._journal.open_scope(scope, self._owner_id) as journal:
            yield ReplayController(
                journal, scope, self._clock, self._options, InlineEffectController()
            )


def _replayed(outcome: Ok[EffectOutcome] | Err[EffectFailure]) -> EffectOutcome:
    if isinstance(outcome, Err):
        raise error_of(outcome.error)
    return outcome.value
