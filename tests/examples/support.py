"""Running the examples inside a test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lash_trio import (
    DurableStepCommand,
    EffectEnvelope,
    EffectOutcome,
    InlineEffectController,
    JsonValue,
)
from lash_trio.abc import LocalExecution

BeforeStep = Callable[[str, list[JsonValue]], Awaitable[None]]


async def nothing(name: str, args: list[JsonValue]) -> None:
    """What happens before a step where a test does not care."""


class StepController(InlineEffectController):
    """Runs effects here, and lets a test see every step and get in its way.

    Args:
        before_step: is awaited before every step, with its name and arguments.
    """

    def __init__(self, before_step: BeforeStep = nothing) -> None:
        self.steps: list[tuple[EffectEnvelope, EffectOutcome]] = []
        self.most_at_once = 0
        self._running = 0
        self._before_step = before_step

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        command = envelope.command
        if not isinstance(command, DurableStepCommand):
            return await super().execute_effect(envelope, local_executor)
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            await self._before_step(command.step_id, arguments_of(command))
            outcome = await super().execute_effect(envelope, local_executor)
        finally:
            self._running -= 1
        self.steps.append((envelope, outcome))
        return outcome

    def keys(self, step_name: str) -> dict[str, str]:
        """The last argument of each step of a name, by replay key."""
        found: dict[str, str] = {}
        for envelope, _ in self.steps:
            command = envelope.command
            if isinstance(command, DurableStepCommand) and command.step_id == step_name:
                found[envelope.effect_id] = str(arguments_of(command)[-1])
        return found


def arguments_of(command: DurableStepCommand) -> list[JsonValue]:
    """The arguments of a step."""
    assert isinstance(command.input, list)
    return command.input
