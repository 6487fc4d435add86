"""SQLite in the event loop: the rules of the ports, virtual time, and being killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from lash_trio import (
    EffectError,
    EffectErrorCode,
    EffectScope,
    ProcessContext,
    ProcessDefinitions,
    Runtime,
    RuntimeParts,
    StoreError,
    TrioClock,
)
from lash_trio.abc import EffectJournal, ProcessRegistry
from lash_trio.stores.sqlite import (
    CrashPoint,
    InlineAccess,
    SqliteDatabase,
    SqliteEffectJournal,
    SqliteOptions,
    SqliteProcessRegistry,
    SqliteStores,
    Synchronous,
    Watching,
    open_sqlite,
)
from lash_trio.testing.conformance import (
    DURABLE_JOURNAL_CHECKS,
    DURABLE_REGISTRY_CHECKS,
    JOURNAL_CHECKS,
    REGISTRY_CHECKS,
    JournalCheck,
    JournalUnderTest,
    ManualClock,
    RegistryCheck,
    RegistryUnderTest,
)

# Less often than a check listens: a poll would keep it waiting for ever.
FAST = SqliteOptions(synchronous=Synchronous.NORMAL, poll_seconds=5)


class Files:
    """Files in a directory, new ones or the last one again, which was left by a crash."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self._directory = directory
        self._number = 0

    @asynccontextmanager
    async def registry(self) -> AsyncIterator[ProcessRegistry]:
        access = InlineAccess()
        async with SqliteDatabase(self._path, FAST, access) as database:
            yield SqliteProcessRegistry(database, self.clock)
            access.crash()

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[EffectJournal]:
        access = InlineAccess()
        async with SqliteDatabase(self._path, FAST, access) as database:
            with SqliteEffectJournal(database, self.clock) as journal:
                yield journal
            access.crash()

    @asynccontextmanager
    async def new_registry(self) -> AsyncIterator[ProcessRegistry]:
        self._number += 1
        async with self.registry() as registry:
            yield registry

    @asynccontextmanager
    async def new_journal(self) -> AsyncIterator[EffectJournal]:
        self._number += 1
        async with self.journal() as journal:
            yield journal

    @property
    def _path(self) -> Path:
        return self._directory / f"{self._number}.db"


@pytest.mark.parametrize("check", [*REGISTRY_CHECKS, *DURABLE_REGISTRY_CHECKS])
def test_registry(check: RegistryCheck, tmp_path: Path) -> None:
    files = Files(tmp_path)
    trio.run(
        check,
        RegistryUnderTest(
            open=files.new_registry, reopen=files.registry, advance_ms=files.clock.advance_ms
        ),
    )


@pytest.mark.parametrize("check", [*JOURNAL_CHECKS, *DURABLE_JOURNAL_CHECKS])
def test_journal(check: JournalCheck, tmp_path: Path) -> None:
    files = Files(tmp_path)

    async def break_leases(_: EffectJournal) -> None:
        files.clock.advance_ms(60_000)

    trio.run(
        check,
        JournalUnderTest(open=files.new_journal, reopen=files.journal, break_leases=break_leases),
    )


def opened(path: Path, access: InlineAccess) -> AbstractAsyncContextManager[SqliteStores]:
    return open_sqlite(path / "x.db", FAST, clock=TrioClock(), access=access)


async def texts(path: Path) -> set[bytes]:
    """What is in the file, opened anew."""
    async with opened(path, InlineAccess()) as stores:
        return await stores.database.read(
            lambda connection: {row[0] for row in connection.execute("SELECT data FROM artifacts")}
        )


async def test_an_hour_passes_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("hourly", signals=["go"])
    async def hourly(ctx: ProcessContext) -> str:
        await ctx.sleep(3600)
        return str(await ctx.wait_signal("go"))

    async with opened(tmp_path, InlineAccess()) as stores:
        assert stores.database.watching is Watching.POLL
        parts = RuntimeParts(registry=stores.registry, host=stores.host())
        async with Runtime(definitions, parts) as runtime:
            before = trio.current_time()
            handle = await runtime.start(hourly)
            await handle.signal("go", "on")
            assert await handle.result() == "on"
            assert trio.current_time() - before == pytest.approx(3600, abs=1)


