"""Who asks the worker to look, and at what."""

from __future__ import annotations

import trio


class Pokes:
    """Requests to look for work: at some processes, or at all of them."""

    def __init__(self) -> None:
        self._process_ids: dict[str, None] = {}
        self._at_all = False
        self._poked = trio.Event()

    def poke(self, process_id: str | None) -> None:
        """Ask to look at a process; at all of them where None."""
        if process_id is None:
            self._at_all = True
        else:
            self._process_ids[process_id] = None
        self._poked.set()

    def clear(self) -> None:
        """Forget them: all processes are looked at now."""
        self._process_ids = {}
        self._at_all = False
        self._poked = trio.Event()

    async def wait(self) -> tuple[str, ...] | None:
        """Wait for one.

        Returns:
            The processes to look at, in the order of asking; None for all of them.

        Always a checkpoint.
        """
        await self._poked.wait()
        if self._at_all:
            return None
        process_ids = tuple(self._process_ids)
        self.clear()
        return process_ids
