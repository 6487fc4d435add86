"""News of other programs: when to look whether they have written.

Every commit writes to the file's ``-wal``, and the system can tell who watches that.
It tells of the writing and not of the end of the commit, which is a sync to the disk
later; so after it has told, one looks several times, with growing pauses, until it
tells again.  Where the
system tells nothing, one looks at fixed times.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn, Protocol, cast

import trio

# Together about as long as a slow disk takes to sync.
_PAUSES_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
# What is written here notifies too: no more than so often.
_REST_SECONDS = 0.003
_SAFETY_FACTOR = 10


class Watching(StrEnum):
    """How a file learns that another program has written it."""

    NOTIFICATION = "notification"
    """The system tells at once; it is looked at as well, ten times as rarely."""
    POLL = "poll"
    """It is looked at every ``poll_seconds``."""


class FileChanges(Protocol):
    """``inotify_simple.INotify``, as far as it is used."""

    def fileno(self) -> int: ...
    def add_watch(self, path: str, mask: int, /) -> int: ...
    def read(self, timeout: int) -> object: ...
    def close(self) -> None: ...


class _INotify(Protocol):
    def INotify(self, *, nonblocking: bool) -> FileChanges: ...  # noqa: N802


@contextmanager
def file_changes(path: str) -> Generator[FileChanges | None]:
    """Be told of changes of a file, for the length of a block; None where that cannot be."""
    changes = _open(path)
    try:
        yield changes
    finally:
        if changes is not None:
            changes.close()


def _open(path: str) -> FileChanges | None:
    if sys.platform != "linux" or find_spec("inotify_simple") is None:
        return None
    module = import_module("inotify_simple")
    try:
        changes = cast(_INotify, module).INotify(nonblocking=True)
    except OSError:
        # Too many are open.
        return None
    try:
        changes.add_watch(path, module.flags.MODIFY)
    except OSError:
        changes.close()
        return None
    return changes


async def look_when_changed(
    changes: FileChanges | None, poll_seconds: float, look: Callable[[], Awaitable[None]]
) -> NoReturn:
    """Look whenever it is time to.

    Args:
        changes: tell of changes; None where nothing does.
        poll_seconds: how often to look where nothing does.
        look: looks.
    """
    # Also after a look that has found something: it may have been told of two commits at
    # once, and have seen the first one alone.
    pauses: Iterator[float] = iter(())
    while True:
        if changes is None:
            await trio.sleep(poll_seconds)
            await look()
            continue
        with trio.move_on_after(next(pauses, poll_seconds * _SAFETY_FACTOR)) as waiting:
            await trio.lowlevel.wait_readable(changes.fileno())
        if not waiting.cancelled_caught:
            # What comes from now on tells anew.
            changes.read(0)
            pauses = iter(_PAUSES_SECONDS)
        await look()
        if not waiting.cancelled_caught:
            await trio.sleep(_REST_SECONDS)
