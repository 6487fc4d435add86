"""A call that is finished once it was begun, whoever is cancelled meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import outcome
import trio

T = TypeVar("T")


async def run_to_end(
    nursery: trio.Nursery,
    function: Callable[[], Awaitable[T]],
    *,
    grace_seconds: float,
    unknown: Exception,
) -> T:
    """Call a function in a nursery that outlives the caller, and wait for it.

    A cancellation of the caller before the function begins is raised.  After that the
    function goes on, and what it returned is returned: a result that is there is not
    thrown away.

    Args:
        nursery: is kept from ending until the function has.
        function: bounds its own time.
        grace_seconds: for how long it is still waited for after a cancellation.
        unknown: raised where it had no end by then.

    Raises:
        Exception: what the function raises; ``unknown``.

    A checkpoint.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    task = trio.lowlevel.current_task()
    scope = trio.CancelScope(shield=True)

    async def run() -> None:
        result: outcome.Outcome[T] = outcome.Error(unknown)
        try:
            with scope:
                try:
                    result = outcome.Value(await function())
                except Exception as error:  # noqa: BLE001
                    # Whatever it is, it belongs to who called.
                    result = outcome.Error(error)
        finally:
            trio.lowlevel.reschedule(task, result)

    def hurry(_: object) -> trio.lowlevel.Abort:
        scope.deadline = min(scope.deadline, trio.current_time() + grace_seconds)
        return trio.lowlevel.Abort.FAILED

    nursery.start_soon(run)
    return cast(T, await trio.lowlevel.wait_task_rescheduled(hurry))
