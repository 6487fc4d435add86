"""Tools: how a model sees them, and what comes of hostile calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
import trio
from hypothesis import given, strategies as st
from pydantic import Field
from trio.testing import MockClock

from lash_trio import (
    EffectError,
    EffectErrorCode,
    FinishTurn,
    InvalidValueError,
    JsonValue,
    SwitchAgentFrame,
    ToolCallOutput,
    ToolFailed,
    ToolFailureClass,
    ToolHostEvent,
    ToolSuccess,
)
from lash_trio.turns import Tool, ToolContext, Tools


class Context:
    call_id = "c1"
    idempotency_key = "i1"

    def __init__(self) -> None:
        self.reported: list[ToolHostEvent] = []

    def report(self, event: ToolHostEvent) -> None:
        self.reported.append(event)


@dataclass
class Place:
    city: str
    country: str = "AT"


def make() -> Tools:
    tools = Tools()

    @tools.tool()
    async def weather(
        place: Place,
        days: Annotated[int, Field(ge=1, le=7, description="how far ahead")] = 1,
        unit: Literal["C", "F"] = "C",
    ) -> dict[str, object]:
        """The weather at a place.

        More of it.
        """
        return {"at": place, "days": days, "unit": unit}

    @tools.tool(name="schema", description="named like a method of pydantic's models")
    async def odd(json: str, copy: bool, ctx: ToolContext, *, _hidden: int = 3) -> str:
        return f"{json} {copy} {ctx.call_id} {ctx.idempotency_key} {_hidden}"

    @tools.tool()
    async def explode() -> None:
        raise LookupError("nothing there")

    @tools.tool(timeout_seconds=2)
    async def slow() -> str:
        await trio.sleep(3)
        return "done"

    @tools.tool()
    async def unserialisable() -> object:
        return object()

    @tools.tool()
    async def not_json() -> float:
        return float("nan")

    @tools.tool()
    async def finish() -> FinishTurn:
        return FinishTurn(value={"done": True})

    @tools.tool()
    async def switch() -> SwitchAgentFrame:
        return SwitchAgentFrame(frame_id="f2")

    return tools


def tool(name: str) -> Tool:
    found = make().get(name)
    assert found is not None
    return found


async def call(name: str, args: JsonValue = None) -> ToolCallOutput:
    return await tool(name).call({} if args is None else args, Context())


def failure_of(output: ToolCallOutput) -> tuple[ToolFailureClass, str, str]:
    assert isinstance(output.outcome, ToolFailed)
    failure = output.outcome.failure
    return failure.failure_class, failure.code, failure.message


def test_what_the_model_sees() -> None:
    spec = tool("weather").spec
    assert spec.description == "The weather at a place.\n\nMore of it."
    schema = spec.input_schema
    assert schema["required"] == ["place"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert properties["days"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 7,
        "description": "how far ahead",
        "title": "Days",
        "default": 1,
    }
    odd = tool("schema").spec.input_schema["properties"]
    assert isinstance(odd, dict)
    assert list(odd) == ["json", "copy", "_hidden"], "the context is not the model's"


async def test_arguments_become_what_the_function_takes() -> None:
    output = await call("weather", {"place": {"city": "Graz"}, "days": 3})
    assert output.outcome == ToolSuccess(
        value={"at": {"city": "Graz", "country": "AT"}, "days": 3, "unit": "C"}
    )
    output = await call("schema", {"json": "a", "copy": True})
    assert output.outcome == ToolSuccess(value="a True c1 i1 3")


@pytest.mark.parametrize(
    ("args", "where"),
    [
        ({}, "place: Field required"),
        ({"place": {"city": "Graz"}, "days": 8}, "days: Input should be less than or equal to 7"),
        ({"place": {"city": "Graz"}, "unit": "K"}, "unit: Input should be 'C' or 'F'"),
        ({"place": {"town": "Graz"}}, "place.city: Field required"),
        ({"place": {"city": "Graz"}, "eval": "x"}, "eval: Extra inputs are not permitted"),
        ([], "the arguments: Input should be an object"),
        (None, "the arguments: Input should be an object"),
        ("not json {", "expected JSON text"),
        ('{"place": ' + "[" * 100_000, "recursion"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(args: JsonValue, where: str) -> None:
    failure_class, code, message = failure_of(await tool("weather").call(args, Context()))
    assert (failure_class, code) == (ToolFailureClass.INVALID_REQUEST, "invalid_arguments")
    assert message.startswith("the arguments of 'weather' do not fit its schema: ")
    assert where in message


async def test_what_a_tool_raises_is_told_to_the_model() -> None:
    failure = failure_of(await call("explode"))
    assert failure == (
        ToolFailureClass.EXECUTION,
        "LookupError",
        "LookupError: nothing there",
    )


async def test_a_tool_that_takes_too_long(autojump_clock: MockClock) -> None:
    failure_class, code, message = failure_of(await call("slow"))
    assert (failure_class, code) == (ToolFailureClass.TIMEOUT, "tool_timeout")
    assert message == "the tool 'slow' did not end within 2 s"
    assert trio.current_time() == 2


@pytest.mark.parametrize("name", ["unserialisable", "not_json"])
async def test_a_value_that_is_no_json(name: str) -> None:
    failure_class, code, message = failure_of(await call(name))
    assert (failure_class, code) == (ToolFailureClass.INTERNAL, "invalid_result")
    assert f"the tool {name!r} returned what is no JSON" in message


async def test_a_tool_may_end_the_turn() -> None:
    output = await call("finish")
    assert output.outcome == ToolSuccess(value={"done": True})
    assert output.control == FinishTurn(value={"done": True})
    assert (await call("switch")).control == SwitchAgentFrame(frame_id="f2")


async def test_cancellation_passes_through_a_tool() -> None:
    with trio.CancelScope() as cancel_scope:
        cancel_scope.cancel()
        await call("slow")
    assert cancel_scope.cancelled_caught


def test_functions_that_are_no_tools() -> None:
    tools = make()
    with pytest.raises(InvalidValueError, match="'blocking' is not one"):

        @tools.tool()  # type: ignore[arg-type]
        def blocking() -> None: ...

    with pytest.raises(InvalidValueError, match="'bare' of the tool 'unannotated' needs"):

        @tools.tool()
        async def unannotated(bare) -> None:  # type: ignore[no-untyped-def]
            ...

    for source in ("*args: int", "**args: int"):
        namespace: dict[str, object] = {}
        exec(f"async def many({source}) -> None: ...", namespace)
        with pytest.raises(InvalidValueError, match="cannot be named in JSON"):
            tools.tool()(namespace["many"])  # type: ignore[type-var]

    async def weather() -> None: ...

    with pytest.raises(InvalidValueError, match="there is a tool 'weather' already"):
        tools.tool()(weather)
    assert "weather" in tools
    assert len(tools) == 8


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(json_values)
def test_no_arguments_break_a_tool(args: JsonValue) -> None:
    async def main() -> None:
        output = await tool("weather").call(args, Context())
        json.dumps(repr(output))
        assert isinstance(output.outcome, ToolFailed | ToolSuccess)

    trio.run(main)


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        (EffectErrorCode.CANCELLED, False),
        (EffectErrorCode.SCOPE_LEASE_LOST, False),
        (EffectErrorCode.PROCESS_FAILED, True),
        ("a_code_of_the_tools_own", True),
    ],
)
async def test_an_effect_inside_a_tool_that_has_no_outcome(code: str, is_told: bool) -> None:
    """What must not be recorded of the effect must not be recorded of the call either."""
    tools = Tools()

    @tools.tool()
    async def nested() -> None:
        raise EffectError(code, "inside")

    made = tools.get("nested")
    assert made is not None
    if is_told:
        assert f"{code}: inside" in failure_of(await made.call({}, Context()))[2]
    else:
        with pytest.raises(EffectError, match="inside") as passed:
            await made.call({}, Context())
        assert passed.value.code == code
