"""Tools: typed async functions that a model may call."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, NotRequired, Protocol, TypeVar, cast

import attrs
import trio
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict

from ..model import (
    EffectError,
    FailTurn,
    FinishTurn,
    InvalidValueError,
    JsonObject,
    JsonValue,
    LlmToolSpec,
    SwitchAgentFrame,
    ToolCallOutput,
    ToolControl,
    ToolFailed,
    ToolFailure,
    ToolFailureClass,
    ToolFailureSource,
    ToolHostEvent,
    ToolSuccess,
    WireError,
    copy_json,
    dumps,
    is_outcome,
    parse_json,
)

FunctionT = TypeVar("FunctionT", bound=Callable[..., Awaitable[object]])


class ToolContext(Protocol):
    """What a tool may know of its call: an argument of this type is given by the loop."""

    @property
    def call_id(self) -> str:
        """The model's name for the call."""
        ...

    @property
    def idempotency_key(self) -> str:
        """The same in every run of this call; hand it to the outside world."""
        ...

    def report(self, event: ToolHostEvent) -> None:
        """Report an occurrence to the host; recorded with the outcome of the call."""
        ...


@attrs.frozen(kw_only=True)
class Tool:
    """A tool: an async function, and how the model sees it.

    Args:
        name: what the model calls it.
        description: what the model is told of it.
        function: does it.
        timeout_seconds: how long a call may take; for ever where None.
        arguments: checks the arguments, by name.
        context_parameter: the parameter that takes the :class:`ToolContext`, if any.
    """

    name: str
    description: str
    function: Callable[..., Awaitable[object]]
    timeout_seconds: float | None
    arguments: TypeAdapter[dict[str, object]]
    context_parameter: str | None

    @property
    def spec(self) -> LlmToolSpec:
        """The tool as a model request carries it."""
        schema = cast("JsonObject", self.arguments.json_schema())
        schema.pop("title", None)
        return LlmToolSpec(name=self.name, description=self.description, input_schema=schema)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The parameters that are the caller's, in order."""
        names = inspect.signature(self.function).parameters
        return tuple(name for name in names if name != self.context_parameter)

    async def call(self, args: JsonValue, context: ToolContext) -> ToolCallOutput:
        """Check the arguments and run the function.

        Args:
            args: as the model gave them, which may be anything.
            context: of the call.

        Returns:
            How it ended; what the function raises and what is wrong with the
            arguments is in it.

        Raises:
            EffectError: the tool used an effect that was cancelled, or whose outcome
                could not be recorded: that is no outcome of the call either.

        ``trio.Cancelled`` passes through.
        """
        try:
            # Text is what was no JSON to the loop; here it is found out why.
            given = parse_json(args) if isinstance(args, str) else args
            named = self.arguments.validate_json(dumps(given))
        except (ValidationError, WireError) as error:
            return _failed(
                ToolFailureClass.INVALID_REQUEST,
                "invalid_arguments",
                f"the arguments of {self.name!r} do not fit its schema: {_explained(error)}",
            )
        if self.context_parameter is not None:
            named[self.context_parameter] = context
        limit = float("inf") if self.timeout_seconds is None else self.timeout_seconds
        try:
            with trio.move_on_after(limit):
                return _output(self.name, await self.function(**named))
        except Exception as error:
            # A cancelled effect or a lost lease inside the tool is no outcome of its call,
            # so that nothing is recorded and the call runs again.
            if isinstance(error, EffectError) and not is_outcome(error):
                raise
            # Whatever else a tool raises is what the model is told.
            return _failed(
                ToolFailureClass.EXECUTION, type(error).__name__, f"{type(error).__name__}: {error}"
            )
        return _failed(
            ToolFailureClass.TIMEOUT,
            "tool_timeout",
            f"the tool {self.name!r} did not end within {self.timeout_seconds:g} s",
        )


