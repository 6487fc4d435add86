"""Effect journals with one bug each."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from lash_trio import DurabilityTier, EffectError, EffectErrorCode, EffectScope
from lash_trio.abc import EffectJournal, ScopeJournal
from lash_trio.model import Err, JournalEntry
from lash_trio.stores.memory import MemoryEffectJournal

LEFT = EffectErrorCode.SCOPE_LEASE_LOST


class FaultyScope(ScopeJournal):
    """Passes everything on to the journal of a scope in memory."""

    def __init__(self, inner: ScopeJournal, journal: "FaultyJournal") -> None:
        self.inner = inner
        self.journal = journal

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self.inner.entries

    @property
    def written(self) -> dict[str, JournalEntry]:
        """What the journal has, past all rules."""
        written: dict[str, JournalEntry] = self.inner._recorded  # type: ignore[attr-defined]
        return written

    async def record(self, entry: JournalEntry) -> JournalEntry:
        return await self.inner.record(entry)


class FaultyJournal(EffectJournal):
    """Opens faulty scopes of a journal in memory."""

    scope_class: type[FaultyScope] = FaultyScope

    def __init__(self) -> None:
        self.memory = MemoryEffectJournal()

    def break_leases(self) -> None:
        self.memory.break_leases()

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncIterator[ScopeJournal]:
        async with self.memory.open_scope(scope, owner_id) as inner:
            yield self.scope_class(inner, self)


class HasNoTier(FaultyJournal):
    """Tells a durability that nobody knows."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return "forever"  # type: ignore[return-value]


class InventsEntries(FaultyJournal):
    """Has an entry that nobody recorded."""

    class scope_class(FaultyScope):  # noqa: N801
        @property
        def entries(self) -> Mapping[str, JournalEntry]:
            return {"k0": JournalEntry(replay_key="k0", envelope="{}"), **super().entries}


class ReturnsHalf(FaultyJournal):
    """Returns an entry without its outcome."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            return attrs.evolve(await super().record(entry), outcome=None)


class ForgetsFailures(FaultyJournal):
    """Does not load what failed."""

    class scope_class(FaultyScope):  # noqa: N801
        @property
        def entries(self) -> Mapping[str, JournalEntry]:
            loaded = super().entries
            return {key: e for key, e in loaded.items() if not isinstance(e.outcome, Err)}


class KeepsTheLastOutcome(FaultyJournal):
    """Writes a second outcome over the first."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            if entry.outcome is not None and entry.replay_key in self.written:
                due_at_ms = self.written[entry.replay_key].due_at_ms
                del self.written[entry.replay_key]
                entry = attrs.evolve(entry, due_at_ms=due_at_ms)
            return await super().record(entry)


class LosesDueTimes(FaultyJournal):
    """Drops the due time of what it completes."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            recorded = await super().record(entry)
            if recorded.outcome is not None and entry.due_at_ms is None:
                recorded = attrs.evolve(recorded, due_at_ms=None)
                self.written[entry.replay_key] = recorded
            return recorded


class KeepsTheLastDueTime(FaultyJournal):
    """Writes a second due time over the first."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            known = self.written.get(entry.replay_key)
            if known is not None and known.outcome is None and entry.outcome is None:
                del self.written[entry.replay_key]
            return await super().record(entry)


class IgnoresCase(FaultyJournal):
    """Takes keys that differ in case for one."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            for key, known in self.written.items():
                if key != entry.replay_key and key.lower() == entry.replay_key.lower():
                    await trio.lowlevel.checkpoint()
                    return known
            return await super().record(entry)


class KnowsScopesByTheirIds(FaultyJournal):
    """Takes scopes of different kinds with one id for one."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncIterator[ScopeJournal]:
        same = EffectScope.runtime_operation(scope.id)
        async with super().open_scope(same, owner_id) as opened:
            yield opened


class OpensTwice(FaultyJournal):
    """Takes an open scope away from its owner."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncIterator[ScopeJournal]:
        self.break_leases()
        async with super().open_scope(scope, owner_id) as opened:
            yield opened


class KeepsTheLeaseOfTheBroken(FaultyJournal):
    """Keeps the lease of a scope that was left by an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[EffectScope] = set()

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncIterator[ScopeJournal]:
        if scope in self.broken:
            raise EffectError(EffectErrorCode.SCOPE_LEASE_HELD, "by nobody")
        try:
            async with super().open_scope(scope, owner_id) as opened:
                yield opened
        except ZeroDivisionError:
            self.broken.add(scope)
            raise


class WritesWithoutLease(FaultyJournal):
    """Writes what the owner of a lost lease records."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            try:
                return await super().record(entry)
            except EffectError as error:
                if error.code != LEFT:
                    raise
                return self.written.setdefault(entry.replay_key, entry)


class WritesWhatItRefuses(FaultyJournal):
    """Refuses what a stale owner records, and writes it."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            try:
                return await super().record(entry)
            except EffectError:
                self.written.setdefault(entry.replay_key, entry)
                raise


class FreesWhoeverHolds(FaultyJournal):
    """Gives back the lease of the new owner when the old one leaves."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncIterator[ScopeJournal]:
        async with super().open_scope(scope, owner_id) as opened:
            yield opened
        self.memory._owners.clear()


class RacesWithItself(FaultyJournal):
    """Looks for the first outcome some time before it writes."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            known = self.written.get(entry.replay_key)
            recorded = await super().record(entry)
            if known is None:
                self.written[entry.replay_key] = recorded = entry
            return recorded


class SharesOutcomes(FaultyJournal):
    """Keeps the very outcome that others may change."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            recorded = await super().record(entry)
            self.written[entry.replay_key] = recorded
            return recorded


class NeverCheckpoints(FaultyJournal):
    """Records without checkpoint."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            if self.inner._holds and entry.replay_key not in self.written:  # type: ignore[attr-defined]
                self.written[entry.replay_key] = entry
                return entry
            return await super().record(entry)


class RecordsHalf(FaultyJournal):
    """Can be cancelled between an entry and its outcome."""

    class scope_class(FaultyScope):  # noqa: N801
        async def record(self, entry: JournalEntry) -> JournalEntry:
            if entry.outcome is not None:
                await super().record(attrs.evolve(entry, outcome=None))
            return await super().record(entry)
