"""Sessions as processes see them: scopes, grants, deletion."""

from __future__ import annotations

import attrs

from ._checks import at_least, tuple_of


@attrs.frozen(kw_only=True)
class SessionScope:
    """A session, or one agent frame of it."""

    session_id: str
    agent_frame_id: str | None = None

    @property
    def id(self) -> str:
        """``session:<session>`` or ``session:<session>/frame:<frame>``."""
        if self.agent_frame_id:
            return f"session:{self.session_id}/frame:{self.agent_frame_id}"
        return f"session:{self.session_id}"


@attrs.frozen(kw_only=True)
class ProcessHandleDescriptor:
    """How a session shows a process."""

    kind: str | None = None
    label: str | None = None


@attrs.frozen(kw_only=True)
class ProcessHandleGrant:
    """Makes a process visible to a session scope."""

    session_scope: SessionScope
    process_id: str
    descriptor: ProcessHandleDescriptor = attrs.field(factory=ProcessHandleDescriptor)


@attrs.frozen(kw_only=True)
class ProcessStartGrant:
    """The grant that is given together with a start."""

    session_scope: SessionScope
    descriptor: ProcessHandleDescriptor = attrs.field(factory=ProcessHandleDescriptor)


@attrs.frozen(kw_only=True)
class ProcessSessionDeleteReport:
    """What the deletion of a session did to processes; it cancels none.

    Args:
        session_id: the deleted session.
        revoked_handle_count: how many grants were revoked.
        revoked_process_ids: the processes of those grants, sorted.
        orphaned_process_ids: those of them that have not ended and that no session
            sees any more, sorted.
        preserved_process_ids: those that another session still sees, sorted.
    """

    session_id: str
    revoked_handle_count: int = attrs.field(default=0, validator=at_least(0))
    revoked_process_ids: tuple[str, ...] = attrs.field(default=(), validator=tuple_of(str))
    orphaned_process_ids: tuple[str, ...] = attrs.field(default=(), validator=tuple_of(str))
    preserved_process_ids: tuple[str, ...] = attrs.field(default=(), validator=tuple_of(str))
