"""What is special about the journal in memory."""

import pytest

from lash_trio import DurabilityTier, EffectError, EffectScope
from lash_trio.model import JournalEntry
from lash_trio.stores.memory import MemoryEffectJournal

TURN = EffectScope.turn("s1", "t1")


async def test_it_is_lost_with_its_process() -> None:
    assert MemoryEffectJournal().durability_tier is DurabilityTier.INLINE


async def test_refusals_name_scope_owner_and_key() -> None:
    journal = MemoryEffectJournal()
    async with journal.open_scope(TURN, "first") as opened:
        with pytest.raises(EffectError, match="turn scope 't1' is open for 'first', so 'second'"):
            async with journal.open_scope(TURN, "second"):
                pass
        journal.break_leases()
        with pytest.raises(EffectError, match=r"'first' no longer holds .* outcome of 'k' was not"):
            await opened.record(JournalEntry(replay_key="k", envelope="{}"))


async def test_entries_are_loaded_once() -> None:
    journal = MemoryEffectJournal()
    async with journal.open_scope(TURN, "owner") as opened:
        await opened.record(JournalEntry(replay_key="k", envelope="{}"))
        assert dict(opened.entries) == {}
