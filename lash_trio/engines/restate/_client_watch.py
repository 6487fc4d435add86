"""Waits for events of logs that are elsewhere.

Who waits is parked here, and the server holds one question a process: whether its log
has grown.  Its answer names the events, so that each wakes those who wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ...kernel import END, EventWaiters, WaitSlot, any_event
from ...model import EffectError, JsonObject, JsonValue, StoreError

T = TypeVar("T")

_logger = logging.getLogger("lash_trio.engines.restate")

_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0

AskNews = Callable[[str, int], Awaitable[JsonObject]]
"""Asks for the events of a process after a number, and waits for there to be some."""


class LogWatch:
    """Tasks that wait, and the questions that are open for them.

    Args:
        nursery: whose tasks ask.
        ask: asks the server.
    """

    def __init__(self, nursery: trio.Nursery, ask: AskNews) -> None:
        self._nursery = nursery
        self._ask = ask
        self._waiters = EventWaiters()
        self._watched: set[str] = set()

    @property
    def tasks_waiting(self) -> int:
        """How many tasks are parked."""
        return self._waiters.tasks_waiting

    @property
    def watched(self) -> frozenset[str]:
        """The processes that the server is asked about."""
        return frozenset(self._watched)

    async def wait(
        self,
        process_id: str,
        slot: WaitSlot,
        look: Callable[[], Awaitable[tuple[T | None, int]]],
    ) -> T:
        """Wait for what opens a slot.

        Args:
            process_id: of whose log.
            slot: what is waited for.
            look: asks whether it is there; returns it, or None, and the number of the
                last event that the log had then.

        Always a checkpoint.
        """

        async def found() -> T | None:
            it, last_sequence = await look()
            if it is None:
                self._watch(process_id, last_sequence)
            return it

        return await self._waiters.wait(process_id, slot, found)

    def tell(self, process_id: str, news: JsonValue) -> None:
        """Wake who waits for an event, as the server describes it."""
        if not isinstance(news, dict):
            return
        match news:
            case {"sequence": int(sequence), "event_type": str(event_type), "ordinal": int(n)}:
                self._waiters.notify(process_id, (event_type, n))
                self._waiters.notify(process_id, any_event(sequence))
            case _:
                # It is not known what has changed.
                self._waiters.notify_process(process_id)
        if news.get("is_terminal"):
            self._waiters.notify(process_id, END)

    def _watch(self, process_id: str, after_sequence: int) -> None:
        # One that is open already was begun with a look that was no later than this one,
        # or has told since of all that came between: a waiter registers before it looks.
        if process_id not in self._watched:
            self._watched.add(process_id)
            self._nursery.start_soon(self._follow, process_id, after_sequence)

    async def _follow(self, process_id: str, after_sequence: int) -> None:
        pause = _PAUSE_SECONDS
        try:
            while self._waiters.tasks_waiting_for(process_id):
                try:
                    answer = await self._ask(process_id, after_sequence)
                    after_sequence = self._tell_all(process_id, answer)
                    pause = _PAUSE_SECONDS
                except StoreError as error:
                    # A wait may outlast the server: an event that was appended stays.
                    _logger.warning(
                        "events of process %r are waited for, and will be asked for again in "
                        "%g s: %s",
                        process_id,
                        pause,
                        error,
                    )
                    await trio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except EffectError:
            # It refuses.  They who wait find out why when they look.
            await trio.sleep(pause)
            self._waiters.notify_process(process_id)
        finally:
            self._watched.discard(process_id)

    def _tell_all(self, process_id: str, answer: JsonObject) -> int:
        match answer:
            case {"events": list(events), "last_sequence": int(last_sequence)}:
                for event in events:
                    self.tell(process_id, event)
            case _:
                raise StoreError(
                    f"expected the news of process {process_id!r} as an object with 'events' "
                    f"and 'last_sequence', got {sorted(answer)}"
                )
        if answer.get("is_terminal"):
            self._waiters.notify(process_id, END)
        return last_sequence
