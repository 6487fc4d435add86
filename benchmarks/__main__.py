"""The command ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from . import __doc__ as purpose, _curves, _report, _rows
from ._svg import draw


@attrs.frozen(kw_only=True)
class Options:
    """What the command line asks for."""

    rows: tuple[_rows.Row, ...]
    json: Path | None
    svg: Path | None
    quick: bool


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the program with status 2 where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=purpose)
    names = [row.name for row in _rows.ROWS]
    parser.add_argument(
        *("--rows", "-r"),
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"measure only these rows of the table: {', '.join(names)}",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything that was measured"
    )
    parser.add_argument(
        "--svg", type=Path, metavar="DIR", help="measure the scaling curves too, and draw them"
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure very little: only to see that it works"
    )
    given = parser.parse_args(arguments)
    return Options(
        rows=tuple(row for row in _rows.ROWS if row.name in given.rows),
        json=given.json,
        svg=given.svg,
        quick=given.quick,
    )


def main(arguments: Sequence[str]) -> None:
    """Measure, print, write and draw."""
    options = parse(arguments)
    # What is loaded by now stays; the collections before each round need not look at it.
    gc.collect()
    gc.freeze()
    rows: list[_rows.Measured] = []
    for row in options.rows:
        progress(row.name)
        rows.append(_rows.measure(row, options.quick))
    print(_report.conditions(), _report.table(rows), sep="\n\n")
    curves = [] if options.svg is None else draw_curves(options.svg, options.quick)
    if options.json is not None:
        document = _report.document(rows, curves, options.quick)
        options.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def draw_curves(directory: Path, quick: bool) -> list[_curves.Measured]:
    """Measure all curves and draw each into a file of its name."""
    directory.mkdir(parents=True, exist_ok=True)
    curves: list[_curves.Measured] = []
    for curve in _curves.CURVES:
        progress(curve.name)
        measured = _curves.measure(curve, quick)
        picture = draw(measured.chart(_report.conditions()))
        (directory / f"{curve.name}.svg").write_text(picture, "utf-8")
        curves.append(measured)
    return curves


def progress(name: str) -> None:
    """Say on stderr what takes its time now."""
    print(f"measuring {name}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
