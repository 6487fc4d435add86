"""Rules of appending events: numbers, refusals, and their order."""

from __future__ import annotations

import math

from ...model import (
    CANCEL_REQUESTED,
    COMPLETED,
    JsonValue,
    PluginReason,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessTerminalSpec,
    ProcessTerminalState,
    Replay,
)
from ._registry_bench import (
    OTHER,
    SIGNAL,
    RegistryBench,
    declaring,
    registry_check,
    request,
    signal,
)
from ._rules import expect, expect_refused, expect_that

_NUMBERED = ProcessEventType(
    name=SIGNAL, payload_schema={"type": "object", "properties": {"n": {"type": "integer"}}}
)
_OVER = ProcessEventType(
    name="job.over",
    payload_schema={"type": "object"},
    semantics=ProcessEventSemanticsSpec(
        terminal=ProcessTerminalSpec(state=ProcessTerminalState.COMPLETED)
    ),
)


async def _refused(
    bench: RegistryBench, what: str, reason: PluginReason, asked: ProcessEventAppendRequest
) -> None:
    """Refused, with the log and the row as they were."""
    log, row = await bench.log(), await bench.row()
    await expect_refused(what, reason, bench.registry.append_event("p1", asked))
    expect(f"the log after {what}", await bench.log(), log)
    expect(f"the row after {what}", await bench.row(), row)


@registry_check
async def events_are_numbered_without_gaps(bench: RegistryBench) -> None:
    """Events have the numbers 1, 2, 3... of their log; what is refused or replayed takes none."""
    await bench.register()
    appends = (signal(1), signal(2, "k"), signal(2, "k"), request(OTHER), signal(3))
    numbers: list[int] = []
    for asked in appends:
        await expect_refused(
            "an undeclared type",
            PluginReason.UNDECLARED_EVENT_TYPE,
            bench.registry.append_event("p1", request("no.such")),
        )
        numbers.append((await bench.registry.append_event("p1", asked)).event.sequence)
    expect("the numbers that append_event returned", numbers, [1, 2, 2, 3, 4])
    expect("the numbers in the log", [e.sequence for e in await bench.log()], [1, 2, 3, 4])


@registry_check
async def processes_have_logs_of_their_own(bench: RegistryBench) -> None:
    """Numbers, events and replay keys of one process are not those of another."""
    await bench.register("p1", "p2")
    await bench.signals(1, 2, process_id="p1")
    first = await bench.registry.append_event("p1", signal(3, "k"))
    other = await bench.registry.append_event("p2", signal(9, "k"))
    expect("the number in the log of 'p1'", first.event.sequence, 3)
    expect("the number in the log of 'p2'", other.event.sequence, 1)
    expect("the log of 'p2'", await bench.log("p2"), [other.event])


@registry_check
async def an_event_says_what_was_appended(bench: RegistryBench) -> None:
    """An event has the process, type, payload and replay key of its append, and the time."""
    await bench.register()
    created = (await bench.row()).created_at_ms
    bench.advance_ms(9)
    payload: JsonValue = {"text": "grüße", "list": [1, 2.5, None, True], "big": 2**70}
    appended = await bench.registry.append_event("p1", request(SIGNAL, payload, "k"))
    event = appended.event
    expect("the process of the event", event.process_id, "p1")
    expect("the type of the event", event.event_type, SIGNAL)
    expect("the payload of the event", event.payload, payload)
    expect("the replay key of the event", event.replay, Replay(key="k"))
    elapsed = event.occurred_at_ms - created
    # A clock that also runs by itself may have gone further.
    expect_that(elapsed >= 9, f"expected the event 9 ms after the registration, got {elapsed} ms")
    expect("the log", await bench.log(), [event])


@registry_check
async def the_log_keeps_its_own_payload(bench: RegistryBench) -> None:
    """Changing the payload of a request after the append does not change the log."""
    await bench.register()
    inner: list[JsonValue] = [1]
    payload: dict[str, JsonValue] = {"inner": inner}
    await bench.registry.append_event("p1", request(SIGNAL, payload))
    payload["more"] = True
    inner.append(2)
    expect("the payload in the log", (await bench.log())[0].payload, {"inner": [1]})


@registry_check
async def an_undeclared_type_is_refused(bench: RegistryBench) -> None:
    """An event of a type that the process does not declare is refused."""
    await bench.register()
    reason = PluginReason.UNDECLARED_EVENT_TYPE
    await _refused(bench, "an undeclared type", reason, request("no.such", {}, "k"))


@registry_check
async def an_end_needs_a_replay_key(bench: RegistryBench) -> None:
    """A terminal event without a replay key, or with an empty one, is refused."""
    await bench.register()
    payload: JsonValue = {"await_output": {"type": "success", "value": 1}}
    for key in (None, ""):
        asked = request(COMPLETED, payload, key)
        what = f"an end under the replay key {key!r}"
        await _refused(bench, what, PluginReason.REPLAY_REQUIRED, asked)


@registry_check
async def a_cancel_request_needs_a_replay_key(bench: RegistryBench) -> None:
    """A ``process.cancel_requested`` without a replay key, or with an empty one, is refused."""
    await bench.register()
    for key in (None, ""):
        asked = request(CANCEL_REQUESTED, {"reason": "r"}, key)
        what = f"a cancel request under the replay key {key!r}"
        await _refused(bench, what, PluginReason.REPLAY_REQUIRED, asked)


