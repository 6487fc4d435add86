"""Structural replay keys: the task's path, the name, its occurrence there.

Never arrival order, never a counter shared between tasks, never a clock: a
second run of the same code gives every effect the same key, in whatever order
its tasks run.
"""

from __future__ import annotations

import inspect
from collections import Counter

import trio

from ..model import EffectError, EffectErrorCode


class TaskPath:
    """The place of one task in the tree of tasks of a scope."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._occurrences: Counter[str] = Counter()

    def peek(self, name: str) -> str:
        """The key that the next effect called ``name`` will have."""
        return f"{self.path}{quote(name)}#{self._occurrences[name] + 1}"

    def next(self, name: str) -> str:
        """The key of the next effect called ``name``."""
        key = self.peek(name)
        self._occurrences[name] += 1
        return key


class TaskPaths:
    """Which task has which path."""

    def __init__(self) -> None:
        self._root = TaskPath()
        self._root_task: trio.lowlevel.Task | None = None
        self._children: dict[trio.lowlevel.Task, TaskPath] = {}

    def own_root(self) -> None:
        """Give the root path to the current task, for good."""
        self._root_task = trio.lowlevel.current_task()

    def lend_root(self) -> None:
        """Give the root path to the first task that uses it, until that task ends."""
        self._root_task = None

    def current(self) -> TaskPath:
        """The path of the current task.

        Raises:
            EffectError: code ``effect_path_shared``, where the task has none.
        """
        task = trio.lowlevel.current_task()
        path = self._children.get(task)
        if path is not None:
            return path
        if task is self._root_task:
            return self._root
        if self._root_task is None or _has_ended(self._root_task):
            self._root_task = task
            return self._root
        raise EffectError(
            EffectErrorCode.PATH_SHARED,
            f"the task {task.name} uses the path of the task {self._root_task.name}; two tasks "
            "that share a path would get their replay keys in the order in which they happen to "
            "run. Start it with open_nursery() of the scope or context, which gives every child "
            "a path of its own",
        )

    def enter(self, path: TaskPath) -> None:
        """Give the current task a path."""
        self._children[trio.lowlevel.current_task()] = path

    def leave(self) -> None:
        """Take it away when the task ends."""
        del self._children[trio.lowlevel.current_task()]


def quote(name: str) -> str:
    """A name without the characters that keys are built with."""
    return name.replace("%", "%25").replace("/", "%2F").replace("#", "%23")


def _has_ended(task: trio.lowlevel.Task) -> bool:
    return inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED
