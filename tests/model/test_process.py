"""Rows, statuses, filters, commands of the process plane, outcomes."""

from __future__ import annotations

import itertools

import attrs
import pytest
from hypothesis import given

from lash_trio.model import (
    SIGNAL_PREFIX,
    TERMINAL_STATUS,
    AwaitEventOutcome,
    AwaitProcess,
    CancelProcess,
    DeleteSession,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    ListProcesses,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCancelled,
    ProcessCausalRef,
    ProcessCommand,
    ProcessCompleted,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventSubject,
    ProcessFailed,
    ProcessInput,
    ProcessListFilter,
    ProcessListMode,
    ProcessOutcome,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    ProcessRunning,
    ProcessStatus,
    ProcessStatusFilter,
    ProcessTerminalState,
    Replay,
    SessionScope,
    SignalProcess,
    SleepOutcome,
    SleepWait,
    StartProcess,
    TransferProcesses,
    WaitState,
    signal_event_type,
    signal_name_of,
)
from lash_trio.testing.strategies import effect_outcomes, process_records, process_statuses

SUCCESS = ProcessAwaitOutput.success(1)
FAILURE = ProcessAwaitOutput.failure("c", "m")
CANCELLATION = ProcessAwaitOutput.cancelled("m")


@pytest.mark.parametrize(
    ("status", "label", "state", "output"),
    [
        (ProcessRunning(), "running", None, None),
        (ProcessCompleted(await_output=SUCCESS), "completed", "completed", SUCCESS),
        (ProcessFailed(await_output=FAILURE), "failed", "failed", FAILURE),
        (ProcessCancelled(await_output=CANCELLATION), "cancelled", "cancelled", CANCELLATION),
    ],
)
def test_a_status(
    status: ProcessStatus,
    label: str,
    state: str | None,
    output: ProcessAwaitOutput | None,
) -> None:
    assert status.label == label
    assert status.terminal_state == state
    assert status.is_terminal is (state is not None)
    assert status.await_output is output


@given(process_statuses())
def test_every_end_has_its_status(status: ProcessStatus) -> None:
    output = status.await_output
    if output is not None:
        assert TERMINAL_STATUS[output.terminal_state](await_output=output) == status
    assert set(TERMINAL_STATUS) == set(ProcessTerminalState)


# Filters


def row(definition: str | None, status: ProcessStatus, waiting: bool) -> ProcessRecord:
    function = None if definition is None else ProcessInput.function(definition)
    return ProcessRecord(
        id="p",
        registration_hash="h",
        input=ProcessInput.external() if function is None else function,
        provenance=ProcessProvenance.host("demo"),
        status=status,
        wait=WaitState(kind=SleepWait(key="k", due_at_ms=1), since_ms=0) if waiting else None,
    )


STATUSES: list[ProcessStatus] = [
    ProcessRunning(),
    ProcessCompleted(await_output=SUCCESS),
    ProcessFailed(await_output=FAILURE),
    ProcessCancelled(await_output=CANCELLATION),
]
ROWS = list(itertools.product([None, "order", "other"], STATUSES, [False, True]))
FILTERS = list(itertools.product(ProcessStatusFilter, [None, "order"], [None, False, True]))


@pytest.mark.parametrize(("status", "definition", "waiting"), FILTERS)
def test_a_filter_passes_what_it_names(
    status: ProcessStatusFilter, definition: str | None, waiting: bool | None
) -> None:
    chosen = ProcessListFilter(status=status, definition=definition, waiting=waiting)
    for row_definition, row_status, row_waiting in ROWS:
        expected = (
            (status == "any" or status == row_status.label)
            and (definition is None or definition == row_definition)
            and (waiting is None or waiting == row_waiting)
        )
        assert chosen.matches(row(row_definition, row_status, row_waiting)) is expected


def test_a_filter_lists_what_runs_if_it_is_not_told() -> None:
    assert ProcessListFilter() == ProcessListFilter(status=ProcessStatusFilter.RUNNING)


@given(process_records())
def test_any_row_passes_the_open_filter(record: ProcessRecord) -> None:
    assert ProcessListFilter(status=ProcessStatusFilter.ANY).matches(record)
    assert ProcessListFilter().matches(record) is not record.is_terminal
    assert record.is_terminal is record.status.is_terminal


# Signals


@pytest.mark.parametrize("name", ["go", "A-b_9", "-", "0"])
def test_the_event_type_of_a_signal(name: str) -> None:
    assert signal_event_type(name) == f"signal.{name}" == SIGNAL_PREFIX + name
    assert signal_name_of(signal_event_type(name)) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a.b", "é", "a\n", "\u0661", "a/b"])
