"""``python -m benchmarks.peers``: one run, one table."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from . import __doc__ as purpose
from ._plan import MEASURES

PEERS = {"lash": "lash-trio", "dbos": "dbos"}
TIMEOUT_SECONDS = 300


def run(peer: str, measure: str, db: Path, *options: str) -> tuple[str, float]:
    """Run one part; returns what it printed last, and how long it took."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.peers.{peer}", measure, str(db), *options],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode not in (0, -9):
        raise SystemExit(f"{peer} {measure} ended with {done.returncode}:\n{done.stderr}")
    lines = done.stdout.splitlines()
    return (lines[-1] if lines else ""), seconds


def measured(peer: str, measure: str, directory: Path, *options: str) -> float:
    """One figure."""
    db = directory / f"{peer}-{measure}.db"
    if measure != "recovery":
        return float(json.loads(run(peer, measure, db, *options)[0]))
    run(peer, "killed", db, *options)
    Path(f"{db}.gate").touch()
    # From the start of the new program, its imports included: that is what a user waits for.
    return run(peer, "recovery", db, *options)[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=purpose)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--quick", action="store_true", help="only to see that it works")
    given = parser.parse_args()
    options = ["--quick"] if given.quick else []
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for measure in MEASURES:
            for peer in PEERS:
                print(f"measuring {measure} of {peer}", file=sys.stderr, flush=True)
                figure = measured(peer, measure, Path(directory), *options)
                figures.setdefault(measure, {})[peer] = figure
    versions = {peer: f"{name} {version(name)}" for peer, name in PEERS.items()}
    print(f"{'':70}" + "".join(f"{name:>18}" for name in versions.values()))
    for measure, what in MEASURES.items():
        print(f"{what:70}" + "".join(f"{figures[measure][peer]:>18.2f}" for peer in PEERS))
    if given.json is not None:
        document = {"versions": versions, "figures": figures, "quick": given.quick}
        given.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
