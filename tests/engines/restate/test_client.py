"""The client of the registry on Restate: what it sends, retries, waits for and leaves behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    InvalidValueError,
    PluginError,
    ProcessAwaitOutput,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    StoreError,
)
from lash_trio.engines.restate import RestateProcessRegistry, RestateRegistryOptions
from lash_trio.model import ProcessEventAppendRequest
from tests.engines.restate.ingress import URL, FakeIngress

OPTIONS = RestateRegistryOptions(request_seconds=30, cancelled_write_seconds=5)
SIGNAL = ProcessEventAppendRequest(event_type="signal.go", payload=1)


def registration(process_id: str = "p1") -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external({}),
        event_types=(ProcessEventType(name="signal.go"),),
        provenance=ProcessProvenance.host("test"),
    )


@pytest.fixture
def ingress() -> FakeIngress:
    return FakeIngress()


@pytest.fixture
async def registry(ingress: FakeIngress) -> AsyncIterator[RestateProcessRegistry]:
    async with RestateProcessRegistry(URL, options=OPTIONS, transport=ingress) as opened:
        await opened.register_process(registration())
        yield opened


async def test_a_write_whose_answer_was_lost_is_made_once(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    ingress.lost_answers = 3
    appended = await registry.append_event("p1", SIGNAL)
    assert ingress.calls["append_event"] == 4
    assert appended.event.sequence == 1
    assert await registry.events_after("p1", 0) == [appended.event]
    # Two calls are two, also where they say the same.
    assert (await registry.append_event("p1", SIGNAL)).event.sequence == 2


@pytest.mark.parametrize(
    "trouble",
    [
        httpx2.ConnectError("refused"),
        httpx2.RemoteProtocolError("broken off"),
        httpx2.Response(503, text="not ready"),
        httpx2.Response(429),
    ],
    ids=["connect", "broken", "503", "429"],
)
async def test_trouble_that_passes_is_outlasted(
    ingress: FakeIngress,
    registry: RestateProcessRegistry,
    autojump_clock: MockClock,
    trouble: httpx2.Response | Exception,
) -> None:
    ingress.troubles = [trouble, trouble]
    assert await registry.get_process("p1") is not None
    ingress.troubles = [trouble, trouble]
    await registry.append_event("p1", SIGNAL)
    assert len(await registry.events_after("p1", 0)) == 1


async def test_a_server_that_stays_away_is_an_error_that_says_what_is_known(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    for call, told in (
        (registry.get_process, "Nothing was changed"),
        (registry.clear_process_wait, "not known whether it took effect"),
    ):
        ingress.troubles = [httpx2.ConnectError("refused")] * 1000
        began = trio.current_time()
        with pytest.raises(StoreError) as caught:
            await call("p1")
        assert trio.current_time() - began == pytest.approx(30)
        assert "refused" in caught.value.message
        assert told in caught.value.message


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx2.Response(404, text="service not found"), "register an endpoint"),
        (httpx2.Response(500, text="broken"), "status 500: 'broken'"),
        (httpx2.Response(200, text="<html>"), "'<html>'"),
        (httpx2.Response(200, json=[1]), "'[1]'"),
        (httpx2.Response(200, json={"Err": {"class": "other"}}), "expected an answer"),
        (httpx2.Response(200, json={"Ok": {"id": 7}}), "cannot read"),
        (httpx2.Response(200, json={"Err": {"class": "store", "message": "full"}}), "full"),
    ],
    ids=["404", "500", "html", "list", "class", "row", "store"],
)
async def test_a_bad_answer_is_told_at_once(
    ingress: FakeIngress, registry: RestateProcessRegistry, answer: httpx2.Response, told: str
) -> None:
    ingress.troubles = [answer]
    with pytest.raises(StoreError) as caught:
        await registry.get_process("p1")
    assert told in caught.value.message
    assert ingress.calls["get_process"] == 1


async def test_a_write_that_was_begun_is_finished_under_cancellation(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    ingress.hold = trio.Event()
    sequences: list[int] = []

    async def append() -> None:
        sequences.append((await registry.append_event("p1", SIGNAL)).event.sequence)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(append)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(4)
            ingress.hold.set()
    assert sequences == [1]


async def test_a_cancelled_write_is_not_waited_for_beyond_its_grace(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    ingress.hold = trio.Event()
    began = trio.current_time()
    with trio.move_on_after(1):
        with pytest.raises(StoreError) as caught:
            await registry.append_event("p1", SIGNAL)
        assert trio.current_time() - began == pytest.approx(1 + 5)
        assert "not known whether it took effect" in caught.value.message


async def test_nothing_is_sent_by_a_call_that_is_cancelled_already(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    ingress.calls.clear()
    with trio.CancelScope() as scope:
        scope.cancel()
        await registry.append_event("p1", SIGNAL)
    assert scope.cancelled_caught
    assert not ingress.calls


async def test_one_question_a_process_is_open_however_many_wait(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    async with trio.open_nursery() as nursery:
        for ordinal in range(1, 21):
            nursery.start_soon(registry.wait_event_nth, "p1", "signal.go", ordinal)
        await wait_all_tasks_blocked()
        assert ingress.calls["changed"] == 1
        assert registry.tasks_waiting == 20
        assert registry.watched_processes == {"p1"}
        nursery.cancel_scope.cancel()
    assert registry.tasks_waiting == 0


async def test_a_wait_costs_the_same_for_the_first_and_for_a_late_event(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    for _ in range(50):
        await registry.append_event("p1", SIGNAL)
    asked: list[int] = []
    for ordinal in (1, 50):
        ingress.calls.clear()
        await registry.wait_event_nth("p1", "signal.go", ordinal)
        asked.append(ingress.calls.total())
    assert asked == [1, 1]


async def test_an_event_of_another_program_wakes_who_waits(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    # Nothing but the open question can tell.
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.wait_event_nth, "p1", "signal.go", 1)
        nursery.start_soon(registry.wait_next_event, "p1", 0)
        await wait_all_tasks_blocked()
        assert registry.tasks_waiting == 2
        await ingress.registry.append_event("p1", SIGNAL)


async def test_own_appends_wake_at_once(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    ingress.deaf = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.wait_event_nth, "p1", "signal.go", 1)
        nursery.start_soon(registry.wait_next_event, "p1", 0)
        nursery.start_soon(registry.await_process, "p1")
        await wait_all_tasks_blocked()
        assert ingress.calls["changed"] == 1
        await registry.append_event("p1", SIGNAL)
        await wait_all_tasks_blocked()
        assert registry.tasks_waiting == 1
        await registry.complete_process("p1", ProcessAwaitOutput.success(1))


async def test_a_log_is_read_over_as_many_answers_as_it_takes(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    for _ in range(10):
        await registry.append_event("p1", SIGNAL)
    every = await registry.events_after("p1", 0)
    assert [event.sequence for event in every] == [*range(1, 11)]
    for limit in range(12):
        assert await registry.events_after("p1", 2, limit) == every[2 : 2 + limit]
        assert await registry.recent_events("p1", limit) == every[max(10 - limit, 0) :]


async def test_questions_end_when_nobody_waits_any_more(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    with trio.move_on_after(1):
        await registry.wait_event_nth("p1", "signal.go", 1)
    await trio.sleep(OPTIONS.poll_seconds)
    assert registry.watched_processes == frozenset()
    asked = ingress.calls["changed"]
    await trio.sleep(10 * OPTIONS.poll_seconds)
    assert ingress.calls["changed"] == asked == 1


async def test_a_wait_outlasts_the_server(
    ingress: FakeIngress, registry: RestateProcessRegistry, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registry.wait_event_nth, "p1", "signal.go", 1)
        await wait_all_tasks_blocked()
        # For much longer than a call may take.
        ingress.troubles = [httpx2.ConnectError("refused")] * 200
        await trio.sleep(2000)
        assert not ingress.troubles
        assert registry.tasks_waiting == 1
        await ingress.registry.append_event("p1", SIGNAL)


async def test_the_end_closes_the_client_and_leaves_no_task(ingress: FakeIngress) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    registry = RestateProcessRegistry(URL, transport=ingress)
    async with registry:
        await registry.register_process(registration())
        with trio.move_on_after(0.01):
            await registry.wait_event_nth("p1", "signal.go", 1)
        assert registry.watched_processes == {"p1"}
    assert ingress.closed
    assert trio.lowlevel.current_statistics().tasks_living == before
    with pytest.raises(StoreError, match="closed"):
        await registry.get_process("p1")
    with pytest.raises(StoreError, match="closed"):
        await registry.append_event("p1", SIGNAL)


async def test_the_end_waits_for_a_write_that_is_under_way(
    ingress: FakeIngress, autojump_clock: MockClock
) -> None:
    ingress.hold = trio.Event()
    rows: list[str] = []
    registry = RestateProcessRegistry(URL, transport=ingress)

    async def register() -> None:
        rows.append((await registry.register_process(registration())).id)

    async def release() -> None:
        assert ingress.hold is not None
        await trio.sleep(3)
        ingress.hold.set()

    async with trio.open_nursery() as nursery:
        async with registry:
            nursery.start_soon(register)
            await wait_all_tasks_blocked()
            nursery.start_soon(release)
        assert trio.current_time() == pytest.approx(3)
    assert rows == ["p1"]


async def test_an_exception_of_the_block_comes_out_as_it_is(ingress: FakeIngress) -> None:
    with pytest.raises(KeyError):
        async with RestateProcessRegistry(URL, transport=ingress):
            raise KeyError("mine")


async def test_refusals_are_those_of_the_registry(registry: RestateProcessRegistry) -> None:
    lease = await registry.claim_process_lease("p1", "a", 60_000)
    with pytest.raises(PluginError) as caught:
        await registry.claim_process_lease("p1", "b", 60_000)
    assert caught.value.reason == "process_lease_held"
    assert 0 < getattr(caught.value, "left_ms", 0) <= 60_000
    assert lease.owner_id == "a"


@pytest.mark.parametrize(
    ("namespace", "process_id", "key"),
    [
        ("", "p1", "p1"),
        ("", "~p1", "~~p1"),
        ("", "a/b c?ü", "a/b c?ü"),
        ("", "", "~"),
        ("shop", "p1", "~shop~p1"),
    ],
)
async def test_keys_tell_namespaces_apart(
    ingress: FakeIngress, namespace: str, process_id: str, key: str
) -> None:
    async with RestateProcessRegistry(URL, namespace, transport=ingress) as registry:
        await registry.get_process(process_id)
    assert ingress.keys == {key}


@pytest.mark.parametrize("namespace", ["Shop", "a~b", "a b", "x" * 65, "all"])
def test_a_namespace_is_checked(namespace: str) -> None:
    with pytest.raises(InvalidValueError, match="namespace"):
        RestateProcessRegistry(URL, namespace)


@pytest.mark.parametrize("url", ["restate:8080", "ftp://restate", "http://"])
def test_a_url_is_checked(url: str) -> None:
    with pytest.raises(InvalidValueError, match="ingress"):
        RestateProcessRegistry(url)


async def test_a_listing_of_many_asks_for_some_at_a_time(
    ingress: FakeIngress, registry: RestateProcessRegistry
) -> None:
    ids = [f"q{number:04}" for number in range(600)]
    for process_id in ids:
        await ingress.registry.register_process(registration(process_id))
    assert [row.id for row in await registry.list_non_terminal()] == ["p1", *ids]
    assert ingress.calls["list"] == 2