class Tools:
    """The tools that a model may call, by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def get(self, name: str) -> Tool | None:
        """The tool of a name, or None."""
        return self._tools.get(name)

    @property
    def specs(self) -> tuple[LlmToolSpec, ...]:
        """The tools as a model request carries them, in the order of their registration."""
        return tuple(tool.spec for tool in self)

    def tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Callable[[FunctionT], FunctionT]:
        """Register the decorated async function as a tool.

        The JSON Schema of its arguments follows from its annotations, which may be
        whatever pydantic knows; ``Annotated[str, pydantic.Field(description=...)]``
        says more.  A parameter of type :class:`ToolContext` is not the model's.

        Args:
            name: what the model calls it; the function's name where None.
            description: what the model is told of it; the docstring where None.
            timeout_seconds: how long a call may take.

        Raises:
            InvalidValueError: it is no async function, has parameters that JSON cannot
                name, lacks annotations, or its name is taken.
        """

        def register(function: FunctionT) -> FunctionT:
            made = _make(function, name, description, timeout_seconds)
            if made.name in self._tools:
                raise InvalidValueError(f"there is a tool {made.name!r} already; give another name")
            self._tools[made.name] = made
            return function

        return register


def unknown_tool(name: str, tools: Tools) -> ToolCallOutput:
    """What the model is told that called a tool which is not there."""
    known = ", ".join(repr(tool.name) for tool in tools) or "none"
    return _failed(
        ToolFailureClass.INVALID_REQUEST,
        "unknown_tool",
        f"there is no tool {name!r}; the tools are {known}",
    )


def model_return(output: ToolCallOutput) -> tuple[str, bool]:
    """What the model is told of how a call ended, and whether it is an error."""
    match output.outcome:
        case ToolSuccess(value=str() as text):
            return text, False
        case ToolSuccess(value=value):
            return dumps(value), False
        case ToolFailed(failure=failure):
            return f"{failure.code}: {failure.message}", True
        case other:
            return str(getattr(other, "message", other)), True


def _make(
    function: Callable[..., Awaitable[object]],
    name: str | None,
    description: str | None,
    timeout_seconds: float | None,
) -> Tool:
    own_name = getattr(function, "__name__", type(function).__name__) if name is None else name
    if not inspect.iscoroutinefunction(function):
        raise InvalidValueError(f"a tool is an async function, and {own_name!r} is not one")
    hints = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, object] = {}
    context_parameter = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or (
            parameter.kind is parameter.POSITIONAL_ONLY
        ):
            raise InvalidValueError(
                f"the parameter {parameter} of the tool {own_name!r} cannot be named in JSON; "
                "use parameters that can be given by name"
            )
        if parameter.name not in hints:
            raise InvalidValueError(
                f"the parameter {parameter.name!r} of the tool {own_name!r} needs an annotation: "
                "the model is told of its type"
            )
        if hints[parameter.name] is ToolContext:
            context_parameter = parameter.name
            continue
        hint = hints[parameter.name]
        if parameter.default is not parameter.empty:
            shown = Field(json_schema_extra={"default": to_jsonable_python(parameter.default)})
            hint = NotRequired[Annotated[hint, shown]]
        fields[parameter.name] = hint
    # A typed dictionary and no model: its keys may have any name.
    make_type = cast("Callable[[str, dict[str, object]], type[dict[str, object]]]", TypedDict)
    arguments = with_config(ConfigDict(extra="forbid"))(make_type(own_name, fields))
    return Tool(
        name=own_name,
        description=inspect.getdoc(function) or "" if description is None else description,
        function=function,
        timeout_seconds=timeout_seconds,
        arguments=TypeAdapter(arguments),
        context_parameter=context_parameter,
    )


def _output(name: str, value: object) -> ToolCallOutput:
    match value:
        case ToolCallOutput():
            return value
        case FinishTurn(value=finished):
            return ToolCallOutput(outcome=ToolSuccess(value=finished), control=value)
        case FailTurn(failure=failure):
            return ToolCallOutput(outcome=ToolFailed(failure=failure), control=value)
        case SwitchAgentFrame() | ToolControl():
            return ToolCallOutput(outcome=ToolSuccess(value=None), control=value)
        case _:
            pass
    try:
        return ToolCallOutput(outcome=ToolSuccess(value=copy_json(to_jsonable_python(value))))
    except (PydanticSerializationError, WireError) as error:
        return _failed(
            ToolFailureClass.INTERNAL,
            "invalid_result",
            f"the tool {name!r} returned what is no JSON: {error}",
        )


def _failed(failure_class: ToolFailureClass, code: str, message: str) -> ToolCallOutput:
    in_tool = failure_class is ToolFailureClass.EXECUTION
    return ToolCallOutput(
        outcome=ToolFailed(
            failure=ToolFailure(
                failure_class=failure_class,
                code=code,
                message=message,
                source=ToolFailureSource.TOOL if in_tool else ToolFailureSource.RUNTIME,
            )
        )
    )


def _explained(error: ValidationError | WireError) -> str:
    """What is wrong with the arguments, for the model to mend."""
    if isinstance(error, WireError):
        return error.message
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'the arguments'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )
