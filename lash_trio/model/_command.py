"""Effect commands: what an envelope asks for.  Tagged by ``type``."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from ._errors import InvalidValueError
from ._invocation import EffectKind
from ._json import JsonValue, shown
from ._process_command import ProcessCommand

if TYPE_CHECKING:
    from ._llm import LlmRequestSpec
    from ._tool import PreparedToolCall
    from ._turn import CheckpointKind
    from ._turn_effects import (
        CheckpointCommand,
        DirectCommand,
        ExecCodeCommand,
        LlmCallCommand,
        SyncExecutionSurfaceCommand,
        ToolCallCommand,
    )

MAX_DURATION_MS = 2**63 - 1
"""The longest duration that a command can carry."""


def _check_ms(_: object, field: attrs.Attribute[int], value: int) -> None:
    _check_range(field.name, value)


def _check_optional_ms(_: object, field: attrs.Attribute[int | None], value: int | None) -> None:
    if value is not None:
        _check_range(field.name, value)


def _check_range(name: str, value: int) -> None:
    if type(value) is not int or not 0 <= value <= MAX_DURATION_MS:
        raise InvalidValueError(
            f"expected {name} to be a whole number of milliseconds from 0 to {MAX_DURATION_MS}, "
            f"got {shown(value)}"
        )


class EffectCommand:
    """What an effect is to do; build one with the factories, match on the subclasses."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]
    kind: ClassVar[EffectKind]

    @staticmethod
    def llm_call(request: LlmRequestSpec) -> LlmCallCommand:
        """One model call of a turn."""
        from ._turn_effects import LlmCallCommand

        return LlmCallCommand(request=request)

    @staticmethod
    def direct(request: LlmRequestSpec, usage_source: str) -> DirectCommand:
        """One model call outside turns; its tokens are counted under ``usage_source``."""
        from ._turn_effects import DirectCommand

        return DirectCommand(request=request, usage_source=usage_source)

    @staticmethod
    def tool_call(call: PreparedToolCall) -> ToolCallCommand:
        """One tool call of a turn."""
        from ._turn_effects import ToolCallCommand

        return ToolCallCommand(call=call)

    @staticmethod
    def process(command: ProcessCommand) -> ProcessEffectCommand:
        """One command to the process plane."""
        return ProcessEffectCommand(command=command)

    @staticmethod
    def exec_code(code: str) -> ExecCodeCommand:
        """Run code that a model wrote."""
        from ._turn_effects import ExecCodeCommand

        return ExecCodeCommand(code=code)

    @staticmethod
    def checkpoint(checkpoint: CheckpointKind) -> CheckpointCommand:
        """A checkpoint of a turn."""
        from ._turn_effects import CheckpointCommand

        return CheckpointCommand(checkpoint_kind=checkpoint)

    @staticmethod
    def sync_execution_surface(update_machine_config: bool) -> SyncExecutionSurfaceCommand:
        """Bring prompt and tools of a turn up to date."""
        from ._turn_effects import SyncExecutionSurfaceCommand

        return SyncExecutionSurfaceCommand(update_machine_config=update_machine_config)

    @staticmethod
    def sleep(duration_ms: int) -> SleepCommand:
        """Wait for a time."""
        return SleepCommand(duration_ms=duration_ms)

    @staticmethod
    def await_event(key: str, timeout_ms: int | None = None) -> AwaitEventCommand:
        """Wait for the event that the executor knows under ``key``."""
        return AwaitEventCommand(key=key, timeout_ms=timeout_ms)

    @staticmethod
    def durable_step(step_id: str, input: JsonValue = None) -> DurableStepCommand:
        """Run a function once and keep what it returned."""
        return DurableStepCommand(step_id=step_id, input=input)


@attrs.frozen(kw_only=True)
class ProcessEffectCommand(EffectCommand):
    """One command to the process plane."""

    tag: ClassVar[str] = "process"
    kind: ClassVar[EffectKind] = EffectKind.PROCESS
    command: ProcessCommand


@attrs.frozen(kw_only=True)
class SleepCommand(EffectCommand):
    """Wait for a time."""

    tag: ClassVar[str] = "sleep"
    kind: ClassVar[EffectKind] = EffectKind.SLEEP
    duration_ms: int = attrs.field(validator=_check_ms)


@attrs.frozen(kw_only=True)
class AwaitEventCommand(EffectCommand):
    """Wait for an event, for ever or for a time."""

    tag: ClassVar[str] = "await_event"
    kind: ClassVar[EffectKind] = EffectKind.AWAIT_EVENT
    key: str
    timeout_ms: int | None = attrs.field(default=None, validator=_check_optional_ms)


@attrs.frozen(kw_only=True)
class DurableStepCommand(EffectCommand):
    """Run a function once and keep what it returned."""

    tag: ClassVar[str] = "durable_step"
    kind: ClassVar[EffectKind] = EffectKind.DURABLE_STEP
    step_id: str
    input: JsonValue = None
