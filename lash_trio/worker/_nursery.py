"""Nurseries of a process: children have paths, and count as active tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TypeVarTuple

import attrs
import trio

from ..kernel import EffectNursery, ScopedEffectController
from ._slots import Activity

ArgsT = TypeVarTuple("ArgsT")


@attrs.define
class _Family:
    """The children of a nursery, and whether their parent waits for them."""

    activity: Activity
    children: int = 0
    parent_waits: bool = False

    def child_started(self) -> None:
        self.children += 1
        self.activity.task_started()

    def child_ended(self) -> None:
        self.children -= 1
        # The parent goes on when the last child has ended, so this child's part in
        # the process's slot passes to it: the process never stops being active.
        if self.children or not self.parent_waits:
            self.activity.task_parked()

    def wait_for_children(self) -> None:
        """Waiting for children is waiting: the children are what is active."""
        if self.children:
            self.parent_waits = True
            self.activity.task_parked()


class ProcessNursery:
    """A nursery whose children may use the process's context."""

    def __init__(self, nursery: EffectNursery, family: _Family) -> None:
        self._nursery = nursery
        self._family = family

    @property
    def cancel_scope(self) -> trio.CancelScope:
        """The cancel scope around all children."""
        return self._nursery.cancel_scope

    def start_soon(
        self,
        function: Callable[[*ArgsT], Awaitable[object]],
        *args: *ArgsT,
        name: object = None,
    ) -> None:
        """Start a child task; see :meth:`EffectNursery.start_soon`."""
        self._nursery.start_soon(self._run_child, function, args, name=name or function)
        self._family.child_started()

    async def _run_child(
        self, function: Callable[[*ArgsT], Awaitable[object]], args: tuple[*ArgsT]
    ) -> None:
        try:
            await function(*args)
        finally:
            self._family.child_ended()


class ProcessNurseryManager(AbstractAsyncContextManager[ProcessNursery]):
    """Opens a :class:`ProcessNursery`; its errors leave as groups, as trio's do.

    Made by :meth:`ProcessContext.open_nursery`.
    """

    def __init__(self, scope: ScopedEffectController, activity: Activity) -> None:
        self._family = _Family(activity)
        self._manager = scope.open_nursery()

    async def __aenter__(self) -> ProcessNursery:
        return ProcessNursery(await self._manager.__aenter__(), self._family)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._family.wait_for_children()
        return await self._manager.__aexit__(exc_type, exc, traceback)
