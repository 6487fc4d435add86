"""Two sides measured in turn, and the figures that come out."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

Groups: TypeAlias = Sequence[Sequence[float]]
"""The samples of one round, in seconds or bytes.

Mostly one group.  Where trio tosses a coin that makes two peaks, one group for
each side of the coin: the median of the mixture would jump between the peaks.
"""


@attrs.frozen(kw_only=True)
class Plan:
    """How much is measured.

    Args:
        rounds: how often both sides are measured.
        samples: how many a round, of each side.
        size: how many other waiters, earlier events or tasks there are, where the
            measurement is about that.
        warm_up: samples at the beginning of every round that do not count.
    """

    rounds: int
    samples: int = 1
    size: int = 0
    warm_up: int = 0


Side: TypeAlias = Callable[[Plan], Groups]
"""Measures one round of one side, warm-up samples left out."""


@attrs.frozen(kw_only=True)
class Figures:
    """One side.

    Args:
        median: over the rounds, of :attr:`rounds`.
        p99: over all samples of all rounds; the greatest of fewer than a hundred.
        samples: how many samples there were.
        rounds: the figure of each round: the mean of the medians of its groups.
    """

    median: float
    p99: float
    samples: int
    rounds: tuple[float, ...]

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between which figures the middle half of the rounds lies."""
        return percentile(self.rounds, 25), percentile(self.rounds, 75)

    @staticmethod
    def of(rounds: Sequence[Groups]) -> Figures:
        """The figures of all rounds of one side."""
        samples = [sample for groups in rounds for group in groups for sample in group]
        figures = tuple(
            statistics.mean(statistics.median(group) for group in groups) for groups in rounds
        )
        return Figures(
            median=statistics.median(figures),
            p99=percentile(samples, 99),
            samples=len(samples),
            rounds=figures,
        )


@attrs.frozen(kw_only=True)
class Comparison:
    """Two sides that were measured in turn."""

    baseline: Figures
    ours: Figures

    @property
    def ratios(self) -> list[float]:
        """Ours to the baseline, round by round."""
        pairs = zip(self.ours.rounds, self.baseline.rounds, strict=True)
        return [ours / baseline for ours, baseline in pairs]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios.

        The two sides of a round were measured within milliseconds, at one speed of the
        machine.  The ratio of both medians over all rounds would be off whenever the
        speed changes halfway.
        """
        return statistics.median(self.ratios)

    @property
    def ratio_quartiles(self) -> tuple[float, float]:
        """Between which ratios the middle half of the rounds lies."""
        return percentile(self.ratios, 25), percentile(self.ratios, 75)


def compare(baseline: Side, ours: Side, plans: Sequence[Plan]) -> list[Comparison]:
    """Measure two sides in turn, so that what disturbs the machine disturbs both.

    A machine has slow seconds.  So every round goes through all plans, takes both
    sides of each right after one another, and changes who goes first; one round
    goes before those that count.  The garbage collector runs before every
    measurement and stays switched on in it: collections that a side causes are
    part of its cost.

    Args:
        baseline: what to compare with.
        ours: what to compare.
        plans: how much, a plan for each comparison; all with the same number of rounds.

    Returns:
        The comparisons in the order of the plans.
    """
    (rounds,) = {plan.rounds for plan in plans}
    measured: list[tuple[list[Groups], list[Groups]]] = [([], []) for _ in plans]
    for number in range(rounds + 1):
        for plan, (of_baseline, of_ours) in zip(plans, measured, strict=True):
            sides = [(baseline, of_baseline), (ours, of_ours)]
            for side, kept in sides if number % 2 else reversed(sides):
                gc.collect()
                groups = side(plan)
                if number > 0:
                    kept.append(groups)
    return [
        Comparison(baseline=Figures.of(of_baseline), ours=Figures.of(of_ours))
        for of_baseline, of_ours in measured
    ]


def percentile(samples: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile: one of the samples."""
    ranked = sorted(samples)
    rank = -(-percent * len(ranked) // 100)
    return ranked[max(rank, 1) - 1]
