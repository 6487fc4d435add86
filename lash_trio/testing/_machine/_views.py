"""What a registry returned, as plain values that the model can predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs

from ...model import (
    JsonValue,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessEvent,
    ProcessEventAppendResult,
    ProcessFailure,
    ProcessGrantEntry,
    ProcessHandleGrant,
    ProcessLease,
    ProcessRecord,
    ProcessSessionDeleteReport,
    ProcessSuccess,
    ProcessWakeDelivery,
)
from ._meaning import End

WAIT_EVENTS = frozenset({"process.waiting", "process.resumed"})


@attrs.frozen
class Row:
    """A row, with times since the program began."""

    process: str
    registered_as: str
    created_ms: int
    end: End | None = None
    wait: str | None = None
    external: str | None = None


@attrs.frozen
class Event:
    """An event; of a mirrored wait, the payload is the key of the wait."""

    process: str
    number: int
    type: str
    payload: JsonValue
    at_ms: int
    key: str | None = None
    end: End | None = None
    wake: tuple[str, str] | None = None


@attrs.frozen
class Delivery:
    """A wake on its way."""

    scope_id: str
    process: str
    number: int
    type: str
    told: str
    dedupe: str


@attrs.frozen
class Appended:
    """What an append returned."""

    event: Event
    delivery: Delivery | None
    replayed: bool


@attrs.frozen
class Lease:
    """A lease, with times since the program began."""

    process: str
    owner: str
    token: int
    claimed_ms: int
    expires_ms: int


@attrs.frozen
class Grant:
    """A grant; the label stands for how it is shown."""

    scope_id: str
    process: str
    label: str | None


@attrs.frozen
class Report:
    """What the deletion of a session reported."""

    session: str
    count: int
    revoked: tuple[str, ...]
    orphaned: tuple[str, ...]
    preserved: tuple[str, ...]


@attrs.frozen
class Refusal:
    """The registry refused, for one of some reasons."""

    reasons: frozenset[str]

    def admits(self, other: object) -> bool:
        """Whether what came is a refusal for one of these reasons."""
        return isinstance(other, Refusal) and other.reasons <= self.reasons


def fits(expected: object, came: object) -> bool:
    """Whether what came is what the model expected."""
    if isinstance(expected, Refusal):
        return expected.admits(came)
    return type(expected) is type(came) and expected == came


class Eye:
    """Looks at what a registry returns.

    Args:
        base_ms: the registry's time when the program began.
    """

    def __init__(self, base_ms: int) -> None:
        self._base_ms = base_ms
        self._wake_ids: dict[tuple[str, str], str] = {}

    def see(self, returned: object) -> object:
        """What came, as a view; a list of it as a tuple of views."""
        match returned:
            case ProcessRecord():
                return self._row(returned)
            case ProcessEvent():
                return self._event(returned)
            case ProcessEventAppendResult():
                delivery = returned.wake_delivery
                return Appended(
                    event=self._event(returned.event),
                    delivery=None if delivery is None else self._delivery(delivery),
                    replayed=returned.replayed,
                )
            case ProcessLease():
                return self._lease(returned)
            case ProcessAwaitOutput():
                return output_view(returned)
            case ProcessHandleGrant():
                return _grant(returned)
            case ProcessGrantEntry():
                return (_grant(returned.grant), self._row(returned.record))
            case ProcessSessionDeleteReport():
                return _report(returned)
            case list():
                return tuple(self.see(item) for item in cast("list[object]", returned))
            case _:
                return returned

    def _row(self, record: ProcessRecord) -> Row:
        end = None
        if record.status.await_output is not None:
            end = (record.status.label, *output_view(record.status.await_output))
        return Row(
            process=record.id,
            registered_as="waking" if record.input.tag == "function" else "plain",
            created_ms=record.created_at_ms - self._base_ms,
            end=end,
            wait=None if record.wait is None else record.wait.kind.key,
            external=None if record.external_ref is None else record.external_ref.id,
        )

    def _event(self, event: ProcessEvent) -> Event:
        payload = event.payload
        if event.event_type in WAIT_EVENTS:
            payload = _wait_key(payload)
        terminal, wake = event.semantics.terminal, event.semantics.wake
        return Event(
            process=event.process_id,
            number=event.sequence,
            type=event.event_type,
            payload=payload,
            at_ms=event.occurred_at_ms - self._base_ms,
            key=None if event.replay is None else event.replay.key,
            end=None
            if terminal is None
            else (str(terminal.state), *output_view(terminal.await_output)),
            wake=None if wake is None else (wake.input, wake.dedupe_key),
        )

    def _delivery(self, delivery: ProcessWakeDelivery) -> Delivery:
        same = (delivery.target_scope_id, delivery.dedupe_key)
        known = self._wake_ids.setdefault(same, delivery.wake_id)
        if known != delivery.wake_id or len(set(self._wake_ids.values())) < len(self._wake_ids):
            raise AssertionError(
                f"expected wakes of {same} to have one id, and no other wakes to have it; got "
                f"{delivery.wake_id!r}, where {self._wake_ids!r} have come"
            )
        return Delivery(
            scope_id=delivery.target_scope_id,
            process=delivery.process_id,
            number=delivery.sequence,
            type=delivery.event_type,
            told=delivery.input,
            dedupe=delivery.dedupe_key,
        )

    def _lease(self, lease: ProcessLease) -> Lease:
        return Lease(
            process=lease.process_id,
            owner=lease.owner_id,
            token=lease.fencing_token,
            claimed_ms=lease.claimed_at_epoch_ms - self._base_ms,
            expires_ms=lease.expires_at_epoch_ms - self._base_ms,
        )


def output_view(output: ProcessAwaitOutput) -> tuple[str, object]:
    """The tag of an await output, and its value or message."""
    match output:
        case ProcessSuccess(value=value):
            return output.tag, value
        case ProcessFailure(message=message) | ProcessCancellation(message=message):
            return output.tag, message
        case _:
            return output.tag, None


def _grant(grant: ProcessHandleGrant) -> Grant:
    return Grant(
        scope_id=grant.session_scope.id, process=grant.process_id, label=grant.descriptor.label
    )


def _report(report: ProcessSessionDeleteReport) -> Report:
    return Report(
        session=report.session_id,
        count=report.revoked_handle_count,
        revoked=report.revoked_process_ids,
        orphaned=report.orphaned_process_ids,
        preserved=report.preserved_process_ids,
    )


def _wait_key(payload: JsonValue) -> JsonValue:
    """The key of the wait that an event mirrors; the payload itself where it has none."""
    wait = payload.get("wait") if isinstance(payload, Mapping) else None
    kind = wait.get("kind") if isinstance(wait, Mapping) else None
    return kind["key"] if isinstance(kind, Mapping) and "key" in kind else payload
