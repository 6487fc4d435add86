"""What the benchmarks of the Restate engine make of what was noted, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module; the benchmarks are in the checkout and not installed."""
    monkeypatch.syspath_prepend(CHECKOUT)
    from benchmarks.restate import _sides

    return _sides


class FakeIngress:
    """A server whose processes have noted times that are known."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []
        self.sent_at = 10.0

    def ask(self, method: str, path: str, body: object = None) -> Any:
        self.asked.append((method, path, body))
        return self.answer if method == "GET" else None


def peer(sides: ModuleType, ingress: FakeIngress) -> Any:
    return sides.Peer(service="Some", ingress=ingress, call=lambda: None, written=lambda: 1)


def test_a_step_takes_as_long_as_it_is_to_the_next_one(sides: ModuleType) -> None:
    assert sides.between([1.0, 1.5, 3.5]) == [0.5, 2.0]


def test_the_steps_of_a_warm_up_do_not_count(sides: ModuleType) -> None:
    ingress = FakeIngress({"attempt": 1, "times": [1.0, 9.0, 9.5, 9.75]})
    plan = sides.Plan(rounds=1, samples=2, warm_up=1)
    assert sides.steps(peer(sides, ingress), plan) == [[0.5, 0.25]]
    (_, path, body), _ = ingress.asked
    assert path.startswith("/Some/steps-")
    assert body == {"definition": "steps", "args": {"count": 3}}


@pytest.mark.parametrize("envelope", [True, False])
def test_a_result_counts_with_and_without_our_envelope(sides: ModuleType, envelope: bool) -> None:
    told = {"attempt": 1, "times": [1, 2]}
    answer = {"type": "success", "value": told} if envelope else told
    assert sides.times_of("some", answer) == [1.0, 2.0]


def test_what_a_replay_has_noted_does_not_count(sides: ModuleType) -> None:
    with pytest.raises(SystemExit, match="some was interrupted"):
        sides.times_of("some", {"attempt": 2, "times": [1, 2]})


def test_a_wake_counts_from_the_call_to_the_last_time(sides: ModuleType) -> None:
    assert sides.latency([1.0, 2.0, 5.5], 5.0) == 0.5


def test_a_signal_to_a_process_that_did_not_wait_yet_does_not_count(sides: ModuleType) -> None:
    with pytest.raises(SystemExit, match="before it waited"):
        sides.latency([1.0, 5.0, 5.5], 5.0)


def test_the_earlier_signals_are_sent_and_do_not_count(
    sides: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ingress = FakeIngress({"attempt": 1, "times": [1.0, 2.0, 3.0, 10.25]})
    plan = sides.Plan(rounds=1, samples=1, size=2)
    assert sides.signals(peer(sides, ingress), plan) == [[0.25]]
    processes = sides.in_a_batch(plan)
    ordinals = [body["ordinal"] for _, path, body in ingress.asked if path.endswith("/signal")]
    assert sorted(ordinals) == sorted([1, 2] * processes + [3])


def test_a_batch_of_processes_serves_some_rounds(
    sides: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    ingress = FakeIngress({"attempt": 1, "times": [1.0, 10.25]})
    plan = sides.Plan(rounds=2, samples=2, warm_up=1)
    one = peer(sides, ingress)
    assert [sides.signals(one, plan) for _ in range(2)] == [[[0.25, 0.25]]] * 2
    starts = [path for _, path, _ in ingress.asked if path.endswith("/run/send")]
    assert len(starts) == len(set(starts)) == sides.in_a_batch(plan)
    ended = [path for method, path, _ in ingress.asked if method == "GET"]
    assert len(ended) == len(set(ended)) == 6


def test_processes_are_at_rest_when_nothing_is_written_for_some_looks(
    sides: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    looks = iter([1, 1, 1, 2, 2, 3, 3, 3, 3, 4])
    ingress = FakeIngress(None)
    sides.settle(
        sides.Peer(service="Some", ingress=ingress, call=lambda: None, written=lambda: next(looks))
    )
    assert next(looks) == 4


def test_every_row_has_its_limit(sides: ModuleType) -> None:
    from benchmarks.restate import _rows

    one = peer(sides, FakeIngress(None))
    rows = _rows.rows(one, one, one)
    assert tuple(row.name for row in rows) == _rows.NAMES
    limits = {row.name: row.limit for row in rows if row.limit is not None}
    assert limits == {"step": 1.1, "signal_to_wake": 1.1}


def test_a_row_without_a_limit_has_no_verdict(sides: ModuleType) -> None:
    from benchmarks import _measure, _report, _rows as shared
    from benchmarks.restate import _rows

    one = peer(sides, FakeIngress(None))
    rows = {row.name: row for row in _rows.rows(one, one, one)}
    figures = {n: _measure.Figures.of([[[n]]]) for n in (1.0, 2.0)}
    comparison = _measure.Comparison(baseline=figures[1.0], ours=figures[2.0])
    limited, free = (
        shared.Measured(row=rows[name], plan=rows[name].plan, comparison=comparison)
        for name in ("step", "logged_step")
    )
    assert _report.cells(limited)[-3:] == ("2.00", "1.1", "over")
    assert _report.cells(free)[-3:] == ("2.00", "", "")
    document = json.loads(json.dumps(_report.document([limited, free], [], [], quick=True)))
    assert [row["within"] for row in document["rows"]] == [False, None]
    assert [row["limit"] for row in document["rows"]] == [1.1, None]
