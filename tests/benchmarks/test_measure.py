"""The arithmetic of the benchmarks, on numbers that are known."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module; the benchmarks are in the checkout and not installed."""
    monkeypatch.syspath_prepend(CHECKOUT)
    from benchmarks import _measure

    return _measure


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)]
)
def test_percentiles_are_samples(measure: ModuleType, percent: int, expected: float) -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert measure.percentile(samples, percent) == expected


def test_the_high_percentile_of_few_samples_is_the_greatest(measure: ModuleType) -> None:
    assert measure.percentile([3.0, 9.0, 1.0], 99) == 9.0


def test_a_round_counts_both_sides_of_the_coin_alike(measure: ModuleType) -> None:
    # Many samples of the one kind, few of the other: the median of all would be 1.
    figures = measure.Figures.of([[[1.0, 1.0, 1.0, 1.0], [3.0, 5.0]]])
    assert figures.rounds == (2.5,)
    assert figures.samples == 6
    assert figures.p99 == 5.0


def test_the_median_is_that_of_the_rounds(measure: ModuleType) -> None:
    figures = measure.Figures.of([[[1.0]], [[2.0]], [[90.0]]])
    assert figures.median == 2.0
    assert figures.quartiles == (1.0, 90.0)


def test_the_ratio_holds_where_the_machine_changes_its_speed(measure: ModuleType) -> None:
    # Twice as slow from some moment on, a little earlier for the baseline.
    baseline = measure.Figures.of([[[2.0]], [[2.0]], [[4.0]], [[4.0]], [[4.0]]])
    ours = measure.Figures.of([[[3.0]], [[3.0]], [[3.0]], [[6.0]], [[6.0]]])
    comparison = measure.Comparison(baseline=baseline, ours=ours)
    assert comparison.ratio == 1.5
    assert comparison.ratio_quartiles == (1.5, 1.5)


def test_both_sides_are_measured_in_turn_and_the_first_round_is_dropped(
    measure: ModuleType,
) -> None:
    calls: list[str] = []

    def baseline(plan: object) -> list[list[float]]:
        calls.append("baseline")
        # The first call is the slow one.
        return [[100.0 if len(calls) <= 2 else 2.0]]

    def ours(plan: object) -> list[list[float]]:
        calls.append("ours")
        return [[100.0 if len(calls) <= 2 else 3.0]]

    (comparison,) = measure.compare(baseline, ours, [measure.Plan(rounds=3)])
    assert calls == [*["ours", "baseline"], *["baseline", "ours"]] * 2
    assert comparison.baseline.rounds == (2.0, 2.0, 2.0)
    assert comparison.ours.rounds == (3.0, 3.0, 3.0)
    assert comparison.ratio == 1.5
    assert comparison.ratio_quartiles == (1.5, 1.5)


def test_every_round_goes_through_all_plans(measure: ModuleType) -> None:
    sizes: list[int] = []

    def side(plan: object) -> list[list[float]]:
        assert isinstance(plan, measure.Plan)
        sizes.append(plan.size)
        return [[float(plan.size)]]

    plans = [measure.Plan(rounds=2, size=size) for size in (1, 10)]
    comparisons = measure.compare(side, side, plans)
    assert sizes == [1, 1, 10, 10] * 3
    assert [one.ours.median for one in comparisons] == [1.0, 10.0]
