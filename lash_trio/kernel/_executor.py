"""Local executors: how to do one effect here.

Source: ``RuntimeEffectLocalExecutor`` of the seed.  Its cancellation tokens are
trio's cancel scopes here, so no executor knows about cancellation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
import trio

from ..abc import ProcessLocalExecution, ProcessRegistry
from ..model import (
    MAX_SEQUENCE,
    SLEPT,
    AwaitEventCommand,
    AwaitEventOutcome,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    SleepCommand,
    copy_json,
)
from ._waits import WaitSlot

if TYPE_CHECKING:
    from ..abc import AttachmentStore, Provider, TurnDriver, TurnMachine
    from ..model import TurnStreamEvent


class LocalExecutor:
    """How to do one effect here; serves one effect and is used up then.

    Build one with the factories.  A controller calls :meth:`execute`, or
    :meth:`into_process` for a process command; a durable controller that has the
    outcome already calls neither.
    """

    __slots__ = ("_consumed", "_way")

    def __init__(self, way: ExecutionWay) -> None:
        self._way = way
        self._consumed = False

    @staticmethod
    def unavailable() -> LocalExecutor:
        """Serves nothing: the effect can only be replayed, or run elsewhere."""
        return LocalExecutor(_Unavailable())

    @staticmethod
    def sleep() -> LocalExecutor:
        """Serves ``sleep`` effects."""
        return LocalExecutor(_Sleep())

    @staticmethod
    def await_process_event(
        *,
        key: str,
        registry: ProcessRegistry,
        process_id: str,
        event_type: str,
        event_ordinal: int,
    ) -> LocalExecutor:
        """Serves the ``await_event`` effect with a key.

        Args:
            key: the key of the command that it serves.
            registry: where the process is.
            process_id: whose event.
            event_type: of which type.
            event_ordinal: which one of that type, from 1.
        """
        return LocalExecutor(
            _AwaitProcessEvent(
                key=key,
                registry=registry,
                process_id=process_id,
                event_type=event_type,
                event_ordinal=event_ordinal,
            )
        )

    @staticmethod
    def process_control(registry: ProcessRegistry) -> LocalExecutor:
        """Serves ``process`` effects, through :meth:`into_process`."""
        return LocalExecutor(_ProcessControl(execution=ProcessLocalExecution(registry=registry)))

    @staticmethod
    def turn(
        driver: TurnDriver,
        machine: TurnMachine,
        events: trio.MemorySendChannel[TurnStreamEvent] | None = None,
    ) -> LocalExecutor:
        """Serves the effects of a model turn, and ``sleep``.

        Args:
            driver: does them.
            machine: tells the driver of the turn.
            events: where what happens in the turn is told; bounded, so that a slow
                reader slows the turn.  A reader that is gone does not break it.
        """
        from ._turn_events import ChannelEvents
        from ._turn_executors import TurnExecution

        return LocalExecutor(
            TurnExecution(driver=driver, machine=machine, events=ChannelEvents(events))
        )

    @staticmethod
    def direct(
        provider: Provider,
        attachments: AttachmentStore,
        events: trio.MemorySendChannel[TurnStreamEvent] | None = None,
    ) -> LocalExecutor:
        """Serves ``direct`` effects (model calls outside turns), and ``sleep``.

        Args:
            provider: answers.
            attachments: has the bytes that the request refers to.
            events: where text is told as it comes.
        """
        from ._turn_events import ChannelEvents
        from ._turn_executors import DirectExecution

        return LocalExecutor(
            DirectExecution(
                provider=provider, attachments=attachments, events=ChannelEvents(events)
            )
        )

    @staticmethod
    def call(function: Callable[[EffectEnvelope], Awaitable[EffectOutcome]]) -> LocalExecutor:
        """Serves any effect by calling an async function with the envelope."""
        return LocalExecutor(_Call(function=function))

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do the effect.

        Raises:
            EffectError: ``runtime_effect_local_executor_consumed`` on a second use;
                ``runtime_effect_local_executor_unavailable`` or ``..._mismatch``,
                where this executor does not serve the effect; the effect's failure.

        Always a checkpoint.
        """
        if self._consumed:
            raise self._consumed_error(f"{envelope.command.kind} effect {envelope.effect_id!r}")
        self._consumed = True
        return await self._way.execute(envelope)

    async def execute_to_record(self, envelope: EffectEnvelope) -> EffectOutcome:
        """The same for a controller that records what comes of it, and checkpoints there.

        Always a cancel point; a schedule point only where the effect itself waits.
        """
        if self._consumed:
            raise self._consumed_error(f"{envelope.command.kind} effect {envelope.effect_id!r}")
        self._consumed = True
        return await self._way.execute_to_record(envelope)

    def into_process(self) -> ProcessLocalExecution:
        """What it takes to run a process command.

        Raises:
            EffectError: ``runtime_effect_local_executor_unavailable``, where this is no
                executor of process commands; ``..._consumed`` on a second use.
        """
        if self._consumed:
            raise self._consumed_error("process effect")
        self._consumed = True
        return self._way.into_process()

    @property
    def awaited(self) -> tuple[str, WaitSlot] | None:
        """The process and the slot that it waits for; None where it is for something else."""
        return self._way.awaited

    def _consumed_error(self, effect: str) -> EffectError:
        return EffectError(
            EffectErrorCode.EXECUTOR_CONSUMED,
            f"the {self._way.name} executor serves one effect, and this one has been used; "
            f"make another for the {effect}",
        )


