"""What who awaits a process gets."""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._event_type import ProcessTerminalState
from ._json import JsonValue
from ._tool import ToolControl, ToolFailureClass


class ProcessAwaitOutput:
    """How a process ended, with what it says about it."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]
    terminal_state: ClassVar[ProcessTerminalState]

    @staticmethod
    def success(value: JsonValue) -> ProcessSuccess:
        """It completed with a value."""
        return ProcessSuccess(value=value)

    @staticmethod
    def failure(
        code: str,
        message: str,
        failure_class: ToolFailureClass = ToolFailureClass.EXECUTION,
        raw: JsonValue = None,
    ) -> ProcessFailure:
        """It failed."""
        return ProcessFailure(failure_class=failure_class, code=code, message=message, raw=raw)

    @staticmethod
    def cancelled(message: str, raw: JsonValue = None) -> ProcessCancellation:
        """It was cancelled."""
        return ProcessCancellation(message=message, raw=raw)


@attrs.frozen(kw_only=True)
class ProcessSuccess(ProcessAwaitOutput):
    """It completed."""

    tag: ClassVar[str] = "success"
    terminal_state: ClassVar[ProcessTerminalState] = ProcessTerminalState.COMPLETED
    value: JsonValue
    control: ToolControl | None = None


@attrs.frozen(kw_only=True)
class ProcessFailure(ProcessAwaitOutput):
    """It failed."""

    tag: ClassVar[str] = "failure"
    terminal_state: ClassVar[ProcessTerminalState] = ProcessTerminalState.FAILED
    failure_class: ToolFailureClass = attrs.field(metadata={"wire": "class"})
    code: str
    message: str
    raw: JsonValue = None
    control: ToolControl | None = None


@attrs.frozen(kw_only=True)
class ProcessCancellation(ProcessAwaitOutput):
    """It was cancelled."""

    tag: ClassVar[str] = "cancelled"
    terminal_state: ClassVar[ProcessTerminalState] = ProcessTerminalState.CANCELLED
    message: str
    raw: JsonValue = None
    control: ToolControl | None = None
