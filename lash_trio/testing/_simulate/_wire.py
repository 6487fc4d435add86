"""What lies between programs and the store: calls come late there, and are looked at."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ...model import EffectError, ProcessLease
from ._faults import Asked

_FENCED = frozenset({"append_event", "complete_leased_process", "renew_process_lease"})
"""What no stale owner may do; to set a wait that is set already changes nothing."""


class WatchedWire:
    """Delivers calls, and knows whose lease of a process is the newest.

    It is a referee: what it knows of leases it has seen passing by.  It may hear of
    something late, and then overlooks a fault; it never sees one that is none.

    Args:
        nursery: owns what is delivered late.
        note: writes a line of the trace.
        report: takes what must not be.
    """

    def __init__(
        self, nursery: trio.Nursery, note: Callable[[str], None], report: Callable[[str], None]
    ) -> None:
        self._nursery = nursery
        self._note = note
        self._report = report
        self._newest: dict[str, ProcessLease] = {}
        self._given_back: set[str] = set()

    def deliver_late(self, asked: Asked, when: float) -> None:
        """See that a call reaches the store at a time of trio's clock; nobody hears of it."""
        self._nursery.start_soon(self._deliver_late, asked, when)

    async def deliver(self, asked: Asked) -> object:
        """Make a call of the store, and see that no owner writes whose lease is over."""
        process_id = asked.process_id
        if asked.name == "complete_leased_process" and asked.lease is not None:
            process_id = asked.lease.process_id
        if process_id is not None:
            # Before it is: while the answer is on its way, others may claim.
            self._given_back.add(process_id)
        newer = self._newer_than(asked.lease)
        result = await asked.call()
        if newer is not None and asked.name in _FENCED:
            self._report(
                f"{asked.who} was let {asked.name} under fencing token "
                f"{asked.lease.fencing_token if asked.lease else None} of {newer.process_id}, "
                f"although {newer.owner_id} had claimed it under {newer.fencing_token}"
            )
        if isinstance(result, ProcessLease):
            self._saw(result)
        return result

    async def _deliver_late(self, asked: Asked, when: float) -> None:
        await trio.sleep_until(when)
        self._note(f"{asked.who}: {asked.name} arrives late")
        try:
            await self.deliver(asked)
        except EffectError as error:
            self._note(f"{asked.who}: {asked.name} is refused, {error.code}")

    def _newer_than(self, lease: ProcessLease | None) -> ProcessLease | None:
        newest = None if lease is None else self._newest.get(lease.process_id)
        if lease is None or newest is None or newest.fencing_token <= lease.fencing_token:
            return None
        return newest

    def _saw(self, lease: ProcessLease) -> None:
        known = self._newest.get(lease.process_id)
        if known is not None and known.fencing_token > lease.fencing_token:
            return
        if known is not None and known.fencing_token < lease.fencing_token:
            if (
                known.owner_id != lease.owner_id
                and lease.process_id not in self._given_back
                and lease.claimed_at_epoch_ms < known.expires_at_epoch_ms
            ):
                self._report(
                    f"{lease.owner_id} was granted {lease.process_id} while the lease of "
                    f"{known.owner_id} was alive"
                )
            self._given_back.discard(lease.process_id)
        self._newest[lease.process_id] = lease
