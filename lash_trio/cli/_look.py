"""Commands that look: ``ps``, ``show``, ``events`` and ``journal``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio

from .. import (
    EffectScope,
    Err,
    FunctionInput,
    JournalEntry,
    ProcessEvent,
    ProcessEventStream,
    ProcessListFilter,
    ProcessRecord,
    ProcessStatusFilter,
    ProcessSuccess,
    canonical_json,
    to_json,
)
from ._describe import (
    Tone,
    describe,
    describe_end,
    describe_outcome,
    describe_wait,
    tone_of,
    tone_of_status,
)
from ._details import Details, process_name, read_details, require_process, signal_names
from ._file import db_option, existing, json_option, opened, told, work_on
from ._interrupt import Interrupts
from ._print import (
    Cell,
    age_text,
    print_fields,
    print_json,
    print_line,
    print_table,
    time_text,
)
from ._shapes import details_shape, entry_shape, kind_of, row_shape

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteStores


@click.command()
@click.option("--all", "shows_all", is_flag=True, help="Also the processes that have ended.")
@db_option
@json_option
def ps(shows_all: bool, db: Path, as_json: bool) -> None:
    """List the processes that have not ended, ordered by id."""
    status = ProcessStatusFilter.ANY if shows_all else ProcessStatusFilter.RUNNING

    async def look(stores: SqliteStores) -> tuple[list[ProcessRecord], dict[str, str], int]:
        records = await stores.registry.list_processes(ProcessListFilter(status=status))
        now_ms = stores.clock.now_ms()
        leases = await stores.registry.list_leases()
        owners = {lease.process_id: lease.owner_id for lease in leases if lease.is_alive(now_ms)}
        return records, owners, now_ms

    records, owners, now_ms = work_on(existing(db), look)
    if as_json:
        print_json([row_shape(record) for record in records])
    elif not records:
        print_line("no processes" if shows_all else "no processes that have not ended", Tone.QUIET)
    else:
        print_table(
            ("ID", "PROCESS", "STATE", "STARTED", "DOING"),
            [_ps_row(record, owners.get(record.id), now_ms) for record in records],
        )


@click.command()
@click.argument("process_id", metavar="ID")
@db_option
@json_option
def show(process_id: str, db: Path, as_json: bool) -> None:
    """Show one process: what it runs, what it waits for, who runs it, how it ended.

    Where it stands still until somebody does something, it says what.
    """
    details = work_on(existing(db), lambda stores: read_details(stores, process_id))
    if as_json:
        print_json(details_shape(details))
    else:
        print_fields(_show_fields(details))


@click.command()
@click.argument("process_id", metavar="ID")
@click.option("--follow", "-f", is_flag=True, help="Go on with the ones to come, until its end.")
@click.option(
    "--after",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Only events with a number above this one.",
)
@db_option
@json_option
def events(process_id: str, follow: bool, after: int, db: Path, as_json: bool) -> None:
    """Print the events of a process.

    With --follow they are printed as they come, and with --json one JSON document a
    line; it ends when the process does, and with Ctrl-C (status 130).
    """
    path = existing(db)
    if follow:
        interrupts = Interrupts()
        told(lambda: trio.run(_follow, path, process_id, after, as_json, interrupts))
        sys.exit(interrupts.exit_status or 0)
    found = work_on(path, lambda stores: stores.registry.events_after(process_id, after))
    if as_json:
        print_json([to_json(event) for event in found])
        return
    for event in found:
        _print_event(event)


@click.command()
@click.argument("process_id", metavar="ID")
@db_option
@json_option
def journal(process_id: str, db: Path, as_json: bool) -> None:
    """List the recorded effects of a process, in the order of recording.

    These are what a run gets back instead of running them again.
    """

    async def look(stores: SqliteStores) -> list[JournalEntry]:
        await require_process(stores.registry, process_id)
        return await stores.journal.entries_of(EffectScope.process(process_id))

    entries = work_on(existing(db), look)
    if as_json:
        print_json([entry_shape(entry) for entry in entries])
    elif not entries:
        print_line("nothing is recorded", Tone.QUIET)
    else:
        print_table(("KEY", "KIND", "RECORDED", "DUE", "OUTCOME"), map(_journal_row, entries))


async def _follow(
    db: Path, process_id: str, after: int, as_json: bool, interrupts: Interrupts
) -> None:
    with interrupts.listening() as arrived:
        async with opened(db) as stores, trio.open_nursery() as nursery:

            async def stop(reason: str) -> None:
                nursery.cancel_scope.cancel(reason)

            nursery.start_soon(interrupts.serve, arrived, stop, nursery.cancel_scope.cancel)
            await require_process(stores.registry, process_id)
            async for event in ProcessEventStream(stores.registry, process_id, after):
                if as_json:
                    print_json(to_json(event))
                else:
                    _print_event(event)
            nursery.cancel_scope.cancel("the process has ended")


def _print_event(event: ProcessEvent) -> None:
    when = time_text(event.occurred_at_ms)
    print_line(f"{event.sequence:>5}  {when}  {describe(event)}", tone_of(event))


def _ps_row(record: ProcessRecord, owner_id: str | None, now_ms: int) -> tuple[Cell, ...]:
    return (
        record.id,
        process_name(record),
        (record.status.label, tone_of_status(record.status)),
        f"{age_text(now_ms - record.created_at_ms)} ago",
        _doing(record, owner_id),
    )


def _doing(record: ProcessRecord, owner_id: str | None) -> str:
    output = record.status.await_output
    if output is not None:
        return "" if output.tag == "success" else describe_end(output)
    if record.wait is not None:
        return describe_wait(record.wait)
    return "nobody runs it" if owner_id is None else f"runs on {owner_id}"


def _show_fields(details: Details) -> list[tuple[str, Cell]]:
    record = details.record
    output = record.status.await_output
    fields: list[tuple[str, Cell]] = [
        ("id", record.id),
        ("process", process_name(record)),
        ("state", (record.status.label, tone_of_status(record.status))),
    ]
    if isinstance(record.input, FunctionInput):
        fields.append(("arguments", canonical_json(record.input.args)))
    fields.append(("started", time_text(record.created_at_ms)))
    if output is not None:
        fields += [("ended", time_text(record.updated_at_ms)), ("outcome", describe_end(output))]
    if isinstance(output, ProcessSuccess):
        fields.append(("value", canonical_json(output.value)))
    if record.wait is not None:
        fields += [
            ("waits", describe_wait(record.wait)),
            ("since", time_text(record.wait.since_ms)),
        ]
    fields += [
        ("lease", _lease_text(details)),
        ("signals", ", ".join(signal_names(record)) or "it takes none"),
        ("events", str(details.event_count)),
        ("recorded", str(len(details.entries))),
    ]
    if details.advice is not None:
        fields.append(("what to do", (details.advice, Tone.BAD)))
    return fields


def _lease_text(details: Details) -> str:
    lease = details.lease
    if lease is None:
        return "nobody runs it now"
    until = time_text(lease.expires_at_epoch_ms)
    if not details.is_lease_alive:
        return f"{lease.owner_id} let it expire at {until} (token {lease.fencing_token})"
    return f"{lease.owner_id} runs it, at least until {until} (token {lease.fencing_token})"


def _journal_row(entry: JournalEntry) -> tuple[Cell, ...]:
    tone = Tone.BAD if isinstance(entry.outcome, Err) else Tone.NORMAL
    due = "" if entry.due_at_ms is None else time_text(entry.due_at_ms)
    return (
        entry.replay_key,
        kind_of(entry),
        time_text(entry.recorded_at_ms),
        due,
        (describe_outcome(entry), tone),
    )
