"""Invocations: who asked for what, caused by what, replayed under which key.

Source: ``RuntimeInvocation``, ``-Scope``, ``-Subject`` and ``-Replay`` of the seed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import attrs


class EffectKind(StrEnum):
    """The kinds of effect."""

    LLM_CALL = "llm_call"
    DIRECT = "direct"
    TOOL_CALL = "tool_call"
    PROCESS = "process"
    EXEC_CODE = "exec_code"
    CHECKPOINT = "checkpoint"
    SYNC_EXECUTION_SURFACE = "sync_execution_surface"
    SLEEP = "sleep"
    AWAIT_EVENT = "await_event"
    DURABLE_STEP = "durable_step"


@attrs.frozen(kw_only=True)
class InvocationScope:
    """Where in the runtime an invocation happens."""

    session_id: str
    turn_id: str | None = None
    turn_index: int | None = None
    protocol_iteration: int | None = None

    @staticmethod
    def for_turn(
        session_id: str, turn_id: str, turn_index: int, protocol_iteration: int
    ) -> InvocationScope:
        """The scope of one protocol iteration of one turn."""
        return InvocationScope(
            session_id=session_id,
            turn_id=turn_id,
            turn_index=turn_index,
            protocol_iteration=protocol_iteration,
        )


@attrs.frozen(kw_only=True)
class Replay:
    """The key under which a result is recorded and found again."""

    key: str


class Subject:
    """What an invocation is about."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class EffectSubject(Subject):
    """An effect."""

    tag: ClassVar[str] = "effect"
    effect_id: str
    kind: EffectKind


@attrs.frozen(kw_only=True)
class ProcessSubject(Subject):
    """A process."""

    tag: ClassVar[str] = "process"
    process_id: str


@attrs.frozen(kw_only=True)
class ProcessEventSubject(Subject):
    """An event of a process."""

    tag: ClassVar[str] = "process_event"
    process_id: str
    sequence: int
    event_type: str


@attrs.frozen(kw_only=True)
class HostEventSubject(Subject):
    """An occurrence that the host reported."""

    tag: ClassVar[str] = "host_event"
    occurrence_id: str


@attrs.frozen(kw_only=True)
class SessionNodeSubject(Subject):
    """A node of a session's history."""

    tag: ClassVar[str] = "session_node"
    node_id: str


class CausalRef:
    """What caused an invocation or a process."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]


@attrs.frozen(kw_only=True)
class TurnCausalRef(CausalRef):
    """Caused by a turn."""

    tag: ClassVar[str] = "turn"
    session_id: str
    turn_id: str


@attrs.frozen(kw_only=True)
class EffectCausalRef(CausalRef):
    """Caused by an effect."""

    tag: ClassVar[str] = "effect"
    session_id: str
    turn_id: str | None = None
    effect_id: str


@attrs.frozen(kw_only=True)
class ToolCallCausalRef(CausalRef):
    """Caused by a tool call."""

    tag: ClassVar[str] = "tool_call"
    session_id: str
    call_id: str


@attrs.frozen(kw_only=True)
class ProcessCausalRef(CausalRef):
    """Caused by a process."""

    tag: ClassVar[str] = "process"
    process_id: str


@attrs.frozen(kw_only=True)
class ProcessEventCausalRef(CausalRef):
    """Caused by an event of a process."""

    tag: ClassVar[str] = "process_event"
    process_id: str
    sequence: int


@attrs.frozen(kw_only=True)
class HostEventCausalRef(CausalRef):
    """Caused by an occurrence that the host reported."""

    tag: ClassVar[str] = "host_event"
    occurrence_id: str


@attrs.frozen(kw_only=True)
class SessionNodeCausalRef(CausalRef):
    """Caused by a node of a session's history."""

    tag: ClassVar[str] = "session_node"
    session_id: str
    node_id: str


@attrs.frozen(kw_only=True)
class Invocation:
    """The lineage of one call into the runtime.

    Args:
        scope: where it happens.
        subject: what it is about.
        caused_by: what caused it, if known.
        replay: the key that makes it repeatable, if it has one.
    """

    scope: InvocationScope
    subject: Subject
    caused_by: CausalRef | None = None
    replay: Replay | None = None

    @staticmethod
    def effect(
        scope: InvocationScope,
        effect_id: str,
        kind: EffectKind,
        replay_key: str,
        caused_by: CausalRef | None = None,
    ) -> Invocation:
        """An invocation of an effect under a replay key."""
        return Invocation(
            scope=scope,
            subject=EffectSubject(effect_id=effect_id, kind=kind),
            caused_by=caused_by,
            replay=Replay(key=replay_key),
        )

    @property
    def effect_id(self) -> str | None:
        """The effect's id, or None where the subject is no effect."""
        return self.subject.effect_id if isinstance(self.subject, EffectSubject) else None

    @property
    def effect_kind(self) -> EffectKind | None:
        """The effect's kind, or None where the subject is no effect."""
        return self.subject.kind if isinstance(self.subject, EffectSubject) else None

    @property
    def replay_key(self) -> str | None:
        """The replay key, or None."""
        return None if self.replay is None else self.replay.key

    @property
    def causal_ref(self) -> CausalRef:
        """The reference by which this invocation is named as a cause."""
        match self.subject:
            case EffectSubject(effect_id=effect_id):
                return EffectCausalRef(
                    session_id=self.scope.session_id,
                    turn_id=self.scope.turn_id,
                    effect_id=effect_id,
                )
            case ProcessSubject(process_id=process_id):
                return ProcessCausalRef(process_id=process_id)
            case ProcessEventSubject(process_id=process_id, sequence=sequence):
                return ProcessEventCausalRef(process_id=process_id, sequence=sequence)
            case HostEventSubject(occurrence_id=occurrence_id):
                return HostEventCausalRef(occurrence_id=occurrence_id)
            case SessionNodeSubject(node_id=node_id):
                return SessionNodeCausalRef(session_id=self.scope.session_id, node_id=node_id)
            case _:
                raise TypeError(f"no causal reference for the subject {self.subject!r}")

    def child_effect(self, effect_id: str, kind: EffectKind, replay_suffix: str) -> Invocation:
        """The invocation of an effect that this one causes.

        Args:
            effect_id: the child's id.
            kind: the child's kind.
            replay_suffix: what tells this child from its siblings.

        Returns:
            An invocation in the same scope, caused by this one, whose replay key is
            this one's key, a colon, and the suffix; where this one has no key, its
            effect id stands for it.
        """
        base = self.replay_key or self._base_id
        return Invocation.effect(
            self.scope, effect_id, kind, f"{base}:{replay_suffix}", caused_by=self.causal_ref
        )

    def child_tool_call(self, call_id: str) -> Invocation:
        """The invocation of one tool call that this effect asks for."""
        return self.child_effect(f"{self._base_id}:{call_id}", EffectKind.TOOL_CALL, call_id)

    def retry_sleep(self, name: str, attempt: int) -> Invocation:
        """The invocation of the pause before attempt number ``attempt`` of ``name``."""
        suffix = f"{name}:attempt:{attempt}:sleep"
        return self.child_effect(f"{self._base_id}:{suffix}", EffectKind.SLEEP, suffix)

    @property
    def _base_id(self) -> str:
        """What the ids of children begin with; never blank, whatever the subject is."""
        return self.effect_id or "effect"
