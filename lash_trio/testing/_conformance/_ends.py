"""Rules of ends: what ends a process, and what its row and its waiters are told."""

from __future__ import annotations

import attrs

from ...model import (
    CANCELLED,
    COMPLETED,
    FAILED,
    EventWait,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCancelled,
    ProcessCompleted,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessFailed,
    ProcessStatus,
    ProcessTerminalSemantics,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    WaitState,
    to_json,
)
from ._registry_bench import (
    DONE,
    PLAIN,
    SIGNAL,
    RegistryBench,
    declaring,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused

_FAILURE = ProcessAwaitOutput.failure("broken", "it broke", raw={"line": 3})
_CANCELLATION = ProcessAwaitOutput.cancelled("not needed")
_ENDS: dict[str, tuple[str, ProcessAwaitOutput, ProcessStatus]] = {
    "p1": (COMPLETED, DONE, ProcessCompleted(await_output=DONE)),
    "p2": (FAILED, _FAILURE, ProcessFailed(await_output=_FAILURE)),
    "p3": (CANCELLED, _CANCELLATION, ProcessCancelled(await_output=_CANCELLATION)),
}
_WAIT = WaitState(
    kind=EventWait(key="k", process_id="p1", event_type=SIGNAL, ordinal=1), since_ms=0
)


def _over(
    state: ProcessTerminalState, await_output: ProcessValueSelector | None
) -> ProcessEventType:
    spec = ProcessTerminalSpec(state=state, await_output=await_output)
    return ProcessEventType(name="job.over", semantics=ProcessEventSemanticsSpec(terminal=spec))


@registry_check
async def a_terminal_event_ends_the_process(bench: RegistryBench) -> None:
    """``process.completed``, ``-.failed`` and ``-.cancelled`` set the status, with the await output."""
    await bench.register(*_ENDS)
    for process_id, (event_type, output, status) in _ENDS.items():
        asked = request(event_type, {"await_output": to_json(output)}, "end")
        event = (await bench.registry.append_event(process_id, asked)).event
        expect(f"the status after {event_type}", (await bench.row(process_id)).status, status)
        meaning = ProcessTerminalSemantics(state=output.terminal_state, await_output=output)
        expect(f"the terminal semantics of {event_type}", event.semantics.terminal, meaning)


@registry_check
async def other_events_end_nothing(bench: RegistryBench) -> None:
    """An event whose type is not terminal leaves the process running."""
    await bench.register()
    await bench.signals(1)
    expect("the status after a signal", (await bench.row()).status.label, "running")


@registry_check
async def a_declared_type_may_end_the_process(bench: RegistryBench) -> None:
    """A declared terminal type ends the process with the await output that its selector finds."""
    selector = ProcessValueSelector.pointer("/why")
    await bench.registry.register_process(
        declaring(_over(ProcessTerminalState.CANCELLED, selector))
    )
    await bench.registry.append_event("p1", request("job.over", {"why": "too late"}, "end"))
    output = ProcessAwaitOutput.cancelled("too late", raw="too late")
    expect("the status", (await bench.row()).status, ProcessCancelled(await_output=output))


@registry_check
async def a_completed_type_may_take_its_payload(bench: RegistryBench) -> None:
    """A type that completes without an await output takes its payload as the value."""
    await bench.registry.register_process(declaring(_over(ProcessTerminalState.COMPLETED, None)))
    await bench.registry.append_event("p1", request("job.over", {"sum": 3}, "end"))
    output = ProcessAwaitOutput.success({"sum": 3})
    expect("the status", (await bench.row()).status, ProcessCompleted(await_output=output))


@registry_check
async def an_end_must_have_what_its_selector_wants(bench: RegistryBench) -> None:
    """A terminal event in whose payload the selector finds nothing is refused."""
    await bench.register()
    await expect_refused(
        "an end without /await_output",
        PluginReason.INVALID_SELECTOR,
        bench.registry.append_event("p1", request(COMPLETED, {"value": 1}, "end")),
    )
    expect("the log", await bench.log(), [])
    expect("the status", (await bench.row()).status.label, "running")


@registry_check
async def an_output_must_fit_its_end(bench: RegistryBench) -> None:
    """A terminal event whose await output tells of another end than its type is refused."""
    await bench.register()
    payload: JsonValue = {"await_output": to_json(_FAILURE)}
    await expect_refused(
        "a completion with the await output of a failure",
        PluginReason.INVALID_PAYLOAD,
        bench.registry.append_event("p1", request(COMPLETED, payload, "end")),
    )
    expect("the log", await bench.log(), [])
    expect("the status", (await bench.row()).status.label, "running")


@registry_check
async def the_end_clears_the_wait(bench: RegistryBench) -> None:
    """A process that has ended waits for nothing, in whatever way it ended."""
    await bench.register("p1", "p2")
    for process_id in ("p1", "p2"):
        await bench.registry.set_process_wait(process_id, _WAIT)
    await bench.end("p1")
    completed = await bench.registry.complete_process("p2", DONE)
    expect("the wait after a terminal event", (await bench.row("p1")).wait, None)
    expect("the wait that complete_process returns", completed.wait, None)
    expect("the wait after complete_process", (await bench.row("p2")).wait, None)


@registry_check
async def complete_process_ends_it(bench: RegistryBench) -> None:
    """``complete_process`` appends the terminal event of the output and returns the ended row."""
    await bench.register(*_ENDS)
    for process_id, (event_type, output, status) in _ENDS.items():
        row = await bench.registry.complete_process(process_id, output)
        expect("the status of the returned row", row.status, status)
        expect("the status of the row", (await bench.row(process_id)).status, status)
        (event,) = await bench.log(process_id)
        expect("the type of the event", event.event_type, event_type)
        payload: JsonValue = {"await_output": to_json(output)}
        expect("the payload of the event", event.payload, payload)


@registry_check
async def complete_process_may_be_repeated(bench: RegistryBench) -> None:
    """Completing with the same output again is no change; with another output it is refused."""
    await bench.register()
    await bench.registry.complete_process("p1", DONE)
    row = await bench.row()
    expect("the row", await bench.registry.complete_process("p1", DONE), row)
    try:
        changed = await bench.registry.complete_process("p1", _FAILURE)
    except PluginError:
        pass
    else:
        raise AssertionError(f"expected another end to be refused, got {changed!r}")
    expect("the row after a refused end", await bench.row(), row)
    expect("the length of the log", len(await bench.log()), 1)


@registry_check
async def an_ended_process_is_not_completed(bench: RegistryBench) -> None:
    """``complete_process`` refuses a process that another terminal event has ended."""
    over = _over(ProcessTerminalState.COMPLETED, None)
    asked = attrs.evolve(PLAIN, event_types=(*PLAIN.event_types, over))
    await bench.registry.register_process(asked)
    await bench.registry.append_event("p1", request("job.over", {"sum": 3}, "end"))
    row = await bench.row()
    await expect_refused(
        "the completion of a process that has ended",
        PluginReason.PROCESS_TERMINAL,
        bench.registry.complete_process("p1", DONE),
    )
    expect("the row", await bench.row(), row)
    appended = await bench.registry.append_event("p1", signal(1))
    expect("the number of the next event", appended.event.sequence, 2)


CHECKS = (
    a_terminal_event_ends_the_process,
    other_events_end_nothing,
    a_declared_type_may_end_the_process,
    a_completed_type_may_take_its_payload,
    an_end_must_have_what_its_selector_wants,
    an_output_must_fit_its_end,
    the_end_clears_the_wait,
    complete_process_ends_it,
    complete_process_may_be_repeated,
    an_ended_process_is_not_completed,
)
