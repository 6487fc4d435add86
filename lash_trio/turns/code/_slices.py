"""Blocking work in a thread, while what it prints is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import attrs
import trio

from ...abc import TurnEvents
from ...model import CodeOutput

if TYPE_CHECKING:
    from outcome import Outcome

T = TypeVar("T")


@attrs.frozen
class _Done:
    """What the thread has come to."""

    outcome: Outcome[object]


class Printed:
    """What code prints, as far as there is room for it.

    Args:
        max_bytes: how much is kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._parts: list[str] = []

    def take(self, text: str) -> str:
        """Keep what there is room for, and return it."""
        if self._left <= 0:
            return ""
        encoded = text.encode()
        if len(encoded) > self._left:
            text = encoded[: self._left].decode(errors="ignore")
            text += f"\n[the rest of the output is left out: more than {self._max_bytes} bytes]\n"
        self._left -= len(encoded)
        self._parts.append(text)
        return text

    def taken(self) -> str:
        """What came since the last time."""
        text = "".join(self._parts)
        self._parts.clear()
        return text


class Slices:
    """Runs functions in a thread, one after the other.

    Not ``trio.to_thread.run_sync``: the task that waits for the thread is also the one
    that tells what is printed meanwhile, so that there is no second task, and what a
    watcher raises is raised here as it is.

    Args:
        printed: keeps what the code prints.
        events: told of it.
        limiter: of threads.
    """

    def __init__(self, printed: Printed, events: TurnEvents, limiter: trio.CapacityLimiter) -> None:
        self._printed = printed
        self._events = events
        self._limiter = limiter
        self._token = trio.lowlevel.current_trio_token()
        # Bounded by what `printed` lets through.
        self._send, self._receive = trio.open_memory_channel[str | _Done](math.inf)

    def print_text(self, text: str) -> None:
        """Take what the code prints; called in the thread."""
        kept = self._printed.take(text)
        if kept:
            self._token.run_sync_soon(self._send.send_nowait, kept)

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in a thread and tell what it prints.

        Returns:
            What it returns; raises what it raises.  Always a checkpoint.  Cancelled, it
            waits for the function, which its limits end.
        """
        async with self._limiter:
            trio.lowlevel.start_thread_soon(function, self._deliver, name="lash_trio code")
            try:
                done = await self._tell_until_done()
            except BaseException:
                with trio.CancelScope(shield=True):
                    await self._wait_for_thread()
                raise
        return cast("T", done.outcome.unwrap())

    async def _tell_until_done(self) -> _Done:
        while True:
            item = await self._receive.receive()
            if isinstance(item, _Done):
                return item
            await self._events.send(CodeOutput(text=item))

    def _deliver(self, result: Outcome[object]) -> None:
        self._token.run_sync_soon(self._send.send_nowait, _Done(result))

    async def _wait_for_thread(self) -> None:
        while isinstance(await self._receive.receive(), str):
            pass
