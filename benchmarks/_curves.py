"""How costs grow: one entry of :data:`CURVES` a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs
import trio

from . import _handoff
from ._measure import Comparison, Groups, Plan, Side, compare
from ._svg import Chart, Point, Series

Points: TypeAlias = Mapping[int, Comparison]


@attrs.frozen(kw_only=True)
class Curve:
    """One cost over one size.

    Args:
        name: of the picture's file.
        title: what the picture shows.
        x_label: what the size is.
        y_label: what the cost is, in microseconds.
        what: what the curve is of.
        against: what the other curve is of, that it is to be compared with.
        baseline: measures the other curve's side.
        ours: measures the curve's side.
        plans: how much is measured, a plan for each point; all with as many rounds.
        quick: the same where only the working of it matters.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    what: str
    against: str
    baseline: Side
    ours: Side
    plans: tuple[Plan, ...]
    quick: tuple[Plan, ...]


@attrs.frozen(kw_only=True)
class Measured:
    """A curve with its points."""

    curve: Curve
    points: Points

    def chart(self, conditions: str) -> Chart:
        """The picture."""
        return Chart(
            title=self.curve.title,
            subtitle=f"Medians, with the middle half of the rounds; {conditions}",
            x_label=self.curve.x_label,
            y_label=self.curve.y_label,
            series=(
                Series(label=self.curve.what, points=_line(self.points, of_baseline=False)),
                Series(label=self.curve.against, points=_line(self.points, of_baseline=True)),
            ),
        )


def measure(curve: Curve, quick: bool) -> Measured:
    """Measure all points of a curve."""
    plans = curve.quick if quick else curve.plans
    comparisons = compare(curve.baseline, curve.ours, plans)
    return Measured(
        curve=curve,
        points={plan.size: one for plan, one in zip(plans, comparisons, strict=True)},
    )


def _line(points: Points, of_baseline: bool) -> tuple[Point, ...]:
    line: list[Point] = []
    for size, comparison in points.items():
        figures = comparison.baseline if of_baseline else comparison.ours
        low, high = figures.quartiles
        line.append(Point(x=size, low=low * 1e6, y=figures.median * 1e6, high=high * 1e6))
    return tuple(line)


def _channel(plan: Plan) -> Groups:
    return trio.run(_handoff.channel, plan)


def _channel_among_tasks(plan: Plan) -> Groups:
    return trio.run(_handoff.channel, plan, plan.size - 1)


def _append_among_waiters(plan: Plan) -> Groups:
    return trio.run(_handoff.append, plan, plan.size - 1)


def _append_late(plan: Plan) -> Groups:
    return trio.run(_handoff.append, plan, 0, plan.size - 1)


def _serve_by_channels(plan: Plan) -> Groups:
    return [[trio.run(_handoff.serve_by_channels, plan.size)]]


def _serve_by_appends(plan: Plan) -> Groups:
    return [[trio.run(_handoff.serve_by_appends, plan.size)]]


_UP_TO_100_000 = tuple(
    Plan(rounds=5, samples=400, warm_up=30, size=10**power) for power in range(6)
)
_QUICK = tuple(Plan(rounds=1, samples=5, warm_up=1, size=size) for size in (1, 10))

CURVES: tuple[Curve, ...] = (
    Curve(
        name="parked_waiters",
        title="From append to the waiter running, among parked waiters",
        x_label="tasks parked, the one that is served included",
        y_label="microseconds",
        what="append_event to wait_event_nth, others wait for other events of the process",
        against="send to receive over a trio memory channel, others wait on a trio.Event each",
        baseline=_channel_among_tasks,
        ours=_append_among_waiters,
        plans=_UP_TO_100_000,
        quick=_QUICK,
    ),
    Curve(
        name="event_number",
        title="From append to the waiter running, by the number of the event",
        x_label="number of the event among those of its type",
        y_label="microseconds",
        what="append_event to wait_event_nth",
        against="send to receive over a trio memory channel",
        baseline=_channel,
        ours=_append_late,
        plans=_UP_TO_100_000,
        quick=_QUICK,
    ),
    Curve(
        name="serving_all",
        title="Serving all of many waiters, each of whom waits for another event",
        x_label="waiters, and appends",
        y_label="microseconds an append",
        what="append_event to wait_event_nth, one process",
        against="send to receive, a trio memory channel for each task",
        baseline=_serve_by_channels,
        ours=_serve_by_appends,
        plans=tuple(Plan(rounds=5, size=size) for size in (1_000, 3_000, 10_000, 30_000, 100_000)),
        quick=_QUICK,
    ),
)
"""All curves."""
