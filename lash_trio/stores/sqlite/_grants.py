"""Grants, as functions on a connection."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...model import (
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    ProcessSessionDeleteReport,
    SessionScope,
    delete_report,
    dumps,
    grants_to_transfer,
    loads,
)
from ._sql import SqlConnection, SqlValue

_SELECT = (
    "SELECT g.session_id, g.agent_frame_id, p.id, g.descriptor"
    " FROM grants g JOIN processes p ON p.number = g.process WHERE "
)


def put(connection: SqlConnection, number: int, grant: ProcessHandleGrant) -> None:
    """Add or change a grant."""
    scope = grant.session_scope
    connection.execute(
        "INSERT INTO grants (scope_id, process, session_id, agent_frame_id, descriptor)"
        " VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (scope_id, process) DO UPDATE SET descriptor = excluded.descriptor",
        (scope.id, number, scope.session_id, scope.agent_frame_id, dumps(grant.descriptor)),
    )


def remove(connection: SqlConnection, scope: SessionScope, number: int) -> None:
    """Remove a grant, if it is there."""
    connection.execute("DELETE FROM grants WHERE scope_id = ? AND process = ?", (scope.id, number))


def transfer(
    connection: SqlConnection,
    source: SessionScope,
    target: SessionScope,
    process_ids: Sequence[str],
) -> None:
    """Move grants, all or none.

    Raises:
        PluginError: reason ``unknown_grant``.
    """
    held = {grant.process_id: grant for grant in of_scope(connection, source)}
    for grant in grants_to_transfer(held, source, target, process_ids):
        ((number,),) = connection.execute(
            "SELECT number FROM processes WHERE id = ?", (grant.process_id,)
        )
        remove(connection, source, number)
        put(connection, number, attrs.evolve(grant, session_scope=target))


def of_scope(connection: SqlConnection, scope: SessionScope) -> list[ProcessHandleGrant]:
    """The grants of a scope, ordered by process id."""
    return _select(connection, "g.scope_id = ? ORDER BY p.id", scope.id)


def of_process(connection: SqlConnection, number: int) -> list[ProcessHandleGrant]:
    """The grants of a process, ordered by scope id."""
    return _select(connection, "g.process = ? ORDER BY g.scope_id", number)


def revoke_session(connection: SqlConnection, session_id: str) -> ProcessSessionDeleteReport:
    """Remove all grants of a session and its frames."""
    revoked = _select(connection, "g.session_id = ?", session_id)
    connection.execute("DELETE FROM grants WHERE session_id = ?", (session_id,))
    still_granted: set[str] = set()
    running: set[str] = set()
    for process_id in {grant.process_id for grant in revoked}:
        ((state, others),) = connection.execute(
            "SELECT state, exists(SELECT 1 FROM grants WHERE process = number)"
            " FROM processes WHERE id = ?",
            (process_id,),
        )
        if others:
            still_granted.add(process_id)
        if state == "running":
            running.add(process_id)
    return delete_report(session_id, revoked, still_granted, running)


def _select(connection: SqlConnection, where: str, *values: SqlValue) -> list[ProcessHandleGrant]:
    return [
        ProcessHandleGrant(
            session_scope=SessionScope(session_id=session_id, agent_frame_id=agent_frame_id),
            process_id=process_id,
            descriptor=loads(ProcessHandleDescriptor, descriptor),
        )
        for session_id, agent_frame_id, process_id, descriptor in connection.execute(
            _SELECT + where, values
        )
    ]
