"""What the tests of the kernel share: effects to ask for, and parts that watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from lash_trio import (
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
    Invocation,
    InvocationScope,
    JsonValue,
    LocalExecutor,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
    ProcessCommand,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
)
from lash_trio.abc import LocalExecution, ProcessRegistry
from lash_trio.model import terminal_event

TURN = EffectScope.turn("s1", "t1")
READY = "signal.ready"

Effect = tuple[EffectEnvelope, LocalExecutor]


def envelope(command: EffectCommand, key: str = "k1") -> EffectEnvelope:
    """The envelope of a command whose effect id and replay key are ``key``."""
    return EffectEnvelope(
        invocation=Invocation.effect(InvocationScope(session_id="s1"), key, command.kind, key),
        command=command,
    )


def sleep(seconds: float, key: str = "k1") -> Effect:
    return envelope(EffectCommand.sleep(round(seconds * 1000)), key), LocalExecutor.sleep()


def call(function: Callable[[], Awaitable[JsonValue]], key: str = "k1") -> Effect:
    """A step that calls a function and gives its value, and its errors, as they are."""

    async def run(_: EffectEnvelope) -> EffectOutcome:
        return DurableStepOutcome(value=await function())

    return envelope(EffectCommand.durable_step(key), key), LocalExecutor.call(run)


def await_ready(registry: ProcessRegistry, ordinal: int = 1, key: str = "k1") -> Effect:
    return envelope(EffectCommand.await_event(key), key), LocalExecutor.await_process_event(
        key=key, registry=registry, process_id="p1", event_type=READY, event_ordinal=ordinal
    )


def process(registry: ProcessRegistry, command: ProcessCommand, key: str = "k1") -> Effect:
    return envelope(EffectCommand.process(command), key), LocalExecutor.process_control(registry)


def registration(process_id: str = "p1") -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("tests"),
        event_types=[ProcessEventType(name=READY), ProcessEventType(name="other")],
    )


def ready(payload: JsonValue = None) -> ProcessEventAppendRequest:
    return ProcessEventAppendRequest(event_type=READY, payload=payload)


class Registry(MemoryProcessRegistry):
    """A registry in memory that can also append between two checkpoints."""

    def append_now(self, request: ProcessEventAppendRequest) -> None:
        self._append(self._log("p1"), request)

    def end_now(self) -> None:
        self.append_now(terminal_event("p1", ProcessAwaitOutput.success("done")))


class RecordingController(InlineEffectController):
    """Notes what it is asked for, and what it would record."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.recorded: list[str] = []

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        # Before the first checkpoint: what a cancelled effect must not reach.
        self.seen.append(envelope.replay_key)
        outcome = await super().execute_effect(envelope, local_executor)
        self.recorded.append(envelope.replay_key)
        return outcome


async def code_of(awaitable: Awaitable[object]) -> str:
    """The code of the error that an awaitable raises."""
    try:
        value = await awaitable
    except EffectError as error:
        return error.code
    raise AssertionError(f"expected an EffectError, got {value!r}")


async def forever() -> JsonValue:
    await trio.sleep_forever()
    raise AssertionError("unreachable")


async def answer() -> JsonValue:
    await trio.lowlevel.checkpoint()
    return 42
