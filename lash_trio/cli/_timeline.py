"""What happened to a process and when, from its log and its journal.  Pure.

Neither of them tells all: a step is recorded when it has ended, so when it began is
not known, and of the runs of a process only how many there were.  What is not known
is not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import attrs

from .. import (
    CANCEL_REQUESTED,
    RESUMED,
    WAITING,
    Err,
    JournalEntry,
    Ok,
    ProcessEvent,
    SleepWait,
    WaitState,
    from_json,
    signal_name_of,
)
from ._describe import describe, describe_end, describe_outcome, describe_wait
from ._details import Details
from ._shapes import command_of, kind_of
from ._turn_words import is_bad_outcome
from ._turns import began_ms


class What(StrEnum):
    """What a row of the timeline is; the values name its colour too."""

    STEP = "step"
    SLEEP = "sleep"
    WAIT = "wait"
    SIGNAL = "signal"
    CHILD = "child"
    MODEL = "model"
    TOOL = "tool"
    EFFECT = "effect"
    EVENT = "event"
    CANCEL = "cancel"
    END = "end"


@attrs.frozen(kw_only=True)
class Moment:
    """One row: something at a time, or from one time to another.

    Args:
        what: it is.
        label: what it is called.
        from_ms: when it began, in milliseconds since the epoch; when it was written
            down, where no more is known.
        to_ms: when it was over; None where it has no length that is known.
        said: what came of it.
        is_bad: whether that is a failure.
        is_open: whether it still goes on.
    """

    what: What
    label: str
    from_ms: int
    to_ms: int | None = None
    said: str = ""
    is_bad: bool = False
    is_open: bool = False


@attrs.frozen(kw_only=True)
class Timeline:
    """All rows, ordered by when they began.

    Args:
        from_ms: when the process was registered.
        to_ms: when it ended, or now; never before the last moment that is known.
        moments: the rows.
    """

    from_ms: int
    to_ms: int
    moments: tuple[Moment, ...]

    def share(self, at_ms: int) -> float:
        """How far along a time is, from 0 to 100."""
        span = max(self.to_ms - self.from_ms, 1)
        return round(100 * min(max(at_ms - self.from_ms, 0), span) / span, 3)


def timeline_of(details: Details, events: Iterable[ProcessEvent], now_ms: int) -> Timeline:
    """Put log and journal together.

    Args:
        details: of the process.
        events: its whole log.
        now_ms: the time, in milliseconds since the epoch.
    """
    record = details.record
    log = list(events)
    ended_at_ms = next(
        (event.occurred_at_ms for event in log if event.semantics.terminal is not None), None
    )
    to_ms = now_ms if ended_at_ms is None else ended_at_ms
    waits = list(_waits(log, to_ms, is_running=not record.is_terminal))
    known = {key for key, _ in waits}
    outcomes = {key: entry for entry in details.entries for key in _wait_keys(entry)}
    moments = [
        *(_with_outcome(moment, outcomes.get(key)) for key, moment in waits),
        *(_recorded(entry, to_ms) for entry in details.entries if not known & _wait_keys(entry)),
        *(_event(event) for event in log if event.event_type not in (WAITING, RESUMED)),
    ]
    moments.sort(key=lambda moment: (moment.from_ms, moment.what is What.END))
    latest = max([to_ms, *(moment.from_ms for moment in moments)])
    return Timeline(from_ms=record.created_at_ms, to_ms=latest, moments=tuple(moments))


def _waits(
    log: list[ProcessEvent], to_ms: int, *, is_running: bool
) -> Iterator[tuple[str, Moment]]:
    """The waits that the log shows, each with the key of the effect that waits."""
    current: tuple[WaitState, ProcessEvent] | None = None
    for event in log:
        if event.event_type == WAITING or event.event_type == RESUMED or _ends(event):
            if current is not None:
                yield _wait(*current, event.occurred_at_ms)
            current = None
        if event.event_type == WAITING and isinstance(event.payload, dict):
            current = from_json(WaitState, event.payload["wait"]), event
    if current is not None:
        key, moment = _wait(*current, to_ms)
        yield key, attrs.evolve(moment, is_open=is_running)


def _wait(wait: WaitState, event: ProcessEvent, to_ms: int) -> tuple[str, Moment]:
    is_sleep = isinstance(wait.kind, SleepWait)
    return wait.kind.key, Moment(
        what=What.SLEEP if is_sleep else What.WAIT,
        label=describe_wait(wait),
        from_ms=event.occurred_at_ms,
        to_ms=to_ms,
    )


def _with_outcome(moment: Moment, entry: JournalEntry | None) -> Moment:
    if entry is None:
        return moment
    if moment.what is What.SLEEP:
        # The journal knows how long it was to sleep, and a little better since when.
        return attrs.evolve(moment, label=_sleep_label(entry), from_ms=entry.recorded_at_ms)
    said = "" if entry.outcome is None else describe_outcome(entry)
    return attrs.evolve(moment, said=said, is_bad=isinstance(entry.outcome, Err))


def _wait_keys(entry: JournalEntry) -> set[str]:
    """The keys under which the log may know what waits."""
    return {entry.replay_key, str(command_of(entry).get("key", entry.replay_key))}


def _recorded(entry: JournalEntry, to_ms: int) -> Moment:
    what = {
        "durable_step": What.STEP,
        "sleep": What.SLEEP,
        "await_event": What.WAIT,
        "process": What.CHILD,
        "llm_call": What.MODEL,
        "direct": What.MODEL,
        "tool_call": What.TOOL,
        "exec_code": What.TOOL,
    }.get(kind_of(entry), What.EFFECT)
    # Of a sleep the due time is known; one that still lasts is drawn up to now.
    sleeps_until = entry.due_at_ms if what is What.SLEEP else None
    until = None if sleeps_until is None else min(sleeps_until, to_ms)
    began = began_ms(entry)
    return Moment(
        what=what,
        label=_effect_label(entry, what),
        from_ms=entry.recorded_at_ms if began is None else began,
        to_ms=until if began is None else entry.recorded_at_ms,
        said=describe_outcome(entry),
        is_bad=_is_bad(entry),
    )


def _is_bad(entry: JournalEntry) -> bool:
    match entry.outcome:
        case Ok(value=outcome):
            return is_bad_outcome(outcome)
        case outcome:
            return isinstance(outcome, Err)


def _effect_label(entry: JournalEntry, what: What) -> str:
    if what is What.STEP:
        return f"step {command_of(entry).get('step_id')} ({entry.replay_key})"
    if what is What.WAIT:
        return f"what it waited for was there ({entry.replay_key})"
    if what is What.SLEEP:
        return _sleep_label(entry)
    if what is What.CHILD:
        return "another process"
    if what is What.MODEL:
        return f"asks {_named(entry, 'request', 'model')} ({entry.replay_key})"
    if what is What.TOOL:
        return f"runs {_named(entry, 'call', 'tool_name') or 'code'} ({entry.replay_key})"
    return entry.replay_key


def _named(entry: JournalEntry, part: str, name: str) -> str:
    """A name that stands in a part of the command."""
    found = command_of(entry).get(part)
    return str(found.get(name, "")) if isinstance(found, dict) else ""


def _sleep_label(entry: JournalEntry) -> str:
    return f"sleeps for {from_json(int, command_of(entry)['duration_ms']) / 1000:g} s"


def _event(event: ProcessEvent) -> Moment:
    terminal = event.semantics.terminal
    if terminal is not None:
        output = terminal.await_output
        return Moment(
            what=What.END,
            label=describe_end(output),
            from_ms=event.occurred_at_ms,
            is_bad=output.tag != "success",
        )
    if event.event_type == CANCEL_REQUESTED:
        what = What.CANCEL
    elif signal_name_of(event.event_type) is not None:
        what = What.SIGNAL
    else:
        what = What.EVENT
    return Moment(what=what, label=describe(event), from_ms=event.occurred_at_ms)


def _ends(event: ProcessEvent) -> bool:
    return event.semantics.terminal is not None
