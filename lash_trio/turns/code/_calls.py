"""Calls of tools by executed code."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import trio

from ...model import (
    EffectError,
    JsonObject,
    JsonValue,
    ToolCallOutput,
    ToolCallRecord,
    ToolFailed,
    ToolFailure,
    ToolFailureClass,
    ToolSuccess,
    WireError,
    copy_json,
)
from ._worker import Called, Raised, Returned, cut

Tools: TypeAlias = Mapping[str, Callable[..., Awaitable[JsonValue]]]


class Calls:
    """Runs the tools that code calls, and keeps a record of each.

    Args:
        tools: by name.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.records: list[ToolCallRecord] = []

    async def run(self, called: Called) -> Returned | Raised:
        """Run one; what it raises is raised in the code.

        Raises:
            EffectError: the tool raised one: the kernel's errors are not for the code.
        """
        started = trio.current_time()
        tool = self._tools[called.name]
        args, fault = _named(tool, called)
        if fault is not None:
            await trio.lowlevel.checkpoint()
            failure = ToolFailure(
                failure_class=ToolFailureClass.INVALID_REQUEST,
                code="invalid_arguments",
                message=cut(fault),
            )
            return self._failed(called, started, args, failure)
        try:
            returned = await tool(*called.args, **called.kwargs)
        except EffectError:
            raise
        except Exception as error:  # noqa: BLE001 - a tool may raise anything, for the code to see
            failure = _failure("tool_raised", cut(str(error) or type(error).__name__))
            return self._failed(called, started, args, failure)
        try:
            value = copy_json(returned)
        except WireError as error:
            failure = _failure("invalid_result", f"it returned no JSON: {error.message}")
            return self._failed(called, started, args, failure)
        self._record(called, started, args, ToolCallOutput(outcome=ToolSuccess(value=value)))
        return Returned(value=value)

    def _failed(
        self, called: Called, started: float, args: JsonValue, failure: ToolFailure
    ) -> Raised:
        self._record(called, started, args, ToolCallOutput(outcome=ToolFailed(failure=failure)))
        is_misuse = failure.failure_class is ToolFailureClass.INVALID_REQUEST
        return Raised(
            error="TypeError" if is_misuse else "RuntimeError",
            message=f"{called.name}(): {failure.message}",
        )

    def _record(
        self, called: Called, started: float, args: JsonValue, output: ToolCallOutput
    ) -> None:
        self.records.append(
            ToolCallRecord(
                tool=called.name,
                args=args,
                output=output,
                duration_ms=round((trio.current_time() - started) * 1000),
            )
        )


def _named(
    tool: Callable[..., Awaitable[JsonValue]], called: Called
) -> tuple[JsonValue, str | None]:
    """The arguments by their names, for the record; and why the tool cannot take them."""
    if called.fault is not None:
        return None, called.fault
    try:
        bound = inspect.signature(tool).bind(*called.args, **called.kwargs)
    except TypeError as error:
        return [list(called.args), called.kwargs], str(error)
    args: JsonObject = {}
    for name, value in bound.arguments.items():
        match bound.signature.parameters[name].kind:
            case inspect.Parameter.VAR_KEYWORD:
                args |= value
            case inspect.Parameter.VAR_POSITIONAL:
                args[name] = list(value)
            case _:
                args[name] = value
    return args, None


def _failure(code: str, message: str) -> ToolFailure:
    return ToolFailure(failure_class=ToolFailureClass.EXECUTION, code=code, message=message)
