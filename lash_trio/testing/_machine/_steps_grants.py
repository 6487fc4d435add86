"""Steps about who sees a process, and about who runs it."""

from __future__ import annotations

import attrs

from ...abc import ProcessRegistry
from ...model import JsonValue, ProcessHandleDescriptor, ProcessLeaseCompletion
from ._model import Asked, ModelRegistry
from ._step import CallStep, LeaseTable
from ._vocabulary import SESSIONS, append_request


@attrs.frozen(repr=False)
class GrantHandle(CallStep):
    """Make a process visible to a session."""

    scope: str
    process: str
    label: str = "a job"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        descriptor = ProcessHandleDescriptor(label=self.label)
        return await registry.grant_handle(SESSIONS[self.scope], self.process, descriptor)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.grant(self.scope, self.process, self.label)


@attrs.frozen(repr=False)
class RevokeHandle(CallStep):
    """Make it invisible there."""

    scope: str
    process: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.revoke_handle(SESSIONS[self.scope], self.process)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        model.revoke(self.scope, self.process)
        return None


@attrs.frozen(repr=False)
class TransferHandles(CallStep):
    """Move grants between sessions, all or none."""

    source: str
    target: str
    processes: tuple[str, ...]

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.transfer_handle_grants(
            SESSIONS[self.source], SESSIONS[self.target], self.processes
        )
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        model.transfer(self.source, self.target, self.processes)
        return None


@attrs.frozen(repr=False)
class DeleteSession(CallStep):
    """Revoke all that a session sees."""

    session: str

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.delete_session_process_state(self.session)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.delete_session(self.session)


@attrs.frozen(repr=False)
class Claim(CallStep):
    """Claim the lease of a process."""

    process: str
    owner: str = "w1"
    ttl_ms: int = 1_000

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.claim_process_lease(self.process, self.owner, self.ttl_ms)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.claim(self.process, self.owner, self.ttl_ms)


@attrs.frozen(repr=False)
class Renew(CallStep):
    """Renew a lease; stale ones are lost."""

    lease: int
    ttl_ms: int = 1_000

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.renew_process_lease(leases.get(self.lease), self.ttl_ms)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.renew(leases.fence(self.lease), self.ttl_ms)


@attrs.frozen(repr=False)
class Release(CallStep):
    """Give a lease back, stale or not."""

    lease: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        completion = ProcessLeaseCompletion.of(leases.get(self.lease))
        await registry.complete_process_lease(completion)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        model.release(leases.fence(self.lease))
        return None


_SUCCESS: JsonValue = {"await_output": {"type": "success", "value": 7}}


@attrs.frozen(repr=False)
class CompleteLeased(CallStep):
    """Write the end of a process and give its lease back, at once."""

    lease: int
    type: str = "process.completed"
    payload: JsonValue = attrs.field(default=_SUCCESS)
    key: str = "end"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        asked = append_request(self.type, self.payload, self.key)
        return await registry.complete_leased_process(leases.get(self.lease), asked)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        asked = Asked(self.type, self.payload, self.key)
        return model.complete_leased(leases.fence(self.lease), asked)
