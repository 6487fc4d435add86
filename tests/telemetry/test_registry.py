"""Spans and metrics of waits, leases, appends and ends."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

import pytest
import trio
from opentelemetry.trace import StatusCode
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    CANCEL_REQUESTED,
    MemoryProcessRegistry,
    PluginError,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRegistration,
    Replay,
    SleepWait,
    WaitState,
)
from lash_trio.abc import LeaseRenewer
from lash_trio.model import terminal_event
from lash_trio.telemetry import TracedProcessRegistry
from tests.telemetry.support import Recorder
from tests.worker.support import ManualClock

READY = ProcessEventAppendRequest(event_type="signal.ready", payload={"secret": 1})
DONE = ProcessAwaitOutput.success("done")
EARLIER_WAIT = WaitState(kind=SleepWait(key="j", due_at_ms=1), since_ms=0)
WAIT = WaitState(kind=SleepWait(key="k", due_at_ms=1), since_ms=0)


class Renewer(LeaseRenewer):
    """Keeps what it was told to keep."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[ProcessLease, Callable[[str], None]]] = {}

    def add(self, lease: ProcessLease, on_lost: Callable[[str], None]) -> None:
        self.kept[lease.process_id] = lease, on_lost

    def remove(self, lease: ProcessLease) -> None:
        del self.kept[lease.process_id]


class Registry(MemoryProcessRegistry):
    """One with a renewer, if it is given one."""

    def __init__(self, clock: ManualClock, renewer: Renewer | None = None) -> None:
        super().__init__(clock)
        self._renewer = renewer
        self.ttl_ms: int | None = None

    def renew_leases(self, lease_ttl_ms: int) -> AbstractContextManager[LeaseRenewer] | None:
        self.ttl_ms = lease_ttl_ms
        return None if self._renewer is None else self._renewing(self._renewer)

    @contextmanager
    def _renewing(self, renewer: Renewer) -> Generator[LeaseRenewer]:
        yield renewer
        renewer.kept.clear()


class Bench:
    """A traced registry with a process ``p``."""

    def __init__(self, renewer: Renewer | None = None) -> None:
        self.recorder = Recorder()
        self.clock = ManualClock()
        self.inner = Registry(self.clock, renewer)
        self.registry = TracedProcessRegistry(self.inner, self.recorder.telemetry)

    async def register(self) -> None:
        await self.registry.register_process(
            ProcessRegistration(
                id="p",
                input=ProcessInput.external({}),
                event_types=(ProcessEventType(name="signal.ready"),),
                provenance=ProcessProvenance.host("tests"),
            )
        )

    async def claim(self, owner_id: str) -> ProcessLease:
        return await self.registry.claim_process_lease("p", owner_id, 1000)

    def lease_events(self) -> dict[object, float]:
        counted = self.recorder.metric("lash_trio.lease.events")
        return {label[1]: count for ((label,), count) in counted.items()}


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.register()
    return bench


async def test_a_wait_for_an_event(bench: Bench, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.registry.wait_event_nth, "p", "signal.ready", 1)
        await trio.sleep(3)
        active = (("event.type", "signal.ready"), ("wait.type", "event"))
        assert bench.recorder.metric("lash_trio.wait.active") == {active: 1}
        await bench.registry.append_event("p", READY)
    assert bench.recorder.metric("lash_trio.wait.active") == {active: 0}
    assert bench.recorder.about("wait event") == {
        "lash_trio.wait.type": "event",
        "lash_trio.process.id": "p",
        "lash_trio.event.type": "signal.ready",
        "lash_trio.event.ordinal": 1,
        "lash_trio.outcome": "ok",
    }
    waited = (("event.type", "signal.ready"), ("outcome", "ok"), ("wait.type", "event"))
    assert bench.recorder.metric("lash_trio.wait.duration") == {waited: 3.0}


async def test_every_kind_of_wait_is_told(bench: Bench) -> None:
    await bench.registry.append_event("p", READY)
    await bench.registry.complete_process("p", DONE)
    assert (await bench.registry.wait_event_after("p", "signal.ready", 0)).sequence == 1
    assert (await bench.registry.wait_next_event("p", 1)).sequence == 2
    assert await bench.registry.await_process("p") == DONE
    names = [span.name for span in bench.recorder.spans if span.name.startswith("wait")]
    assert names == ["wait event", "wait next_event", "wait process"]


async def test_a_wait_that_is_cancelled_or_refused(bench: Bench) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.registry.await_process("p")
    assert scope.cancelled_caught
    with pytest.raises(PluginError):
        await bench.registry.wait_event_nth("p", "signal.none", 1)
    assert bench.recorder.about("wait process")["lash_trio.outcome"] == "cancelled"
    assert bench.recorder.about("wait event")["error.type"] == "undeclared_event_type"
    assert all(value == 0 for value in bench.recorder.metric("lash_trio.wait.active").values())


async def test_the_wait_of_a_worker_for_a_cancel_request_is_left_out(bench: Bench) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.registry.wait_event_nth, "p", CANCEL_REQUESTED, 1)
        await wait_all_tasks_blocked()
        request = ProcessEventAppendRequest.cancel_requested("p", None)
        await bench.registry.append_event("p", request)
    assert bench.recorder.spans == ()
    assert bench.recorder.metric("lash_trio.wait.active") == {}


