"""Rules of registries that survive: what was written is there when they are opened again."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from ...model import (
    EventWait,
    PluginReason,
    ProcessExternalRef,
    ProcessLeaseCompletion,
    WaitState,
)
from ._registry_bench import (
    DESCRIPTOR,
    DONE,
    PLAIN,
    SESSION,
    SIGNAL,
    RegistryBench,
    RegistryCheck,
    RegistryUnderTest,
    named,
    request,
    signal,
)
from ._rules import expect, expect_refused, expect_that, named_check
from ._wakes import WAKEABLE, WAKING


class Survivor:
    """Opens a registry, and opens it again."""

    def __init__(self, under_test: RegistryUnderTest) -> None:
        if under_test.reopen is None:
            raise AssertionError(
                "expected RegistryUnderTest(reopen=...) that opens a registry again, got None; "
                "only registries that survive pass the durable checks"
            )
        self._under_test = under_test
        self._open = under_test.open
        self._reopen = under_test.reopen

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[RegistryBench]:
        """New and empty the first time, as it was left from then on."""
        async with self._open() as registry:
            self._open = self._reopen
            yield RegistryBench(
                registry=registry,
                advance_ms=self._under_test.advance_ms,
                settle=self._under_test.settle,
            )


def _durable_check(body: Callable[[Survivor], Awaitable[None]]) -> RegistryCheck:
    @functools.wraps(body)
    async def check(under_test: RegistryUnderTest) -> None:
        await body(Survivor(under_test))

    return named_check(check)


@_durable_check
async def rows_survive(survivor: Survivor) -> None:
    """Rows are there again, with status, wait and external reference."""
    kind = EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1)
    async with survivor.opened() as bench:
        await bench.register("p1", "p2")
        await bench.registry.set_process_wait("p1", WaitState(kind=kind, since_ms=1))
        await bench.registry.set_external_ref("p1", ProcessExternalRef(backend="b", id="1"))
        await bench.end("p2")
        rows = [await bench.row("p1"), await bench.row("p2")]
    async with survivor.opened() as bench:
        expect("the rows", [await bench.row("p1"), await bench.row("p2")], rows)
        running = await bench.registry.list_non_terminal()
        expect("what has not ended", [row.id for row in running], ["p1"])


@_durable_check
async def a_registration_stays_the_same(survivor: Survivor) -> None:
    """The same registration is no change after opening again, and another one is a conflict."""
    async with survivor.opened() as bench:
        row = await bench.registry.register_process(PLAIN)
    async with survivor.opened() as bench:
        expect("the row", await bench.registry.register_process(PLAIN), row)
        await expect_refused(
            "another registration",
            PluginReason.REGISTRATION_CONFLICT,
            bench.registry.register_process(WAKEABLE),
        )


@_durable_check
async def events_survive(survivor: Survivor) -> None:
    """Events are there again, and the next one has the next number."""
    async with survivor.opened() as bench:
        await bench.register()
        events = await bench.signals(1, 2)
    async with survivor.opened() as bench:
        expect("the log", await bench.log(), events)
        (event,) = await bench.signals(3)
        expect("the number of the next event", event.sequence, 3)
        async with bench.calls() as calls:
            for ordinal, expected in enumerate((*events, event), start=1):
                call = calls.start(bench.registry.wait_event_nth, "p1", SIGNAL, ordinal)
                served = await calls.served(f"a wait for number {ordinal}", call)
                expect(f"event number {ordinal}", served, expected)


@_durable_check
async def replay_keys_survive(survivor: Survivor) -> None:
    """A replay key is known after opening again, with its content."""
    async with survivor.opened() as bench:
        await bench.register()
        first = await bench.registry.append_event("p1", signal(1, "k"))
    async with survivor.opened() as bench:
        again = await bench.registry.append_event("p1", signal(1, "k"))
        expect("the event of the repeated append", again.event, first.event)
        await expect_refused(
            "a known key with another payload",
            PluginReason.REPLAY_CONFLICT,
            bench.registry.append_event("p1", signal(2, "k")),
        )


@_durable_check
async def ends_survive(survivor: Survivor) -> None:
    """A process that ended has its await output, and cannot end again."""
    async with survivor.opened() as bench:
        await bench.register()
        await bench.end()
    async with survivor.opened() as bench:
        async with bench.calls() as calls:
            call = calls.start(bench.registry.await_process, "p1")
            expect("the await output", await calls.served("await_process", call), DONE)
        payload = (await bench.log())[0].payload
        await expect_refused(
            "a second end",
            PluginReason.PROCESS_TERMINAL,
            bench.registry.append_event("p1", request("process.completed", payload, "again")),
        )


@_durable_check
async def grants_survive(survivor: Survivor) -> None:
    """Grants are there again, and what was revoked is not."""
    async with survivor.opened() as bench:
        await bench.register("p1", "p2")
        for process_id in ("p1", "p2"):
            await bench.registry.grant_handle(SESSION, process_id, DESCRIPTOR)
        await bench.registry.revoke_handle(SESSION, "p2")
        entries = await bench.registry.list_handle_grants(SESSION)
    async with survivor.opened() as bench:
        expect("the grants", await bench.registry.list_handle_grants(SESSION), entries)


@_durable_check
async def acknowledgements_survive(survivor: Survivor) -> None:
    """A wake that was acknowledged is not listed again; the others are."""
    async with survivor.opened() as bench:
        await bench.registry.register_process(WAKEABLE)
        for _ in range(2):
            await bench.registry.append_event("p1", request(WAKING))
        await bench.registry.ack_wake("p1", 1)
    async with survivor.opened() as bench:
        wakes = await bench.registry.wake_events_after("p1", 0)
        expect("the wakes that are left", [event.sequence for event in wakes], [2])


@_durable_check
async def leases_survive(survivor: Survivor) -> None:
    """A live lease keeps others out after opening again, and its owner may go on with it."""
    async with survivor.opened() as bench:
        await bench.register()
        lease = await bench.claim("a")
    async with survivor.opened() as bench:
        await expect_refused("a claim by 'b'", PluginReason.LEASE_HELD, bench.claim("b"))
        await bench.registry.append_event("p1", signal(1), lease)
        await bench.registry.renew_process_lease(lease, 1_000)


@_durable_check
async def fencing_tokens_survive(survivor: Survivor) -> None:
    """The next claim after opening again has a higher fencing token, also after a release."""
    async with survivor.opened() as bench:
        await bench.registry.register_process(named("p1"))
        first = await bench.claim("a")
        await bench.registry.complete_process_lease(ProcessLeaseCompletion.of(first))
    async with survivor.opened() as bench:
        second = await bench.claim("a")
        expect_that(
            second.fencing_token > first.fencing_token,
            f"expected a token above {first.fencing_token}, got {second.fencing_token}",
        )


CHECKS: tuple[RegistryCheck, ...] = (
    rows_survive,
    a_registration_stays_the_same,
    events_survive,
    replay_keys_survive,
    ends_survive,
    grants_survive,
    acknowledgements_survive,
    leases_survive,
    fencing_tokens_survive,
)
