"""Journals of effect outcomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import trio

from ..model import (
    DurabilityTier,
    EffectScope,
    JournalEntry,
)


class ScopeJournal(ABC):
    """The journal of one opened scope, under the scope's lease."""

    @property
    @abstractmethod
    def entries(self) -> Mapping[str, JournalEntry]:
        """What was recorded before the scope was opened, by replay key; loaded once."""

    @abstractmethod
    async def record(self, entry: JournalEntry) -> JournalEntry:
        """Write an entry, durably, before it returns.

        An entry without an outcome (a due time) is completed by one with an outcome.
        Apart from that the first entry of a key stays.

        Returns:
            The entry that the journal has now, which is this one or the first one.

        Raises:
            EffectError: ``effect_scope_lease_lost``; nothing was written.
            StoreError: the store failed; nothing was written.

        Always a checkpoint.  Cancelled, it either did not begin or has finished.
        """

    async def record_shielded(self, entry: JournalEntry) -> JournalEntry:
        """The same, begun and finished though the caller is cancelled.

        What has run is recorded like this: a cancellation that comes now must not lose
        what it did.  A journal need not bring its own; one that cannot be interrupted
        saves every effect the cancel scope.

        Always a schedule point, never a cancel point.
        """
        with trio.CancelScope(shield=True):
            return await self.record(entry)
        raise AssertionError("nobody else has this cancel scope, so nobody can cancel it")


class EffectJournal(ABC):
    """Keeps what effects returned, so that a second run gets it back."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @abstractmethod
    def open_scope(
        self, scope: EffectScope, owner_id: str
    ) -> AbstractAsyncContextManager[ScopeJournal]:
        """The journal of a scope, as an async context manager that holds its lease.

        Args:
            scope: whose journal.
            owner_id: who writes it.

        Raises:
            EffectError: ``effect_scope_lease_held``, when it is entered while another
                opening of the scope is alive.
        """
