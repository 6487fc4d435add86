"""The first example, with nothing but public names."""

# The example is meant to be read; it stands here as it stands there.
# ruff: noqa: PT017, PT018
# mypy: disable-error-code="attr-defined"

import trio

from lash_trio import (
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectScope,
    InlineEffectHost,
    Invocation,
    InvocationScope,
    LocalExecutor,
    MemoryProcessRegistry,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
)


# fmt: off
async def main() -> None:
    registry = MemoryProcessRegistry()
    await registry.register_process(ProcessRegistration(
        id="p1", input=ProcessInput.external({}), provenance=ProcessProvenance.host("demo"),
        event_types=[ProcessEventType(name="signal.ready")]))
    async with InlineEffectHost().scoped(EffectScope.turn("s1", "t1")) as scope:
        def wait(ordinal: int, key: str) -> tuple[EffectEnvelope, LocalExecutor]:
            command = EffectCommand.await_event(key)
            envelope = EffectEnvelope(
                invocation=Invocation.effect(
                    InvocationScope(session_id="s1"), effect_id=key, kind=command.kind, replay_key=key),
                command=command)
            return envelope, LocalExecutor.await_process_event(
                key=key, registry=registry, process_id="p1",
                event_type="signal.ready", event_ordinal=ordinal)
        second = scope.start_effect(*wait(2, "k2"))
        never = scope.start_effect(*wait(99, "k99"))
        for n in (1, 2):
            await registry.append_event("p1", ProcessEventAppendRequest(event_type="signal.ready", payload={"n": n}))
        assert (await second.result()).payload == {"n": 2}
        never.cancel("not needed")
        try:
            await never.result()
        except EffectError as error:
            assert error.code == "runtime_effect_await_event_cancelled" and "not needed" in str(error)
        else:
            raise AssertionError
# fmt: on


def test_the_example_runs_as_it_stands() -> None:
    trio.run(main)
