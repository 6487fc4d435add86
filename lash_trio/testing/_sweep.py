"""Cancels a scenario before it begins, and once at each of its checkpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import attrs
import trio

from ._schedule import run_seeded

SubjectT = TypeVar("SubjectT")


@attrs.frozen(kw_only=True)
class SweptRun(Generic[SubjectT]):
    """One run of a scenario.

    Args:
        point: after how many checkpoints it was cancelled, 0 for before it began; None
            for the run that was left alone, which comes first.
        subject: what it ran on.
        cancelled: whether the cancellation unwound it; it may also have finished in
            spite of it.
        error: what it raised, other than the cancellation.
    """

    point: int | None
    subject: SubjectT
    cancelled: bool
    error: Exception | None = None

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return not self.cancelled and self.error is None


@attrs.frozen(kw_only=True)
class SweepReport:
    """What a sweep did.

    Args:
        checkpoints: how many checkpoints the scenario has; it was cancelled once more
            than this, since once before it began.
        cancelled: how many times the cancellation unwound it.
        finished: how many times it finished in spite of it.
        failed: how many times it raised an error.
    """

    checkpoints: int
    cancelled: int
    finished: int
    failed: int


def sweep_cancellation(
    open_subject: Callable[[], AbstractAsyncContextManager[SubjectT]],
    scenario: Callable[[SubjectT], Awaitable[object]],
    check: Callable[[SweptRun[SubjectT]], Awaitable[None]],
    *,
    seed: int = 0,
    most: int = 10_000,
) -> SweepReport:
    """Run a scenario alone, then cancelled: before it begins, and at each of its checkpoints.

    Each run has a trio run of its own, on a mock clock that jumps, and under the same
    schedule.  The cancellation comes from outside: it is a cancel scope around the
    scenario, cancelled when one of the scenario's tasks has parked for the nth time.

    Args:
        open_subject: makes what the scenario runs on, outside of the cancelled scope.
        scenario: what is swept.
        check: looks at the subject after each run, inside its block, and raises
            :class:`AssertionError` where something is not as it must be.
        seed: of the schedule.
        most: how many checkpoints a scenario may have before it is refused.

    Returns:
        How the runs ended.

    Raises:
        AssertionError: of a check, with the number of the checkpoint in a note; or a
            task of the scenario outlived it.
        ValueError: the scenario has more than ``most`` checkpoints.
    """
    alone, checkpoints = _run(open_subject, scenario, check, seed, None)
    if checkpoints > most:
        raise ValueError(f"a scenario may have {most} checkpoints to be swept, got {checkpoints}")
    if not alone.finished:
        raise AssertionError(
            f"the scenario must finish when nobody cancels it, got {alone.error!r}"
        ) from alone.error
    runs = [_run(open_subject, scenario, check, seed, point)[0] for point in range(checkpoints + 1)]
    return SweepReport(
        checkpoints=checkpoints,
        cancelled=sum(run.cancelled for run in runs),
        finished=sum(run.finished for run in runs),
        failed=sum(run.error is not None for run in runs),
    )


def _run(
    open_subject: Callable[[], AbstractAsyncContextManager[SubjectT]],
    scenario: Callable[[SubjectT], Awaitable[object]],
    check: Callable[[SweptRun[SubjectT]], Awaitable[None]],
    seed: int,
    point: int | None,
) -> tuple[SweptRun[SubjectT], int]:
    counter = _Checkpoints(point)

    async def main() -> SweptRun[SubjectT]:
        async with open_subject() as subject:
            error: Exception | None = None
            before = _tasks_below(trio.lowlevel.current_task())
            counter.watch(trio.lowlevel.current_task())
            if point == 0:
                counter.scope.cancel("swept")
            try:
                with counter.scope:
                    await scenario(subject)
            except Exception as raised:  # noqa: BLE001
                # Whatever the scenario raises is for the check to judge.
                error = raised
            counter.watch(None)
            left = _tasks_below(trio.lowlevel.current_task()) - before
            run = SweptRun(
                point=point,
                subject=subject,
                cancelled=counter.scope.cancelled_caught,
                error=error,
            )
            await check(run)
        # Not inside the block: its own nursery would put the error into a group.
        if left:
            raise AssertionError(f"tasks of the scenario outlived it: {left}")
        return run

    try:
        run = run_seeded(main, seed=seed, instruments=[counter])
    except AssertionError as failed:
        failed.add_note("not cancelled" if point is None else f"cancelled at checkpoint {point}")
        raise
    return run, counter.seen


class _Checkpoints(trio.abc.Instrument):
    """Counts the steps of a task and of all below it, and cancels after one of them."""

    def __init__(self, point: int | None) -> None:
        self.scope = trio.CancelScope()
        self.seen = 0
        self._point = point
        self._top: trio.lowlevel.Task | None = None

    def watch(self, top: trio.lowlevel.Task | None) -> None:
        """Count from now on below ``top``, or no longer."""
        self._top = top

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task has parked, or ended."""
        if self._top is not None and self._is_below(task):
            self.seen += 1
            if self.seen == self._point:
                self.scope.cancel("swept")

    def _is_below(self, task: trio.lowlevel.Task) -> bool:
        here: trio.lowlevel.Task | None = task
        while here is not None and here is not self._top:
            here = None if here.parent_nursery is None else here.parent_nursery.parent_task
        return here is not None


def _tasks_below(task: trio.lowlevel.Task) -> set[trio.lowlevel.Task]:
    found: set[trio.lowlevel.Task] = set()
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            found |= {child, *_tasks_below(child)}
    return found
