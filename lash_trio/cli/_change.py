"""Commands that change something: ``start``, ``signal``, ``cancel`` and ``vacuum``."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from .. import (
    JsonObject,
    JsonValue,
    PluginError,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessProvenance,
    ProcessRecord,
    Replay,
    StartRequest,
    request_process_cancel,
    signal_event_type,
    to_json,
)
from ._describe import describe_end
from ._details import require_process
from ._file import db_option, existing, existing_or_new, json_option, work_on
from ._load import LoadError, load_definitions
from ._parsing import (
    parsed_args,
    parsed_duration_ms,
    parsed_json,
    parsed_signal_name,
    parsed_target,
)
from ._print import note, print_json, print_line
from ._shapes import row_shape
from ._stdout import stdout_to_stderr

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteStores, VacuumReport

_HOST_PROFILE = "lash-trio"


@click.command()
@click.argument("target", metavar="MODULE:PROCESS", callback=parsed_target)
@click.option(
    "--args",
    metavar="JSON",
    default="{}",
    callback=parsed_args,
    help="The arguments of the process, by name, as a JSON object.",
)
@click.option(
    "--id",
    "process_id",
    metavar="ID",
    help="The id of the process; its name and a random part where left out.  The same start "
    "under the same id again is no change.",
)
@db_option
@json_option
def start(
    target: tuple[str, str], args: JsonObject, process_id: str | None, db: Path, as_json: bool
) -> None:
    """Register a process; a worker on the same file will run it.

    MODULE is the path of a Python file or the name of a module with a
    ProcessDefinitions at its top level; PROCESS is the name of a process in it.
    """
    source, name = target
    try:
        with stdout_to_stderr():
            definitions = load_definitions(source, name)
    except LoadError as error:
        raise click.UsageError(str(error)) from error
    request = StartRequest(
        id=f"{name}-{uuid.uuid4().hex[:12]}" if process_id is None else process_id,
        provenance=ProcessProvenance.host(_HOST_PROFILE),
    )
    try:
        registration = definitions.registration(name, args, request)
    except PluginError as error:
        raise click.UsageError(error.message) from error

    async def register(stores: SqliteStores) -> ProcessRecord:
        return await stores.registry.register_process(registration)

    record = work_on(existing_or_new(db), register)
    if as_json:
        print_json(row_shape(record))
    else:
        print_line(record.id)


@click.command()
@click.argument("process_id", metavar="ID")
@click.argument("name", metavar="NAME", callback=parsed_signal_name)
@click.argument("payload", metavar="[JSON]", required=False, callback=parsed_json)
@click.option(
    "--signal-id",
    metavar="KEY",
    help="Names this very signal: sent under the same key again it is no new one.",
)
@db_option
@json_option
def signal(
    process_id: str, name: str, payload: JsonValue, signal_id: str | None, db: Path, as_json: bool
) -> None:
    """Send a signal to a process; JSON is its payload, null where left out."""
    replay = None if signal_id is None else Replay(key=f"signal:{name}:{signal_id}")
    request = ProcessEventAppendRequest(
        event_type=signal_event_type(name), payload=payload, replay=replay
    )

    async def send(stores: SqliteStores) -> tuple[ProcessRecord, ProcessEventAppendResult]:
        record = await require_process(stores.registry, process_id)
        return record, await stores.registry.append_event(process_id, request)

    record, sent = work_on(existing(db), send)
    if record.is_terminal:
        note(f"{process_id} has ended ({record.status.label}), so nobody will read the signal")
    if as_json:
        print_json({"event": to_json(sent.event), "replayed": sent.replayed})
    else:
        has = "had" if sent.replayed else "has"
        print_line(f"{process_id} {has} the signal {name} as its event {sent.event.sequence}")


@click.command()
@click.argument("process_id", metavar="ID")
@click.option("--reason", metavar="TEXT", help="Why; the process and its parent are told.")
@db_option
@json_option
def cancel(process_id: str, reason: str | None, db: Path, as_json: bool) -> None:
    """Ask a process to end as cancelled.

    The request is written down and the command returns; the worker that runs the
    process, or the next one to, hands it on.  One that has ended stays as it is.
    """

    async def ask(stores: SqliteStores) -> tuple[bool, ProcessRecord]:
        before = await require_process(stores.registry, process_id)
        if before.is_terminal:
            return True, before
        return False, await request_process_cancel(stores.registry, process_id, reason)

    had_ended, record = work_on(existing(db), ask)
    output = record.status.await_output
    if had_ended and output is not None:
        note(f"{process_id} had ended before: {describe_end(output)}")
    if as_json:
        print_json(row_shape(record))
    elif not had_ended:
        print_line(f"{process_id} is asked to end")


@click.command()
@click.option(
    "--older-than",
    "older_than_ms",
    metavar="AGE",
    required=True,
    callback=parsed_duration_ms,
    help="How long ago they ended at least: a number and s, m, h, d or w, as 30d.",
)
@click.option(
    "--turns",
    is_flag=True,
    help="Also what is recorded of turns, and of other scopes that belong to no process, if "
    "nothing was added for so long.  One that had not ended and is taken up again runs from its "
    "beginning.",
)
@click.option(
    "--attachments",
    is_flag=True,
    help="Also attachments and artifacts that were put so long ago and that nothing in the file "
    "refers to any more.  Do not use it if something outside of the file does.",
)
@db_option
@json_option
def vacuum(older_than_ms: int, turns: bool, attachments: bool, db: Path, as_json: bool) -> None:
    """Delete processes that ended long ago, with their events and recorded effects.

    Processes that have not ended stay, and so do ended ones whose parent has not.
    The file does not shrink; the room in it is used again.
    """

    async def clean(stores: SqliteStores) -> VacuumReport:
        return await stores.vacuum(
            older_than_ms=older_than_ms, turns=turns, attachments=attachments
        )

    report = work_on(existing(db), clean)
    counts: JsonObject = attrs.asdict(report)
    if as_json:
        print_json(counts)
    else:
        asked = {"turns": turns, "attachments": attachments, "artifacts": attachments}
        told = [f"{count} {what}" for what, count in counts.items() if asked.get(what, True)]
        print_line("deleted: " + ", ".join(told))
