"""Rules of journals: the first outcome of a key stays, and only the owner of a scope writes."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from ...abc import EffectJournal, ScopeJournal
from ...model import (
    SLEPT,
    AwaitEventOutcome,
    DurabilityTier,
    DurableStepOutcome,
    EffectErrorCode,
    EffectFailure,
    EffectOutcome,
    EffectScope,
    Err,
    JournalEntry,
    JsonValue,
    Ok,
)
from ._calls import Calls, Settle, cancelled_at_step, open_calls
from ._host_bench import OTHER_TURN, TURN
from ._rules import expect, expect_error, expect_that, named_check

_STEPS = 6
"""After how many steps of the scheduler a record is cancelled at the latest."""

OpenJournal: TypeAlias = Callable[[], AbstractAsyncContextManager[EffectJournal]]


@attrs.frozen(kw_only=True)
class JournalUnderTest:
    """A kind of effect journal, as the checks need it.

    Args:
        open: opens a new, empty journal for the length of a block.
        break_leases: takes all open scopes of a journal away from their owners, as if
            they had been silent for longer than their leases last.
        settle: as in :class:`RegistryUnderTest`.
        reopen: opens again what the last block of ``open`` or ``reopen`` left; for
            journals that survive, which must pass the durable checks as well.
    """

    open: OpenJournal
    break_leases: Callable[[EffectJournal], Awaitable[object]]
    settle: Settle = wait_all_tasks_blocked
    reopen: OpenJournal | None = None


JournalCheck: TypeAlias = Callable[[JournalUnderTest], Awaitable[None]]
"""A check of one rule of journals; the function's name is the rule's, its docstring the rule."""


@attrs.frozen(kw_only=True)
class JournalBench:
    """An open journal and the means to check it."""

    journal: EffectJournal
    under_test: JournalUnderTest

    def calls(self) -> AbstractAsyncContextManager[Calls]:
        """Calls in tasks of their own."""
        return open_calls(self.under_test.settle)

    def opened(self, scope: EffectScope = TURN) -> AbstractAsyncContextManager[ScopeJournal]:
        """The journal of a scope."""
        return self.journal.open_scope(scope, "owner")

    async def record(self, *entries: JournalEntry, scope: EffectScope = TURN) -> None:
        """Record entries in one opening of a scope."""
        async with self.opened(scope) as journal:
            for asked in entries:
                await journal.record(asked)

    async def load(self, scope: EffectScope = TURN) -> dict[str, JournalEntry]:
        """What a new opening of a scope has."""
        async with self.opened(scope) as journal:
            return dict(journal.entries)


def journal_check(body: Callable[[JournalBench], Awaitable[None]]) -> JournalCheck:
    """A check on a new journal, from what it does with one."""

    @functools.wraps(body)
    async def check(under_test: JournalUnderTest) -> None:
        async with under_test.open() as journal:
            await body(JournalBench(journal=journal, under_test=under_test))

    return named_check(check)


def entry(key: str, value: JsonValue = None, due_at_ms: int | None = None) -> JournalEntry:
    """An entry with the outcome of a step."""
    outcome: Ok[EffectOutcome] = Ok(DurableStepOutcome(value=value))
    return JournalEntry(
        replay_key=key, envelope="{}", outcome=outcome, due_at_ms=due_at_ms, recorded_at_ms=5
    )


def due(key: str, due_at_ms: int) -> JournalEntry:
    """An entry that has a due time and no outcome."""
    return attrs.evolve(entry(key), outcome=None, due_at_ms=due_at_ms)


@journal_check
async def a_journal_tells_its_tier(bench: JournalBench) -> None:
    """A journal says how long outcomes last, in the terms of the port."""
    tier = bench.journal.durability_tier
    expect_that(tier in tuple(DurabilityTier), f"expected a DurabilityTier, got {tier!r}")


@journal_check
async def a_new_scope_has_no_entries(bench: JournalBench) -> None:
    """A scope in which nothing was recorded has no entries."""
    expect("the entries", await bench.load(), {})


@journal_check
async def a_record_is_returned(bench: JournalBench) -> None:
    """``record`` returns the entry that the journal has now: for a new key, this one."""
    async with bench.opened() as journal:
        asked = entry("k", {"tea": 1})
        expect("what record returned", await journal.record(asked), asked)


@journal_check
async def what_was_recorded_is_loaded(bench: JournalBench) -> None:
    """A scope that is opened again has every entry, whatever came of the effect, as it was recorded."""
    failure = EffectFailure(code="plugin", message="grüße", details={"reason": "why"})
    entries = (
        entry("value", {"list": [1, 2.5, None, True], "big": 2**70, "text": "grüße"}),
        attrs.evolve(entry("sleep"), outcome=Ok(SLEPT), due_at_ms=9),
        attrs.evolve(entry("late"), outcome=Ok(AwaitEventOutcome(payload=None, timed_out=True))),
        attrs.evolve(entry("error"), outcome=Err(failure), envelope='{"type":"grüße"}'),
        due("due", 7),
    )
    await bench.record(*entries)
    expect("the entries", await bench.load(), {asked.replay_key: asked for asked in entries})


@journal_check
async def the_first_outcome_stays(bench: JournalBench) -> None:
    """A second outcome of a key is not written; ``record`` returns the first."""
    first = entry("k", "first")
    async with bench.opened() as journal:
        await journal.record(first)
        again = await journal.record(entry("k", "second"))
        expect("what the second record returned", again, first)
    expect("the entries", await bench.load(), {"k": first})
    async with bench.opened() as journal:
        expect("what a later run gets", await journal.record(entry("k", "third")), first)


@journal_check
async def a_due_time_is_completed(bench: JournalBench) -> None:
    """An entry with a due time alone is completed by an outcome, and keeps its due time."""
    async with bench.opened() as journal:
        await journal.record(due("k", 7))
        completed = await journal.record(entry("k", "tea"))
        expect("the outcome", completed.outcome, entry("k", "tea").outcome)
        expect("the due time", completed.due_at_ms, 7)
    expect("the entries", await bench.load(), {"k": completed})


@journal_check
async def the_first_due_time_stays(bench: JournalBench) -> None:
    """A second due time of a key is not written, neither before the outcome nor after it."""
    async with bench.opened() as journal:
        await journal.record(due("k", 7))
        again = await journal.record(due("k", 9))
        expect("the due time", again.due_at_ms, 7)
        completed = await journal.record(entry("k", "tea"))
        late = await journal.record(due("k", 11))
        expect("what a due time after the outcome returned", late, completed)


@journal_check
async def keys_are_kept_apart(bench: JournalBench) -> None:
    """Entries of one scope do not touch each other, however alike their keys are."""
    keys = ("k", "K", "k ", "k#1", "k#2", "")
    await bench.record(*(entry(key, key) for key in keys))
    expect("the entries", await bench.load(), {key: entry(key, key) for key in keys})


@journal_check
async def scopes_are_kept_apart(bench: JournalBench) -> None:
    """Every scope has a journal of its own, also where ids of scopes of different kinds are equal."""
    scopes = (
        EffectScope.turn("s1", "x"),
        EffectScope.turn("s2", "x"),
        EffectScope.process("x"),
        EffectScope.queue_drain("s1", "x"),
        EffectScope.session_delete("x"),
        EffectScope.runtime_operation("x"),
    )
    for number, scope in enumerate(scopes):
        await bench.record(entry("k", number), scope=scope)
    for number, scope in enumerate(scopes):
        loaded = await bench.load(scope)
        expect(f"the entries of {scope!r}", loaded, {"k": entry("k", number)})


@journal_check
async def a_scope_is_open_once(bench: JournalBench) -> None:
    """A scope that is open cannot be opened by anybody else, nor again; other scopes can."""
    code = EffectErrorCode.SCOPE_LEASE_HELD
    async with bench.opened() as journal, bench.opened(OTHER_TURN):
        for owner_id in ("other", "owner"):
            await expect_error(f"opening by {owner_id!r}", code, _open(bench.journal, owner_id))
        await journal.record(entry("k", "tea"))
    expect("the entries", await bench.load(), {"k": entry("k", "tea")})


async def _open(journal: EffectJournal, owner_id: str) -> object:
    async with journal.open_scope(TURN, owner_id) as opened:
        return dict(opened.entries)


@journal_check
async def a_left_scope_may_be_opened(bench: JournalBench) -> None:
    """A scope that was left, in whatever way, may be opened again."""
    try:
        async with bench.opened():
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    with trio.CancelScope() as scope:
        async with bench.opened():
            scope.cancel()
            await trio.lowlevel.checkpoint()
    await bench.record(entry("k", "tea"))
    expect("the entries", await bench.load(), {"k": entry("k", "tea")})


@journal_check
async def a_left_scope_writes_nothing(bench: JournalBench) -> None:
    """``record`` after the scope was left is refused, and nothing is written."""
    async with bench.opened() as journal:
        pass
    code = EffectErrorCode.SCOPE_LEASE_LOST
    await expect_error("a late record", code, journal.record(entry("k")))
    expect("the entries", await bench.load(), {})


@journal_check
async def a_lost_scope_writes_nothing(bench: JournalBench) -> None:
    """``record`` under a lease that was lost is refused, whether another owner has come or not."""
    code = EffectErrorCode.SCOPE_LEASE_LOST
    async with bench.opened() as stale:
        await stale.record(entry("k1", "tea"))
        await bench.under_test.break_leases(bench.journal)
        await expect_error("a record without lease", code, stale.record(entry("k2")))
        async with bench.journal.open_scope(TURN, "other") as journal:
            expect("the entries", dict(journal.entries), {"k1": entry("k1", "tea")})
            await expect_error("a stale record", code, stale.record(entry("k3")))
            await journal.record(entry("k4", "more"))
    expect("the keys in the end", sorted(await bench.load()), ["k1", "k4"])


@journal_check
async def leaving_a_lost_scope_frees_nothing(bench: JournalBench) -> None:
    """Leaving a scope whose lease was lost leaves the new owner's lease as it is."""
    async with bench.opened():
        await bench.under_test.break_leases(bench.journal)
        other = bench.journal.open_scope(TURN, "other")
        journal = await other.__aenter__()
    try:
        code = EffectErrorCode.SCOPE_LEASE_HELD
        await expect_error("opening by a third", code, _open(bench.journal, "third"))
        await journal.record(entry("k", "tea"))
    finally:
        await other.__aexit__(None, None, None)
    expect("the entries", await bench.load(), {"k": entry("k", "tea")})


