"""The file: what it refuses, what it survives, who else writes it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio

from lash_trio import (
    EffectScope,
    JsonValue,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    StoreError,
)
from lash_trio.stores.sqlite import SqliteDatabase, SqliteOptions, open_sqlite


def registration(process_id: str = "p1") -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("test"),
        event_types=[ProcessEventType(name="signal.go")],
    )


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_what_was_written_is_there_after_reopening(tmp_path: Path, synchronous: str) -> None:
    options = SqliteOptions(synchronous=synchronous)  # type: ignore[arg-type]
    async with open_sqlite(tmp_path / "x.db", options) as stores:
        await stores.registry.register_process(registration())
        await stores.registry.append_event(
            "p1", ProcessEventAppendRequest(event_type="signal.go", payload={"n": 2**70})
        )
    async with open_sqlite(tmp_path / "x.db", options) as stores:
        (event,) = await stores.registry.events_after("p1", 0)
        assert event.payload == {"n": 2**70}


async def test_a_refusal_leaves_its_neighbours_in_the_transaction_alone(tmp_path: Path) -> None:
    refusals: list[str] = []

    async with open_sqlite(tmp_path / "x.db") as stores:
        await stores.registry.register_process(registration())

        async def append(n: int) -> None:
            event_type = "signal.go" if n % 2 else "undeclared"
            try:
                await stores.registry.append_event(
                    "p1", ProcessEventAppendRequest(event_type=event_type, payload=n)
                )
            except PluginError as error:
                refusals.append(error.reason)

        async with trio.open_nursery() as nursery:
            for n in range(40):
                nursery.start_soon(append, n)
        events = await stores.registry.events_after("p1", 0)
    assert [event.sequence for event in events] == list(range(1, 21))
    assert {event.payload for event in events} == set(range(1, 40, 2))
    assert refusals == ["undeclared_event_type"] * 20


async def test_a_closed_file_refuses_to_be_used(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        pass
    with pytest.raises(StoreError, match="is closed"):
        await stores.registry.register_process(registration())
    with pytest.raises(StoreError, match="is closed"):
        await stores.registry.get_process("p1")


async def test_a_deadline_of_the_caller_is_trio_s_business(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        await stores.registry.register_process(registration())
        with trio.move_on_after(0) as expired:
            await stores.registry.get_process("p1")
        assert expired.cancelled_caught, "and no TooSlowError of the driver's"
        with trio.move_on_after(0) as expired:
            await stores.registry.append_event(
                "p1", ProcessEventAppendRequest(event_type="signal.go")
            )
        assert expired.cancelled_caught
        assert await stores.registry.events_after("p1", 0) == []


async def test_the_block_s_exception_leaves_as_it_is_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        async with open_sqlite(tmp_path / "x.db"):
            raise LookupError
    # The driver's thread ends a moment after it has answered the last call.
    with trio.fail_after(5):
        while [t for t in threading.enumerate() if "apsw" in t.name or "lash" in t.name]:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_durable_steps_are_not_run_again(tmp_path: Path) -> None:
    calls: list[int] = []

    async def step(n: int) -> JsonValue:
        calls.append(n)
        return n

    for _ in range(2):
        async with open_sqlite(tmp_path / "x.db") as stores:
            async with stores.host().scoped(EffectScope.process("p1")) as scope:
                assert [await scope.step("n", step, n) for n in range(3)] == [0, 1, 2]
    assert calls == [0, 1, 2]


async def test_what_has_run_is_recorded_though_it_is_cancelled_then(tmp_path: Path) -> None:
    calls: list[int] = []

    async def step(n: int) -> JsonValue:
        calls.append(n)
        stopped.cancel()
        return n

    async with open_sqlite(tmp_path / "x.db") as stores:
        with trio.CancelScope() as stopped:
            async with stores.host().scoped(EffectScope.process("p1")) as scope:
                await scope.step("n", step, 5)
        async with stores.host().scoped(EffectScope.process("p1")) as scope:
            assert await scope.step("n", step, 5) == 5
    assert calls == [5]


async def test_a_database_is_opened_once(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "x.db")
    async with database:
        assert database.waiters.tasks_waiting == 0


async def test_a_copy_is_what_the_file_was_at_one_moment(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        await stores.registry.register_process(registration("before"))
        await stores.backup(tmp_path / "copy.db")
        await stores.registry.register_process(registration("after"))
        with pytest.raises(StoreError, match=r"there is a file .*copy\.db' already"):
            await stores.backup(tmp_path / "copy.db")
        with pytest.raises(StoreError, match=r"nowhere.*could not be opened"):
            await stores.backup(tmp_path / "nowhere" / "copy.db")
    async with open_sqlite(tmp_path / "copy.db") as stores:
        (record,) = await stores.registry.list_non_terminal()
        assert record.id == "before"
