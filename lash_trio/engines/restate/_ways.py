"""Ways to do an effect inside an invocation: what is Restate's, and what is done here."""

from __future__ import annotations

from typing import Protocol

import attrs

from ...abc import EffectController, LocalExecution, ProcessLocalExecution
from ...model import (
    SLEPT,
    AwaitEventCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    JsonValue,
    SleepCommand,
    WireError,
    parse_json,
)
from ._attempt import Attempt


@attrs.frozen(kw_only=True)
class AskedWait:
    """A wait of an effect scope.

    Args:
        name: of the effect, in all of the invocation.
        local: how it could be done here.
        on_derived: to be called where the outcome follows from what Restate has recorded
            already, so that it need not be waited for.
    """

    name: str
    local: LocalExecution
    on_derived: DerivedOutcome


class DerivedOutcome(Protocol):
    """Notes that the outcome of a replay key need not be waited for."""

    def __call__(self, replay_key: str) -> None:
        """Note it."""
        ...


class DurableWays(Protocol):
    """How a process on Restate waits, and reaches other processes."""

    def wait_event(self, asked: AskedWait) -> LocalExecution:
        """Waits for an event."""
        ...

    def sleep(self, asked: AskedWait) -> LocalExecution:
        """Sleeps."""
        ...

    def commands(self, prefix: str) -> EffectController:
        """Runs process commands of a scope whose effects have names with a prefix."""
        ...


class NoProcessControl(LocalExecution):
    """Serves no process commands."""

    def into_process(self) -> ProcessLocalExecution:
        """Refuse."""
        raise EffectError(
            EffectErrorCode.EXECUTOR_UNAVAILABLE,
            "a process effect needs the process control executor",
        )


@attrs.frozen
class Work(LocalExecution):
    """Work that is done here: the attempt is not given up meanwhile."""

    attempt: Attempt
    inner: LocalExecution

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do it."""
        with self.attempt.working():
            return await self.inner.execute(envelope)

    def into_process(self) -> ProcessLocalExecution:
        """What ``inner`` says."""
        return self.inner.into_process()


@attrs.frozen
class DurableSleep(NoProcessControl):
    """A timer that Restate keeps."""

    attempt: Attempt
    name: str

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Sleep; on a repeat, for what is left."""
        command = envelope.command
        duration_ms = command.duration_ms if isinstance(command, SleepCommand) else 0
        await self.attempt.sleep(self.name, duration_ms)
        return SLEPT


def event_payload(data: bytes) -> JsonValue:
    """What an event carries, from its JSON."""
    value = parse_json(data.decode())
    return value.get("payload") if isinstance(value, dict) else None


def wait_command(envelope: EffectEnvelope) -> AwaitEventCommand:
    """The command of an effect that waits."""
    if not isinstance(envelope.command, AwaitEventCommand):
        raise TypeError(f"expected a wait, got {envelope.command!r}")
    return envelope.command


def invalid_ordinal(envelope: EffectEnvelope, event_type: str, ordinal: int) -> EffectError:
    """The error for an ordinal that no event can have."""
    return EffectError(
        EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL,
        f"ordinals count from 1, the effect {envelope.effect_id!r} asks for number "
        f"{ordinal} of {event_type!r}",
    )


def not_json(name: str, error: WireError) -> EffectError:
    """The error for an event that was completed by somebody else than the registry."""
    return EffectError(
        EffectErrorCode.PROCESS_TASK_JOIN,
        f"the wait {name!r} was completed with what is no event: {error.message}",
    )