@journal_check
async def records_at_the_same_moment_agree(bench: JournalBench) -> None:
    """Of several records of one key at the same moment one is written, and all return that one."""
    async with bench.opened() as journal, bench.calls() as calls:
        running = [calls.start(journal.record, entry("k", number)) for number in range(5)]
        got = [await calls.served("a record", call) for call in running]
        expect("how many different entries were returned", got, [got[0]] * len(got))
    expect("the entries", await bench.load(), {"k": got[0]})


@journal_check
async def the_journal_keeps_its_own_outcomes(bench: JournalBench) -> None:
    """Changing a value after it was recorded, returned or loaded does not change the journal."""
    value: dict[str, JsonValue] = {"tea": 1}
    kept = {"k": entry("k", {"tea": 1})}
    async with bench.opened() as journal:
        returned = await journal.record(entry("k", value))
        again = await journal.record(entry("k", {"tea": 2}))
    value["tea"] = 3
    expect("the entries after changing what was recorded", await bench.load(), kept)
    for got in (returned, again, (await bench.load())["k"]):
        _change(got)
        expect("the entries after changing what was returned", await bench.load(), kept)


def _change(got: JournalEntry) -> None:
    """Do what whoever has got an outcome may do with it."""
    match got.outcome:
        case Ok(value=DurableStepOutcome(value=dict() as value)):
            value["tea"] = 4
        case _:
            raise AssertionError(f"expected an entry with the outcome of a step, got {got!r}")


