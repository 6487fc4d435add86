"""Having invocations of Restate woken by what happens to processes."""

from __future__ import annotations

from abc import abstractmethod

from ...abc import ProcessRegistry
from ...kernel import END, WaitSlot
from ...model import JsonObject, StoreError, WaitState, to_json
from ._keys import ObjectKeys


class ParkingRegistry(ProcessRegistry):
    """A registry that completes awakeables of Restate when what they wait for is there."""

    @property
    @abstractmethod
    def namespace(self) -> str:
        """Which tells its processes from those of other applications; empty for none."""

    @abstractmethod
    async def park(
        self, process_id: str, slot: WaitSlot, awakeable: str, wait: WaitState | None = None
    ) -> JsonObject | None:
        """Have an awakeable completed when a slot of a process opens.

        It is completed with the event, or with the await output where the slot is the
        end, in their wire form.  The same once more is no change.

        Args:
            process_id: the process.
            slot: what is waited for.
            awakeable: its id.
            wait: what the row of the process shows from then on, as
                :meth:`~lash_trio.abc.ProcessRegistry.set_process_wait` does.

        Returns:
            What the awakeable would be completed with, where the slot is open already;
            then it is not parked and the row is left alone.

        Raises:
            PluginError: ``unknown_process``, ``undeclared_event_type``,
                ``invalid_ordinal``; with a ``wait`` also ``process_terminal``.
        """

    @abstractmethod
    async def unpark(self, process_id: str, slot: WaitSlot, awakeable: str) -> None:
        """Forget an awakeable; no change where it is not parked.

        Raises:
            PluginError: ``unknown_process``.
        """


class LogParking(ParkingRegistry):
    """Parks with the objects that an endpoint serves."""

    _keys: ObjectKeys

    @property
    def namespace(self) -> str:
        """That of its keys."""
        return self._keys.namespace

    @abstractmethod
    async def _write(self, process_id: str, handler: str, body: JsonObject) -> JsonObject:
        """Call a handler of a process's object, to the end; return its answer."""

    async def park(
        self, process_id: str, slot: WaitSlot, awakeable: str, wait: WaitState | None = None
    ) -> JsonObject | None:
        body: JsonObject = {"slot": _slot(slot), "awakeable": awakeable}
        if wait is not None:
            body["wait"] = to_json(wait)
        found = (await self._write(process_id, "park", body))["Ok"]
        match found:
            case None:
                return None
            case {"event": dict(value)} | {"output": dict(value)}:
                return value
            case _:
                raise StoreError(f"expected what opens a slot from 'park', got {found!r}")

    async def unpark(self, process_id: str, slot: WaitSlot, awakeable: str) -> None:
        await self._write(process_id, "unpark", {"slot": _slot(slot), "awakeable": awakeable})


def _slot(slot: WaitSlot) -> JsonObject:
    if slot == END:
        return {"end": True}
    event_type, number = slot
    return {"type": event_type, "ordinal": number} if event_type else {"sequence": number}
