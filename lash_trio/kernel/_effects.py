"""Envelope and executor of the common effects."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVarTuple

import attrs

from ..abc import ProcessRegistry
from ..model import (
    MAX_DURATION_MS,
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
    InvalidValueError,
    Invocation,
    InvocationScope,
    JsonValue,
    ProcessCommand,
    StepError,
    WireError,
    copy_json,
)
from ._executor import LocalExecutor

ArgsT = TypeVarTuple("ArgsT")
Effect: TypeAlias = tuple[EffectEnvelope, LocalExecutor]


@attrs.frozen(kw_only=True)
class EventToAwait:
    """Which event to wait for, where, and for how long."""

    registry: ProcessRegistry
    process_id: str
    event_type: str
    ordinal: int
    timeout_seconds: float | None = None

    @property
    def key(self) -> str:
        """Names the event: ``process:<id>:<type>:<ordinal>``."""
        return f"process:{self.process_id}:{self.event_type}:{self.ordinal}"

    def executor(self) -> LocalExecutor:
        """Serves the effect that waits for it."""
        return LocalExecutor.await_process_event(
            key=self.key,
            registry=self.registry,
            process_id=self.process_id,
            event_type=self.event_type,
            event_ordinal=self.ordinal,
        )


def milliseconds(seconds: float, what: str) -> int:
    """Seconds as whole milliseconds, rounded up.

    Raises:
        InvalidValueError: the number is negative, not finite, or more than a duration can be.
    """
    if not 0 <= seconds <= MAX_DURATION_MS / 1000:
        raise InvalidValueError(
            f"{what} takes seconds, from zero to {MAX_DURATION_MS / 1000:.3g}; got {seconds!r}"
        )
    # 0.1 * 1000 is a hair more than 100; the rounding takes the hair off first.
    return math.ceil(round(seconds * 1000, 6))


def sleep_effect(scope: EffectScope, key: str, seconds: float) -> Effect:
    """A sleep."""
    command = EffectCommand.sleep(milliseconds(seconds, "a sleep"))
    return effect_envelope(scope, key, command), LocalExecutor.sleep()


def step_effect(
    scope: EffectScope,
    key: str,
    name: str,
    function: Callable[[*ArgsT], Awaitable[JsonValue]],
    *args: *ArgsT,
) -> Effect:
    """A durable step."""
    try:
        arguments = copy_json(args)
    except WireError as error:
        raise WireError(
            error.code,
            f"the arguments of step {name!r} must be plain JSON, since they are recorded: "
            f"{error.message}; bind what is not JSON with functools.partial",
        ) from error

    async def run(_: EffectEnvelope) -> EffectOutcome:
        try:
            value = await function(*args)
        except EffectError:
            raise
        except Exception as error:
            # What a step raises is recorded, so it becomes an error that can be.
            raise StepError(
                f"step {name!r} failed with {type(error).__name__}: {error}",
                type(error).__name__,
                str(error),
            ) from error
        return DurableStepOutcome(value=_step_value(name, value))

    command = EffectCommand.durable_step(name, arguments)
    return effect_envelope(scope, key, command), LocalExecutor.call(run)


def await_event_effect(scope: EffectScope, key: str, awaited: EventToAwait) -> Effect:
    """A wait for an event."""
    timeout = awaited.timeout_seconds
    command = EffectCommand.await_event(
        awaited.key, None if timeout is None else milliseconds(timeout, "a timeout")
    )
    return effect_envelope(scope, key, command), awaited.executor()


def process_effect(
    scope: EffectScope, key: str, registry: ProcessRegistry, command: ProcessCommand
) -> Effect:
    """A command of the process plane."""
    envelope = effect_envelope(scope, key, EffectCommand.process(command))
    return envelope, LocalExecutor.process_control(registry)


def effect_envelope(scope: EffectScope, key: str, command: EffectCommand) -> EffectEnvelope:
    """The envelope of a command in a scope, under a replay key that names it too."""
    where = InvocationScope(session_id=scope.session_id or scope.id, turn_id=scope.turn_id)
    return EffectEnvelope(
        invocation=Invocation.effect(where, key, command.kind, key), command=command
    )


def _step_value(name: str, value: object) -> JsonValue:
    try:
        return copy_json(value)
    except WireError as error:
        raise WireError(
            EffectErrorCode.INVALID_JSON,
            f"the value of step {name!r} must be plain JSON, since it is recorded: {error.message}",
        ) from error
