"""Compares what mypy says about a file with what the file expects.

A line of a file that ends in ``# expect-error: arg-type`` must give exactly that
mypy error; two codes are separated by a comma. No other line may give any.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

HERE: Final = Path(__file__).resolve().parent
CHECKOUT: Final = HERE.parent.parent
EXPECTATION: Final = re.compile(r"#\s*expect-error:\s*(?P<codes>[\w\s,-]+?)\s*$")


@attrs.frozen(order=True)
class Finding:
    """One error code on one line of one file."""

    path: Path
    line: int
    code: str


@attrs.frozen(kw_only=True)
class Comparison:
    """What was expected and not found, and the other way round."""

    missing: tuple[Finding, ...]
    unexpected: tuple[Finding, ...]


def read_expectations(path: Path) -> list[Finding]:
    """Returns the errors that a file says mypy must find in it."""
    expected: list[Finding] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        match = EXPECTATION.search(line)
        if match is not None:
            codes = match["codes"].split(",")
            expected += (Finding(path, number, code.strip()) for code in codes)
    return expected


def run_mypy(paths: Sequence[Path], directory: Path) -> list[Finding]:
    """Runs mypy strict, with the project's settings, over some files.

    Args:
        paths: the files; no two have the same name.
        directory: an empty one, outside the checkout. The files are copied into it
            and checked there, so that mypy finds `lash_trio` as a user's does:
            installed, with its py.typed.

    Raises:
        RuntimeError: mypy did not get as far as checking the files.
    """
    originals = {path.name: path for path in paths}
    for path in paths:
        shutil.copy(path, directory)
    settings = ["--config-file", str(CHECKOUT / "pyproject.toml"), "--strict"]
    options = ["--no-incremental", "--output", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, *options, *sorted(originals)],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )
    if done.returncode not in (0, 1) or done.stderr:
        raise RuntimeError(f"mypy failed: {done.stdout}{done.stderr}")
    found: list[Finding] = []
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["severity"] == "error":
            path = originals[Path(message["file"]).name]
            found.append(Finding(path, message["line"], message["code"]))
    return found


def compare(expected: Iterable[Finding], found: Iterable[Finding]) -> Comparison:
    """Compares two sets of findings; equal ones on one line count once."""
    wanted, got = set(expected), set(found)
    return Comparison(missing=tuple(sorted(wanted - got)), unexpected=tuple(sorted(got - wanted)))
