"""Processes: what is registered, and the row that is kept.

Source: the process model around the seed.
"""

# A frozen field is a property that can only be read.
# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

import attrs

from ._await_output import ProcessAwaitOutput
from ._checks import at_least, instance_of, is_object, optional, tuple_of
from ._event_type import ProcessEventType, ProcessTerminalState
from ._invocation import CausalRef, Invocation
from ._json import JsonObject, JsonValue, empty_object
from ._session import SessionScope
from ._tool import PreparedToolCall


class ProcessInput:
    """What a process is to run."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]

    @staticmethod
    def tool_call(call: PreparedToolCall) -> ToolCallInput:
        """One tool call; needs an environment reference."""
        return ToolCallInput(call=call)

    @staticmethod
    def function(name: str, args: JsonObject | None = None) -> FunctionInput:
        """A registered definition, by name, with JSON arguments."""
        return FunctionInput(name=name, args={} if args is None else args)

    @staticmethod
    def session_turn(create_request: JsonValue, turn_input: JsonValue) -> SessionTurnInput:
        """One turn of a session."""
        return SessionTurnInput(create_request=create_request, turn_input=turn_input)

    @staticmethod
    def external(metadata: JsonValue = None) -> ExternalInput:
        """Work that something else does; it is followed here, never run."""
        return ExternalInput(metadata=metadata)


@attrs.frozen(kw_only=True)
class ToolCallInput(ProcessInput):
    """One tool call."""

    tag: ClassVar[str] = "tool_call"
    call: PreparedToolCall


class RerunDisposition(StrEnum):
    """Whether a process whose owner is gone may be run again by another."""

    RERUNNABLE = "rerunnable"
    OWNER_BOUND = "owner_bound"
    """Never: it ends as abandoned."""
    EXTERNAL = "external"
    """No worker runs it at all."""


@attrs.frozen(kw_only=True)
class FunctionInput(ProcessInput):
    """A registered definition with JSON arguments; the seed's compiled process."""

    tag: ClassVar[str] = "function"
    name: str = attrs.field(validator=instance_of(str))
    args: JsonObject = attrs.field(factory=empty_object, validator=is_object)
    rerun: RerunDisposition = attrs.field(
        default=RerunDisposition.RERUNNABLE, metadata={"omit_default": True}
    )


@attrs.frozen(kw_only=True)
class SessionTurnInput(ProcessInput):
    """One turn of a session."""

    tag: ClassVar[str] = "session_turn"
    create_request: JsonValue
    turn_input: JsonValue
    output_contract: JsonValue = None


@attrs.frozen(kw_only=True)
class ExternalInput(ProcessInput):
    """Work that something else does."""

    tag: ClassVar[str] = "external"
    metadata: JsonValue = None


class ProcessOriginator:
    """Who started a process."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class HostOriginator(ProcessOriginator):
    """The host itself."""

    tag: ClassVar[str] = "host"


@attrs.frozen(kw_only=True)
class SessionOriginator(ProcessOriginator):
    """A session."""

    tag: ClassVar[str] = "session"
    scope: SessionScope = attrs.field(validator=instance_of(SessionScope))


@attrs.frozen(kw_only=True)
class ProcessProvenance:
    """Where a process comes from.

    Args:
        originator: who started it.
        host_profile_id: the configuration of the host that accepted it; not blank.
        caused_by: what caused it, if known.
    """

    originator: ProcessOriginator = attrs.field(validator=instance_of(ProcessOriginator))
    host_profile_id: str = attrs.field(validator=instance_of(str))
    caused_by: CausalRef | None = None

    @staticmethod
    def host(host_profile_id: str, caused_by: CausalRef | None = None) -> ProcessProvenance:
        """Started by the host."""
        return ProcessProvenance(
            originator=HostOriginator(), host_profile_id=host_profile_id, caused_by=caused_by
        )

    @staticmethod
    def session(
        scope: SessionScope, host_profile_id: str, caused_by: CausalRef | None = None
    ) -> ProcessProvenance:
        """Started by a session."""
        return ProcessProvenance(
            originator=SessionOriginator(scope=scope),
            host_profile_id=host_profile_id,
            caused_by=caused_by,
        )


def _event_types(declared: Iterable[ProcessEventType]) -> tuple[ProcessEventType, ...]:
    return tuple(declared)


@attrs.frozen(kw_only=True)
class ProcessExecutionContext:
    """What only the run of a process needs to know; kept in no row."""

    causal_invocation: Invocation | None = None


@attrs.frozen(kw_only=True)
class ProcessRegistration:
    """What is asked for when a process is started.

    Args:
        id: the process id; not blank.
        input: what it runs.
        event_types: what may stand in its log, beside the core types.
        provenance: where it comes from.
        env_ref: the captured execution environment, where the input needs one.
        wake_target: the session that its wake events wake.
    """

    id: str = attrs.field(validator=instance_of(str))
    input: ProcessInput = attrs.field(validator=instance_of(ProcessInput))
    event_types: tuple[ProcessEventType, ...] = attrs.field(
        default=(), converter=_event_types, validator=tuple_of(ProcessEventType)
    )
    provenance: ProcessProvenance = attrs.field(validator=instance_of(ProcessProvenance))
    env_ref: str | None = attrs.field(default=None, validator=optional(instance_of(str)))
    wake_target: SessionScope | None = attrs.field(
        default=None, validator=optional(instance_of(SessionScope))
    )


class ProcessStatus:
    """Whether a process runs, or how it ended."""

    __slots__ = ()
    tag_name: ClassVar[str] = "state"
    tag: ClassVar[str]

    @property
    def label(self) -> str:
        """``running``, ``completed``, ``failed`` or ``cancelled``."""
        return self.tag

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.await_output is not None

    @property
    def terminal_state(self) -> ProcessTerminalState | None:
        """How it ended, or None."""
        return ProcessTerminalState(self.tag) if self.is_terminal else None

    @property
    def await_output(self) -> ProcessAwaitOutput | None:
        """What who awaits it gets, or None while it runs."""
        return None


@attrs.frozen(kw_only=True)
class ProcessRunning(ProcessStatus):
    """It has not ended."""

    tag: ClassVar[str] = "running"


@attrs.frozen(kw_only=True)
class ProcessCompleted(ProcessStatus):
    """It completed."""

    tag: ClassVar[str] = "completed"
    await_output: ProcessAwaitOutput


@attrs.frozen(kw_only=True)
class ProcessFailed(ProcessStatus):
    """It failed."""

    tag: ClassVar[str] = "failed"
    await_output: ProcessAwaitOutput


@attrs.frozen(kw_only=True)
class ProcessCancelled(ProcessStatus):
    """It was cancelled."""

    tag: ClassVar[str] = "cancelled"
    await_output: ProcessAwaitOutput


TERMINAL_STATUS: dict[
    ProcessTerminalState, type[ProcessCompleted | ProcessFailed | ProcessCancelled]
] = {
    ProcessTerminalState.COMPLETED: ProcessCompleted,
    ProcessTerminalState.FAILED: ProcessFailed,
    ProcessTerminalState.CANCELLED: ProcessCancelled,
}
"""The status class of each terminal state."""


class WaitKind:
    """What a process waits for.

    Every kind has a ``key``: that of the effect that waits; blank where none does.
    """

    __slots__ = ()
    tag_name: ClassVar[str] = "kind"
    tag: ClassVar[str]

    @property
    def key(self) -> str:
        """The replay key of the effect that waits."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class SignalWait(WaitKind):
    """The next signal of a name, until it is due where it has a timeout."""

    tag: ClassVar[str] = "signal"
    key: str
    name: str
    event_type: str
    ordinal: int = attrs.field(validator=at_least(1))
    due_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class EventWait(WaitKind):
    """An event of any process, until it is due where it has a timeout."""

    tag: ClassVar[str] = "event"
    key: str
    process_id: str
    event_type: str
    ordinal: int = attrs.field(validator=at_least(1))
    due_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class SleepWait(WaitKind):
    """A time."""

    tag: ClassVar[str] = "sleep"
    key: str
    due_at_ms: int


