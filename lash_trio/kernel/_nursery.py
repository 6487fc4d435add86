"""Nurseries whose children have paths of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TypeVarTuple

import trio

from ..model import EffectError, EffectErrorCode
from ._paths import TaskPath, TaskPaths

ArgsT = TypeVarTuple("ArgsT")


class EffectNursery:
    """A nursery of a scope: like trio's, and each child's effects have their own keys.

    The path of a child follows from the order of :meth:`start_soon`, so only the
    task that opened the nursery may start children; a child opens its own.
    """

    def __init__(self, nursery: trio.Nursery, paths: TaskPaths, path: TaskPath) -> None:
        self._nursery = nursery
        self._paths = paths
        self._path = path
        self._name = path.next("nursery")
        self._started = 0

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
        """Start a child task.

        Args:
            function: an async function.
            args: its arguments.
            name: of the task, for people.

        Raises:
            EffectError: code ``effect_path_shared``, where another task than the one
                that opened the nursery calls it.

        Not a checkpoint.
        """
        if self._paths.current() is not self._path:
            raise EffectError(
                EffectErrorCode.PATH_SHARED,
                "only the task that opened a nursery may start children in it, since their "
                "paths follow from the order of starts; let the child open a nursery of its own",
            )
        self._started += 1
        path = TaskPath(f"{self._name}.{self._started}/")
        self._nursery.start_soon(self._run_child, path, function, args, name=name or function)

    async def _run_child(
        self,
        path: TaskPath,
        function: Callable[[*ArgsT], Awaitable[object]],
        args: tuple[*ArgsT],
    ) -> None:
        self._paths.enter(path)
        try:
            await function(*args)
        finally:
            self._paths.leave()


class EffectNurseryManager(AbstractAsyncContextManager[EffectNursery]):
    """Opens an :class:`EffectNursery`; its errors leave as groups, as trio's do.

    Made by :meth:`ScopedEffectController.open_nursery`.
    """

    def __init__(self, paths: TaskPaths) -> None:
        self._paths = paths
        self._manager = trio.open_nursery()

    async def __aenter__(self) -> EffectNursery:
        path = self._paths.current()
        return EffectNursery(await self._manager.__aenter__(), self._paths, path)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)
