"""Rules of the wait facet: what a row says it waits for, and the events that mirror it."""

from __future__ import annotations

from ...model import (
    RESUMED,
    WAITING,
    EventWait,
    JsonValue,
    OperatorWait,
    PluginReason,
    ProcessEndWait,
    SignalWait,
    SleepWait,
    WaitKind,
    WaitState,
    to_json,
)
from ._registry_bench import SIGNAL, RegistryBench, registry_check
from ._rules import expect, expect_refused

_KINDS: tuple[WaitKind, ...] = (
    SignalWait(key="k1", name="ready", event_type=SIGNAL, ordinal=1),
    EventWait(key="k2", process_id="p2", event_type=SIGNAL, ordinal=2),
    SleepWait(key="k3", due_at_ms=5_000),
    ProcessEndWait(key="k4", process_id="p2"),
    OperatorWait(code="effect_replay_mismatch", message="m"),
)
_WAITS = tuple(WaitState(kind=kind, since_ms=1_000) for kind in _KINDS)


def _mirrored(wait: WaitState) -> JsonValue:
    return {"wait": to_json(wait)}


@registry_check
async def a_wait_stands_in_the_row(bench: RegistryBench) -> None:
    """``set_process_wait`` writes the wait into the row, in place of another one."""
    await bench.register()
    for wait in _WAITS:
        row = await bench.registry.set_process_wait("p1", wait)
        expect("the wait of the returned row", row.wait, wait)
        expect("the wait of the row", (await bench.row()).wait, wait)


@registry_check
async def a_wait_is_mirrored_by_an_event(bench: RegistryBench) -> None:
    """``set_process_wait`` appends one ``process.waiting`` with the wait in its payload."""
    await bench.register()
    for wait in _WAITS[:2]:
        await bench.registry.set_process_wait("p1", wait)
    log = [(event.event_type, event.payload) for event in await bench.log()]
    expect("the log", log, [(WAITING, _mirrored(wait)) for wait in _WAITS[:2]])


@registry_check
async def the_same_wait_is_no_change(bench: RegistryBench) -> None:
    """Setting a wait for the same again changes neither row nor log, also at a later time."""
    await bench.register()
    row = await bench.registry.set_process_wait("p1", _WAITS[0])
    later = WaitState(kind=_KINDS[0], since_ms=2_000)
    expect("the returned row", await bench.registry.set_process_wait("p1", later), row)
    expect("the row", await bench.row(), row)
    expect("the length of the log", len(await bench.log()), 1)


@registry_check
async def a_resumed_process_waits_for_nothing(bench: RegistryBench) -> None:
    """``clear_process_wait`` takes the wait out of the row and appends one ``process.resumed``."""
    await bench.register()
    await bench.registry.set_process_wait("p1", _WAITS[0])
    row = await bench.registry.clear_process_wait("p1")
    expect("the wait of the returned row", row.wait, None)
    expect("the wait of the row", (await bench.row()).wait, None)
    log = [(event.event_type, event.payload) for event in await bench.log()]
    mirrored = _mirrored(_WAITS[0])
    expect("the log", log, [(WAITING, mirrored), (RESUMED, mirrored)])


@registry_check
async def clearing_no_wait_is_no_change(bench: RegistryBench) -> None:
    """``clear_process_wait`` of a process that does not wait changes neither row nor log."""
    await bench.register()
    before = await bench.row()
    expect("the returned row", await bench.registry.clear_process_wait("p1"), before)
    expect("the row", await bench.row(), before)
    expect("the log", await bench.log(), [])


@registry_check
async def an_ended_process_cannot_wait(bench: RegistryBench) -> None:
    """``set_process_wait`` refuses a process that has ended."""
    await bench.register()
    await bench.end()
    before = await bench.row()
    await expect_refused(
        "a wait of an ended process",
        PluginReason.PROCESS_TERMINAL,
        bench.registry.set_process_wait("p1", _WAITS[0]),
    )
    expect("the row", await bench.row(), before)
    expect("the length of the log", len(await bench.log()), 1)


CHECKS = (
    a_wait_stands_in_the_row,
    a_wait_is_mirrored_by_an_event,
    the_same_wait_is_no_change,
    a_resumed_process_waits_for_nothing,
    clearing_no_wait_is_no_change,
    an_ended_process_cannot_wait,
)
