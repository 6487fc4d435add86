"""Keeping the lease of a running process, and noticing when it is lost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ..abc import LeaseRenewer, ProcessRegistry
from ..model import (
    EffectError,
    EffectErrorCode,
    PluginError,
    PluginReason,
    ProcessLease,
    ProcessLeaseCompletion,
)

T = TypeVar("T")

_logger = logging.getLogger("lash_trio.worker")

_GIVE_BACK_SECONDS = 5.0


class LeaseKeeper:
    """Renews a lease when a third of its time is over, and sooner again where that fails.

    Args:
        registry: has granted it.
        lease: the lease as it was claimed.
        ttl_ms: its time to live.
        asked_at: when it was asked for, on trio's clock.
        renewer: renews it from elsewhere, if the registry has such a thing.

    Attributes:
        lease: the lease as it was renewed last.
    """

    def __init__(
        self,
        registry: ProcessRegistry,
        lease: ProcessLease,
        ttl_ms: int,
        asked_at: float,
        renewer: LeaseRenewer | None = None,
    ) -> None:
        self._renewer = renewer
        self.lease = lease
        self._registry = registry
        self._ttl_ms = ttl_ms
        self._good_until = self._count(asked_at)

    async def renew(self) -> None:
        """Renew it now.

        Raises:
            PluginError: ``process_lease_lost``.
            StoreError: the registry's store failed.
        """
        asked_at = trio.current_time()
        self.lease = await self._registry.renew_process_lease(self.lease, self._ttl_ms)
        self._good_until = self._count(asked_at)

    def is_kept_elsewhere(self, on_lost: Callable[[str], None]) -> bool:
        """Have it renewed from elsewhere, until :meth:`leave`; False where nobody does that.

        Args:
            on_lost: called, with the reason, when it is lost.
        """
        if self._renewer is None:
            return False
        self._renewer.add(self.lease, on_lost)
        return True

    def leave(self) -> None:
        """Leave it to itself, if it is renewed from elsewhere."""
        if self._renewer is not None:
            self._renewer.remove(self.lease)

    def _count(self, asked_at: float) -> float:
        # From the asking on, by this machine's clock: never later than the registry's
        # own count, which is in whole milliseconds and may have begun up to one earlier,
        # so that two owners cannot both believe that they hold it.
        return asked_at + (self._ttl_ms - 1) / 1000

    async def keep(self) -> str:
        """Renew it in this task until it is lost; returns how that came about."""
        ttl = self._ttl_ms / 1000
        while (left := self._good_until - trio.current_time()) > 0:
            await trio.sleep(min(left, max(left / 3, ttl / 30)))
            with trio.move_on_at(self._good_until):
                try:
                    await self.renew()
                except PluginError as error:
                    return error.message
                except EffectError as error:
                    # The store may be back before the lease expires.
                    _logger.warning(
                        "the lease of process %s was not renewed: %s",
                        self.lease.process_id,
                        error,
                        extra=log_ids(self.lease),
                    )
        return "it could not be renewed before it expired"


def log_ids(lease: ProcessLease) -> dict[str, object]:
    """What a log record says of a run beside its text."""
    return {
        "process_id": lease.process_id,
        "owner_id": lease.owner_id,
        "fencing_token": lease.fencing_token,
    }


async def fenced(write: Awaitable[T]) -> T:
    """Await a write under a lease that an effect makes.

    Raises:
        EffectError: code ``effect_scope_lease_lost``, in place of a registry's
            ``process_lease_lost``: that the lease is gone is no outcome of the effect,
            so no host may record it as one.
    """
    try:
        return await write
    except PluginError as error:
        if error.reason != PluginReason.LEASE_LOST:
            raise
        raise EffectError(EffectErrorCode.SCOPE_LEASE_LOST, error.message) from error


async def give_back(registry: ProcessRegistry, lease: ProcessLease) -> None:
    """Give a lease back, or leave it to expire; of a lost one this changes nothing.

    Not to be cut off by a cancellation, and over in a bounded time.
    """
    with trio.move_on_after(_GIVE_BACK_SECONDS, shield=True):
        try:
            await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
        except Exception as error:  # noqa: BLE001
            # The lease expires on its own; who gives it back has other things to end.
            _logger.warning(
                "the lease of process %s was not given back and will expire: %s",
                lease.process_id,
                error,
                extra=log_ids(lease),
            )
