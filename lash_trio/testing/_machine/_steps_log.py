"""Steps that register processes and write to their rows and logs."""

from __future__ import annotations

import attrs

from ...abc import ProcessRegistry
from ...model import JsonValue, ProcessExternalRef, ProcessHandleDescriptor, ProcessStartGrant
from ._meaning import OUTPUTS as OUTPUTS_ON_WIRE
from ._model import Asked, ModelRegistry
from ._step import CallStep, LeaseTable, fence_for, fence_in_model
from ._vocabulary import OUTPUTS, REGISTRATIONS, SESSIONS, WAITS, append_request


@attrs.frozen(repr=False)
class Register(CallStep):
    """Register a process in one of some ways, perhaps with a grant."""

    process: str
    how: str = "plain"
    grant: str | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        grant = None
        if self.grant is not None:
            descriptor = ProcessHandleDescriptor(label="start")
            grant = ProcessStartGrant(session_scope=SESSIONS[self.grant], descriptor=descriptor)
        return await registry.register_process(REGISTRATIONS[self.how](self.process), grant)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        grant = None if self.grant is None else (self.grant, "start")
        return model.register(self.process, self.how, grant)


@attrs.frozen(repr=False)
class Append(CallStep):
    """Append an event, perhaps under a replay key, perhaps fenced by a lease."""

    process: str
    type: str
    payload: JsonValue = None
    key: str | None = None
    fence: int | None = None
    wake: str | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        asked = append_request(self.type, self.payload, self.key, self.wake)
        return await registry.append_event(
            self.process, asked, fence_for(self.process, self.fence, leases)
        )

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        asked = Asked(self.type, self.payload, self.key, self.wake)
        return model.append(self.process, asked, fence_in_model(self.process, self.fence, leases))


@attrs.frozen(repr=False)
class Complete(CallStep):
    """End a process that nobody runs."""

    process: str
    how: str = "success"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.complete_process(self.process, OUTPUTS[self.how])

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.complete(self.process, *OUTPUTS_ON_WIRE[self.how])


@attrs.frozen(repr=False)
class SetExternalRef(CallStep):
    """Note which work outside stands for a process."""

    process: str
    reference: str = "job-1"

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        reference = ProcessExternalRef(backend="outside", id=self.reference)
        return await registry.set_external_ref(self.process, reference)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.set_external(self.process, self.reference)


@attrs.frozen(repr=False)
class SetWait(CallStep):
    """Note what a process waits for."""

    process: str
    wait: str = "w1"
    fence: int | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        fence = fence_for(self.process, self.fence, leases)
        return await registry.set_process_wait(self.process, WAITS[self.wait], fence)

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.set_wait(
            self.process, self.wait, fence_in_model(self.process, self.fence, leases)
        )


@attrs.frozen(repr=False)
class ClearWait(CallStep):
    """Note that it waits no longer."""

    process: str
    fence: int | None = None

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        return await registry.clear_process_wait(
            self.process, fence_for(self.process, self.fence, leases)
        )

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        return model.clear_wait(self.process, fence_in_model(self.process, self.fence, leases))


@attrs.frozen(repr=False)
class AckWake(CallStep):
    """Acknowledge a wake event."""

    process: str
    number: int

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        await registry.ack_wake(self.process, self.number)
        return None

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        model.acknowledge(self.process, self.number)
        return None
