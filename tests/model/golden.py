"""An envelope and its hash, in a module that another process imports quickly."""

from __future__ import annotations

from lash_trio.model import EffectCommand, EffectEnvelope, Invocation, InvocationScope, JsonValue


def envelope(step_input: JsonValue) -> EffectEnvelope:
    command = EffectCommand.durable_step("step", step_input)
    return EffectEnvelope(
        invocation=Invocation.effect(
            InvocationScope(session_id="s1", turn_index=0),
            effect_id="e1",
            kind=command.kind,
            replay_key="k1",
        ),
        command=command,
    )


INPUT: JsonValue = {"z": [1, 1.5, -0.0, True, None], "a": {"é": "😀", "｡": 10**40}}
# Kept by every journal that was ever written. If one of these differs, the format of the
# wire has changed, and recorded work no longer replays.
TEXT = (
    '{"command":{"input":{"a":{"é":"😀","｡":10000000000000000000000000000000000000000},'
    '"z":[1,1.5,-0.0,true,null]},"step_id":"step","type":"durable_step"},'
    '"invocation":{"replay":{"key":"k1"},"scope":{"session_id":"s1","turn_index":0},'
    '"subject":{"effect_id":"e1","kind":"durable_step","type":"effect"}}}'
)
HASH = "40383563e3363a66ba10ffd2b3d9df111474707509528d7f7187bc3e45d158fd"
