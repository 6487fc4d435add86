"""What a step of a program is: one call of a registry, and what the model makes of it."""

from __future__ import annotations

import attrs

from ...abc import ProcessRegistry
from ...model import ProcessLease
from ._brief import Brief
from ._model import Fence, ModelRegistry
from ._vocabulary import PROCESSES

FORGED = -1
"""The fencing token that stands in the model for a lease that nobody ever claimed."""


class LeaseTable:
    """The leases that a program has claimed, by the number of the claim."""

    def __init__(self) -> None:
        self.claimed: list[ProcessLease] = []

    def get(self, number: int) -> ProcessLease:
        """A lease; -1 is the newest, numbers beyond the last begin again, and one is always there."""
        if self.claimed:
            return self.claimed[number % len(self.claimed)]
        return ProcessLease(
            process_id=PROCESSES[number % len(PROCESSES)],
            owner_id="w1",
            lease_token="never claimed",
            fencing_token=1,
            claimed_at_epoch_ms=0,
            expires_at_epoch_ms=2**53,
        )

    def optional(self, number: int | None) -> ProcessLease | None:
        """The lease of a number, or None where there is none."""
        return None if number is None else self.get(number)

    def fence(self, number: int) -> Fence:
        """A lease as the model knows it."""
        lease = self.get(number)
        known = any(lease is claimed for claimed in self.claimed)
        return Fence(lease.process_id, lease.fencing_token if known else FORGED)

    def optional_fence(self, number: int | None) -> Fence | None:
        """The lease of a number as the model knows it, or None where there is none."""
        return None if number is None else self.fence(number)


@attrs.frozen(repr=False)
class CallStep(Brief):
    """One call of a registry."""

    async def call(self, registry: ProcessRegistry, leases: LeaseTable) -> object:
        """Make the call."""
        raise NotImplementedError

    def expect(self, model: ModelRegistry, leases: LeaseTable) -> object:
        """Do the same to the model; what it returns is what must be seen.

        Raises:
            Refused: the registry has to refuse it.
        """
        raise NotImplementedError


def fence_for(process: str, fence: int | None, leases: LeaseTable) -> ProcessLease | None:
    """The lease to write under: of the process that is written, as every writer's is."""
    lease = leases.optional(fence)
    if lease is None or lease.process_id == process:
        return lease
    return attrs.evolve(lease, process_id=process)


def fence_in_model(process: str, fence: int | None, leases: LeaseTable) -> Fence | None:
    known = leases.optional_fence(fence)
    if known is None or known.process == process:
        return known
    return Fence(process, FORGED)
