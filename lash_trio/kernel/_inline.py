"""The inline host: effects run here and now, nothing is recorded.

Source: ``InlineRuntimeEffectController`` and ``InlineEffectHost`` of the seed.
"""

from __future__ import annotations

from ..abc import EffectController, EffectHost, LocalExecution
from ..model import (
    DurabilityTier,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    ProcessEffectCommand,
    ProcessOutcome,
)
from ._process_control import run_process_command
from ._scope import ScopedEffectController


class InlineEffectController(EffectController):
    """Runs process commands on the executor's registry, and all else in the executor.

    It has no state.  Starting a process registers its row and grant and nothing
    more: the worker is the only one that runs processes.
    """

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run an effect; see :meth:`lash_trio.abc.EffectController.execute_effect`."""
        command = envelope.command
        if isinstance(command, ProcessEffectCommand):
            execution = local_executor.into_process()
            return ProcessOutcome(
                result=await run_process_command(execution.registry, command.command)
            )
        return await local_executor.execute(envelope)


class InlineEffectHost(EffectHost):
    """Effect scopes in this operating-system process.

    Args:
        controller: runs the effects of all scopes; an
            :class:`InlineEffectController` where None.
    """

    def __init__(self, controller: EffectController | None = None) -> None:
        self._controller = InlineEffectController() if controller is None else controller

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of the controller."""
        return self._controller.durability_tier

    @property
    def requires_durable_attachment_store(self) -> bool:
        """That of the controller."""
        return self._controller.requires_durable_attachment_store

    def scoped(self, scope: EffectScope) -> ScopedEffectController:
        """A scope for the length of an ``async with`` block.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank.
        """
        return ScopedEffectController.shared(self._controller, scope)
