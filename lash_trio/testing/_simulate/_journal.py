"""A journal whose calls go wrong, and a referee who sees what it records."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import trio

from ...abc import EffectJournal, ScopeJournal
from ...model import DurabilityTier, EffectScope, JournalEntry, StoreError
from ._faults import Asked, Between
from ._shop import Ledger


class Openings:
    """Who has opened which scope last, and what is recorded there.

    Args:
        ledger: is told of both.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest: dict[str, tuple[int, str]] = {}

    def open(self, scope_id: str, who: str) -> int:
        """A scope is open; returns how often it has been."""
        number = self._newest.get(scope_id, (0, who))[0] + 1
        self._newest[scope_id] = number, who
        return number

    async def record(
        self, scope_id: str, opening: tuple[int, str], write: Callable[[], Awaitable[JournalEntry]]
    ) -> JournalEntry:
        """Record an outcome, and see that no stale opening does."""
        newest, newer = self._newest[scope_id]
        entry = await write()
        number, who = opening
        if number < newest:
            self._ledger.faults_found.append(
                f"{who} was let record {entry.replay_key!r} of {scope_id} by opening {number}, "
                f"although {newer} had opened it by {newest}"
            )
        if entry.outcome is not None:
            self._ledger.recorded.add((scope_id, entry.replay_key))
        return entry


class FaultyJournal(EffectJournal):
    """A journal, as one program gets at it."""

    def __init__(
        self, inner: EffectJournal, who: str, between: Between, openings: Openings
    ) -> None:
        self._inner = inner
        self._who = who
        self._between = between
        self._openings = openings

    @property
    def durability_tier(self) -> DurabilityTier:
        return self._inner.durability_tier

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        await self._between.stall.wait()
        await self._between.faults.before(self._who, "open_scope")
        async with self._inner.open_scope(scope, owner_id) as opened:
            number = self._openings.open(scope.id, self._who)
            record = partial(self._openings.record, scope.id, (number, self._who))
            yield _FaultyScope(opened, self._who, self._between, record)


class _FaultyScope(ScopeJournal):
    def __init__(
        self,
        inner: ScopeJournal,
        who: str,
        between: Between,
        record: Callable[[Callable[[], Awaitable[JournalEntry]]], Awaitable[JournalEntry]],
    ) -> None:
        self._inner = inner
        self._who = who
        self._between = between
        self._record = record

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._inner.entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        return await self._write(partial(self._inner.record, entry))

    async def record_shielded(self, entry: JournalEntry) -> JournalEntry:
        with trio.CancelScope(shield=True):
            return await self._write(partial(self._inner.record_shielded, entry))
        raise AssertionError("nobody else has this cancel scope, so nobody can cancel it")

    async def _write(self, write: Callable[[], Awaitable[JournalEntry]]) -> JournalEntry:
        between = self._between
        deliver = partial(self._record, write)
        await between.stall.wait()
        seconds = between.faults.held_up()
        if seconds is not None:
            asked = Asked(who=self._who, name="record", call=deliver)
            between.wire.deliver_late(asked, trio.current_time() + seconds)
            raise StoreError("planted: record is held up")
        return await between.faults.around(self._who, "record", deliver)