async def test_writes_of_one_step_share_a_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path, InlineAccess()) as stores:
        begun: list[int] = []

        async def put(n: int) -> None:
            await stores.database.write(
                lambda connection, _: begun.append(connection.total_changes())
            )

        async with trio.open_nursery() as nursery:
            for n in range(5):
                nursery.start_soon(put, n)
            # It runs before any of them is heard of.
            await trio.lowlevel.checkpoint()
            together = len(begun)
        assert together in (0, 5)
        assert len(begun) == 5


async def test_leases_are_renewed_in_virtual_time(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scope = EffectScope.turn("session", "turn")
    async with opened(tmp_path, InlineAccess()) as stores:
        async with stores.journal.open_scope(scope, "a"):
            await trio.sleep(3600)
            async with opened(tmp_path, InlineAccess()) as others:
                with pytest.raises(EffectError) as refused:
                    async with others.journal.open_scope(scope, "b"):
                        pass
        assert refused.value.code == EffectErrorCode.SCOPE_LEASE_HELD


async def test_the_lease_of_what_was_killed_expires(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    scope = EffectScope.turn("session", "turn")
    access = InlineAccess()
    async with opened(tmp_path, access) as stores:
        async with stores.journal.open_scope(scope, "a"):
            access.crash()
    assert access.crashed.is_set()
    async with opened(tmp_path, InlineAccess()) as others:
        with pytest.raises(EffectError, match="open for 'a'"):
            async with others.journal.open_scope(scope, "b"):
                pass
        await trio.sleep(31)
        async with others.journal.open_scope(scope, "b"):
            pass


async def test_who_is_killed_leaves_its_log_behind(tmp_path: Path) -> None:
    log = tmp_path / "x.db-wal"
    async with opened(tmp_path, InlineAccess()) as stores:
        await stores.artifacts.put("kind", b"first")
    assert not log.exists(), "in order it is put into the file"
    access = InlineAccess()
    async with opened(tmp_path, access) as stores:
        await stores.artifacts.put("kind", b"second")
        access.crash()
    assert log.exists()
    assert await texts(tmp_path) == {b"first", b"second"}


@pytest.mark.parametrize("point", CrashPoint)
async def test_who_is_killed_in_a_transaction_hears_of_nothing(
    tmp_path: Path, point: CrashPoint
) -> None:
    access = InlineAccess()
    async with opened(tmp_path, access) as stores:
        await stores.artifacts.put("kind", b"before")
        access.crash_in_next_write(point)
        with pytest.raises(StoreError, match="killed"):
            await stores.artifacts.put("kind", b"meanwhile")
        with pytest.raises(StoreError, match="killed"):
            await stores.artifacts.put("kind", b"after")
        with pytest.raises(StoreError, match="killed"):
            await stores.artifacts.get("kind:sha256:0")
    committed = {b"meanwhile"} if point is CrashPoint.AFTER_COMMIT else set[bytes]()
    assert await texts(tmp_path) == {b"before", *committed}


async def test_calls_are_held_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    until = 0.0

    async def hold_up() -> None:
        await trio.sleep_until(until)

    async with opened(tmp_path, InlineAccess(hold_up)) as stores:
        scope = EffectScope.turn("session", "turn")
        async with stores.journal.open_scope(scope, "a"):
            began = trio.current_time()
            until = began + 100
            async with opened(tmp_path, InlineAccess()) as others:
                await trio.sleep(31)
                # Nobody could renew it, so it is free.
                async with others.journal.open_scope(scope, "b"):
                    pass
            assert trio.current_time() < began + 40
            await stores.artifacts.put("kind", b"x")
            assert trio.current_time() >= began + 100


async def test_what_is_under_way_is_waited_for_at_the_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    held_up = False

    async def hold_up() -> None:
        if held_up:
            await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        async with opened(tmp_path, InlineAccess(hold_up)) as stores:
            held_up = True
            nursery.start_soon(stores.artifacts.put, "kind", b"x")
            await trio.testing.wait_all_tasks_blocked()
    assert await texts(tmp_path) == {b"x"}
