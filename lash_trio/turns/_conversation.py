"""A conversation whose turns are durable."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from ..abc import EffectHost, ProcessRegistry
from ..kernel import ScopedEffectController
from ..model import (
    JsonValue,
    LlmMessage,
    LlmRole,
    TurnStreamEvent,
    from_json,
    to_json,
)
from ._loop import ToolLoop
from ._progress import TurnResult
from ._sessions import QueuedTurn, TurnQueue


class Conversation:
    """Messages of a user, and turns of a model that answer them.

    What the user says is in the registry before anything is done about it, and what
    a turn does is in the host's journal.  So a program that was killed in the middle of
    a turn makes another conversation of the same session and calls :meth:`run_turns`.

    Args:
        registry: keeps what was said.
        host: opens the scopes of turns.
        loop: runs them.
        session_id: names the conversation.
    """

    def __init__(
        self, registry: ProcessRegistry, host: EffectHost, loop: ToolLoop, session_id: str
    ) -> None:
        self._queue = TurnQueue(registry, host, session_id)
        self._loop = loop
        self._scope: ScopedEffectController | None = None

    @property
    def session_id(self) -> str:
        """Names the conversation."""
        return self._queue.session_id

    async def say(self, text: str, input_id: str | None = None) -> int:
        """Write down what the user says; :meth:`run_turns` answers it.

        Args:
            text: what the user says.
            input_id: makes this idempotent: the same id again says nothing new.

        Returns:
            Which turn of the conversation will answer, from 1.
        """
        return await self._queue.put({"text": text}, input_id)

    async def pending(self) -> int:
        """How many things the user said are not answered yet."""
        return await self._queue.pending()

    async def messages(self) -> list[LlmMessage]:
        """All that was said and answered, in order."""
        return _messages(await self.turns())

    async def turns(self) -> list[tuple[str, TurnResult]]:
        """What the user said and what came of it, turn by turn."""
        return [(_text(turn.input), _result(turn.result)) for turn in await self._queue.ended()]

    async def run_turns(
        self, events: trio.MemorySendChannel[TurnStreamEvent] | None = None
    ) -> list[TurnResult]:
        """Answer what is not answered yet, one after the other.

        Args:
            events: where what happens in the turns is told as it does.

        Returns:
            What came of each turn; :meth:`cancel_turn` makes one end as cancelled.

        Raises:
            EffectError: ``effect_scope_lease_held``: another program answers; and what
                :meth:`ToolLoop.run` raises.  The turn stays where it was.
        """
        results: list[TurnResult] = []

        async def run(scope: ScopedEffectController, turn: QueuedTurn) -> JsonValue:
            said = LlmMessage.text(LlmRole.USER, _text(turn.input))
            # The turns before this one have ended, so a second run finds the same ones.
            history = await self.messages()
            self._scope = scope
            try:
                result = await self._loop.run(scope, [*history, said], events=events)
            finally:
                self._scope = None
            results.append(result)
            return to_json(result)

        await self._queue.drain(run)
        return results

    def cancel_turn(self, reason: str | None = None) -> bool:
        """Ask the turn that runs here to end as cancelled.

        Returns:
            Whether one runs.

        Not a checkpoint.
        """
        if self._scope is None:
            return False
        self._scope.cancel(reason)
        return True


def _messages(turns: Sequence[tuple[str, TurnResult]]) -> list[LlmMessage]:
    messages: list[LlmMessage] = []
    for text, result in turns:
        messages += [LlmMessage.text(LlmRole.USER, text), *result.messages]
    return messages


def _text(payload: JsonValue) -> str:
    return from_json(_Said, payload).text


def _result(payload: JsonValue) -> TurnResult:
    return from_json(TurnResult, payload)


@attrs.frozen(kw_only=True)
class _Said:
    text: str
