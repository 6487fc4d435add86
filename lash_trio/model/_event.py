"""Events of processes, and requests to append them."""

from __future__ import annotations

import attrs

from ._await_output import ProcessAwaitOutput
from ._event_type import CANCEL_REQUESTED, ProcessTerminalState
from ._invocation import (
    CausalRef,
    Invocation,
    InvocationScope,
    ProcessCausalRef,
    ProcessEventSubject,
    Replay,
)
from ._json import JsonValue, json_hash
from ._session import SessionScope


@attrs.frozen(kw_only=True)
class ProcessTerminalSemantics:
    """The event ended the process."""

    state: ProcessTerminalState
    await_output: ProcessAwaitOutput


@attrs.frozen(kw_only=True)
class ProcessWake:
    """The event wakes the wake target."""

    input: str
    dedupe_key: str


@attrs.frozen(kw_only=True)
class ProcessEventSemantics:
    """What an event turned out to mean."""

    terminal: ProcessTerminalSemantics | None = None
    wake: ProcessWake | None = None


MAX_SEQUENCE = 2**63 - 1
"""More than any event's number: ``count_events_through`` then counts all."""

PLAIN_SEMANTICS = ProcessEventSemantics()
"""Of an event that is in the log and nothing more."""


# A plain __dict__ makes construction a third cheaper than frozen slots do, and
# an event is made on every append.
@attrs.frozen(kw_only=True, slots=False)
class ProcessEvent:
    """One entry of a process's log.

    Args:
        process_id: whose log.
        sequence: its number there; 1, 2, 3... without gaps.
        event_type: one of the declared types.
        payload: plain JSON; shared with other readers, so never change it.
        semantics: what it meant when it was appended.
        occurred_at_ms: when it was appended, in milliseconds since the epoch.
        replay: the key that made its append idempotent, if it had one.
    """

    process_id: str
    sequence: int
    event_type: str
    payload: JsonValue
    semantics: ProcessEventSemantics = PLAIN_SEMANTICS
    occurred_at_ms: int
    replay: Replay | None = None

    @property
    def invocation(self) -> Invocation:
        """The lineage of the event: caused by its process."""
        return Invocation(
            scope=InvocationScope(session_id="runtime"),
            subject=ProcessEventSubject(
                process_id=self.process_id, sequence=self.sequence, event_type=self.event_type
            ),
            caused_by=ProcessCausalRef(process_id=self.process_id),
            replay=self.replay,
        )


@attrs.frozen(kw_only=True)
class ProcessEventAppendRequest:
    """What is to be appended.

    Args:
        event_type: one of the declared types.
        payload: plain JSON.
        replay: makes the append idempotent; terminal events and
            ``process.cancel_requested`` need one.
        wake_target_scope: whom a wake event wakes, in place of the process's target.
    """

    event_type: str
    payload: JsonValue = None
    replay: Replay | None = None
    wake_target_scope: SessionScope | None = None

    def with_replay_key(self, replay_key: str) -> ProcessEventAppendRequest:
        """The same request under a replay key."""
        return attrs.evolve(self, replay=Replay(key=replay_key))

    @staticmethod
    def cancel_requested(process_id: str, reason: str | None) -> ProcessEventAppendRequest:
        """Asks a process to end; the same reason asked twice is one event."""
        payload: JsonValue = {"reason": reason}
        digest = json_hash([CANCEL_REQUESTED, payload])
        return ProcessEventAppendRequest(
            event_type=CANCEL_REQUESTED,
            payload=payload,
            replay=Replay(key=f"process:{process_id}:cancel_requested:{digest}"),
        )


@attrs.frozen(kw_only=True)
class ProcessWakeDelivery:
    """A wake on its way to a session.

    Args:
        wake_id: the same for wakes that are the same (target and dedupe key).
        target_session_id: the session that is woken.
        target_scope_id: the id of its scope.
        process_id: whose event wakes it.
        sequence: the event's number.
        event_type: the event's type.
        dedupe_key: what made it the same wake or another one.
        input: what the session is told.
        process_caused_by: what caused the process, if known.
        created_at_ms: when the event was appended, in milliseconds since the epoch.
    """

    wake_id: str
    target_session_id: str
    target_scope_id: str
    process_id: str
    sequence: int
    event_type: str = "process.wake"
    dedupe_key: str
    input: str
    process_caused_by: CausalRef | None = None
    created_at_ms: int

    @property
    def turn_text(self) -> str:
        """The wake as a turn's context shows it."""
        return (
            f"Background process wake\nProcess: {self.process_id}\n"
            f"Event: {self.event_type} #{self.sequence}\nWake input:\n{self.input}"
        )


@attrs.frozen(kw_only=True)
class ProcessEventAppendResult:
    """What an append did.

    Args:
        event: the appended event, or the first one under this replay key.
        wake_delivery: the wake that the event caused, if it did.
        replayed: whether the event was there already.
    """

    event: ProcessEvent
    wake_delivery: ProcessWakeDelivery | None = None
    replayed: bool = False
