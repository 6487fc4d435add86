"""Registries that spare a worker too much."""

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager

import attrs

from lash_trio.abc import ClaimablePage, Tell
from lash_trio.model import ProcessEndWait, WaitKind

from .base import Faulty


class ListsWhatIsSkipped(Faulty):
    """Does not look at what is of no interest."""

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        return await super().list_claimable(owner_id, after=after, limit=limit, parked=parked)


class ListsWhatNobodyEverHeld(Faulty):
    """Leaves out what has a lease, alive or not."""

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        page = await super().list_claimable(owner_id, skip, after=after, limit=limit, parked=parked)
        free = tuple(r for r in page.records if self._log(r.id).lease.lease is None)
        return attrs.evolve(page, records=free)


class IsReadyTooSoon(Faulty):
    """Takes every wait for over."""

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        return set(waits)


class ForgetsCancelRequests(Faulty):
    """Looks at the waits alone."""

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        return {
            process_id
            for process_id, kinds in waits.items()
            if any([await self._is_ready(process_id, kind) for kind in kinds])
        }


class WaitsForNobody(Faulty):
    """Takes a process that is not there for one that runs."""

    async def find_ready(self, waits: Mapping[str, Sequence[WaitKind]]) -> set[str]:
        known = {
            process_id: [
                kind
                for kind in kinds
                if not isinstance(kind, ProcessEndWait) or kind.process_id in self._logs
            ]
            for process_id, kinds in waits.items()
        }
        return await super().find_ready(known)


class TellsOfTheFirstOnly(Faulty):
    """Tells of the first event of a type alone."""

    def listen(self, tell: Tell) -> AbstractContextManager[None]:
        def tell_first(process_id: str, event_type: str, ordinal: int) -> None:
            if ordinal < 2:
                tell(process_id, event_type, ordinal)

        return super().listen(tell_first)


class LeavesOutWhoIsParked(Faulty):
    """Leaves out what waits, whether that is there or not."""

    async def list_claimable(
        self,
        owner_id: str,
        skip: Container[str] = (),
        *,
        after: str | None = None,
        limit: int = 500,
        parked: bool = True,
    ) -> ClaimablePage:
        page = await super().list_claimable(owner_id, skip, after=after, limit=limit, parked=parked)
        if parked:
            return page
        busy = tuple(r for r in page.records if r.wait is None or not r.wait.sole)
        return attrs.evolve(page, records=busy)
