"""A host that tells which steps run and which processes are started."""

from __future__ import annotations

from typing import Protocol

import attrs
import trio

from .. import (
    DurableStepCommand,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
    ProcessEffectCommand,
    ScopedEffectController,
    StartProcess,
)
from ..abc import EffectController, EffectHost, LocalExecution


@attrs.frozen(kw_only=True)
class WatchedStep:
    """One step of one process.

    Args:
        process_id: whose step.
        name: as the process calls it.
        key: its replay key, which says where in the process it is.
    """

    process_id: str
    name: str
    key: str


class Watcher(Protocol):
    """Is told what happens at the boundary; must neither wait nor raise."""

    def step_began(self, step: WatchedStep) -> None:
        """A step runs now."""

    def step_ended(self, step: WatchedStep, *, seconds: float, failed: bool) -> None:
        """A step runs no more."""

    def child_started(self, child_id: str) -> None:
        """A process has started another one."""


class WatchedHost(EffectHost):
    """The inline host, watched.

    Args:
        watcher: is told.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def scoped(self, scope: EffectScope) -> ScopedEffectController:
        """A scope for the length of an ``async with`` block."""
        return ScopedEffectController.shared(_WatchedController(self._watcher, scope.id), scope)


class _WatchedController(EffectController):
    def __init__(self, watcher: Watcher, process_id: str) -> None:
        self._watcher = watcher
        self._process_id = process_id
        self._inner = InlineEffectController()

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        match envelope.command:
            case DurableStepCommand(step_id=name):
                step = WatchedStep(process_id=self._process_id, name=name, key=envelope.effect_id)
                return await self._step(step, envelope, local_executor)
            case ProcessEffectCommand(command=StartProcess(registration=registration)):
                outcome = await self._inner.execute_effect(envelope, local_executor)
                self._watcher.child_started(registration.id)
                return outcome
            case _:
                return await self._inner.execute_effect(envelope, local_executor)

    async def _step(
        self, step: WatchedStep, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        self._watcher.step_began(step)
        began_at = trio.current_time()
        failed = True
        try:
            outcome = await self._inner.execute_effect(envelope, local_executor)
            failed = False
        finally:
            seconds = trio.current_time() - began_at
            self._watcher.step_ended(step, seconds=seconds, failed=failed)
        return outcome
