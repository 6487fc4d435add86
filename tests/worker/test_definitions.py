"""Definitions: what is registered, what is refused, what comes of it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lash_trio import (
    FunctionInput,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    ProcessProvenance,
    RerunDisposition,
    SessionScope,
    StartRequest,
)

from .support import idle

START = StartRequest(id="p", provenance=ProcessProvenance.host("tests"))


async def pair(ctx: ProcessContext, first: int, *, second: str = "x") -> str:
    return f"{first}{second}"


def test_a_definition_is_found_by_its_name_and_by_its_function() -> None:
    definitions = ProcessDefinitions()
    assert definitions.process("pair")(pair) is pair
    assert definitions.get("pair") is definitions.get(pair)
    assert definitions.get(pair).function is pair
    assert "pair" in definitions
    assert "other" not in definitions
    assert [known.name for known in definitions] == ["pair"]


def test_one_function_may_have_two_names() -> None:
    definitions = ProcessDefinitions()
    definitions.process("one", rerun="owner_bound")(idle)
    definitions.process("two")(idle)
    assert definitions.get("two").rerun is RerunDisposition.RERUNNABLE
    assert definitions.get("one").rerun is RerunDisposition.OWNER_BOUND


def test_an_unknown_definition_is_refused_with_those_that_are_known() -> None:
    definitions = ProcessDefinitions()
    with pytest.raises(PluginError) as refused:
        definitions.get("brew")
    assert refused.value.reason == PluginReason.UNKNOWN_DEFINITION
    assert "known are none" in str(refused.value)
    definitions.process("pair")(pair)
    definitions.process("idle")(idle)
    with pytest.raises(PluginError, match=r"'brew'; known are pair, idle"):
        definitions.get("brew")

    async def stranger(ctx: ProcessContext) -> None: ...

    with pytest.raises(PluginError, match="stranger"):
        definitions.get(stranger)


def test_signals_become_event_types() -> None:
    definitions = ProcessDefinitions()
    definitions.process("listed", signals=["go", "stop"])(idle)
    assert [t.name for t in definitions.get("listed").event_types] == ["signal.go", "signal.stop"]
    assert all(t.payload_schema == {} for t in definitions.get("listed").event_types)


def test_signals_may_have_schemas() -> None:
    definitions = ProcessDefinitions()
    definitions.process("checked", signals={"go": {"type": "object"}, "stop": {}})(idle)
    schemas = {t.name: t.payload_schema for t in definitions.get("checked").event_types}
    assert schemas == {"signal.go": {"type": "object"}, "signal.stop": {}}


def test_events_of_its_own_follow_the_signals() -> None:
    definitions = ProcessDefinitions()
    progress = ProcessEventType(name="progress", payload_schema={"type": "integer"})
    definitions.process("both", signals=iter(["go"]), events=iter([progress]))(idle)
    names = [t.name for t in definitions.get("both").event_types]
    assert names == ["signal.go", "progress"]


@pytest.mark.parametrize("name", ["", "with blank", "dotted.name", "ünicode"])
def test_a_signal_name_that_is_none_is_refused(name: str) -> None:
    definitions = ProcessDefinitions()
    with pytest.raises(PluginError) as refused:
        definitions.process("p", signals=[name])(idle)
    assert refused.value.reason == PluginReason.INVALID_SIGNAL_NAME
    assert "p" not in definitions


def test_a_single_string_is_no_list_of_signals() -> None:
    with pytest.raises(TypeError, match=r"got the string 'go'; did you mean \['go'\]"):
        ProcessDefinitions().process("p", signals="go")


def test_a_name_serves_one_definition() -> None:
    definitions = ProcessDefinitions()
    register = definitions.process("pair")
    register(pair)
    for again in (register, definitions.process("pair")):
        with pytest.raises(PluginError) as refused:
            again(idle)
        assert refused.value.reason == PluginReason.INVALID_REGISTRATION
        assert "'pair'" in str(refused.value)
    assert definitions.get("pair").function is pair


@pytest.mark.parametrize("name", ["", "  "])
def test_a_blank_name_is_refused(name: str) -> None:
    with pytest.raises(PluginError) as refused:
        ProcessDefinitions().process(name)(idle)
    assert refused.value.reason == PluginReason.INVALID_REGISTRATION


def test_a_sync_function_is_refused() -> None:
    def sync(ctx: ProcessContext) -> None: ...

    definitions = ProcessDefinitions()
    with pytest.raises(PluginError, match="must be an async function") as refused:
        definitions.process("sync")(cast("Any", sync))
    assert refused.value.reason == PluginReason.INVALID_REGISTRATION
    assert "sync" not in definitions


def test_the_disposition_may_be_a_string_but_not_any() -> None:
    definitions = ProcessDefinitions()
    definitions.process("bound", rerun="owner_bound")(idle)
    assert definitions.get("bound").rerun is RerunDisposition.OWNER_BOUND
    with pytest.raises(ValueError, match="sometimes"):
        definitions.process("other", rerun="sometimes")


def test_a_registration_has_all_that_a_row_needs() -> None:
    definitions = ProcessDefinitions()
    definitions.process("pair", signals=["go"], rerun="owner_bound")(pair)
    wake_target = SessionScope(session_id="s1")
    start = StartRequest(
        id="p1", provenance=START.provenance, wake_target=wake_target, env_ref="env-1"
    )
    registration = definitions.registration(pair, {"first": 1}, start)
    assert registration.id == "p1"
    assert registration.input == FunctionInput(
        name="pair", args={"first": 1}, rerun=RerunDisposition.OWNER_BOUND
    )
    assert [t.name for t in registration.event_types] == ["signal.go"]
    assert registration.provenance is start.provenance
    assert registration.wake_target is wake_target
    assert registration.env_ref == "env-1"


def test_a_registration_does_not_share_the_arguments() -> None:
    definitions = ProcessDefinitions()

    @definitions.process("sum")
    async def total(ctx: ProcessContext, numbers: list[int]) -> int:
        return sum(numbers)

    numbers = [1, 2]
    registration = definitions.registration("sum", {"numbers": cast("Any", numbers)}, START)
    numbers.append(3)
    assert isinstance(registration.input, FunctionInput)
    assert registration.input.args == {"numbers": [1, 2]}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, "first, second; got none"),
        ({"first": 1, "third": 3}, "got first, third"),
        ({"first": 1, "ctx": 2}, "got first, ctx"),
        ({"first": 1, "second": "y", "more": 0}, "got first, second, more"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(args: dict[str, Any], said: str) -> None:
    definitions = ProcessDefinitions()
    definitions.process("pair")(pair)
    with pytest.raises(PluginError) as refused:
        definitions.registration("pair", args, START)
    assert refused.value.reason == PluginReason.INVALID_ARGUMENTS
    assert "process 'pair' takes the arguments first, second" in str(refused.value)
    assert said in str(refused.value)


def test_arguments_that_fit_are_taken() -> None:
    definitions = ProcessDefinitions()
    definitions.process("pair")(pair)
    fitting: list[dict[str, JsonValue]] = [{"first": 1}, {"first": 1, "second": "y"}]
    for args in fitting:
        registration = definitions.registration("pair", args, START)
        assert isinstance(registration.input, FunctionInput)
        assert registration.input.args == args


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, b"bytes", "\ud800"])
def test_arguments_that_are_no_json_are_refused(value: object) -> None:
    definitions = ProcessDefinitions()
    definitions.process("pair")(pair)
    with pytest.raises(PluginError, match="process 'pair' must be plain JSON") as refused:
        definitions.registration("pair", {"first": cast("Any", value)}, START)
    assert refused.value.reason == PluginReason.INVALID_ARGUMENTS
