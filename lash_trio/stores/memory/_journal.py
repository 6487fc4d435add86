"""The effect journal in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy

import attrs
import trio

from ...abc import EffectJournal, ScopeJournal
from ...model import EffectError, EffectErrorCode, EffectScope, JournalEntry


class MemoryEffectJournal(EffectJournal):
    """Keeps what effects returned for as long as it lives itself.

    Scopes can be closed and opened again, which is how tests see a crash.  A scope
    is leased to one opening at a time; the lease does not expire but with it.
    """

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str, str | None], dict[str, JournalEntry]] = {}
        self._owners: dict[tuple[str, str, str | None], _OpenScope] = {}

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        """The journal of a scope; see :meth:`lash_trio.abc.EffectJournal.open_scope`."""
        await trio.lowlevel.checkpoint()
        key = (scope.tag, scope.id, scope.session_id)
        held = self._owners.get(key)
        if held is not None:
            raise EffectError(
                EffectErrorCode.SCOPE_LEASE_HELD,
                f"the {scope.tag} scope {scope.id!r} is open for {held.owner_id!r}, so "
                f"{owner_id!r} cannot open it; it can when that opening is closed",
            )
        opened = _OpenScope(self._scopes.setdefault(key, {}), scope, owner_id)
        self._owners[key] = opened
        try:
            yield opened
        finally:
            opened.close()
            if self._owners.get(key) is opened:
                del self._owners[key]

    def recorded(self, scope: EffectScope) -> Mapping[str, JournalEntry]:
        """What is recorded of a scope, by replay key.  Not a checkpoint."""
        return dict(self._scopes.get((scope.tag, scope.id, scope.session_id), {}))

    def break_leases(self) -> None:
        """Take all open scopes away from their owners, as if their leases had expired."""
        for opened in self._owners.values():
            opened.close()
        self._owners.clear()


class _OpenScope(ScopeJournal):
    def __init__(
        self, recorded: dict[str, JournalEntry], scope: EffectScope, owner_id: str
    ) -> None:
        self._recorded = recorded
        # Copies here and below: whoever gets an outcome may change what is in it.
        self._loaded = deepcopy(recorded)
        self._scope = scope
        self._holds = True
        self.owner_id = owner_id

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._loaded

    def close(self) -> None:
        """Write nothing from now on."""
        self._holds = False

    async def record(self, entry: JournalEntry) -> JournalEntry:
        await trio.lowlevel.checkpoint()
        if not self._holds:
            raise EffectError(
                EffectErrorCode.SCOPE_LEASE_LOST,
                f"{self.owner_id!r} no longer holds the {self._scope.tag} scope "
                f"{self._scope.id!r}, so the outcome of {entry.replay_key!r} was not recorded; "
                "stop, another owner goes on",
            )
        first = self._recorded.get(entry.replay_key)
        if first is not None:
            if first.outcome is not None or entry.outcome is None:
                return deepcopy(first)
            entry = attrs.evolve(entry, due_at_ms=first.due_at_ms)
        self._recorded[entry.replay_key] = deepcopy(entry)
        return entry