def test_a_name_that_no_signal_can_have(name: str) -> None:
    with pytest.raises(PluginError) as caught:
        signal_event_type(name)
    assert caught.value.reason == PluginReason.INVALID_SIGNAL_NAME
    assert repr(name) in caught.value.message


def test_what_is_no_signal_has_no_name() -> None:
    assert signal_name_of("process.completed") is None
    assert signal_name_of("signals.go") is None


# Events


def test_the_invocation_of_an_event() -> None:
    event = ProcessEvent(
        process_id="p",
        sequence=4,
        event_type="t",
        payload=None,
        occurred_at_ms=1,
        replay=Replay(key="k"),
    )
    invocation = event.invocation
    assert invocation.subject == ProcessEventSubject(process_id="p", sequence=4, event_type="t")
    assert invocation.caused_by == ProcessCausalRef(process_id="p")
    assert invocation.replay_key == "k"


def test_events_cannot_be_changed() -> None:
    event = ProcessEvent(process_id="p", sequence=1, event_type="t", payload=None, occurred_at_ms=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.sequence = 2  # type: ignore[misc]


# Commands

S1 = SessionScope(session_id="s1")
S2 = SessionScope(session_id="s2", agent_frame_id="f")
START = StartProcess(
    registration=ProcessRegistration(
        id="p1", input=ProcessInput.external(), provenance=ProcessProvenance.host("demo")
    )
)
SIGNAL = SignalProcess(
    process_id="p1",
    signal_name="go",
    signal_id="7",
    request=ProcessEventAppendRequest(event_type="signal.go"),
)
TRANSFER = TransferProcesses(from_scope=S1, to_scope=S2, process_ids=("p1", "p2"))


@pytest.mark.parametrize(
    ("command", "effect_id", "changes_state"),
    [
        (START, "process:start:p1", True),
        (
            ListProcesses(session_scope=S2, mode=ProcessListMode.ALL),
            "process:list:session:s2/frame:f:all",
            False,
        ),
        (DeleteSession(session_id="s1"), "process:delete-session:s1", True),
        (AwaitProcess(process_id="p1"), "process:await:p1", False),
        (CancelProcess(process_id="p1"), "process:cancel:p1", True),
        (SIGNAL, "process:signal:p1:signal.go:7", True),
        (TRANSFER, None, True),
    ],
)
def test_the_effect_id_of_a_command(
    command: ProcessCommand, effect_id: str | None, changes_state: bool
) -> None:
    if effect_id is not None:
        assert command.effect_id == effect_id
    assert command.changes_state is changes_state


def test_the_effect_id_of_a_transfer_depends_on_everything_in_it() -> None:
    beginning = "process:transfer:session:s1:session:s2/frame:f:"
    assert TRANSFER.effect_id.startswith(beginning)
    assert TRANSFER.effect_id == attrs.evolve(TRANSFER).effect_id
    others = [
        attrs.evolve(TRANSFER, process_ids=("p2", "p1")),
        attrs.evolve(TRANSFER, process_ids=("p1",)),
        attrs.evolve(TRANSFER, process_ids=("p1,p2",)),
        attrs.evolve(TRANSFER, from_scope=S2),
        attrs.evolve(TRANSFER, to_scope=S1),
    ]
    assert len({TRANSFER.effect_id, *(other.effect_id for other in others)}) == 6


def test_a_command_of_another_kind_has_an_effect_id() -> None:
    class Unpark(ProcessCommand):
        tag = "un_park"

    assert Unpark().effect_id == "process:un-park"
    assert Unpark.changes_state


# Outcomes


@given(effect_outcomes())
def test_reading_an_outcome_as_what_it_is(outcome: EffectOutcome) -> None:
    assert outcome.expect(type(outcome)) is outcome
    assert outcome.expect(EffectOutcome) is outcome
    other = SleepOutcome if not isinstance(outcome, SleepOutcome) else ProcessOutcome
    with pytest.raises(EffectError) as caught:
        outcome.expect(other)
    assert caught.value.code == "runtime_effect_wrong_outcome"
    assert caught.value.code == EffectErrorCode.WRONG_OUTCOME
    assert caught.value.message == (
        f"expected the outcome of a {other.kind} effect, got one of a {outcome.kind} effect"
    )


def test_a_timeout_is_not_the_outcome_of_an_empty_payload() -> None:
    assert AwaitEventOutcome(payload=None) != AwaitEventOutcome(payload=None, timed_out=True)
