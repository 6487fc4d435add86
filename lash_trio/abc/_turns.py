"""Model turns: who drives them, what they are made of, who answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # Loaded late, with all that only programs with model turns need.
    from collections.abc import Sequence

    from ..model import (
        CheckpointDelivery,
        CheckpointKind,
        CompletedToolCall,
        Err,
        ExecResponse,
        ExecutionSurfaceSync,
        Invocation,
        LlmCallError,
        LlmMessage,
        LlmRequest,
        LlmResponse,
        Ok,
        PreparedToolCall,
        ToolHostEvent,
        TurnStreamEvent,
    )


class TurnEvents(Protocol):
    """Where a running turn tells what happens in it."""

    async def send(self, event: TurnStreamEvent) -> None:
        """Hand an event to who watches; waits while that reader is behind.

        Always a checkpoint.  Does nothing where nobody watches any more.
        """
        ...


class TurnMachine(Protocol):
    """What a driver may ask of the state of a turn."""

    @property
    def protocol_iteration(self) -> int:
        """How many times the model was asked in this turn, this time included."""
        ...

    @property
    def message_sequence(self) -> Sequence[LlmMessage]:
        """The messages of the turn so far."""
        ...


class TurnDriver(ABC):
    """Does the work of a turn's effects; the turn executor calls it.

    Source: ``RuntimeTurnDriver`` of the seed.
    """

    @abstractmethod
    async def run_llm_call(
        self,
        request: LlmRequest,
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> tuple[Ok[LlmResponse] | Err[LlmCallError], bool]:
        """Ask the model.

        Args:
            request: what to ask; attachments are references.
            protocol_iteration: see :attr:`TurnMachine.protocol_iteration`.
            invocation: of the effect.
            events: told of text as it comes.

        Returns:
            The answer or why there is none, and whether its text was told in pieces.
        """

    @abstractmethod
    async def run_tool_calls(
        self, calls: Sequence[tuple[PreparedToolCall, Invocation]], events: TurnEvents
    ) -> tuple[Sequence[CompletedToolCall], Sequence[ToolHostEvent]]:
        """Run tool calls; what a tool raises is in its completed call.

        Returns:
            The completed calls, in the order of the calls, and what they reported.
        """

    @abstractmethod
    async def run_exec_code(
        self,
        code: str,
        messages: Sequence[LlmMessage],
        protocol_iteration: int,
        invocation: Invocation,
        events: TurnEvents,
    ) -> Ok[ExecResponse] | Err[str]:
        """Run code that the model wrote, or say why it cannot be run."""

    @abstractmethod
    async def run_checkpoint(
        self, machine: TurnMachine, checkpoint: CheckpointKind, events: TurnEvents
    ) -> CheckpointDelivery:
        """What there is new for the turn.

        Raises:
            EffectError: it could not be found out; recorded as the checkpoint's result.
        """

    @abstractmethod
    async def refresh_execution_surface(
        self, machine: TurnMachine, update_machine_config: bool
    ) -> ExecutionSurfaceSync | None:
        """The prompt and the tools as they are now, or None where nothing changed.

        Raises:
            EffectError: they could not be found out; recorded as the effect's result.
        """


class Provider(ABC):
    """Answers model requests."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Who answers, for people and traces: ``openai``, ``scripted``."""

    @abstractmethod
    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        """Answer a request.

        Args:
            request: what is asked; its attachments hold their bytes.
            events: told of text as it comes, where the provider streams.

        Raises:
            ProviderError: there is no answer; says whether another attempt may get one.

        Always a checkpoint.  Cancelled, it leaves no connection and no task behind.
        """
