"""The rules of waits, of the wait facet of a row, of ownership and of grants.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set as AbstractSet

from ._converter import to_json
from ._errors import InvalidValueError, PluginError, PluginReason
from ._event import ProcessEventAppendRequest
from ._event_type import RESUMED, WAITING
from ._process import ProcessRecord, ProcessStatus, WaitState
from ._session import ProcessHandleGrant, ProcessSessionDeleteReport, SessionScope


def waiting_event(record: ProcessRecord, wait: WaitState) -> ProcessEventAppendRequest | None:
    """The event that mirrors a new wait, or None where the process waits for this already.

    Raises:
        PluginError: reason ``process_terminal``.
    """
    if record.is_terminal:
        raise PluginError(
            PluginReason.PROCESS_TERMINAL,
            f"process {record.id!r} has ended ({record.status.label}) and cannot wait",
        )
    if record.wait is not None and record.wait.kind == wait.kind:
        return None
    return ProcessEventAppendRequest(event_type=WAITING, payload={"wait": to_json(wait)})


def resumed_event(record: ProcessRecord) -> ProcessEventAppendRequest | None:
    """The event that mirrors the end of a wait, or None where the process does not wait."""
    if record.wait is None:
        return None
    return ProcessEventAppendRequest(event_type=RESUMED, payload={"wait": to_json(record.wait)})


def delete_report(
    session_id: str,
    revoked: Iterable[ProcessHandleGrant],
    still_granted: AbstractSet[str],
    running: AbstractSet[str],
) -> ProcessSessionDeleteReport:
    """What the deletion of a session did.

    Args:
        session_id: the deleted session.
        revoked: its grants, that are revoked now.
        still_granted: those of their processes that another session still sees.
        running: those of their processes that have not ended.
    """
    grants = list(revoked)
    process_ids = {grant.process_id for grant in grants}
    return ProcessSessionDeleteReport(
        session_id=session_id,
        revoked_handle_count=len(grants),
        revoked_process_ids=tuple(sorted(process_ids)),
        orphaned_process_ids=tuple(sorted((process_ids & running) - still_granted)),
        preserved_process_ids=tuple(sorted(process_ids & still_granted)),
    )


def grants_to_transfer(
    held: Mapping[str, ProcessHandleGrant],
    source: SessionScope,
    target: SessionScope,
    process_ids: Sequence[str],
) -> list[ProcessHandleGrant]:
    """The grants that move from one scope to another: all that were asked for, or none.

    Args:
        held: the grants of the source, by process id.
        source: whose they are.
        target: whose they are to be.
        process_ids: of which processes; one that is named twice is moved once.

    Raises:
        PluginError: reason ``unknown_grant``.
    """
    missing = [process_id for process_id in process_ids if process_id not in held]
    if missing:
        raise PluginError(
            PluginReason.UNKNOWN_GRANT,
            f"{source.id} sees no process {', '.join(map(repr, missing))}, so none of the "
            f"{len(process_ids)} grants was transferred to {target.id}",
        )
    return [held[process_id] for process_id in dict.fromkeys(process_ids)]


def check_ownable(process_id: str, status: ProcessStatus) -> None:
    """Refuse the lease of a process that has ended.

    Raises:
        PluginError: reason ``process_terminal``.
    """
    if status.is_terminal:
        raise PluginError(
            PluginReason.PROCESS_TERMINAL,
            f"process {process_id!r} has ended ({status.label}); there is nothing left to own",
        )


def check_event_wait(
    process_id: str, declared: Collection[str], event_type: str, ordinal: int
) -> None:
    """Refuse a wait that would never end.

    Args:
        process_id: the process whose event is waited for.
        declared: the names of the event types that it declares.
        event_type: the type that is waited for.
        ordinal: which event of the type, from 1.

    Raises:
        PluginError: reasons ``invalid_ordinal``, ``undeclared_event_type``.
    """
    if ordinal < 1:
        raise PluginError(
            PluginReason.INVALID_ORDINAL,
            f"ordinals count from 1; the wait for {event_type!r} of process {process_id!r} "
            f"asks for number {ordinal}",
        )
    if event_type not in declared:
        raise PluginError(
            PluginReason.UNDECLARED_EVENT_TYPE,
            f"process {process_id!r} declares no event type {event_type!r}, so a wait for it "
            f"would never end; it declares {', '.join(sorted(declared))}",
        )


def unknown_process(process_id: str) -> PluginError:
    """The error of a registry that does not have a process: reason ``unknown_process``."""
    return PluginError(
        PluginReason.UNKNOWN_PROCESS,
        f"there is no process {process_id!r} in this registry; register it first",
    )


def check_limit(limit: int) -> int:
    """Refuse a negative limit.

    Raises:
        InvalidValueError: it is negative.
    """
    if limit < 0:
        raise InvalidValueError(f"a limit is zero or more, got {limit}")
    return limit
