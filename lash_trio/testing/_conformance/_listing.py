"""Rules of finding processes, and of what their rows say."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...model import (
    EventWait,
    JsonValue,
    ProcessAwaitOutput,
    ProcessExternalRef,
    ProcessInput,
    ProcessListFilter,
    ProcessRecord,
    ProcessStatusFilter,
    WaitState,
    terminal_event,
)
from ._registry_bench import DONE, PLAIN, SIGNAL, RegistryBench, registry_check
from ._rules import expect

_OUTPUTS = {
    "completed": DONE,
    "failed": ProcessAwaitOutput.failure("broken", "it broke"),
    "cancelled": ProcessAwaitOutput.cancelled("not needed"),
}


def _ids(records: Sequence[ProcessRecord]) -> list[str]:
    return [record.id for record in records]


@registry_check
async def an_unknown_process_has_no_row(bench: RegistryBench) -> None:
    """``get_process`` of an id that nobody registered is None."""
    await bench.register()
    expect("get_process of 'nobody'", await bench.registry.get_process("nobody"), None)


@registry_check
async def processes_are_listed_by_id(bench: RegistryBench) -> None:
    """``list_processes`` is ordered by id, whatever the order of registration."""
    await bench.register("p2", "p10", "p1")
    listed = await bench.registry.list_processes(ProcessListFilter())
    expect("the listed ids", _ids(listed), ["p1", "p10", "p2"])


@registry_check
async def processes_are_listed_by_status(bench: RegistryBench) -> None:
    """``list_processes`` leaves out what has another status than the filter asks for."""
    await bench.register("running", *_OUTPUTS)
    for process_id, output in _OUTPUTS.items():
        await bench.registry.append_event(process_id, terminal_event(process_id, output))
    for status in ProcessStatusFilter:
        listed = await bench.registry.list_processes(ProcessListFilter(status=status))
        everything = sorted(["running", *_OUTPUTS])
        expected = everything if status is ProcessStatusFilter.ANY else [status.value]
        expect(f"the ids with status {status}", _ids(listed), expected)


@registry_check
async def processes_are_listed_by_definition(bench: RegistryBench) -> None:
    """``list_processes`` leaves out what runs another definition than the filter asks for."""
    await bench.register("p1")
    for process_id, name in (("p2", "order"), ("p3", "invoice")):
        asked = attrs.evolve(PLAIN, id=process_id, input=ProcessInput.function(name))
        await bench.registry.register_process(asked)
    listed = await bench.registry.list_processes(ProcessListFilter(definition="order"))
    expect("the ids that run 'order'", _ids(listed), ["p2"])


@registry_check
async def processes_are_listed_by_waiting(bench: RegistryBench) -> None:
    """``list_processes`` tells apart what waits and what does not, where the filter asks."""
    await bench.register("p1", "p2")
    kind = EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1)
    await bench.registry.set_process_wait("p2", WaitState(kind=kind, since_ms=0))
    for waiting, ids in ((None, ["p1", "p2"]), (True, ["p2"]), (False, ["p1"])):
        listed = await bench.registry.list_processes(ProcessListFilter(waiting=waiting))
        expect(f"the ids with waiting={waiting}", _ids(listed), ids)


@registry_check
async def the_work_list_is_what_has_not_ended(bench: RegistryBench) -> None:
    """``list_non_terminal`` has every process that has not ended, ordered by id."""
    await bench.register("p3", "p2", "p1")
    await bench.end("p2")
    expect("the ids", _ids(await bench.registry.list_non_terminal()), ["p1", "p3"])


@registry_check
async def a_row_tells_its_times(bench: RegistryBench) -> None:
    """A row keeps the time of its registration and tells that of its last event."""
    await bench.register()
    before = await bench.row()
    bench.advance_ms(7)
    (event,) = await bench.signals(1)
    after = await bench.row()
    expect("created_at_ms after an event", after.created_at_ms, before.created_at_ms)
    expect("updated_at_ms after an event", after.updated_at_ms, event.occurred_at_ms)
    expect("updated_at_ms of a new row", before.updated_at_ms, before.created_at_ms)


@registry_check
async def an_external_reference_is_kept(bench: RegistryBench) -> None:
    """``set_external_ref`` writes the reference into the row, in place of one before."""
    await bench.register("p1", "p2")
    for number in ("1", "2"):
        metadata: dict[str, JsonValue] = {"queue": "q"}
        reference = ProcessExternalRef(backend="jobs", id=number, metadata=metadata)
        row = await bench.registry.set_external_ref("p1", reference)
        expect("the reference of the returned row", row.external_ref, reference)
        metadata["queue"] = "changed afterwards"
        expected = ProcessExternalRef(backend="jobs", id=number, metadata={"queue": "q"})
        expect("the reference of the row", (await bench.row()).external_ref, expected)
    expect("the reference of another process", (await bench.row("p2")).external_ref, None)
    expect("the log", await bench.log(), [])


CHECKS = (
    an_unknown_process_has_no_row,
    processes_are_listed_by_id,
    processes_are_listed_by_status,
    processes_are_listed_by_definition,
    processes_are_listed_by_waiting,
    the_work_list_is_what_has_not_ended,
    a_row_tells_its_times,
    an_external_reference_is_kept,
)
