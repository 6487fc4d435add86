"""A disk that fails at every write of a scenario: what was acknowledged is there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import attrs
import pytest
import trio

from lash_trio import (
    AttachmentCreateMeta,
    AttachmentRef,
    EffectOutcome,
    EffectScope,
    JournalEntry,
    Ok,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessLease,
    ProcessProvenance,
    ProcessRegistration,
    Replay,
    StoreError,
)
from lash_trio.model import DurableStepOutcome, terminal_event
from lash_trio.stores.sqlite import SqliteOptions, SqliteStores, Synchronous, open_sqlite
from lash_trio.testing.faulty_sqlite import DiskFault, FaultyDisk

SCOPE = EffectScope.process("p1")
# Nothing that the tests look at afterwards depends on the real disk.
FAST = SqliteOptions(synchronous=Synchronous.NORMAL)
META = AttachmentCreateMeta(media_type="text/plain")

REGISTRATION = ProcessRegistration(
    id="p1",
    input=ProcessInput.external(),
    provenance=ProcessProvenance.host("test"),
    event_types=[ProcessEventType(name="signal.go")],
)


def go(n: int) -> ProcessEventAppendRequest:
    return ProcessEventAppendRequest(
        event_type="signal.go", payload=n, replay=Replay(key=f"go-{n}")
    )


def entry(n: int) -> JournalEntry:
    # Large enough for pages of its own.
    outcome: Ok[EffectOutcome] = Ok(DurableStepOutcome(value=f"{n}" * 1500))
    return JournalEntry(replay_key=f"step-{n}", envelope="{}", outcome=outcome)


@attrs.define
class Seen:
    """What the scenario was told."""

    errors: list[StoreError] = attrs.field(factory=list[StoreError])
    registered: bool = False
    events: set[int] = attrs.field(factory=set[int])
    steps: set[int] = attrs.field(factory=set[int])
    lease: ProcessLease | None = None
    attachment: AttachmentRef | None = None
    ended: bool = False


class GaveUp(Exception):
    """The disk does not come back."""


class Scenario:
    """A life of a process, in which every failure is tried once more."""

    def __init__(self, seen: Seen, disk: FaultyDisk, fault: DiskFault) -> None:
        self._seen = seen
        self._disk = disk
        self._power_is_cut = fault is DiskFault.POWER_CUT

    async def insist(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            await action()
        except StoreError as error:
            self._note(error)
            if self._power_is_cut:
                raise GaveUp from error
            # It was one write that failed, and the store goes on.
            await action()

    def _note(self, error: StoreError) -> None:
        assert error.code == "runtime_store"
        assert self._disk.failed, "no error before the fault"
        self._seen.errors.append(error)

    async def live(self, stores: SqliteStores) -> None:
        seen, registry = self._seen, stores.registry

        async def register() -> None:
            await registry.register_process(REGISTRATION)
            seen.registered = True

        async def append(n: int) -> None:
            await registry.append_event("p1", go(n))
            seen.events.add(n)

        async def append_at_once() -> None:
            """One commit for many: it fails for all of them, or for none."""
            failures: list[StoreError] = []

            async def one(n: int) -> None:
                try:
                    await append(n)
                except StoreError as error:
                    failures.append(error)

            async with trio.open_nursery() as nursery:
                for n in range(10, 16):
                    nursery.start_soon(one, n)
            if failures:
                raise failures[0]

        async def claim() -> None:
            seen.lease = await registry.claim_process_lease("p1", "worker", 60_000)

        async def attach() -> None:
            seen.attachment = await stores.attachments.put(b"bytes" * 500, META)

        async def end() -> None:
            assert seen.lease is not None
            request = terminal_event("p1", ProcessAwaitOutput.success("done"))
            await registry.complete_leased_process(seen.lease, request)
            seen.ended = True

        await self.insist(register)
        await self.insist(lambda: append(1))
        await self.insist(append_at_once)
        await self.insist(lambda: self._record(stores))
        await self.insist(claim)
        await self.insist(attach)
        await self.insist(end)

    async def _record(self, stores: SqliteStores) -> None:
        async with stores.journal.open_scope(SCOPE, "worker") as journal:
            for n in range(3):

                async def record(n: int = n) -> None:
                    await journal.record(entry(n))
                    self._seen.steps.add(n)

                await self.insist(record)


async def check(path: Path, seen: Seen) -> None:
    """Everything that was acknowledged is in the file, and the file is whole."""
    async with open_sqlite(path, FAST) as stores:
        events = await stores.registry.events_after("p1", 0) if seen.registered else []
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert seen.events <= {event.payload for event in events if event.event_type == "signal.go"}
        entries = await stores.journal.entries_of(SCOPE)
        recorded = {entry.replay_key: entry for entry in entries}
        for n in seen.steps:
            assert recorded[f"step-{n}"].outcome == entry(n).outcome
        record = await stores.registry.get_process("p1")
        has_ended = record is not None and record.is_terminal
        assert has_ended or not seen.ended
        if seen.lease is not None and not has_ended:
            lease = await stores.registry.lease_of("p1")
            assert lease is not None
            assert lease.fencing_token >= seen.lease.fencing_token
        if seen.attachment is not None:
            assert await stores.attachments.get(seen.attachment) == b"bytes" * 500
        # It can be written, too.
        await stores.registry.register_process(REGISTRATION)
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    with trio.fail_after(20):
        yield


async def live_on(path: Path, disk: FaultyDisk, fault: DiskFault) -> Seen:
    """The scenario on a disk; it ends, whatever happens."""
    seen = Seen()
    scenario = Scenario(seen, disk, fault)
    async with in_time():
        try:
            async with open_sqlite(path, SqliteOptions(vfs=disk.name)) as stores:
                await scenario.live(stores)
        except GaveUp:
            pass
        except StoreError as error:
            # It could not even be opened.
            seen.errors.append(error)
    assert disk.failed or not seen.errors
    assert {error.code for error in seen.errors} <= {"runtime_store"}
    return seen


@pytest.mark.parametrize("fault", DiskFault)
async def test_a_fault_at_every_write_of_a_process_s_life(tmp_path: Path, fault: DiskFault) -> None:
    template = tmp_path / "template.db"
    async with open_sqlite(template):
        pass
    with FaultyDisk(fault, None) as disk:
        path = tmp_path / "whole.db"
        shutil.copy(template, path)
        seen = await live_on(path, disk, fault)
        assert seen.errors == []
        assert seen.ended
        await check(path, seen)
    came = told = 0
    for at in range(1, disk.writes + 1):
        path = tmp_path / f"{at}.db"
        shutil.copy(template, path)
        with FaultyDisk(fault, at) as faulty:
            seen = await live_on(path, faulty, fault)
        # Now and then a commit is shared by others than the last time, which saves a write.
        came += faulty.failed
        told += bool(seen.errors)
        if fault is not DiskFault.POWER_CUT and seen.registered:
            assert seen.ended, f"it did not go on after the fault at write {at}"
        await check(path, seen)
    print(f"{fault}: {came} faults, {told} of which somebody was told of")
    assert came > disk.writes * 0.9
    # The others hit what tidies up, in closing the file.
    assert told > disk.writes / 2


@pytest.mark.parametrize("fault", [DiskFault.DISK_FULL, DiskFault.POWER_CUT])
async def test_a_fault_at_every_write_of_making_a_file(tmp_path: Path, fault: DiskFault) -> None:
    with FaultyDisk(fault, None) as disk:
        async with open_sqlite(tmp_path / "whole.db", SqliteOptions(vfs=disk.name)):
            pass
    messages: list[str] = []
    came = 0
    for at in range(1, disk.writes + 1):
        path = tmp_path / f"{at}.db"
        with FaultyDisk(fault, at) as faulty:
            try:
                async with open_sqlite(path, SqliteOptions(vfs=faulty.name)):
                    pass
            except StoreError as error:
                messages.append(error.message)
        came += faulty.failed
        # Whatever is left of it can be used.
        await check(path, Seen())
    assert came > disk.writes * 0.9
    assert len(messages) > disk.writes / 3
    assert all(str(tmp_path) in message for message in messages)


async def test_a_commit_that_fails_fails_for_all_who_share_it(tmp_path: Path) -> None:
    path = tmp_path / "x.db"

    async def append_many(stores: SqliteStores) -> list[StoreError]:
        failures: list[StoreError] = []

        async def one(n: int) -> None:
            try:
                await stores.registry.append_event("p1", go(n))
            except StoreError as error:
                failures.append(error)

        async with in_time(), trio.open_nursery() as nursery:
            for n in range(50):
                nursery.start_soon(one, n)
        return failures

    with FaultyDisk(DiskFault.POWER_CUT, None) as disk:
        async with open_sqlite(path, SqliteOptions(vfs=disk.name)) as stores:
            await stores.registry.register_process(REGISTRATION)
        writes = disk.writes
    with FaultyDisk(DiskFault.POWER_CUT, 3) as disk:
        async with open_sqlite(path, SqliteOptions(vfs=disk.name)) as stores:
            failures = await append_many(stores)
    assert writes > 3
    assert len(failures) == 50
    assert len({id(error) for error in failures}) == 50, "each task has an error of its own"
    assert all(isinstance(error.__cause__, apsw.Error) for error in failures)
    async with open_sqlite(path) as stores:
        assert await stores.registry.events_after("p1", 0) == []