@attrs.frozen(kw_only=True)
class ProcessEndWait(WaitKind):
    """The end of another process."""

    tag: ClassVar[str] = "process"
    key: str
    process_id: str


@attrs.frozen(kw_only=True)
class OperatorWait(WaitKind):
    """Somebody who repairs what the process stumbled over; the seed has no such kind.

    Args:
        code: of the error that it stumbled over.
        message: which effect, what is wrong with it, and what to do.
    """

    tag: ClassVar[str] = "operator"
    code: str
    message: str

    @property
    def key(self) -> str:
        """Blank: no effect waits."""
        return ""


@attrs.frozen(kw_only=True)
class WaitState:
    """What a process waits for, and since when.

    Args:
        kind: what for.
        since_ms: since when, in milliseconds since the epoch.
        sole: nothing else keeps the process busy, so nobody need run it before this
            is there; False where that is not known.
    """

    kind: WaitKind = attrs.field(validator=instance_of(WaitKind))
    since_ms: int
    sole: bool = attrs.field(default=False, metadata={"omit_default": True})


@attrs.frozen(kw_only=True)
class ProcessExternalRef:
    """Names work that a backend outside has accepted."""

    backend: str
    id: str
    metadata: JsonValue = None


@attrs.frozen(kw_only=True)
class ProcessRecord:
    """The durable row of a process.

    Times are milliseconds since the epoch; the other fields are as in
    :class:`ProcessRegistration`, core event types included.
    """

    id: str
    registration_hash: str
    input: ProcessInput
    event_types: tuple[ProcessEventType, ...] = attrs.field(default=(), converter=_event_types)
    provenance: ProcessProvenance
    env_ref: str | None = None
    wake_target: SessionScope | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0
    external_ref: ProcessExternalRef | None = None
    wait: WaitState | None = None
    status: ProcessStatus = attrs.field(factory=ProcessRunning)

    @property
    def is_terminal(self) -> bool:
        """Whether the process has ended."""
        return self.status.is_terminal


class ProcessListMode(StrEnum):
    """Which granted processes are listed."""

    LIVE = "live"
    ALL = "all"


class ProcessStatusFilter(StrEnum):
    """Which status a listed process must have."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ANY = "any"


@attrs.frozen(kw_only=True)
class ProcessListFilter:
    """Which processes are listed.

    Args:
        status: the status they must have.
        definition: the name of the definition they must run; any where None.
        waiting: whether they must (or must not) be waiting; either where None.
    """

    status: ProcessStatusFilter = ProcessStatusFilter.RUNNING
    definition: str | None = None
    waiting: bool | None = None

    def matches(self, record: ProcessRecord) -> bool:
        """Whether a process passes."""
        if self.status is not ProcessStatusFilter.ANY and record.status.label != self.status:
            return False
        if self.definition is not None and not (
            isinstance(record.input, FunctionInput) and record.input.name == self.definition
        ):
            return False
        return self.waiting is None or (record.wait is not None) == self.waiting
