"""A host that tells which steps run and which processes are started."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

import attrs
import trio

from .. import (
    DurabilityTier,
    DurableStepCommand,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    ProcessEffectCommand,
    ScopedEffectController,
    StartProcess,
)
from ..abc import (
    EffectController,
    EffectHost,
    LocalExecution,
    ProcessLocalExecution,
    ScopedEffects,
)
from ..kernel import EffectRun


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
    """A host, watched.

    Args:
        watcher: is told.
        host: opens the scopes, which must be
            :class:`~lash_trio.ScopedEffectController` as for a worker.
    """

    def __init__(self, watcher: Watcher, host: EffectHost) -> None:
        self._watcher = watcher
        self._host = host

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of the host."""
        return self._host.durability_tier

    @property
    def requires_durable_attachment_store(self) -> bool:
        """That of the host."""
        return self._host.requires_durable_attachment_store

    def scoped(self, scope: EffectScope) -> AbstractAsyncContextManager[ScopedEffects]:
        """A scope for the length of an ``async with`` block."""
        opened = self._host.scoped(scope)
        if not isinstance(opened, ScopedEffectController):
            raise TypeError(f"a watched host must open a ScopedEffectController, got {opened!r}")
        opened.run_effects_as(partial(_WatchedRun, watcher=self._watcher))
        return opened


class _WatchedRun(EffectRun):
    """One effect while it runs."""

    __slots__ = ("_process_id", "_watcher")

    def __init__(self, envelope: EffectEnvelope, scope_id: str, watcher: Watcher) -> None:
        super().__init__(envelope, scope_id)
        self._watcher = watcher
        self._process_id = scope_id

    async def execute(
        self, controller: EffectController, local_executor: LocalExecution
    ) -> EffectOutcome:
        match self.envelope.command:
            case DurableStepCommand(step_id=name):
                step = WatchedStep(
                    process_id=self._process_id, name=name, key=self.envelope.effect_id
                )
                watched = _WatchedExecution(step, local_executor, self._watcher)
                return await super().execute(controller, watched)
            case ProcessEffectCommand(command=StartProcess(registration=registration)):
                outcome = await super().execute(controller, local_executor)
                self._watcher.child_started(registration.id)
                return outcome
            case _:
                return await super().execute(controller, local_executor)


class _WatchedExecution:
    """How to do a step here; not asked for where its outcome is recorded."""

    __slots__ = ("_inner", "_step", "_watcher")

    def __init__(self, step: WatchedStep, inner: LocalExecution, watcher: Watcher) -> None:
        self._step = step
        self._inner = inner
        self._watcher = watcher

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do it."""
        self._watcher.step_began(self._step)
        began_at = trio.current_time()
        failed = True
        try:
            outcome = await self._inner.execute(envelope)
            failed = False
        finally:
            seconds = trio.current_time() - began_at
            self._watcher.step_ended(self._step, seconds=seconds, failed=failed)
        return outcome

    def into_process(self) -> ProcessLocalExecution:
        """What it takes to run a process command; a step is none."""
        return self._inner.into_process()
