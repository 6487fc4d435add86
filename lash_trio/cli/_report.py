"""``lash-trio report``: one process as a page of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from .. import FunctionInput, JsonValue, ProcessEvent, ProcessSuccess, to_json
from ._describe import describe, describe_end, describe_outcome
from ._details import Details, process_name, read_details
from ._file import CommandError, db_option, existing, json_option, work_on
from ._print import print_json, print_line, time_text
from ._shapes import kind_of
from ._timeline import Moment, Timeline, timeline_of
from ._turns import tokens_of

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteStores

_TEMPLATE = "report.html.jinja"
_MOST_DRAWN = 400


@attrs.frozen(kw_only=True)
class Report:
    """What a page tells.

    Args:
        details: of the process.
        events: its whole log.
        runs: how often a worker has claimed it.
        now_ms: when it was read, in milliseconds since the epoch.
    """

    details: Details
    events: list[ProcessEvent]
    runs: int
    now_ms: int


@click.command()
@click.argument("process_id", metavar="ID")
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page; one that is there is replaced.",
)
@db_option
@json_option
def report(process_id: str, output: Path, db: Path, as_json: bool) -> None:
    """Write a page with the timeline of a process: steps, sleeps, waits, signals, its end.

    The page is one file, which needs no network.  It holds the arguments, the events
    and the recorded outcomes of the process: take care to whom you give it.
    """
    read = work_on(existing(db), lambda stores: read_report(stores, process_id))
    try:
        output.write_text(render(read), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{str(output)!r} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"file": str(output)})
    else:
        print_line(str(output))


async def read_report(stores: SqliteStores, process_id: str) -> Report:
    """Read what a page tells.

    Raises:
        PluginError: ``unknown_process``.
        StoreError: the file could not be read.
    """
    details = await read_details(stores, process_id)
    return Report(
        details=details,
        events=await stores.registry.events_after(process_id, 0),
        runs=await stores.registry.times_claimed(process_id),
        now_ms=stores.clock.now_ms(),
    )


def render(report: Report) -> str:
    """The page."""
    # Loading them takes a while, and no other command needs them.
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["pretty"] = _pretty
    template = files("lash_trio.cli").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(_content(report))


def _content(report: Report) -> dict[str, object]:
    from importlib.metadata import version

    details, record = report.details, report.details.record
    timeline = timeline_of(details, report.events, report.now_ms)
    output = record.status.await_output
    drawn = timeline.moments[:_MOST_DRAWN]
    return {
        "id": record.id,
        "state": record.status.label,
        "end": None if output is None else describe_end(output),
        "advice": details.advice,
        "facts": _facts(report, timeline),
        "args": record.input.args if isinstance(record.input, FunctionInput) else None,
        "has_value": isinstance(output, ProcessSuccess),
        "value": output.value if isinstance(output, ProcessSuccess) else None,
        "counts": Counter(moment.what.value for moment in timeline.moments),
        "rows": [_row(moment, timeline) for moment in drawn],
        "not_drawn": len(timeline.moments) - len(drawn),
        "ticks": _ticks(timeline),
        "runs": report.runs,
        "owner": details.lease.owner_id if details.lease and details.is_lease_alive else None,
        "events": _event_rows(report.events, timeline),
        "effects": _effect_rows(details, timeline),
        "written": time_text(report.now_ms),
        "version": version("lash-trio"),
    }


def _facts(report: Report, timeline: Timeline) -> list[tuple[str, str]]:
    record = report.details.record
    took = span_text(timeline.to_ms - timeline.from_ms)
    ended = record.is_terminal
    tokens = tokens_of(report.details.entries)
    return [
        ("Process", process_name(record)),
        ("Started", time_text(timeline.from_ms)),
        ("Ended" if ended else "Looked at", time_text(timeline.to_ms)),
        ("Took" if ended else "So far", took),
        ("Runs", str(report.runs)),
        ("Events", str(len(report.events))),
        ("Recorded effects", str(len(report.details.entries))),
        *([] if tokens is None else [("Tokens", tokens)]),
    ]


def _row(moment: Moment, timeline: Timeline) -> dict[str, object]:
    left = timeline.share(moment.from_ms)
    to_ms = moment.to_ms
    return {
        "what": moment.what.value,
        "label": moment.label,
        "said": moment.said,
        "is_bad": moment.is_bad,
        "is_open": moment.is_open,
        "at": offset_text(moment.from_ms - timeline.from_ms),
        "lasted": None if to_ms is None else span_text(to_ms - moment.from_ms),
        "left": left,
        "width": None if to_ms is None else round(max(timeline.share(to_ms) - left, 0), 3),
    }


def _ticks(timeline: Timeline) -> list[dict[str, object]]:
    span_ms = timeline.to_ms - timeline.from_ms
    return [
        {"left": quarter * 25, "text": offset_text(span_ms * quarter // 4)} for quarter in range(5)
    ]


def _event_rows(
    events: Iterable[ProcessEvent], timeline: Timeline
) -> list[tuple[int, str, str, str, JsonValue]]:
    return [
        (
            event.sequence,
            time_text(event.occurred_at_ms),
            offset_text(event.occurred_at_ms - timeline.from_ms),
            describe(event),
            to_json(event),
        )
        for event in events
    ]


def _effect_rows(details: Details, timeline: Timeline) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            entry.replay_key,
            kind_of(entry),
            offset_text(entry.recorded_at_ms - timeline.from_ms),
            "" if entry.due_at_ms is None else offset_text(entry.due_at_ms - timeline.from_ms),
            describe_outcome(entry),
        )
        for entry in details.entries
    ]


def offset_text(offset_ms: int) -> str:
    """How long after the start something was."""
    return f"+{span_text(max(offset_ms, 0))}"


def span_text(span_ms: int) -> str:
    """A duration, with as many digits as say something."""
    if span_ms < 1000:
        return f"{span_ms} ms"
    seconds = span_ms / 1000
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _pretty(value: JsonValue) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
