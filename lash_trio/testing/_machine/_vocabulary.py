"""What programs say to a registry: names, and the requests that stand behind them.

The model knows the same names, and works out for itself what they mean; see
:mod:`._meaning`.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...model import (
    EventIdentityDedupe,
    EventWait,
    JsonValue,
    PreparedToolCall,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWakeSpec,
    Replay,
    SelectorDedupe,
    SessionScope,
    SleepWait,
    WaitState,
)

PROCESSES = ("p1", "p2", "p3")
STRANGER = "nobody"
"""A process that is never registered."""

NOTE = "note"
SIGNAL = "signal.go"
WAKE = "job.wake"
DIGEST = "job.digest"
OVER = "job.over"
BROKEN = "job.broken"
UNDECLARED = "job.unknown"

SESSIONS: dict[str, SessionScope] = {
    "s1": SessionScope(session_id="s1"),
    "s1/f1": SessionScope(session_id="s1", agent_frame_id="f1"),
    "s2": SessionScope(session_id="s2"),
}
"""Session scopes by the short names that programs use."""


def _event_types() -> tuple[ProcessEventType, ...]:
    pointer = ProcessValueSelector.pointer
    return (
        ProcessEventType(name=NOTE),
        ProcessEventType(
            name=SIGNAL,
            payload_schema={
                "type": "object",
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
            },
        ),
        ProcessEventType(
            name=WAKE,
            semantics=ProcessEventSemanticsSpec(
                wake=ProcessWakeSpec(
                    input=pointer("/text"),
                    when=ProcessValueSelector.present("/urgent"),
                    dedupe_key=EventIdentityDedupe(),
                )
            ),
        ),
        ProcessEventType(
            name=DIGEST,
            semantics=ProcessEventSemanticsSpec(
                wake=ProcessWakeSpec(
                    input=ProcessValueSelector.template(
                        "news of {topic}", {"topic": pointer("/topic")}
                    ),
                    dedupe_key=SelectorDedupe(selector=pointer("/topic")),
                )
            ),
        ),
        ProcessEventType(
            name=OVER,
            semantics=ProcessEventSemanticsSpec(
                terminal=ProcessTerminalSpec(state=ProcessTerminalState.COMPLETED)
            ),
        ),
        ProcessEventType(
            name=BROKEN,
            semantics=ProcessEventSemanticsSpec(
                terminal=ProcessTerminalSpec(
                    state=ProcessTerminalState.FAILED, await_output=pointer("/why")
                )
            ),
        ),
    )


_HOST = ProcessProvenance.host("profile")


def _registration(process_id: str) -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external({"job": 1}),
        event_types=_event_types(),
        provenance=_HOST,
    )


def _waking(process_id: str) -> ProcessRegistration:
    return attrs.evolve(
        _registration(process_id),
        input=ProcessInput.function("order", {"sku": "x"}),
        provenance=ProcessProvenance.session(SESSIONS["s2"], "profile"),
        env_ref="env-1",
        wake_target=SESSIONS["s1"],
    )


def _with_environment(process_id: str) -> ProcessRegistration:
    return attrs.evolve(_registration(process_id), env_ref="env-1")


def _without_environment(process_id: str) -> ProcessRegistration:
    call = PreparedToolCall(call_id="c1", tool_name="t", args={})
    return attrs.evolve(_registration(process_id), input=ProcessInput.tool_call(call))


def _declared_twice(process_id: str) -> ProcessRegistration:
    note = ProcessEventType(name=NOTE)
    return attrs.evolve(_registration(process_id), event_types=(note, note))


def _without_output(process_id: str) -> ProcessRegistration:
    spec = ProcessTerminalSpec(state=ProcessTerminalState.FAILED)
    broken = ProcessEventType(name=BROKEN, semantics=ProcessEventSemanticsSpec(terminal=spec))
    return attrs.evolve(_registration(process_id), event_types=(broken,))


def _of_blank_profile(process_id: str) -> ProcessRegistration:
    return attrs.evolve(_registration(process_id), provenance=ProcessProvenance.host(" "))


REGISTRATIONS: dict[str, Callable[[str], ProcessRegistration]] = {
    "plain": _registration,
    "waking": _waking,
    "environment of an external": _with_environment,
    "tool call without environment": _without_environment,
    "type declared twice": _declared_twice,
    "failure without output": _without_output,
    "blank profile": _of_blank_profile,
}
"""Ways to register a process, by name."""

OUTPUTS: dict[str, ProcessAwaitOutput] = {
    "success": ProcessAwaitOutput.success(7),
    "failure": ProcessAwaitOutput.failure("broken", "it broke"),
    "cancelled": ProcessAwaitOutput.cancelled("not needed"),
}
"""Ways to end, by the tag on the wire."""

WAITS: dict[str, WaitState] = {
    "w1": WaitState(kind=SleepWait(key="w1", due_at_ms=5_000), since_ms=1),
    "w2": WaitState(
        kind=EventWait(key="w2", process_id="p2", event_type=SIGNAL, ordinal=2), since_ms=2
    ),
}
"""What a process may say it waits for, by the key of the wait."""


def append_request(
    event_type: str, payload: JsonValue, key: str | None, wake: str | None = None
) -> ProcessEventAppendRequest:
    """An append.

    Args:
        event_type: of which type.
        payload: with what.
        key: the replay key, or None.
        wake: the short name of the session to wake in place of the process's target.
    """
    return ProcessEventAppendRequest(
        event_type=event_type,
        payload=payload,
        replay=None if key is None else Replay(key=key),
        wake_target_scope=None if wake is None else SESSIONS[wake],
    )
