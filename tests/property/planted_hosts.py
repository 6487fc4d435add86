"""Hosts with one fault each, for the machine of scopes to find."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from lash_trio import (
    DurableStepOutcome,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
    MemoryEffectJournal,
    ReplayingEffectHost,
    TrioClock,
)
from lash_trio.abc import EffectHost, LocalExecution, ScopedEffects
from tests.mutants import cancelling_hosts, hosts
from tests.mutants.base_host import FaultyHost, FaultyScope


def replaying(journal: MemoryEffectJournal) -> EffectHost:
    return ReplayingEffectHost(journal, clock=TrioClock())


class FaultyReplayingHost(FaultyHost):
    """Opens faulty scopes on a host that replays."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: dict[str, EffectError] = {}
        self.replaying = replaying(MemoryEffectJournal())

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncGenerator[ScopedEffects]:
        async with self.replaying.scoped(scope) as inner:
            yield self.scope_class(inner, self)


class SwallowsCancelled(FaultyHost):
    """Takes a cancellation from outside for an empty result."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            try:
                return await super().execute_effect(envelope, local_executor)
            except trio.Cancelled:
                return DurableStepOutcome(value=None)


class RecordsCancellations(FaultyReplayingHost):
    """Records that an effect was cancelled from outside, and replays that."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            assert isinstance(self.host, FaultyReplayingHost)
            key = envelope.invocation.replay_key or ""
            if key in self.host.recorded:
                await trio.lowlevel.checkpoint()
                raise self.host.recorded[key]
            try:
                return await super().execute_effect(envelope, local_executor)
            except trio.Cancelled:
                error = EffectError(EffectErrorCode.CANCELLED, "cancelled, and recorded")
                self.host.recorded[key] = error
                raise


class ForgetsOutcomes(FaultyReplayingHost):
    """Records outcomes where nobody finds them again."""

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncGenerator[ScopedEffects]:
        async with replaying(MemoryEffectJournal()).scoped(scope) as inner:
            yield self.scope_class(inner, self)


INLINE: tuple[type[FaultyHost], ...] = (
    SwallowsCancelled,
    cancelling_hosts.TurnsCancellationIntoErrors,
    cancelling_hosts.LetsEffectsEscape,
    cancelling_hosts.ForgetsOnCancel,
    cancelling_hosts.CancelsOverOutcomes,
    cancelling_hosts.PrefersRequests,
    cancelling_hosts.RunsWhenClosed,
    cancelling_hosts.CancelsOnLeaving,
    cancelling_hosts.CancelsTheBlock,
    cancelling_hosts.CancelsNothing,
    cancelling_hosts.CancelsOnlyWhatRuns,
    cancelling_hosts.CancelsSiblings,
    cancelling_hosts.CancelsLater,
    cancelling_hosts.HasOneCode,
    cancelling_hosts.TellsTheLastReason,
    hosts.CancelsAllScopes,
    hosts.CancelsWithTheWait,
    hosts.FailsAltogether,
    hosts.IsNeverDone,
    hosts.TellsOnce,
    hosts.WrapsFailures,
)

REPLAYING: tuple[type[FaultyHost], ...] = (RecordsCancellations, ForgetsOutcomes)
