"""Nurseries of a process: children have paths, and count as active tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TypeVarTuple, Unpack

import trio

from ..kernel import EffectNursery, ScopedEffectController
from ._slots import Activity

ArgsT = TypeVarTuple("ArgsT")


class ProcessNursery:
    """A nursery whose children may use the process's context."""

    def __init__(self, nursery: EffectNursery, activity: Activity) -> None:
        self._nursery = nursery
        self._activity = activity

    @property
    def cancel_scope(self) -> trio.CancelScope:
        """The cancel scope around all children."""
        return self._nursery.cancel_scope

    def start_soon(
        self,
        function: Callable[[Unpack[ArgsT]], Awaitable[object]],
        *args: Unpack[ArgsT],
        name: object = None,
    ) -> None:
        """Start a child task; see :meth:`EffectNursery.start_soon`."""
        self._nursery.start_soon(self._run_child, function, args, name=name or function)
        self._activity.task_started()

    async def _run_child(
        self,
        function: Callable[[Unpack[ArgsT]], Awaitable[object]],
        args: tuple[Unpack[ArgsT]],
    ) -> None:
        try:
            await function(*args)
        finally:
            self._activity.task_parked()


class ProcessNurseryManager(AbstractAsyncContextManager[ProcessNursery]):
    """Opens a :class:`ProcessNursery`."""

    def __init__(self, scope: ScopedEffectController, activity: Activity) -> None:
        self._activity = activity
        self._manager = scope.open_nursery()

    async def __aenter__(self) -> ProcessNursery:
        return ProcessNursery(await self._manager.__aenter__(), self._activity)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # Waiting for children is waiting: the children are what is active.
        self._activity.task_parked()
        try:
            suppress = await self._manager.__aexit__(exc_type, exc, traceback)
        except BaseException:
            self._activity.task_unwinds()
            raise
        await self._activity.task_resumed()
        return suppress
