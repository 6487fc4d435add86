"""Rules of fencing: what a stale owner wants to write is refused, and nothing is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...model import (
    COMPLETED,
    EventWait,
    PluginReason,
    ProcessLease,
    ProcessLeaseCompletion,
    SleepWait,
    WaitState,
    terminal_event,
)
from ._registry_bench import (
    DONE,
    SIGNAL,
    RegistryBench,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused

_TTL_MS = 1_000
_WAIT = WaitState(
    kind=EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1), since_ms=0
)
_OTHER_WAIT = WaitState(kind=SleepWait(key="k2", due_at_ms=1), since_ms=0)


async def _stale_leases(bench: RegistryBench) -> dict[str, ProcessLease]:
    """Leases of ``p1`` that are stale for different reasons; ``b`` holds it in the end."""
    released = await bench.claim("a", _TTL_MS)
    await bench.registry.complete_process_lease(ProcessLeaseCompletion.of(released))
    claimed_again = await bench.claim("a", _TTL_MS)
    expired = await bench.claim("a", _TTL_MS)
    bench.advance_ms(_TTL_MS)
    await bench.claim("b", _TTL_MS)
    return {
        "a released lease": released,
        "a lease claimed again": claimed_again,
        "a lease that expired and was followed": expired,
    }


async def _refused(
    bench: RegistryBench, what: str, write: Callable[[ProcessLease], Awaitable[object]]
) -> None:
    """Refused under every stale lease, with row, log and live lease as they were."""
    log, before = await bench.log(), await bench.row()
    stale = await _stale_leases(bench)
    for lease_is, lease in stale.items():
        await expect_refused(f"{what} under {lease_is}", PluginReason.LEASE_LOST, write(lease))
    bench.advance_ms(_TTL_MS // 2)
    await expect_refused("a claim by 'c'", PluginReason.LEASE_HELD, bench.claim("c"))
    bench.advance_ms(_TTL_MS // 2)
    expired = await bench.claim("c", _TTL_MS)
    bench.advance_ms(_TTL_MS)
    await expect_refused(f"{what} under an expired lease", PluginReason.LEASE_LOST, write(expired))
    expect(f"the log after a refused {what}", await bench.log(), log)
    after = await bench.row()
    expect(f"the status after a refused {what}", after.status, before.status)
    expect(f"the wait after a refused {what}", after.wait, before.wait)


@registry_check
async def the_owner_may_write(bench: RegistryBench) -> None:
    """Under the live lease, as it was claimed or as it was renewed, appends and waits are written."""
    await bench.register()
    claimed = await bench.claim("a")
    bench.advance_ms(1)
    renewed = await bench.registry.renew_process_lease(claimed, _TTL_MS)
    for lease in (claimed, renewed):
        await bench.registry.append_event("p1", signal(1), lease)
        await bench.registry.set_process_wait("p1", _WAIT, lease)
        row = await bench.registry.clear_process_wait("p1", lease)
        expect("the wait of the row", row.wait, None)
    expect("the length of the log", len(await bench.log()), 6)


@registry_check
async def anybody_may_write_without_fence(bench: RegistryBench) -> None:
    """A write that names no lease is not fenced, whoever holds the process."""
    await bench.register()
    await bench.claim("a")
    await bench.signals(1)
    await bench.registry.set_process_wait("p1", _WAIT)
    expect("the length of the log", len(await bench.log()), 2)


@registry_check
async def a_stale_owner_appends_nothing(bench: RegistryBench) -> None:
    """A fenced append under a stale lease is refused and writes nothing."""
    await bench.register()
    await _refused(
        bench, "append", lambda lease: bench.registry.append_event("p1", signal(1), lease)
    )


@registry_check
async def a_stale_owner_ends_nothing(bench: RegistryBench) -> None:
    """A fenced terminal event under a stale lease is refused, and the process runs on."""
    await bench.register()
    ending = terminal_event("p1", DONE)
    await _refused(bench, "end", lambda lease: bench.registry.append_event("p1", ending, lease))


@registry_check
async def a_stale_owner_sets_no_wait(bench: RegistryBench) -> None:
    """A fenced wait under a stale lease is refused and changes neither row nor log."""
    await bench.register()
    await bench.registry.set_process_wait("p1", _WAIT)
    await _refused(
        bench, "wait", lambda lease: bench.registry.set_process_wait("p1", _OTHER_WAIT, lease)
    )


@registry_check
async def a_stale_owner_clears_no_wait(bench: RegistryBench) -> None:
    """A fenced clearing of the wait under a stale lease is refused and changes nothing."""
    await bench.register()
    await bench.registry.set_process_wait("p1", _WAIT)
    await _refused(bench, "clearing", lambda lease: bench.registry.clear_process_wait("p1", lease))


@registry_check
async def a_stale_owner_completes_nothing(bench: RegistryBench) -> None:
    """``complete_leased_process`` under a stale lease is refused and releases nobody's lease."""
    await bench.register()
    ending = terminal_event("p1", DONE)
    await _refused(
        bench, "completion", lambda lease: bench.registry.complete_leased_process(lease, ending)
    )


@registry_check
async def the_owner_completes_the_process(bench: RegistryBench) -> None:
    """``complete_leased_process`` ends the process, serves who awaits it and gives the lease back."""
    await bench.register()
    await bench.registry.set_process_wait("p1", _WAIT)
    lease = await bench.claim("a")
    async with bench.calls() as calls:
        call = calls.start(bench.registry.await_process, "p1")
        await bench.settle()
        row = await bench.registry.complete_leased_process(lease, terminal_event("p1", DONE))
        expect("the await output", await calls.served("await_process", call), DONE)
    expect("the status of the returned row", row.status.await_output, DONE)
    expect("the returned row", row, await bench.row())
    expect("the wait of the row", row.wait, None)
    await expect_refused(
        "a renewal after the completion",
        PluginReason.LEASE_LOST,
        bench.registry.renew_process_lease(lease, _TTL_MS),
    )


@registry_check
async def a_refused_completion_keeps_the_lease(bench: RegistryBench) -> None:
    """``complete_leased_process`` whose event is refused gives nothing back: all or nothing."""
    await bench.register()
    lease = await bench.claim("a")
    for what, reason, asked in (
        ("an undeclared type", PluginReason.UNDECLARED_EVENT_TYPE, request("no.such", {}, "k")),
        ("an end without output", PluginReason.INVALID_SELECTOR, request(COMPLETED, {}, "k")),
    ):
        completion = bench.registry.complete_leased_process(lease, asked)
        await expect_refused(f"the completion with {what}", reason, completion)
    await expect_refused("a claim by 'b'", PluginReason.LEASE_HELD, bench.claim("b"))
    await bench.registry.append_event("p1", signal(1), lease)
    expect("the length of the log", len(await bench.log()), 1)


CHECKS = (
    the_owner_may_write,
    anybody_may_write_without_fence,
    a_stale_owner_appends_nothing,
    a_stale_owner_ends_nothing,
    a_stale_owner_sets_no_wait,
    a_stale_owner_clears_no_wait,
    a_stale_owner_completes_nothing,
    the_owner_completes_the_process,
    a_refused_completion_keeps_the_lease,
)
