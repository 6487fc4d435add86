"""Ctrl-C: ask first, stop second, be gone third."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType

import trio

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REASONS = {signal.SIGINT: "interrupted with Ctrl-C", signal.SIGTERM: "ended with SIGTERM"}
_UNWIND_SECONDS = 1.0


class Interrupts:
    """Follows SIGINT and SIGTERM.

    The first one asks, the second one stops.  What has not given way a second
    after that, for example because it blocks the event loop, is left behind: the
    program ends on the spot, as it does with the third one.

    Args:
        last_words: written to the terminal where the program ends on the spot.
    """

    def __init__(self, last_words: bytes = b"") -> None:
        self.first: signal.Signals | None = None
        self._last_words = last_words
        self._count = 0

    @property
    def exit_status(self) -> int | None:
        """The exit status that shells expect after the first signal; None before it."""
        return None if self.first is None else 128 + self.first

    def note(self, number: signal.Signals) -> None:
        """Take note of a signal that came while nobody was listening."""
        if self.first is None:
            self.first = number

    def ignore_more(self) -> None:
        """Let Ctrl-C do nothing more where it was pressed: the program is about to end."""
        if self.first is not None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    @contextmanager
    def listening(self) -> Generator[AsyncIterator[int]]:
        """Catch the signals for the length of the block, in the main thread."""
        with trio.open_signal_receiver(*_SIGNALS) as arrived, self._counting():
            yield arrived

    async def serve(
        self,
        arrived: AsyncIterator[int],
        ask: Callable[[str], Awaitable[object]],
        stop: Callable[[], None],
    ) -> None:
        """Ask at the first signal, stop at the next one; runs until cancelled.

        Args:
            arrived: what :meth:`listening` gives.
            ask: asks what runs to end, with the reason for it.
            stop: stops it.
        """
        asked = False
        async for _ in arrived:
            # Signals of one kind that come together arrive as one; the count is exact.
            if self.first is not None and not asked:
                asked = True
                await ask(_REASONS[self.first])
            if self._count > 1:
                stop()

    @contextmanager
    def _counting(self) -> Generator[None]:
        forward = {each: signal.getsignal(each) for each in _SIGNALS}

        def count(number: int, frame: FrameType | None) -> None:
            self._count += 1
            self.note(signal.Signals(number))
            if self._count == 2:
                self._start_countdown()
            elif self._count > 2:
                self._end_on_the_spot(number, frame)
            handler = forward[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        for each in _SIGNALS:
            signal.signal(each, count)
        try:
            yield
        finally:
            self._stop_countdown()
            for each, handler in forward.items():
                signal.signal(each, handler)

    def _start_countdown(self) -> None:
        # An alarm and not a task: the event loop may be what does not give way.
        if sys.platform != "win32":
            signal.signal(signal.SIGALRM, self._end_on_the_spot)
            signal.setitimer(signal.ITIMER_REAL, _UNWIND_SECONDS)

    def _stop_countdown(self) -> None:
        if sys.platform != "win32" and self._count > 1:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _end_on_the_spot(self, _: int, __: FrameType | None) -> None:
        # Straight to the descriptor: the handler may have come in the middle of a
        # write to the stream.
        os.write(2, self._last_words + b"lash-trio: stopped at once\n")
        os._exit(self.exit_status or 1)
