"""What a running turn tells, through a bounded memory channel."""

from __future__ import annotations

import trio

from ..abc import TurnEvents
from ..model import TurnStreamEvent


class ChannelEvents(TurnEvents):
    """Hands the events of a turn to a memory channel.

    A reader that is behind slows the turn down, as far as the channel's buffer is
    full; a reader that is gone does not break it.

    Args:
        channel: where they go; nowhere where None.  Whoever made it closes it.
    """

    def __init__(self, channel: trio.MemorySendChannel[TurnStreamEvent] | None) -> None:
        self._channel = channel

    async def send(self, event: TurnStreamEvent) -> None:
        """Hand an event on; waits while the channel is full.  Always a checkpoint."""
        if self._channel is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._channel.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Nobody watches any more, and the turn goes on.
            self._channel = None
