"""When it is looked whether another program has written."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import trio
import trio.lowlevel

from lash_trio.stores.sqlite._watch import look_when_changed

NEVER = 1_000_000


class Changes:
    """Tells of changes as inotify does: what is read was told."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def tell(self) -> None:
        os.write(self._writing, b"x")

    def fileno(self) -> int:
        return self._reading

    def add_watch(self, path: str, mask: int, /) -> int:
        return 0

    def read(self, timeout: int) -> object:
        return os.read(self._reading, 65_536)

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)


@pytest.fixture
def changes() -> Iterator[Changes]:
    made = Changes()
    yield made
    made.close()


async def test_two_commits_that_are_told_of_at_once_are_both_seen(changes: Changes) -> None:
    """The first is there at the first look, the second is synced to the disk later."""
    committed, seen = 1, 0
    all_seen = trio.Event()

    async def look() -> None:
        nonlocal seen
        await trio.lowlevel.checkpoint()
        seen = committed
        if seen == 2:
            all_seen.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            changes.tell()
            changes.tell()
            nursery.start_soon(look_when_changed, changes, NEVER, look)
            while seen == 0:
                await trio.lowlevel.checkpoint()
            committed = 2
            await all_seen.wait()
            nursery.cancel_scope.cancel()


async def test_where_nothing_tells_it_looks_at_fixed_times(
    autojump_clock: trio.testing.MockClock,
) -> None:
    times: list[float] = []

    async def look() -> None:
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time())

    with trio.move_on_after(1.6):
        await look_when_changed(None, 0.5, look)
    assert times == [0.5, 1.0, 1.5]
