"""Effect scopes: the stable identity of one stretch of work.

Source: ``EffectScope`` of the seed.
"""

# A frozen field is a property that can only be read.
# pyright: reportIncompatibleMethodOverride=false
from __future__ import annotations

from typing import ClassVar

import attrs

from ._errors import EffectError, EffectErrorCode


class EffectScope:
    """What owns a set of effects: a turn, a process, a drain, a deletion, an operation.

    Build one with the factories; match on the subclasses.
    """

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]
    id_names: ClassVar[tuple[str, ...]]

    @staticmethod
    def turn(session_id: str, turn_id: str) -> TurnScope:
        """The scope of one turn of a session."""
        return TurnScope(session_id=session_id, turn_id=turn_id)

    @staticmethod
    def process(process_id: str) -> ProcessScope:
        """The scope of one run of a process."""
        return ProcessScope(process_id=process_id)

    @staticmethod
    def queue_drain(session_id: str, drain_id: str) -> QueueDrainScope:
        """The scope of one drain of a session's queue."""
        return QueueDrainScope(session_id=session_id, drain_id=drain_id)

    @staticmethod
    def session_delete(session_id: str) -> SessionDeleteScope:
        """The scope of the deletion of a session."""
        return SessionDeleteScope(session_id=session_id)

    @staticmethod
    def runtime_operation(operation_id: str) -> RuntimeOperationScope:
        """The scope of any other operation of the runtime."""
        return RuntimeOperationScope(operation_id=operation_id)

    @property
    def id(self) -> str:
        """The turn, process, drain, session or operation id."""
        raise NotImplementedError

    @property
    def session_id(self) -> str | None:
        """The session, or None where the scope has none."""
        return None

    @property
    def turn_id(self) -> str | None:
        """The turn, or None where the scope has none."""
        return None

    @property
    def validates_turn_trace_id(self) -> bool:
        """True for turns alone."""
        return False

    def validate(self) -> None:
        """Refuse a scope in which an id is blank.

        Raises:
            EffectError: code ``missing_effect_scope_id``.
        """
        for name in self.id_names:
            value: object = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise EffectError(
                    EffectErrorCode.MISSING_SCOPE_ID,
                    f"a {self.tag} scope needs a {name} that is not blank, "
                    f"got {value!r}; give every scope a stable id",
                )


@attrs.frozen(kw_only=True)
class TurnScope(EffectScope):
    """One turn of a session."""

    tag: ClassVar[str] = "turn"
    id_names: ClassVar[tuple[str, ...]] = ("session_id", "turn_id")
    session_id: str
    turn_id: str

    @property
    def id(self) -> str:
        """The turn id."""
        return self.turn_id

    @property
    def validates_turn_trace_id(self) -> bool:
        """True: turns have a trace id to check."""
        return True


@attrs.frozen(kw_only=True)
class ProcessScope(EffectScope):
    """One run of a process."""

    tag: ClassVar[str] = "process"
    id_names: ClassVar[tuple[str, ...]] = ("process_id",)
    process_id: str

    @property
    def id(self) -> str:
        """The process id."""
        return self.process_id


@attrs.frozen(kw_only=True)
class QueueDrainScope(EffectScope):
    """One drain of a session's queue of inputs."""

    tag: ClassVar[str] = "queue_drain"
    id_names: ClassVar[tuple[str, ...]] = ("session_id", "drain_id")
    session_id: str
    drain_id: str

    @property
    def id(self) -> str:
        """The drain id."""
        return self.drain_id


@attrs.frozen(kw_only=True)
class SessionDeleteScope(EffectScope):
    """The deletion of a session."""

    tag: ClassVar[str] = "session_delete"
    id_names: ClassVar[tuple[str, ...]] = ("session_id",)
    session_id: str

    @property
    def id(self) -> str:
        """The session id."""
        return self.session_id


@attrs.frozen(kw_only=True)
class RuntimeOperationScope(EffectScope):
    """Any other operation of the runtime."""

    tag: ClassVar[str] = "runtime_operation"
    id_names: ClassVar[tuple[str, ...]] = ("operation_id",)
    operation_id: str

    @property
    def id(self) -> str:
        """The operation id."""
        return self.operation_id
