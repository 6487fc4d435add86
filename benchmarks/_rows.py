"""What is measured, and what it may cost: one entry of :data:`ROWS` a row of the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from . import _durable, _effect, _handoff, _memory
from ._import import importing
from ._measure import Comparison, Groups, Plan, Side, compare


@attrs.frozen(kw_only=True)
class Row:
    """One promise about costs.

    Args:
        name: names it on the command line and in JSON.
        what: what is measured; ``{size}`` stands for the size of the plan.
        against: the baseline.
        unit: ``s`` or ``bytes``.
        limit: the ratio of the medians may not be above it; None where nothing is promised.
        baseline: measures the baseline.
        ours: measures what it is about.
        plan: how much is measured.
        quick: how much is measured where only the working of it matters.
    """

    name: str
    what: str
    against: str
    unit: str = "s"
    limit: float | None
    baseline: Side
    ours: Side
    plan: Plan
    quick: Plan


@attrs.frozen(kw_only=True)
class Measured:
    """A row with its figures."""

    row: Row
    plan: Plan
    comparison: Comparison

    @property
    def what(self) -> str:
        """What was measured."""
        return self.row.what.format(size=f"{self.plan.size:,}")

    @property
    def within(self) -> bool | None:
        """Whether the promise was kept; None where there is none."""
        limit = self.row.limit
        return None if limit is None else self.comparison.ratio <= limit


def measure(row: Row, quick: bool) -> Measured:
    """Measure one row.

    Args:
        row: which.
        quick: measure little, for figures that nobody reads.
    """
    plan = row.quick if quick else row.plan
    (comparison,) = compare(row.baseline, row.ours, [plan])
    return Measured(row=row, plan=plan, comparison=comparison)


def in_trio(function: Callable[[Plan], Awaitable[Groups]]) -> Side:
    """A side that runs in a trio run of its own, each round."""
    return lambda plan: trio.run(function, plan)


def with_other_waiters(plan: Plan) -> Groups:
    return trio.run(_handoff.append, plan, plan.size)


def with_earlier_events(plan: Plan) -> Groups:
    return trio.run(_handoff.append, plan, 0, plan.size - 1)


# Short rounds in quick change: a disturbance of the machine then hits both sides.
_MANY_ROUNDS = Plan(rounds=120, samples=300, warm_up=30)
_QUICK = Plan(rounds=2, samples=5, warm_up=1)

ROWS: tuple[Row, ...] = (
    Row(
        name="append_to_waiter",
        what="append to waiter running",
        against="hand-off over a memory channel",
        limit=1.5,
        baseline=in_trio(_handoff.channel),
        ours=in_trio(_handoff.append),
        plan=_MANY_ROUNDS,
        quick=_QUICK,
    ),
    Row(
        name="append_among_waiters",
        what="the same, {size} others parked",
        against="none parked",
        limit=1.2,
        baseline=in_trio(_handoff.append),
        ours=with_other_waiters,
        plan=Plan(rounds=30, samples=300, warm_up=30, size=10_000),
        quick=attrs.evolve(_QUICK, size=100),
    ),
    Row(
        name="append_late_event",
        what="the same, event number {size}",
        against="event number 1",
        limit=1.2,
        baseline=in_trio(_handoff.append),
        ours=with_earlier_events,
        plan=Plan(rounds=15, samples=300, warm_up=30, size=100_000),
        quick=attrs.evolve(_QUICK, size=100),
    ),
    Row(
        name="execute_effect",
        what="execute_effect of a zero sleep, inline",
        against="trio.sleep(0) in a cancel scope",
        limit=2.0,
        baseline=in_trio(_effect.sleep_in_cancel_scope),
        ours=in_trio(_effect.sleep_effect),
        plan=_MANY_ROUNDS,
        quick=_QUICK,
    ),
    Row(
        name="memory_per_waiter",
        what="memory a parked waiter",
        against="a task parked on trio.Event",
        unit="bytes",
        limit=1.5,
        baseline=in_trio(_memory.on_events),
        ours=in_trio(_memory.on_waits),
        plan=Plan(rounds=3, size=10_000),
        quick=Plan(rounds=1, size=100),
    ),
    Row(
        name="durable_step",
        what="durable step, SQLite, synchronous=FULL",
        against="one committed insert, same driver",
        limit=1.3,
        baseline=in_trio(_durable.committed_insert),
        ours=in_trio(_durable.durable_steps),
        plan=Plan(rounds=40, samples=100, warm_up=20),
        quick=_QUICK,
    ),
    Row(
        name="durable_steps_at_once",
        what="time a step, {size} scopes at once",
        against="mean time a step, one scope",
        limit=0.1,
        baseline=in_trio(_durable.mean_step),
        ours=in_trio(_durable.concurrent_steps),
        plan=Plan(rounds=15, samples=40, warm_up=10, size=100),
        quick=attrs.evolve(_QUICK, size=5),
    ),
    Row(
        name="import",
        what="import lash_trio",
        against="import trio",
        limit=1.5,
        baseline=importing("trio"),
        ours=importing("lash_trio"),
        plan=Plan(rounds=25),
        quick=Plan(rounds=1),
    ),
)
"""All rows, in the order of the table.  Measurements of other stores are added here."""
