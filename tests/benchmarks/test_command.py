"""``python -m benchmarks`` measures every row and curve, and writes what it measured."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import lash_trio

CHECKOUT = Path(__file__).resolve().parents[2]
ROWS = [
    "append_to_waiter",
    "append_among_waiters",
    "append_late_event",
    "execute_effect",
    "memory_per_waiter",
    "durable_step",
    "durable_steps_at_once",
    "import",
]
CURVES = ["parked_waiters", "event_number", "serving_all"]
SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one quick run of everything has left behind."""
    directory = tmp_path_factory.mktemp("benchmarks")
    done = run("--quick", "--json", directory / "figures.json", "--svg", directory / "curves")
    assert done.returncode == 0, done.stderr
    (directory / "table.txt").write_text(done.stdout, "utf-8")
    return directory


@pytest.fixture(scope="module")
def document(output: Path) -> dict[str, Any]:
    def refuse(constant: str) -> object:
        raise AssertionError(f"{constant} is no JSON")

    text = (output / "figures.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return loaded


def test_the_document_has_every_row_and_curve(document: dict[str, Any]) -> None:
    assert [row["name"] for row in document["rows"]] == ROWS
    assert [curve["name"] for curve in document["curves"]] == CURVES
    assert document["quick"] is True


def test_the_document_says_under_which_versions_it_came_about(document: dict[str, Any]) -> None:
    assert set(document["environment"]) == {"implementation", "python", "trio", "lash_trio"}
    assert all(document["environment"].values())


def test_the_document_says_nothing_about_the_machine(output: Path) -> None:
    text = (output / "figures.json").read_text("utf-8")
    assert lash_trio.__file__ is not None
    for secret in (CHECKOUT, Path(lash_trio.__file__).parent, Path.home(), Path(sys.prefix)):
        assert str(secret) not in text


def test_the_figures_belong_together(document: dict[str, Any]) -> None:
    compared = [*document["rows"]]
    for curve in document["curves"]:
        compared += curve["points"]
    for entry in compared:
        for side in (entry["baseline"], entry["ours"]):
            assert side["median"] == statistics.median(side["rounds"])
            assert side["median"] > 0
            assert side["p99"] > 0
            assert side["samples"] >= len(side["rounds"])
        rounds = zip(entry["ours"]["rounds"], entry["baseline"]["rounds"], strict=True)
        assert entry["ratio"] == statistics.median(ours / baseline for ours, baseline in rounds)
        low, high = entry["ratio_quartiles"]
        assert 0 < low <= high


def test_the_verdict_follows_from_ratio_and_limit(document: dict[str, Any]) -> None:
    limits = {row["name"]: row["limit"] for row in document["rows"]}
    assert limits == dict(zip(ROWS, [1.5, 1.2, 1.2, 2.0, 1.5, 1.3, 0.1, 1.5], strict=True))
    for row in document["rows"]:
        assert row["within"] is (row["ratio"] <= row["limit"])


def test_the_table_has_a_line_for_every_row(output: Path, document: dict[str, Any]) -> None:
    table = (output / "table.txt").read_text("utf-8").splitlines()
    assert table[0].startswith(document["environment"]["implementation"])
    lines = table[4:]
    assert len(lines) == len(ROWS)
    for line, row in zip(lines, document["rows"], strict=True):
        assert line.startswith(row["what"])
        assert line.split()[-3:] == [
            f"{row['ratio']:.2f}",
            f"{row['limit']:.1f}",
            "within" if row["within"] else "over",
        ]


@pytest.mark.parametrize("name", CURVES)
def test_every_curve_is_drawn(output: Path, document: dict[str, Any], name: str) -> None:
    (curve,) = [curve for curve in document["curves"] if curve["name"] == name]
    picture = ET.parse(output / "curves" / f"{name}.svg").getroot()
    assert picture.tag == f"{SVG}svg"
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    for expected in (curve["title"], curve["baseline"], curve["ours"]):
        assert expected in texts
    for point in curve["points"]:
        assert f"{point['size']:,}" in texts
        assert f"{point['ours']['median'] * 1e6:.1f}" in texts
    lines = [element.get("points", "") for element in picture.iter(f"{SVG}polyline")]
    assert [len(line.split()) for line in lines] == [len(curve["points"])] * 2


def test_rows_are_selected_by_name(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = run("--quick", "--rows", "execute_effect", "--json", figures)
    assert done.returncode == 0, done.stderr
    document = json.loads(figures.read_text("utf-8"))
    assert [row["name"] for row in document["rows"]] == ["execute_effect"]
    assert document["curves"] == []
    assert document["scale"] == []


def test_what_is_large_is_measured_where_it_is_asked_for(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    sizes = ("--scale", "300", "--parked", "20")
    done = run("--quick", "--rows", "execute_effect", *sizes, "--json", figures)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text("utf-8"))["scale"]
    assert len(found) == 15
    for finding in found:
        assert finding["what"] in done.stdout
        assert finding["count"] == (20 if "parked" in finding["what"] else 300)
        assert finding["much"] > 0 or finding["unit"] == "bytes"
    compared = [finding for finding in found if finding["little"] is not None]
    assert len(compared) == 11
    assert all(finding["little"] > 0 for finding in compared)


def test_an_unknown_row_is_refused_with_the_known_ones() -> None:
    done = run("--quick", "--rows", "nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert all(name in done.stderr for name in ROWS)
