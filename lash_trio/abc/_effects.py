"""The boundary of effects: controllers, executors, scopes, hosts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs
import trio

from ..model import DurabilityTier, EffectEnvelope, EffectOutcome, EffectScope
from ._processes import ProcessRegistry


class Clock(Protocol):
    """Tells the time of day."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than before."""
        ...


@attrs.frozen(kw_only=True)
class ProcessLocalExecution:
    """What a controller needs to run process commands here."""

    registry: ProcessRegistry


class LocalExecution(Protocol):
    """How to do one effect here; a durable controller may leave it unused."""

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do it.

        Raises:
            EffectError: where this executor cannot do this effect, or has done one.
        """
        ...

    def into_process(self) -> ProcessLocalExecution:
        """What it takes to run a process command.

        Raises:
            EffectError: code ``runtime_effect_local_executor_unavailable``, where this
                is no executor of process commands.
        """
        ...


class EffectController(ABC):
    """The boundary: one verb through which all nondeterministic work goes."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """Whether attachments must outlive this operating-system process."""
        return False

    def is_recorded(self, envelope: EffectEnvelope) -> bool:
        """Whether the effect would return what it returned before, and not run.

        It then does so in a cancelled scope too: a result that is there wins.  Not a
        checkpoint.
        """
        return False

    @abstractmethod
    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run an effect, or return what it returned before.

        Args:
            envelope: what is asked for.
            local_executor: how to do it here.

        Returns:
            The outcome; of the kind of the envelope's command.

        Raises:
            EffectError: the effect failed, or could not be asked for.

        Always a checkpoint.  ``trio.Cancelled`` passes through and is never recorded.
        """


class EffectHandle(ABC):
    """One effect that was started and not awaited yet."""

    @property
    @abstractmethod
    def envelope(self) -> EffectEnvelope:
        """What was asked for."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended; :meth:`result` then does not wait."""

    @abstractmethod
    async def result(self) -> EffectOutcome:
        """Wait for the outcome.  May be called often, and from several tasks.

        Raises:
            EffectError: the effect failed or was cancelled by request; or, code
                ``effect_scope_closed``, its scope was left before it ended.

        Always a checkpoint.  Cancelling the wait does not cancel the effect.
        """

    @abstractmethod
    def cancel(self, reason: str | None = None) -> None:
        """Ask the effect to end as cancelled; nothing happens if it has ended.

        Args:
            reason: goes into the text of the error; the first reason stays.
        """


class ScopedEffects(EffectController):
    """An opened effect scope: owns every effect started in it."""

    @property
    @abstractmethod
    def effect_scope(self) -> EffectScope:
        """The identity of the scope."""

    @property
    def scope_id(self) -> str:
        """The turn, process, drain, session or operation id."""
        return self.effect_scope.id

    @property
    def turn_id(self) -> str | None:
        """The turn, or None where this is no turn's scope."""
        return self.effect_scope.turn_id

    @abstractmethod
    def start_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectHandle:
        """Start an effect in the scope's nursery.

        Raises:
            EffectError: code ``effect_scope_closed``.

        Not a checkpoint.
        """

    @abstractmethod
    def cancel(self, reason: str | None = None) -> None:
        """Ask all effects, those to come included, to end as cancelled."""

    @abstractmethod
    async def aclose(self) -> None:
        """Wait until no effect runs any more, and refuse all from then on.

        This is what leaving a block does.  Only for a scope of
        :meth:`EffectHost.scoped_in`; a block closes its own scope.

        Always a checkpoint.
        """

    @abstractmethod
    async def wait_close_requested(self) -> None:
        """Wait until somebody calls :meth:`aclose`.  Always a checkpoint."""


class EffectHost(ABC):
    """A deployment's factory of effect scopes."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """Whether attachments must outlive this operating-system process."""
        return False

    @abstractmethod
    def scoped(self, scope: EffectScope) -> AbstractAsyncContextManager[ScopedEffects]:
        """A scope for the length of an ``async with`` block, with a nursery of its own.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank.
        """

    async def scoped_in(self, nursery: trio.Nursery, scope: EffectScope) -> ScopedEffects:
        """A scope that lives in a nursery of the caller's, until :meth:`~ScopedEffects.aclose`.

        Like any service of a nursery it keeps the nursery open until it is closed or
        the nursery is cancelled.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank.

        Always a checkpoint.
        """
        opened: ScopedEffects = await nursery.start(_hold_open, self, scope)
        return opened


async def _hold_open(
    host: EffectHost,
    scope: EffectScope,
    task_status: trio.TaskStatus[ScopedEffects] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep a scope open in a task of its own until it is closed from anywhere."""
    async with host.scoped(scope) as opened:
        task_status.started(opened)
        await opened.wait_close_requested()
