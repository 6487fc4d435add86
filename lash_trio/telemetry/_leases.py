"""What is told of leases: claims, renewals, losses, releases."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum

from opentelemetry import trace

from ..abc import LeaseRenewer
from ..model import PluginError, PluginReason, ProcessLease
from ._names import FENCING_TOKEN, LEASE_EVENT, LEASE_OWNER, PROCESS_ID, RECOVERY
from ._telemetry import Telemetry


class LeaseEvent(StrEnum):
    """What can happen to a lease."""

    CLAIMED = "claimed"
    HELD = "held"
    """A claim was refused: another owner's lease is alive."""
    RENEWED = "renewed"
    LOST = "lost"
    """It could not be renewed: it had expired, or somebody else had claimed."""
    FENCED = "fenced"
    """A write was refused, since the writer no longer held the lease."""
    RELEASED = "released"


class LeaseWatch:
    """Counts what happens to leases, and notes it in the span that is current.

    Args:
        telemetry: where it goes.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._instruments = telemetry.instruments

    def count(self, event: LeaseEvent, lease: ProcessLease | None = None) -> None:
        """One event; a rare one is noted with its lease in the current span, too."""
        self._instruments.lease_events.add(1, {LEASE_EVENT: event.value})
        if lease is not None:
            trace.get_current_span().add_event(
                f"lash_trio.lease_{event.value}",
                {
                    PROCESS_ID: lease.process_id,
                    LEASE_OWNER: lease.owner_id,
                    FENCING_TOKEN: lease.fencing_token,
                },
            )

    def claimed(self, lease: ProcessLease) -> None:
        """A claim; one after another is a recovery."""
        self.count(LeaseEvent.CLAIMED, lease)
        if lease.fencing_token > 1:
            self._instruments.recoveries.add(1)
            trace.get_current_span().add_event(
                RECOVERY, {PROCESS_ID: lease.process_id, FENCING_TOKEN: lease.fencing_token}
            )

    @contextmanager
    def losing(self, event: LeaseEvent, lease: ProcessLease | None) -> Generator[None]:
        """Count it where a call inside is refused since its lease is lost."""
        try:
            yield
        except PluginError as error:
            if error.reason == PluginReason.LEASE_LOST:
                self.count(event, lease)
            raise


class TracedLeaseRenewer(LeaseRenewer):
    """A renewer whose losses are counted; its renewals happen out of sight."""

    def __init__(self, renewer: LeaseRenewer, watch: LeaseWatch) -> None:
        self._renewer = renewer
        self._watch = watch

    def add(self, lease: ProcessLease, on_lost: Callable[[str], None]) -> None:
        """Keep a lease alive."""

        def lost(why: str) -> None:
            self._watch.count(LeaseEvent.LOST, lease)
            on_lost(why)

        self._renewer.add(lease, lost)

    def remove(self, lease: ProcessLease) -> None:
        """Leave a lease to itself."""
        self._renewer.remove(lease)


@contextmanager
def traced_renewer(
    renewing: AbstractContextManager[LeaseRenewer], watch: LeaseWatch
) -> Generator[LeaseRenewer]:
    """A renewer for the length of a block, whose losses are counted."""
    with renewing as renewer:
        yield TracedLeaseRenewer(renewer, watch)
