"""The strategies that are shipped: one for every class, and all make what the rules accept."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.strategies import SearchStrategy

from lash_trio.model import (
    CORE_EVENT_TYPES,
    AppendTarget,
    EffectEnvelope,
    EffectScope,
    ProcessEventSemantics,
    ProcessLease,
    ProcessRecord,
    ProcessRegistration,
    ProcessTerminalSemantics,
    canonical_json,
    prepare_registration,
)
from lash_trio.testing import strategies
from lash_trio.testing.strategies import (
    effect_envelopes,
    effect_scopes,
    for_class,
    ids,
    json_values,
    process_event_types,
    process_leases,
    process_records,
    process_registrations,
)
from tests.model.support import by_name, public_classes

# Few are needed to see what class a strategy makes.
FEW = settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])

#: A protocol has no objects of its own; errors are made by what fails.
WITHOUT = {AppendTarget}
CLASSES: list[type[Any]] = [
    cls for cls in public_classes() if not issubclass(cls, Exception) and cls not in WITHOUT
]
FUNCTIONS: list[Callable[[], SearchStrategy[Any]]] = [
    function
    for name, function in inspect.getmembers(strategies, inspect.isfunction)
    if function.__module__ == strategies.__name__ and name != "for_class"
]


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_every_class_of_the_model_has_a_strategy_that_makes_it(cls: type[Any]) -> None:
    @FEW
    @given(for_class(cls))
    def check(value: object) -> None:
        assert isinstance(value, cls)

    check()


def test_a_strategy_of_a_union_makes_every_member() -> None:
    made: set[type] = set()

    @settings(max_examples=200, database=None)
    @given(for_class(EffectScope))
    def collect(scope: EffectScope) -> None:
        made.add(type(scope))

    collect()
    assert made == set(EffectScope.__subclasses__())


@pytest.mark.parametrize("cls", [int, object, AppendTarget, ValueError])
def test_any_other_class_is_refused_by_name(cls: type) -> None:
    with pytest.raises(LookupError, match=f"got {cls.__module__}.{cls.__qualname__}"):
        for_class(cls)


def test_an_enumeration_of_anybody_has_a_strategy() -> None:
    class Colour(Enum):
        RED = 1
        BLUE = 2

    @FEW
    @given(for_class(Colour))
    def check(value: Colour) -> None:
        assert value in Colour

    check()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_function_gives_the_strategy_of_the_class_in_its_type(
    function: Callable[[], SearchStrategy[Any]],
) -> None:
    (made,) = typing.get_args(typing.get_type_hints(function)["return"])
    if isinstance(made, type) and made.__module__.startswith("lash_trio."):
        assert function() is for_class(made)
    else:
        assert function in (ids, json_values, strategies.json_objects)


@given(ids())
def test_ids_are_not_blank(text: str) -> None:
    assert text.strip()


@given(json_values())
def test_json_values_are_json(value: object) -> None:
    canonical_json(value)


@given(effect_scopes())
def test_scopes_can_be_opened(scope: EffectScope) -> None:
    scope.validate()


@given(process_registrations())
def test_registrations_are_accepted(registration: ProcessRegistration) -> None:
    prepare_registration(registration)


@given(st.lists(process_event_types(), max_size=3))
def test_event_types_are_not_core_types(event_types: list[Any]) -> None:
    core = {event_type.name for event_type in CORE_EVENT_TYPES}
    assert core.isdisjoint(event_type.name for event_type in event_types)


@given(process_records())
def test_a_row_that_has_ended_waits_for_nothing_and_agrees_with_its_output(
    record: ProcessRecord,
) -> None:
    output = record.status.await_output
    assert record.is_terminal is (output is not None)
    if output is not None:
        assert record.wait is None
        assert record.status.terminal_state is output.terminal_state
    assert record.updated_at_ms >= record.created_at_ms
    declared = {event_type.name for event_type in record.event_types}
    assert declared >= {event_type.name for event_type in CORE_EVENT_TYPES}


@given(for_class(ProcessEventSemantics))
def test_the_end_that_an_event_means_agrees_with_its_output(
    semantics: ProcessEventSemantics,
) -> None:
    terminal: ProcessTerminalSemantics | None = semantics.terminal
    assert terminal is None or terminal.state is terminal.await_output.terminal_state


@given(process_leases())
def test_leases_end_after_they_were_claimed(lease: ProcessLease) -> None:
    assert lease.is_alive(lease.claimed_at_epoch_ms)
    assert not lease.is_alive(lease.expires_at_epoch_ms)


@given(effect_envelopes())
def test_envelopes_are_of_the_kind_of_their_command(envelope: EffectEnvelope) -> None:
    assert envelope.invocation.effect_kind is envelope.command.kind


def test_without_hypothesis_the_error_names_the_extra() -> None:
    program = (
        "import sys\n"
        "sys.modules['hypothesis'] = None\n"  # how Python says that it is not there
        "import lash_trio.testing\n"
        "try:\n"
        "    import lash_trio.testing.strategies\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "needs hypothesis" in done.stdout
    assert "lash-trio[testing]" in done.stdout


def test_the_package_does_not_import_hypothesis() -> None:
    program = "import sys, lash_trio.testing; print('hypothesis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
