"""Stores as the simulator sees them: programs open them, use them, and are killed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from ...abc import EffectJournal, ProcessRegistry
from ...stores.memory import MemoryEffectJournal


@attrs.frozen(kw_only=True)
class SimulatedProgram:
    """What one program has opened of a store.

    Args:
        registry: its processes.
        journal: its recorded outcomes.
        killed: set when it has been killed.
        ways_to_kill: each kills it, at once or soon, where the store can tell the
            difference; the first one at once.
    """

    registry: ProcessRegistry
    journal: EffectJournal
    killed: trio.Event
    ways_to_kill: tuple[Callable[[], None], ...]


class SimulatedStore(ABC):
    """A store that many simulated programs share; see :func:`simulate`."""

    @abstractmethod
    def open_program(
        self, hold_up: Callable[[], Awaitable[None]]
    ) -> AbstractAsyncContextManager[SimulatedProgram]:
        """Open the store for one more program, for the length of a block.

        It must do all of its work in the event loop, and take the time from
        :class:`~lash_trio.TrioClock`.

        Args:
            hold_up: to be awaited before anything that the program does to the store
                by itself, such as renewing its leases.
        """


class MemoryStore(SimulatedStore):
    """A registry and a journal in memory, which all programs share and none can damage.

    Args:
        registry: the processes.
        journal: the recorded outcomes; a new one where None.
    """

    def __init__(self, registry: ProcessRegistry, journal: EffectJournal | None = None) -> None:
        self._registry = registry
        self._journal: EffectJournal = MemoryEffectJournal() if journal is None else journal

    @asynccontextmanager
    async def open_program(
        self, hold_up: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[SimulatedProgram]:
        """The same for each; what is killed is only cancelled."""
        killed = trio.Event()
        yield SimulatedProgram(
            registry=self._registry,
            journal=self._journal,
            killed=killed,
            ways_to_kill=(killed.set,),
        )
