"""Registries that lease, fence or treat cancellation wrongly."""

import attrs
import trio

from lash_trio import (
    PluginError,
    PluginReason,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessRecord,
    SessionScope,
    WaitState,
)
from lash_trio.model import LeaseState, ProcessRunning

from .base import Faulty

FOR_EVER_MS = 10**12


class LeasesForHalfAMinute(Faulty):
    """Ignores the time to live that was asked for."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        return await super().claim_process_lease(
            process_id, owner_id, 30_000 if lease_ttl_ms > 0 else lease_ttl_ms
        )


class StealsLeases(Faulty):
    """Gives another owner what is leased."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        log = self._log(process_id)
        log.lease = attrs.evolve(log.lease, lease=None)
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class LeasesForEver(Faulty):
    """Never lets a lease expire."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        lease = await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)
        log = self._log(process_id)
        log.lease = attrs.evolve(
            log.lease, lease=attrs.evolve(lease, expires_at_epoch_ms=FOR_EVER_MS * 10)
        )
        return lease


class ReturnsTheSameLease(Faulty):
    """Gives the owner of a live lease the same lease again."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        await trio.lowlevel.checkpoint()
        held = self._log(process_id).lease.lease
        if held is not None and held.owner_id == owner_id and held.is_alive(self._clock.now_ms()):
            return held
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class ReusesTokensAfterRelease(Faulty):
    """Begins again with the fencing tokens after a release."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await super().complete_process_lease(completion)
        log = self._log(completion.process_id)
        if log.lease.lease is None:
            log.lease = LeaseState()


class NamesLeasesByOwner(Faulty):
    """Gives every lease of an owner the same token."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        lease = await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)
        lease = attrs.evolve(lease, lease_token=owner_id)
        log = self._log(process_id)
        log.lease = attrs.evolve(log.lease, lease=lease)
        return lease


class NeverReleases(Faulty):
    """Keeps a lease that was given back."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await trio.lowlevel.checkpoint()
        self._log(completion.process_id)


class ReleasesWhoeverHolds(Faulty):
    """Takes a stale release for that of the live lease."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        await trio.lowlevel.checkpoint()
        log = self._log(completion.process_id)
        log.lease = attrs.evolve(log.lease, lease=None)


class CannotReleaseTwice(Faulty):
    """Has an error for a stale release."""

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        if self._log(completion.process_id).lease.lease is None:
            raise PluginError(PluginReason.LEASE_LOST, "it is gone")
        await super().complete_process_lease(completion)


class RenewsInWordsOnly(Faulty):
    """Returns a renewed lease and does not keep it."""

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        state = self._log(lease.process_id).lease
        renewed = await super().renew_process_lease(lease, lease_ttl_ms)
        self._log(lease.process_id).lease = state
        return renewed


class RenewsTheExpired(Faulty):
    """Renews a lease that has expired, or was followed by another."""

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        try:
            return await super().renew_process_lease(lease, lease_ttl_ms)
        except PluginError as error:
            if error.reason != PluginReason.LEASE_LOST:
                raise
            return lease


class LeasesOneOfAll(Faulty):
    """Takes the lease of one process for one of all."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        for log in self._logs.values():
            held = log.lease.lease
            if held is not None and held.owner_id != owner_id and log.id != process_id:
                raise PluginError(PluginReason.LEASE_HELD, f"{log.id} is held")
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class LeasesTheEnded(Faulty):
    """Leases a process that has ended."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        log = self._log(process_id)
        ended = log._record
        log._record = attrs.evolve(ended, status=ProcessRunning())
        try:
            return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)
        finally:
            log._record = ended


class LeasesForNoTime(Faulty):
    """Takes a time to live below a millisecond for one."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        return await super().claim_process_lease(process_id, owner_id, max(lease_ttl_ms, 1))


class LeasesToNobody(Faulty):
    """Leases to a blank owner."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        owner = owner_id if owner_id.strip() else "nobody"
        return await super().claim_process_lease(process_id, owner, lease_ttl_ms)


class FencesByExpiry(Faulty):
    """Refuses the owner whose lease was renewed meanwhile."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        if fence is not None and fence != self._log(process_id).lease.lease:
            raise PluginError(PluginReason.LEASE_LOST, "it is not the same")
        return await super().append_event(process_id, request, fence)


class FencesEverybody(Faulty):
    """Refuses who writes without lease while somebody has one."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        if fence is None and self._log(process_id).lease.lease is not None:
            raise PluginError(PluginReason.LEASE_LOST, "it is leased")
        return await super().append_event(process_id, request, fence)


class AppendsForStaleOwners(Faulty):
    """Does not fence events that do not end the process."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        ends = request.event_type == "process.completed"
        return await super().append_event(process_id, request, fence if ends else None)


class EndsForStaleOwners(Faulty):
    """Does not fence events that end the process."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        ends = request.event_type == "process.completed"
        return await super().append_event(process_id, request, None if ends else fence)


class AppendsBeforeItFences(Faulty):
    """Leaves the event that it refuses to a stale owner."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        try:
            return await super().append_event(process_id, request, fence)
        except PluginError as error:
            if error.reason == PluginReason.LEASE_LOST:
                self.force_append(process_id, request)
            raise


class WaitsForStaleOwners(Faulty):
    """Does not fence waits."""

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await super().set_process_wait(process_id, wait)


class ResumesForStaleOwners(Faulty):
    """Does not fence the end of waits."""

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await super().clear_process_wait(process_id)


class CompletesForStaleOwners(Faulty):
    """Does not fence completions."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await self.append_event(lease.process_id, request)
        await self.complete_process_lease(ProcessLeaseCompletion.of(lease))
        return self._log(lease.process_id).record


class CompletesHalfOfIt(Faulty):
    """Can be cancelled between the end and the release."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await self.complete_process_lease(ProcessLeaseCompletion.of(lease))
        await self.append_event(lease.process_id, request)
        return self._log(lease.process_id).record


class KeepsTheLeaseOfTheEnded(Faulty):
    """Does not release the lease of a completed process."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        await self.append_event(lease.process_id, request, lease)
        return self._log(lease.process_id).record


class ReleasesBeforeItWrites(Faulty):
    """Releases the lease of a completion that it refuses."""

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        try:
            return await super().complete_leased_process(lease, request)
        except PluginError:
            await self.complete_process_lease(ProcessLeaseCompletion.of(lease))
            raise


class RevokesForUnknownProcesses(Faulty):
    """Says nothing where a process is unknown."""

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self._grants.revoke(session_scope, process_id)


class NeverCheckpoints(Faulty):
    """Returns without checkpoint where it need not wait."""

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        log = self._logs.get(process_id)
        return None if log is None else log.record


class ReadsWhenCancelled(Faulty):
    """Does not notice that it is cancelled."""

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        await trio.lowlevel.cancel_shielded_checkpoint()
        log = self._logs.get(process_id)
        return None if log is None else log.record
