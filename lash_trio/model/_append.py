"""The rules of appending an event.  Pure: the store does the reading and writing.

Source: ``prepare_process_event_append`` around the seed.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import attrs

from ._await_output import ProcessAwaitOutput
from ._converter import to_json
from ._errors import PluginError, PluginReason, WireError
from ._event import (
    PLAIN_SEMANTICS,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSemantics,
    ProcessTerminalSemantics,
    ProcessWake,
    ProcessWakeDelivery,
)
from ._event_type import (
    CANCEL_REQUESTED,
    CANCELLED,
    COMPLETED,
    FAILED,
    ProcessEventType,
    ProcessTerminalState,
)
from ._invocation import CausalRef, Replay
from ._json import JsonValue, copy_json, dump_checked, json_hash, text_hash
from ._materialize import materialize_semantics
from ._process import TERMINAL_STATUS, ProcessStatus
from ._schema import PayloadCheck, compile_schema
from ._session import SessionScope


class DeclaredType:
    """A declared event type, ready to check payloads.

    Args:
        event_type: as it was declared.
    """

    __slots__ = ("_check", "_compiled", "event_type", "is_plain", "needs_replay_key")

    def __init__(self, event_type: ProcessEventType) -> None:
        self.event_type: ProcessEventType = event_type
        self.needs_replay_key: bool = (
            event_type.semantics.terminal is not None or event_type.name == CANCEL_REQUESTED
        )
        # Most events are plain: any payload, no key needed, no meaning beyond the log.
        self.is_plain: bool = (
            not event_type.payload_schema
            and not self.needs_replay_key
            and event_type.semantics.wake is None
        )
        self._compiled = not event_type.payload_schema
        self._check: PayloadCheck | None = None

    def fault(self, payload: JsonValue) -> str | None:
        """What is wrong with a payload, or None."""
        if not self._compiled:
            self._check = compile_schema(self.event_type.payload_schema)
            self._compiled = True
        return None if self._check is None else self._check(payload)


class AppendTarget(Protocol):
    """What the rules must know of the process that gets the event."""

    @property
    def id(self) -> str: ...
    @property
    def declared(self) -> dict[str, DeclaredType]: ...
    @property
    def is_terminal(self) -> bool: ...
    @property
    def wake_target(self) -> SessionScope | None: ...
    @property
    def caused_by(self) -> CausalRef | None: ...


@attrs.frozen(kw_only=True)
class RecordedEvent:
    """What a store has under a replay key."""

    content_hash: str
    event: ProcessEvent


# A tuple, since one is made on every append.
class PreparedAppend(NamedTuple):
    """What a store has to write.

    Args:
        event: the event.
        status: the new status, where the event ends the process.
        wake_delivery: the wake it causes, if it does.
        content_hash: what to keep under the replay key, if there is one.
        replayed: nothing is to be written, the event is there already.
    """

    event: ProcessEvent
    status: ProcessStatus | None = None
    wake_delivery: ProcessWakeDelivery | None = None
    content_hash: str | None = None
    replayed: bool = False


def prepare_append(
    target: AppendTarget,
    request: ProcessEventAppendRequest,
    recorded: RecordedEvent | None,
    sequence: int,
    now_ms: int,
) -> PreparedAppend:
    """Decide what an append does.

    Args:
        target: the process.
        request: what is to be appended.
        recorded: what the store has under the request's replay key.
        sequence: the number the event gets if it is new.
        now_ms: the time it gets then, in milliseconds since the epoch.

    Raises:
        PluginError: reasons ``event_replay_conflict``, ``undeclared_event_type``,
            ``event_replay_required``, ``invalid_payload``, ``process_terminal``,
            ``invalid_selector``; checked in this order.  A payload that is no JSON
            is ``invalid_payload`` before all others, since it cannot be compared; an
            await output of another end than the type's is one after all others.
    """
    try:
        payload = copy_json(request.payload)
    except WireError as error:
        raise PluginError(
            PluginReason.INVALID_PAYLOAD,
            f"the payload of {request.event_type!r} for process {target.id!r} "
            f"is no JSON: {error.message}",
        ) from error
    content_hash = None
    if request.replay is not None and request.replay.key:
        content_hash = text_hash(dump_checked([request.event_type, payload]))
        if recorded is not None:
            return _replayed(target, request, recorded, content_hash)
    declared = target.declared.get(request.event_type)
    if declared is None:
        raise PluginError(
            PluginReason.UNDECLARED_EVENT_TYPE,
            f"process {target.id!r} declares no event type {request.event_type!r}; "
            f"it declares {', '.join(sorted(target.declared))}",
        )
    semantics = (
        PLAIN_SEMANTICS
        if declared.is_plain
        else _checked_semantics(target, request, declared, payload, content_hash, sequence)
    )
    event = ProcessEvent(
        process_id=target.id,
        sequence=sequence,
        event_type=request.event_type,
        payload=payload,
        semantics=semantics,
        occurred_at_ms=now_ms,
        replay=request.replay,
    )
    if semantics is PLAIN_SEMANTICS:
        # By position: naming the fields would cost a third of the tuple.
        return PreparedAppend(event, None, None, content_hash)
    return PreparedAppend(
        event=event,
        status=None if semantics.terminal is None else _status(semantics.terminal),
        wake_delivery=_wake_delivery(target, request, event),
        content_hash=content_hash,
    )


def _checked_semantics(
    target: AppendTarget,
    request: ProcessEventAppendRequest,
    declared: DeclaredType,
    payload: JsonValue,
    content_hash: str | None,
    sequence: int,
) -> ProcessEventSemantics:
    if declared.needs_replay_key and content_hash is None:
        raise PluginError(
            PluginReason.REPLAY_REQUIRED,
            f"an event {request.event_type!r} of process {target.id!r} needs a replay key, "
            "so that asking twice is asking once",
        )
    fault = declared.fault(payload)
    if fault is not None:
        raise PluginError(
            PluginReason.INVALID_PAYLOAD,
            f"the payload of {request.event_type!r} for process {target.id!r} "
            f"does not fit its schema {fault}",
        )
    spec = declared.event_type.semantics
    if spec.terminal is not None and target.is_terminal:
        raise PluginError(
            PluginReason.PROCESS_TERMINAL,
            f"process {target.id!r} has already ended; {request.event_type!r} would end it again",
        )
    return materialize_semantics(target.id, sequence, payload, spec)


def terminal_event(
    process_id: str, await_output: ProcessAwaitOutput, notes: dict[str, JsonValue] | None = None
) -> ProcessEventAppendRequest:
    """The event that ends a process with an await output.

    Args:
        process_id: the process.
        await_output: its end.
        notes: more fields of the payload, beside ``await_output``.
    """
    names = {
        ProcessTerminalState.COMPLETED: COMPLETED,
        ProcessTerminalState.FAILED: FAILED,
        ProcessTerminalState.CANCELLED: CANCELLED,
    }
    return ProcessEventAppendRequest(
        event_type=names[await_output.terminal_state],
        payload={**(notes or {}), "await_output": to_json(await_output)},
        replay=Replay(key=f"process:{process_id}:terminal"),
    )


def _replayed(
    target: AppendTarget,
    request: ProcessEventAppendRequest,
    recorded: RecordedEvent,
    content_hash: str,
) -> PreparedAppend:
    if recorded.content_hash != content_hash:
        raise PluginError(
            PluginReason.REPLAY_CONFLICT,
            f"process {target.id!r} has event {recorded.event.sequence} "
            f"({recorded.event.event_type!r}) under the replay key "
            f"{'' if request.replay is None else request.replay.key!r}, with other content than "
            f"this {request.event_type!r}; use one key for one content",
        )
    return PreparedAppend(
        event=recorded.event,
        wake_delivery=_wake_delivery(target, request, recorded.event),
        content_hash=content_hash,
        replayed=True,
    )


def _status(terminal: ProcessTerminalSemantics) -> ProcessStatus:
    return TERMINAL_STATUS[terminal.state](await_output=terminal.await_output)


def _wake_delivery(
    target: AppendTarget, request: ProcessEventAppendRequest, event: ProcessEvent
) -> ProcessWakeDelivery | None:
    wake: ProcessWake | None = event.semantics.wake
    scope = request.wake_target_scope or target.wake_target
    if wake is None or scope is None:
        return None
    return ProcessWakeDelivery(
        wake_id=f"wake:{json_hash([scope.id, wake.dedupe_key])}",
        target_session_id=scope.session_id,
        target_scope_id=scope.id,
        process_id=event.process_id,
        sequence=event.sequence,
        event_type=event.event_type,
        dedupe_key=wake.dedupe_key,
        input=wake.input,
        process_caused_by=target.caused_by,
        created_at_ms=event.occurred_at_ms,
    )
