"""A turn with tool calls, killed with SIGKILL at each effect boundary in turn."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

PROGRAM = Path(__file__).with_name("crashing_turn.py")
RECORDS = 10
"""Three model calls, four tool calls, two checkpoints after work, one before completion."""


def run(directory: Path, *moments: str) -> tuple[str, list[str]]:
    """Live and die; returns the transcript, and what was done."""
    directory.mkdir()
    done = subprocess.run(
        [sys.executable, PROGRAM, directory / "turns.db", directory / "log", *moments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, (directory / "log").read_text().splitlines()


def test_a_turn_that_is_killed_at_every_boundary_ends_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    transcript, lines = run(tmp_path / "uninterrupted")
    keys = [line for line in lines if line.startswith("recorded")]
    assert len(keys) == len(set(keys)) == RECORDS
    assert sum(line.startswith("model") for line in lines) == 3

    # Tools that run at once are recorded at once, so a life may record more than one.
    killed, lines = run(tmp_path / "killed", *["before", "after"] * RECORDS)
    assert killed == transcript
    deaths = [line for line in lines if line.startswith("ended")]
    print(Counter(deaths))
    assert set(deaths) <= {"ended -9", "ended 0"}
    assert deaths.count("ended -9") >= 2 * RECORDS - 4
    count = Counter(lines)
    assert [key for key in keys if count[key] > 1] == [], "nothing is recorded twice"
    models = {line: count[line] for line in count if line.startswith("model")}
    # Each was asked in a life that ended before its answer was recorded, and once more.
    assert set(models.values()) == {2}
    assert len(models) == 3
    tools = {line: count[line] for line in count if line.startswith("tool")}
    assert set(tools) == {"tool a", "tool b", "tool c", "tool d"}


def test_an_answer_that_was_recorded_is_paid_once(tmp_path: Path) -> None:
    transcript, _ = run(tmp_path / "uninterrupted")
    killed, lines = run(tmp_path / "killed", *["after"] * RECORDS)
    assert killed == transcript
    count = Counter(lines)
    assert {count[line] for line in count if line.startswith("model")} == {1}