class ExecutionWay(ABC):
    """One way of doing an effect.

    ``name`` is what errors call it, ``serves`` which effects it is for.
    """

    name: str
    serves: str

    @abstractmethod
    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do the effect, or refuse it."""

    @property
    def awaited(self) -> tuple[str, WaitSlot] | None:
        """The process and the slot that it waits for; most ways wait for none."""
        return None

    async def execute_to_record(self, envelope: EffectEnvelope) -> EffectOutcome:
        """The same; need not be a schedule point."""
        return await self.execute(envelope)

    def into_process(self) -> ProcessLocalExecution:
        """Refuse: most ways are not for process commands."""
        raise EffectError(
            EffectErrorCode.EXECUTOR_UNAVAILABLE,
            f"a process effect needs the process control executor, got the {self.name} executor",
        )

    def mismatch(self, envelope: EffectEnvelope) -> EffectError:
        """The error for an effect that this way does not serve."""
        return EffectError(
            EffectErrorCode.EXECUTOR_MISMATCH,
            f"the {self.name} executor serves {self.serves}, got the "
            f"{envelope.command.kind} effect {envelope.effect_id!r}",
        )


class _Unavailable(ExecutionWay):
    name = "unavailable"
    serves = "nothing"

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        await trio.lowlevel.checkpoint()
        raise EffectError(
            EffectErrorCode.EXECUTOR_UNAVAILABLE,
            f"the {envelope.command.kind} effect {envelope.effect_id!r} cannot be done here: "
            "it was given no local executor",
        )


class _Sleep(ExecutionWay):
    name = "sleep"
    serves = "sleep effects"

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = envelope.command
        if not isinstance(command, SleepCommand):
            raise self.mismatch(envelope)
        await trio.sleep(command.duration_ms / 1000)
        return SLEPT


@attrs.frozen(kw_only=True)
class _AwaitProcessEvent(ExecutionWay):
    name = "await event"
    serves = "await_event effects"

    key: str
    registry: ProcessRegistry
    process_id: str
    event_type: str
    event_ordinal: int

    @property
    def awaited(self) -> tuple[str, WaitSlot] | None:
        return self.process_id, (self.event_type, self.event_ordinal)

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = envelope.command
        if not isinstance(command, AwaitEventCommand):
            raise self.mismatch(envelope)
        if command.key != self.key:
            raise EffectError(
                EffectErrorCode.AWAIT_EVENT_KEY_MISMATCH,
                f"this executor awaits the event {self.key!r}, the effect "
                f"{envelope.effect_id!r} asks for {command.key!r}",
            )
        if self.event_ordinal < 1:
            raise EffectError(
                EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL,
                f"ordinals count from 1, the effect {envelope.effect_id!r} asks for number "
                f"{self.event_ordinal} of {self.event_type!r}",
            )
        if command.timeout_ms is None:
            return await self._wait()
        with trio.move_on_after(command.timeout_ms / 1000):
            return await self._wait()
        # It may have come while the wait was being given up, or the timeout was zero.
        if await self._is_there():
            return await self._wait()
        return AwaitEventOutcome(payload=None, timed_out=True)

    async def _wait(self) -> EffectOutcome:
        event = await self.registry.wait_event_nth(
            self.process_id, self.event_type, self.event_ordinal
        )
        # A copy: what the caller does to it must not reach the log.
        return AwaitEventOutcome(payload=copy_json(event.payload))

    async def _is_there(self) -> bool:
        count = await self.registry.count_events_through(
            self.process_id, self.event_type, MAX_SEQUENCE
        )
        return count >= self.event_ordinal


@attrs.frozen(kw_only=True)
class _ProcessControl(ExecutionWay):
    name = "process control"
    serves = "process effects, through a controller"

    execution: ProcessLocalExecution

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        await trio.lowlevel.checkpoint()
        raise self.mismatch(envelope)

    def into_process(self) -> ProcessLocalExecution:
        return self.execution


@attrs.frozen(kw_only=True)
class _Call(ExecutionWay):
    name = "call"
    serves = "any effect"

    function: Callable[[EffectEnvelope], Awaitable[EffectOutcome]]

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        # Before and not after: a completed outcome must not be lost to a cancellation.
        await trio.lowlevel.checkpoint()
        return await self.function(envelope)

    async def execute_to_record(self, envelope: EffectEnvelope) -> EffectOutcome:
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.function(envelope)
