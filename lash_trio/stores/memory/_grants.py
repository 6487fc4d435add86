"""Which session scope sees which process, in memory."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...model import (
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    SessionScope,
    grants_to_transfer,
)


class GrantTable:
    """Grants by process and scope id, indexed from both sides."""

    def __init__(self) -> None:
        self._by_scope: dict[str, dict[str, ProcessHandleGrant]] = {}
        self._by_process: dict[str, dict[str, ProcessHandleGrant]] = {}

    def __len__(self) -> int:
        return sum(len(grants) for grants in self._by_scope.values())

    def grant(
        self, scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        """Add or change a grant."""
        grant = ProcessHandleGrant(
            session_scope=scope, process_id=process_id, descriptor=descriptor
        )
        self._put(grant)
        return grant

    def revoke(self, scope: SessionScope, process_id: str) -> None:
        """Remove a grant, if it is there."""
        grants = self._by_scope.get(scope.id, {})
        if process_id in grants:
            self._remove(grants[process_id])

    def transfer(
        self, source: SessionScope, target: SessionScope, process_ids: Sequence[str]
    ) -> None:
        """Move grants, all or none.

        Raises:
            PluginError: reason ``unknown_grant``; nothing has moved.
        """
        held = self._by_scope.get(source.id, {})
        for grant in grants_to_transfer(held, source, target, process_ids):
            self._remove(grant)
            self._put(attrs.evolve(grant, session_scope=target))

    def of_scope(self, scope: SessionScope) -> list[ProcessHandleGrant]:
        """The grants of a scope, ordered by process id."""
        return [grant for _, grant in sorted(self._by_scope.get(scope.id, {}).items())]

    def of_process(self, process_id: str) -> list[ProcessHandleGrant]:
        """The grants of a process, ordered by scope id."""
        return [grant for _, grant in sorted(self._by_process.get(process_id, {}).items())]

    def has(self, scope: SessionScope, process_id: str) -> bool:
        """Whether a scope sees a process."""
        return process_id in self._by_scope.get(scope.id, {})

    def revoke_session(self, session_id: str) -> list[ProcessHandleGrant]:
        """Remove all grants of a session and its frames; returns them."""
        revoked = [
            grant
            for grants in self._by_scope.values()
            for grant in grants.values()
            if grant.session_scope.session_id == session_id
        ]
        for grant in revoked:
            self._remove(grant)
        return revoked

    def _put(self, grant: ProcessHandleGrant) -> None:
        scope_id = grant.session_scope.id
        self._by_scope.setdefault(scope_id, {})[grant.process_id] = grant
        self._by_process.setdefault(grant.process_id, {})[scope_id] = grant

    def _remove(self, grant: ProcessHandleGrant) -> None:
        scope_id = grant.session_scope.id
        for table, key, other in (
            (self._by_scope, scope_id, grant.process_id),
            (self._by_process, grant.process_id, scope_id),
        ):
            del table[key][other]
            if not table[key]:
                del table[key]
