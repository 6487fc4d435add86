"""Events of processes in words."""

from __future__ import annotations

from enum import StrEnum

from .. import (
    CANCEL_REQUESTED,
    RESUMED,
    WAITING,
    AwaitEventOutcome,
    DurableStepOutcome,
    Err,
    EventWait,
    JournalEntry,
    Ok,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessEndWait,
    ProcessEvent,
    ProcessFailure,
    ProcessOutcome,
    ProcessStarted,
    ProcessStatus,
    SignalWait,
    SleepOutcome,
    SleepWait,
    WaitState,
    from_json,
    signal_name_of,
    to_json,
)
from ..model import OperatorWait
from ._turn_words import describe_turn_outcome
from ._words import (
    brief as brief,
    one_line as one_line,
    printable as printable,
)


class Tone(StrEnum):
    """How something is meant; the values are styles of rich."""

    NORMAL = "none"
    QUIET = "dim"
    GOOD = "green"
    BAD = "red"


def describe(event: ProcessEvent) -> str:
    """What an event says, in a few words and on one line."""
    if event.semantics.terminal is not None:
        return describe_end(event.semantics.terminal.await_output)
    match event.event_type, event.payload:
        case "process.waiting", {"wait": wait}:
            return describe_wait(from_json(WaitState, wait))
        case "process.resumed", _:
            return "goes on"
        case "process.cancel_requested", {"reason": reason}:
            return f"is asked to end: {reason or 'no reason was given'}"
        case event_type, payload:
            signal = signal_name_of(event_type)
            what = event_type if signal is None else f"gets the signal {signal}"
            return what if payload is None else f"{what} {brief(payload)}"


def describe_wait(wait: WaitState) -> str:
    """What a process waits for."""
    match wait.kind:
        case SignalWait(name=name, ordinal=ordinal):
            return f"waits for the signal {name} (number {ordinal})"
        case EventWait(process_id=process_id, event_type=event_type, ordinal=ordinal):
            return f"waits for {event_type} (number {ordinal}) of {process_id}"
        case SleepWait(due_at_ms=due_at_ms):
            # The two are read from the clock one after the other.
            return f"sleeps for {round((due_at_ms - wait.since_ms) / 1000, 2):g} s"
        case ProcessEndWait(process_id=process_id):
            return f"waits for the end of {process_id}"
        case OperatorWait(code=code, message=message):
            return f"waits for somebody to repair it ({code}): {one_line(message)}"
        case _:
            return "waits"


def describe_end(output: ProcessAwaitOutput) -> str:
    """How a process ended; a value is not shown, since it may be large."""
    match output:
        case ProcessFailure(failure_class=failure_class, code=code, message=message):
            return f"failed ({failure_class}, {code}): {one_line(message)}"
        case ProcessCancellation(message=message):
            return f"was cancelled: {one_line(message)}"
        case _:
            return output.terminal_state


def describe_outcome(entry: JournalEntry) -> str:
    """What came of a recorded effect, or that it is not known yet."""
    match entry.outcome:
        case None:
            return "not yet"
        case Err(error=failure):
            return f"{failure.code}: {one_line(failure.message)}"
        case Ok(value=DurableStepOutcome(value=value)):
            return brief(value)
        case Ok(value=SleepOutcome()):
            # Recorded when it begins: its due time is all that a later run needs.
            return "until it is due"
        case Ok(value=AwaitEventOutcome(timed_out=True)):
            return "did not come in time"
        case Ok(value=AwaitEventOutcome(payload=payload)):
            return brief(payload)
        case Ok(value=ProcessOutcome(result=ProcessStarted(record=record))):
            return f"started {record.id}"
        case Ok(value=value):
            return describe_turn_outcome(value) or brief(to_json(value))


def tone_of(event: ProcessEvent) -> Tone:
    """How an event is meant: bookkeeping, good or bad news."""
    terminal = event.semantics.terminal
    if terminal is not None:
        return Tone.GOOD if terminal.await_output.tag == "success" else Tone.BAD
    if event.event_type == CANCEL_REQUESTED:
        return Tone.BAD
    return Tone.QUIET if event.event_type in (WAITING, RESUMED) else Tone.NORMAL


def tone_of_status(status: ProcessStatus) -> Tone:
    """How the state of a process is meant."""
    output = status.await_output
    if output is None:
        return Tone.NORMAL
    return Tone.GOOD if output.tag == "success" else Tone.BAD