async def test_an_append_is_an_event_of_the_current_span(bench: Bench) -> None:
    keyed = ProcessEventAppendRequest(
        event_type="signal.ready", payload={"secret": 1}, replay=Replay(key="k")
    )
    with bench.recorder.tracer.start_as_current_span("request"):
        await bench.registry.append_event("p", keyed)
        await bench.registry.append_event("p", keyed)
    about = {"lash_trio.event.type": "signal.ready", "lash_trio.process.id": "p"}
    assert bench.recorder.events("request") == [
        (
            "lash_trio.event_appended",
            {**about, "lash_trio.event.sequence": 1, "lash_trio.event.replayed": replayed},
        )
        for replayed in (False, True)
    ]
    assert bench.recorder.metric("lash_trio.event.appended") == {
        (("event.replayed", replayed), ("event.type", "signal.ready")): 1
        for replayed in (False, True)
    }


async def test_an_end_is_counted_once_whoever_writes_it(bench: Bench) -> None:
    request = terminal_event("p", ProcessAwaitOutput.failure("broken", "a secret"))
    await bench.registry.append_event("p", request)
    await bench.registry.append_event("p", request)
    ended = {(("process.state", "failed"),): 1}
    assert bench.recorder.metric("lash_trio.process.ended") == ended


async def test_an_end_by_somebody_outside(bench: Bench) -> None:
    await bench.registry.complete_process("p", ProcessAwaitOutput.failure("broken", "a secret"))
    assert bench.recorder.about("end process") == {
        "lash_trio.process.id": "p",
        "lash_trio.process.state": "failed",
        "lash_trio.outcome": "error",
        "error.type": "broken",
    }
    status = bench.recorder.span("end process").status
    assert (status.status_code, status.description) == (StatusCode.ERROR, None)


async def test_the_life_of_a_lease(bench: Bench) -> None:
    lease = await bench.claim("a")
    lease = await bench.registry.renew_process_lease(lease, 1000)
    with pytest.raises(PluginError):
        await bench.claim("b")
    await bench.registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
    assert bench.recorder.metric("lash_trio.lease.recoveries") == {}
    lease = await bench.claim("b")
    await bench.registry.complete_leased_process(lease, terminal_event("p", DONE))
    assert bench.lease_events() == {"claimed": 2, "renewed": 1, "held": 1, "released": 2}
    assert bench.recorder.metric("lash_trio.lease.recoveries") == {(): 1}
    first, refused, second = bench.recorder.named("claim lease")
    assert dict(first.attributes or {}) == {
        "lash_trio.process.id": "p",
        "lash_trio.lease.owner": "a",
        "lash_trio.lease.fencing_token": 1,
        "lash_trio.lease.event": "claimed",
        "lash_trio.outcome": "ok",
    }
    assert (refused.attributes or {})["lash_trio.lease.event"] == "held"
    assert refused.status.status_code is StatusCode.UNSET
    assert [event.name for event in second.events][-1] == "lash_trio.recovery"
    assert bench.recorder.about("end process")["lash_trio.lease.fencing_token"] == 2


async def test_a_claim_that_is_refused_for_another_reason_is_an_error(bench: Bench) -> None:
    await bench.registry.complete_process("p", DONE)
    with pytest.raises(PluginError):
        await bench.claim("a")
    assert bench.recorder.about("claim lease")["error.type"] == "process_terminal"


async def test_a_lease_that_is_lost_and_what_is_written_under_it(bench: Bench) -> None:
    lease = await bench.claim("a")
    await bench.registry.set_process_wait("p", EARLIER_WAIT, lease)
    bench.clock.ms += 1000
    with bench.recorder.tracer.start_as_current_span("run"):
        for write in (
            lambda: bench.registry.renew_process_lease(lease, 1000),
            lambda: bench.registry.append_event("p", READY, lease),
            lambda: bench.registry.set_process_wait("p", WAIT, lease),
            lambda: bench.registry.clear_process_wait("p", lease),
        ):
            with pytest.raises(PluginError):
                await write()
        with pytest.raises(PluginError):
            await bench.registry.complete_leased_process(lease, terminal_event("p", DONE))
    assert bench.lease_events() == {"claimed": 1, "lost": 1, "fenced": 4}
    names = [name for name, _ in bench.recorder.events("run")]
    assert names == ["lash_trio.lease_lost", *["lash_trio.lease_fenced"] * 3]
    end = bench.recorder.about("end process")
    assert (end["lash_trio.outcome"], end["error.type"]) == ("error", "process_lease_lost")
    assert bench.recorder.metric("lash_trio.process.ended") == {}


async def test_a_write_that_is_refused_for_another_reason_is_not_fenced(bench: Bench) -> None:
    lease = await bench.claim("a")
    with pytest.raises(PluginError):
        await bench.registry.append_event(
            "p", ProcessEventAppendRequest(event_type="signal.none"), lease
        )
    assert bench.lease_events() == {"claimed": 1}


async def test_losses_that_a_renewer_notices_are_counted_and_passed_on() -> None:
    renewer = Renewer()
    bench = Bench(renewer)
    await bench.register()
    lease = await bench.claim("a")
    reasons: list[str] = []
    renewing = bench.registry.renew_leases(5000)
    assert renewing is not None
    assert bench.inner.ttl_ms == 5000
    with renewing as traced:
        traced.add(lease, reasons.append)
        kept, on_lost = renewer.kept["p"]
        assert kept is lease
        on_lost("somebody else has it")
        assert reasons == ["somebody else has it"]
        assert bench.lease_events() == {"claimed": 1, "lost": 1}
        traced.remove(lease)
        assert renewer.kept == {}


async def test_a_registry_without_a_renewer_has_none_when_traced(bench: Bench) -> None:
    assert bench.registry.renew_leases(5000) is None
