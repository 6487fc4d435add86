"""Sessions: the queue of their turns, and their deletion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..abc import EffectHost, ProcessRegistry, ScopedEffects
from ..kernel import ScopedEffectController
from ..model import (
    MAX_SEQUENCE,
    DeleteSession,
    EffectScope,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    Replay,
    SessionDeleted,
    SessionOriginator,
    SessionScope,
    StoreError,
)

TURN_INPUT = "turn.input"
"""The event type of a turn that is asked for."""
TURN_ENDED = "turn.ended"
"""The event type of a turn that has run."""

_WRITE_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class QueuedTurn:
    """A turn that was asked for.

    Args:
        ordinal: which one of the session, from 1.
        input: what it is to work on.
    """

    ordinal: int
    input: JsonValue

    @property
    def turn_id(self) -> str:
        """Names its scope: ``turn-<ordinal>``."""
        return f"turn-{self.ordinal}"


@attrs.frozen(kw_only=True)
class EndedTurn:
    """A turn that has run.

    Args:
        ordinal: which one of the session, from 1.
        input: what it worked on.
        result: what came of it.
    """

    ordinal: int
    input: JsonValue
    result: JsonValue


RunTurn = Callable[[ScopedEffectController, QueuedTurn], Awaitable[JsonValue]]


class TurnQueue:
    """The turns of a session, in the order in which they were asked for; each runs once.

    The queue is the log of a process that no worker runs: inputs are its
    ``turn.input`` events, results its ``turn.ended`` events.  A turn that was killed is
    still at the head of the queue, and goes on where its scope's journal ends.

    Args:
        registry: keeps the log.
        host: opens the scopes of turns.
        session_id: whose turns.
        host_profile_id: names the configuration in the provenance of the process.
    """

    def __init__(
        self,
        registry: ProcessRegistry,
        host: EffectHost,
        session_id: str,
        *,
        host_profile_id: str = "default",
    ) -> None:
        self._registry = registry
        self._host = host
        self._host_profile_id = host_profile_id
        self.session_id: str = session_id
        self.process_id: str = f"session:{session_id}:turns"

    async def put(self, input: JsonValue, input_id: str | None = None) -> int:
        """Ask for a turn.

        Args:
            input: plain JSON: what the turn is to work on.
            input_id: makes this idempotent: the same id again is no new turn.

        Returns:
            Which turn of the session it is, from 1.

        Raises:
            PluginError: ``event_replay_conflict``, where the id was used for another input.
        """
        await self._register()
        replay = None if input_id is None else Replay(key=f"input:{input_id}")
        appended = await self._registry.append_event(
            self.process_id,
            ProcessEventAppendRequest(event_type=TURN_INPUT, payload=input, replay=replay),
        )
        return await self._registry.count_events_through(
            self.process_id, TURN_INPUT, appended.event.sequence
        )

    async def pending(self) -> int:
        """How many turns were asked for and have not ended."""
        await self._register()
        return await self._count(TURN_INPUT) - await self._count(TURN_ENDED)

    async def ended(self) -> list[EndedTurn]:
        """The turns that have ended, in their order."""
        await self._register()
        events = await self._registry.events_after(self.process_id, 0)
        inputs = [event.payload for event in events if event.event_type == TURN_INPUT]
        results = [event.payload for event in events if event.event_type == TURN_ENDED]
        return [
            EndedTurn(ordinal=ordinal, input=asked, result=result)
            for ordinal, (asked, result) in enumerate(zip(inputs, results, strict=False), 1)
        ]

    async def drain(self, run_turn: RunTurn, drain_id: str = "drain") -> int:
        """Run the turns that wait, one after the other, those that come meanwhile included.

        Args:
            run_turn: runs one turn in the scope that it is given.  What it raises ends
                the drain; its turn stays at the head of the queue.
            drain_id: names the drain; on a durable host one of a name runs at a time.

        Returns:
            How many turns it ran.

        Raises:
            EffectError: ``effect_scope_lease_held``: another drain is at work.

        Always a checkpoint.
        """
        await self._register()
        count = 0
        async with self._host.scoped(EffectScope.queue_drain(self.session_id, drain_id)):
            while (turn := await self._next()) is not None:
                scope = EffectScope.turn(self.session_id, turn.turn_id)
                async with self._host.scoped(scope) as opened:
                    result = await run_turn(_controller(opened), turn)
                await self._end(turn, result)
                count += 1
        return count

    async def _next(self) -> QueuedTurn | None:
        ordinal = await self._count(TURN_ENDED) + 1
        if await self._count(TURN_INPUT) < ordinal:
            return None
        event = await self._registry.wait_event_nth(self.process_id, TURN_INPUT, ordinal)
        return QueuedTurn(ordinal=ordinal, input=event.payload)

    async def _end(self, turn: QueuedTurn, result: JsonValue) -> None:
        request = ProcessEventAppendRequest(
            event_type=TURN_ENDED, payload=result, replay=Replay(key=f"ended:{turn.ordinal}")
        )
        # The turn has run: a cancellation that comes now must not make it run again.
        with trio.move_on_after(_WRITE_SECONDS, shield=True):
            try:
                await self._registry.append_event(self.process_id, request)
            except PluginError as error:
                # Another drain has written its end first, and that one stays.
                if error.reason != PluginReason.REPLAY_CONFLICT:
                    raise
            return
        raise StoreError(
            f"the end of turn {turn.ordinal} of session {self.session_id!r} could not be written "
            f"within {_WRITE_SECONDS:g} s; the turn stays at the head of the queue"
        )

    async def _count(self, event_type: str) -> int:
        return await self._registry.count_events_through(self.process_id, event_type, MAX_SEQUENCE)

    async def _register(self) -> None:
        session = SessionScope(session_id=self.session_id)
        await self._registry.register_process(
            ProcessRegistration(
                id=self.process_id,
                input=ProcessInput.external({"queue_of_session": self.session_id}),
                event_types=(
                    ProcessEventType(name=TURN_INPUT),
                    ProcessEventType(name=TURN_ENDED),
                ),
                provenance=ProcessProvenance(
                    originator=SessionOriginator(scope=session),
                    host_profile_id=self._host_profile_id,
                ),
            )
        )


async def delete_session(
    host: EffectHost, registry: ProcessRegistry, session_id: str
) -> ProcessSessionDeleteReport:
    """Revoke what a session sees, as an effect of the session's deletion scope.

    It cancels no process: the report names those that nobody sees any more.

    Args:
        host: opens the scope.
        registry: keeps the grants.
        session_id: the session.

    Returns:
        What it did; on a durable host the same again for a second deletion.

    Raises:
        EffectError: ``missing_effect_scope_id``, where the id is blank; ``plugin`` and
            ``runtime_store``, where the registry refuses or fails.
    """
    async with host.scoped(EffectScope.session_delete(session_id)) as scope:
        outcome = await _controller(scope).process(registry, DeleteSession(session_id=session_id))
    if not isinstance(outcome, SessionDeleted):
        raise TypeError(f"expected the outcome of a session's deletion, got {outcome.tag!r}")
    return outcome.report


def _controller(scope: ScopedEffects) -> ScopedEffectController:
    if not isinstance(scope, ScopedEffectController):
        raise TypeError(f"a host must open a ScopedEffectController, got {scope!r}")
    return scope
