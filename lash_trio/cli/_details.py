"""What is known of one process, and what it needs to go on."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import attrs

from .. import (
    EffectScope,
    ExternalInput,
    FunctionInput,
    JournalEntry,
    PluginError,
    PluginReason,
    ProcessLease,
    ProcessRecord,
    RerunDisposition,
    SignalWait,
    WaitState,
    signal_name_of,
)
from ..abc import ProcessRegistry
from ..model import OperatorWait
from ._turns import turn_entries

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteStores


@attrs.frozen(kw_only=True)
class Details:
    """What is known of one process.

    Args:
        record: its row.
        lease: the one that was not given back, if there is one.
        is_lease_alive: whether that one still holds.
        event_count: how many events its log has.
        entries: the recorded effects of its scope, in the order of recording; those of
            its turns, where it is the queue of a session.
    """

    record: ProcessRecord
    lease: ProcessLease | None = None
    is_lease_alive: bool = False
    event_count: int = 0
    entries: list[JournalEntry] = attrs.field(factory=list[JournalEntry])

    @property
    def advice(self) -> str | None:
        """What to do, where it stands still until somebody does something."""
        record = self.record
        if record.is_terminal:
            return None
        if isinstance(record.input, ExternalInput) or (
            isinstance(record.input, FunctionInput)
            and record.input.rerun is RerunDisposition.EXTERNAL
        ):
            return "no worker runs it: it ends when the work outside is reported"
        match record.wait:
            case WaitState(kind=OperatorWait(message=message)):
                return (
                    f"{message.rstrip('.')}. Then start the worker again: a new one tries the "
                    f"process anew. To give it up: lash-trio cancel {quote(record.id)}"
                )
            case WaitState(kind=SignalWait(name=name)):
                return f"send it the signal: lash-trio signal {quote(record.id)} {name} JSON"
            case WaitState(sole=True):
                # Nobody need have it in memory before that is there.
                return None
            case _ if not self.is_lease_alive:
                return (
                    "no worker has it now: run 'lash-trio worker' on the file or module that "
                    f"defines {process_name(record)}"
                )
            case _:
                return None


async def read_details(stores: SqliteStores, process_id: str) -> Details:
    """Read what is known of a process.

    Raises:
        PluginError: ``unknown_process``.
        StoreError: the file could not be read.
    """
    record = await require_process(stores.registry, process_id)
    lease = await stores.registry.lease_of(process_id)
    (last,) = await stores.registry.recent_events(process_id, 1) or (None,)
    return Details(
        record=record,
        lease=lease,
        is_lease_alive=lease is not None and lease.is_alive(stores.clock.now_ms()),
        event_count=0 if last is None else last.sequence,
        entries=[
            *await stores.journal.entries_of(EffectScope.process(process_id)),
            *await turn_entries(stores, record),
        ],
    )


async def require_process(registry: ProcessRegistry, process_id: str) -> ProcessRecord:
    """The row of a process.

    Raises:
        PluginError: ``unknown_process``.
    """
    record = await registry.get_process(process_id)
    if record is None:
        raise PluginError(
            PluginReason.UNKNOWN_PROCESS,
            f"there is no process {process_id!r}; 'lash-trio ps --all' lists the ones there are",
        )
    return record


def process_name(record: ProcessRecord) -> str:
    """What a row runs: the name of its definition, or the kind of its input."""
    return record.input.name if isinstance(record.input, FunctionInput) else record.input.tag


def signal_names(record: ProcessRecord) -> list[str]:
    """The signals that a process takes."""
    names = [signal_name_of(event_type.name) for event_type in record.event_types]
    return [name for name in names if name is not None]
