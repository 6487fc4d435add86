"""What the span of an effect says of its command."""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue

from ..model import (
    AwaitEventCommand,
    CheckpointCommand,
    DirectCommand,
    DurableStepCommand,
    EffectCommand,
    EffectEnvelope,
    ProcessEffectCommand,
    SleepCommand,
)
from ._names import (
    CHECKPOINT,
    EFFECT_ID,
    PROCESS_OP,
    REPLAY_KEY,
    SLEEP_DURATION,
    STEP_ID,
    USAGE_SOURCE,
    WAIT_KEY,
    WAIT_TIMEOUT,
)


def effect_span_name(command: EffectCommand) -> str:
    """``effect`` and the kind; of steps and process commands also which one."""
    match command:
        case DurableStepCommand(step_id=step_id):
            return f"effect {command.kind} {step_id}"
        case ProcessEffectCommand(command=process_command):
            return f"effect {command.kind} {process_command.tag}"
        case _:
            return f"effect {command.kind}"


def effect_attributes(envelope: EffectEnvelope) -> dict[str, AttributeValue]:
    """Its identity beside the kind, and what it asks for as far as that is no content."""
    command = envelope.command
    attributes: dict[str, AttributeValue] = {
        EFFECT_ID: envelope.effect_id,
        REPLAY_KEY: envelope.replay_key,
    }
    match command:
        case DurableStepCommand(step_id=step_id):
            attributes[STEP_ID] = step_id
        case SleepCommand(duration_ms=duration_ms):
            attributes[SLEEP_DURATION] = duration_ms
        case AwaitEventCommand(key=key, timeout_ms=timeout_ms):
            attributes[WAIT_KEY] = key
            if timeout_ms is not None:
                attributes[WAIT_TIMEOUT] = timeout_ms
        case ProcessEffectCommand(command=process_command):
            attributes[PROCESS_OP] = process_command.tag
        case DirectCommand(usage_source=usage_source):
            attributes[USAGE_SOURCE] = usage_source
        case CheckpointCommand(checkpoint_kind=kind):
            attributes[CHECKPOINT] = kind.value
        case _:
            pass
    return attributes