@journal_check
async def recording_is_a_checkpoint(bench: JournalBench) -> None:
    """``record`` and opening a scope are checkpoints; in a cancelled scope they raise ``trio.Cancelled``."""
    with assert_checkpoints():
        opening = bench.opened()
        journal = await opening.__aenter__()
    try:
        with assert_checkpoints():
            await journal.record(entry("k1"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await journal.record(entry("k2"))
        expect("whether record raised trio.Cancelled", scope.cancelled_caught, True)
    finally:
        await opening.__aexit__(None, None, None)
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.load()
    expect("whether opening raised trio.Cancelled", scope.cancelled_caught, True)


@journal_check
async def a_cancelled_record_is_all_or_nothing(bench: JournalBench) -> None:
    """A record that is cancelled has not begun, or has finished; one that returned has finished."""
    for number in range(_STEPS):
        key = f"k{number}"
        async with bench.opened() as journal, bench.calls() as calls:
            call = calls.start(journal.record, entry(key, number))
            with cancelled_at_step(call, number):
                await calls.ended("a cancelled record", call)
            if not call.cancelled:
                call.result()
        loaded = (await bench.load()).get(key)
        expect_that(
            loaded == entry(key, number) or (loaded is None and call.cancelled),
            f"expected a record cancelled in step {number} to be written or, cancelled, not, "
            f"got {loaded!r} and {call!r}",
        )


@named_check
async def entries_survive(under_test: JournalUnderTest) -> None:
    """Entries are there when the journal is opened again, and the first outcome still stays."""
    reopen = under_test.reopen
    if reopen is None:
        raise AssertionError(
            "expected JournalUnderTest(reopen=...) that opens a journal again, got None; "
            "only journals that survive pass the durable checks"
        )
    first = entry("k", {"tea": 1})
    async with under_test.open() as journal:
        await JournalBench(journal=journal, under_test=under_test).record(first, due("d", 7))
    async with reopen() as journal:
        bench = JournalBench(journal=journal, under_test=under_test)
        expect("the entries", await bench.load(), {"k": first, "d": due("d", 7)})
        async with bench.opened() as opened:
            expect("a second outcome", await opened.record(entry("k", "second")), first)


CHECKS: tuple[JournalCheck, ...] = (
    a_journal_tells_its_tier,
    a_new_scope_has_no_entries,
    a_record_is_returned,
    what_was_recorded_is_loaded,
    the_first_outcome_stays,
    a_due_time_is_completed,
    the_first_due_time_stays,
    keys_are_kept_apart,
    scopes_are_kept_apart,
    a_scope_is_open_once,
    a_left_scope_may_be_opened,
    a_left_scope_writes_nothing,
    a_lost_scope_writes_nothing,
    leaving_a_lost_scope_frees_nothing,
    records_at_the_same_moment_agree,
    the_journal_keeps_its_own_outcomes,
    recording_is_a_checkpoint,
    a_cancelled_record_is_all_or_nothing,
)
DURABLE_CHECKS: tuple[JournalCheck, ...] = (entries_survive,)
