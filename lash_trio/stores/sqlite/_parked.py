"""Which rows nobody has to look at: their processes wait for what is not there yet.

The row says when to look (``look_at_ms``: 0 for at any time, null for never) and which
event ends that (``waits_on``).  Who appends the event changes it in the same transaction.
So a worker that looks for work does not read the rows of all that is parked.
"""

from __future__ import annotations

from ...model import (
    EventWait,
    FunctionInput,
    ProcessEndWait,
    ProcessInput,
    RerunDisposition,
    SignalWait,
    SleepWait,
    WaitState,
)
from ._sql import SqlConnection

ANY_TIME = 0


def look_at_first(asked: ProcessInput) -> int | None:
    """When to look at a new row: never, if no worker runs such."""
    is_run = isinstance(asked, FunctionInput) and asked.rerun is not RerunDisposition.EXTERNAL
    return ANY_TIME if is_run else None


def look_at(
    process_id: str, asked: ProcessInput, wait: WaitState | None
) -> tuple[int | None, str | None]:
    """When to look at a row, and for which event before.

    Args:
        process_id: whose row.
        asked: what it runs.
        wait: what the row says that it waits for.
    """
    # Whoever owns another one, and is gone, has to be found out.
    is_parked = (
        wait is not None
        and wait.sole
        and isinstance(asked, FunctionInput)
        and asked.rerun is RerunDisposition.RERUNNABLE
    )
    if wait is None or not is_parked:
        return look_at_first(asked), None
    match wait.kind:
        case SleepWait(due_at_ms=due):
            return due, None
        case SignalWait(event_type=event_type, ordinal=ordinal, due_at_ms=due):
            return due, _event(process_id, event_type, ordinal)
        case EventWait(process_id=other, event_type=event_type, ordinal=ordinal, due_at_ms=due):
            return due, _event(other, event_type, ordinal)
        case ProcessEndWait(process_id=other):
            return None, _event(other, "", 0)
        case _:
            return ANY_TIME, None


def event_came(
    connection: SqlConnection, process_id: str, event_type: str, ordinal: int, is_end: bool
) -> None:
    """Look at whatever has waited for an event, and for the end if it is one."""
    _wake(connection, _event(process_id, event_type, ordinal))
    if is_end:
        _wake(connection, _event(process_id, "", 0))


def look_now(connection: SqlConnection, number: int) -> None:
    """Look at a row whatever it waits for."""
    connection.execute(
        "UPDATE processes SET look_at_ms = 0, waits_on = NULL"
        " WHERE number = ? AND (look_at_ms > 0 OR waits_on IS NOT NULL)",
        (number,),
    )


def _wake(connection: SqlConnection, event: str) -> None:
    connection.execute(
        "UPDATE processes SET look_at_ms = 0, waits_on = NULL WHERE waits_on = ?", (event,)
    )


def _event(process_id: str, event_type: str, ordinal: int) -> str:
    # The length tells where the type ends, whatever is in it.
    return f"{ordinal} {len(event_type)} {event_type} {process_id}"