@registry_check
async def a_payload_must_fit_its_schema(bench: RegistryBench) -> None:
    """A payload that the JSON Schema of its type does not admit is refused."""
    await bench.registry.register_process(declaring(_NUMBERED))
    asked = request(SIGNAL, {"n": "one"})
    await _refused(bench, "a payload against its schema", PluginReason.INVALID_PAYLOAD, asked)
    appended = await bench.registry.append_event("p1", signal(1))
    expect("the number of a payload that fits", appended.event.sequence, 1)


@registry_check
async def a_payload_must_be_json(bench: RegistryBench) -> None:
    """A payload that JSON cannot say is refused."""
    await bench.register()
    asked = request(SIGNAL, {"n": math.inf})
    await _refused(bench, "a payload with an infinity", PluginReason.INVALID_PAYLOAD, asked)


@registry_check
async def a_process_ends_once(bench: RegistryBench) -> None:
    """A terminal event on a process that has ended is refused."""
    await bench.register()
    await bench.end()
    asked = request(COMPLETED, {"await_output": {"type": "success", "value": 2}}, "again")
    await _refused(bench, "a second end", PluginReason.PROCESS_TERMINAL, asked)


@registry_check
async def events_may_follow_the_end(bench: RegistryBench) -> None:
    """An event that is not terminal may still be appended after the end, and changes no status."""
    await bench.register()
    await bench.end()
    status = (await bench.row()).status
    (event,) = await bench.signals(1)
    expect("the number of an event after the end", event.sequence, 2)
    expect("the status after it", (await bench.row()).status, status)
    listed = await bench.registry.list_non_terminal()
    expect("list_non_terminal after it", listed, [])


@registry_check
async def the_process_is_looked_up_first(bench: RegistryBench) -> None:
    """An append to an unknown process is refused as such, whatever else is wrong with it."""
    await expect_refused(
        "an append to 'nobody'",
        PluginReason.UNKNOWN_PROCESS,
        bench.registry.append_event("nobody", request("no.such", {}, "k")),
    )


@registry_check
async def a_replay_key_comes_before_the_type(bench: RegistryBench) -> None:
    """A known key with an undeclared type is a conflict: the key is looked up first."""
    await bench.register()
    await bench.registry.append_event("p1", signal(1, "k"))
    asked = request("no.such", {"n": 1}, "k")
    await _refused(bench, "a known key with a type", PluginReason.REPLAY_CONFLICT, asked)


@registry_check
async def a_replay_key_comes_before_the_payload(bench: RegistryBench) -> None:
    """A known key with a payload against the schema is a conflict: the key is looked up first."""
    await bench.registry.register_process(declaring(_NUMBERED))
    await bench.registry.append_event("p1", signal(1, "k"))
    asked = request(SIGNAL, {"n": "one"}, "k")
    await _refused(bench, "a known key with a payload", PluginReason.REPLAY_CONFLICT, asked)


@registry_check
async def a_replay_key_comes_before_the_end(bench: RegistryBench) -> None:
    """The event that ended a process, appended again under its key, is returned."""
    await bench.register()
    ended = await bench.end()
    again = await bench.end()
    expect("the event of the repeated end", again.event, ended.event)
    expect("the log", await bench.log(), [ended.event])


@registry_check
async def a_missing_key_comes_before_the_payload(bench: RegistryBench) -> None:
    """A terminal event without key is refused for that, also where its payload is wrong."""
    await bench.registry.register_process(declaring(_OVER))
    asked = request("job.over", "no object")
    await _refused(bench, "an end without key", PluginReason.REPLAY_REQUIRED, asked)


@registry_check
async def a_missing_key_comes_before_the_end(bench: RegistryBench) -> None:
    """A second terminal event without key is refused for the key."""
    await bench.registry.register_process(declaring(_OVER))
    await bench.end()
    asked = request("job.over", {})
    await _refused(bench, "a second end without key", PluginReason.REPLAY_REQUIRED, asked)


@registry_check
async def the_payload_comes_before_the_end(bench: RegistryBench) -> None:
    """A second terminal event with a payload against its schema is refused for the payload."""
    await bench.registry.register_process(declaring(_OVER))
    await bench.end()
    asked = request("job.over", "no object", "k")
    await _refused(bench, "a second end", PluginReason.INVALID_PAYLOAD, asked)


@registry_check
async def the_end_comes_before_the_selectors(bench: RegistryBench) -> None:
    """A second terminal event without await output is refused for the end."""
    await bench.register()
    await bench.end()
    asked = request(COMPLETED, {}, "k")
    await _refused(bench, "a second end", PluginReason.PROCESS_TERMINAL, asked)


CHECKS = (
    events_are_numbered_without_gaps,
    processes_have_logs_of_their_own,
    an_event_says_what_was_appended,
    the_log_keeps_its_own_payload,
    an_undeclared_type_is_refused,
    an_end_needs_a_replay_key,
    a_cancel_request_needs_a_replay_key,
    a_payload_must_fit_its_schema,
    a_payload_must_be_json,
    a_process_ends_once,
    events_may_follow_the_end,
    the_process_is_looked_up_first,
    a_replay_key_comes_before_the_type,
    a_replay_key_comes_before_the_payload,
    a_replay_key_comes_before_the_end,
    a_missing_key_comes_before_the_payload,
    a_missing_key_comes_before_the_end,
    the_payload_comes_before_the_end,
    the_end_comes_before_the_selectors,
)
