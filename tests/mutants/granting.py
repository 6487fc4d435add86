"""Registries that grant, transfer or delete wrongly."""

from collections.abc import Sequence

import attrs
import trio

from lash_trio import (
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessGrantEntry,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    ProcessRecord,
    ProcessSessionDeleteReport,
    SessionScope,
)

from .base import Faulty


class ListsRowsAsGranted(Faulty):
    """Lists a process as it was when it was granted."""

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return [
            attrs.evolve(entry, record=self._as_granted(entry.record))
            for entry in await super().list_handle_grants(session_scope)
        ]

    def _as_granted(self, row: ProcessRecord) -> ProcessRecord:
        return self._registered.setdefault(row.id, row)

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        self._registered = {process_id: self._log(process_id).record}
        return await super().grant_handle(session_scope, process_id, descriptor)

    _registered: dict[str, ProcessRecord] = {}  # noqa: RUF012


class ListsInOrderOfGranting(Faulty):
    """Lists the oldest grant first."""

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        entries = await super().list_handle_grants(session_scope)
        order = list(self._grants._by_scope.get(session_scope.id, {}))
        return sorted(entries, key=lambda entry: order.index(entry.grant.process_id))


class KeepsTheFirstDescriptor(Faulty):
    """Ignores another descriptor for a process that is granted."""

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        first = self._grants._by_scope.get(session_scope.id, {}).get(process_id)
        return first or await super().grant_handle(session_scope, process_id, descriptor)


class GrantsToTheWholeSession(Faulty):
    """Ignores the frame of a grant."""

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        whole = attrs.evolve(session_scope, agent_frame_id=None)
        return await super().grant_handle(whole, process_id, descriptor)


class SeesForEveryScope(Faulty):
    """Takes the grant of another scope for one's own."""

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        return bool(await self.handle_grants_for_process(process_id))


class RevokesForEverybody(Faulty):
    """Revokes the grants of all scopes."""

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        for grant in await self.handle_grants_for_process(process_id):
            await super().revoke_handle(grant.session_scope, process_id)


class RevokesNothing(Faulty):
    """Keeps a grant that was revoked."""

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        await self.handle_grants_for_process(process_id)


class ListsTheEndedAsLive(Faulty):
    """Lists ended processes as live."""

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        return await self.list_handle_grants(session_scope)


class ListsScopesInOrderOfGranting(Faulty):
    """Lists the scope first that saw the process first."""

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        await super().handle_grants_for_process(process_id)
        return list(self._grants._by_process.get(process_id, {}).values())


class CopiesInsteadOfMoving(Faulty):
    """Leaves the grants at the source of a transfer."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        grants = self._grants.of_scope(from_scope)
        await super().transfer_handle_grants(from_scope, to_scope, process_ids)
        for grant in grants:
            self._grants._put(grant)


class TransfersWhatItCan(Faulty):
    """Moves the grants that are there before it refuses the others."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        for process_id in dict.fromkeys(process_ids):
            self._grants.transfer(from_scope, to_scope, [process_id])


class TransfersHalf(Faulty):
    """Can be cancelled in the middle of a transfer."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        for number in range(len(process_ids) + 1):
            if number == len(process_ids) or process_ids[number] not in process_ids[:number]:
                await super().transfer_handle_grants(
                    from_scope, to_scope, process_ids[number : number + 1]
                )


class CannotTransferTwice(Faulty):
    """Has an error for a process that is named twice."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        if len(set(process_ids)) < len(process_ids):
            raise PluginError(PluginReason.UNKNOWN_GRANT, "it is gone")
        await super().transfer_handle_grants(from_scope, to_scope, process_ids)


class KeepsTheTargetsGrant(Faulty):
    """Drops a moved grant where the target has one."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        kept = [g for g in self._grants.of_scope(to_scope) if g.process_id in process_ids]
        await super().transfer_handle_grants(from_scope, to_scope, process_ids)
        for grant in kept:
            self._grants._put(grant)


class LosesWhatItTransfersToItself(Faulty):
    """Removes a grant after it has put it."""

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        await super().transfer_handle_grants(from_scope, to_scope, process_ids)
        for process_id in process_ids:
            self._grants.revoke(from_scope, process_id)


class LeavesFrames(Faulty):
    """Does not delete what the frames of a session see."""

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        framed = [
            grant
            for grants in self._grants._by_scope.values()
            for grant in grants.values()
            if grant.session_scope.agent_frame_id is not None
        ]
        report = await super().delete_session_process_state(session_id)
        for grant in framed:
            self._grants._put(grant)
        return report


class _ChangedReport(Faulty):
    """Reports another deletion than it made."""

    def change(self, report: ProcessSessionDeleteReport) -> ProcessSessionDeleteReport:
        raise NotImplementedError

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        return self.change(await super().delete_session_process_state(session_id))


class CountsRevokedProcesses(_ChangedReport):
    """Counts processes where grants are to be counted."""

    def change(self, report: ProcessSessionDeleteReport) -> ProcessSessionDeleteReport:
        return attrs.evolve(report, revoked_handle_count=len(report.revoked_process_ids))


class OrphansTheEnded(_ChangedReport):
    """Reports ended processes as orphaned."""

    def change(self, report: ProcessSessionDeleteReport) -> ProcessSessionDeleteReport:
        orphaned = set(report.revoked_process_ids) - set(report.preserved_process_ids)
        return attrs.evolve(report, orphaned_process_ids=tuple(sorted(orphaned)))


class PreservesNothing(_ChangedReport):
    """Does not report what others see."""

    def change(self, report: ProcessSessionDeleteReport) -> ProcessSessionDeleteReport:
        return attrs.evolve(report, preserved_process_ids=())


class CancelsOrphans(Faulty):
    """Ends the processes that nobody sees any more."""

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        report = await super().delete_session_process_state(session_id)
        for process_id in report.orphaned_process_ids:
            await self.complete_process(process_id, ProcessAwaitOutput.cancelled("orphaned"))
        return report


class CannotDeleteNothing(Faulty):
    """Has an error for a session that sees nothing."""

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        report = await super().delete_session_process_state(session_id)
        if not report.revoked_handle_count:
            raise KeyError(session_id)
        return report
