"""The command ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from . import __doc__ as purpose, _curves, _report, _rows, _scale
from ._svg import draw


@attrs.frozen(kw_only=True)
class Options:
    """What the command line asks for."""

    rows: tuple[_rows.Row, ...]
    json: Path | None
    svg: Path | None
    scale: int
    parked: int
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
        "--scale",
        type=int,
        default=0,
        metavar="COUNT",
        help="also measure a SQLite file with so many events in one process, and one with so many"
        " processes; 1000000 takes some minutes",
    )
    parser.add_argument(
        "--parked",
        type=int,
        default=0,
        metavar="COUNT",
        help="also measure how long so many parked processes take to come back, and their memory",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure very little: only to see that it works"
    )
    given = parser.parse_args(arguments)
    return Options(
        rows=tuple(row for row in _rows.ROWS if row.name in given.rows),
        json=given.json,
        svg=given.svg,
        scale=given.scale,
        parked=given.parked,
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
    findings = list(large(options))
    if findings:
        print("", _report.findings_table(findings), sep="\n")
    curves = [] if options.svg is None else draw_curves(options.svg, options.quick)
    if options.json is not None:
        document = _report.document(rows, curves, findings, options.quick)
        options.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def large(options: Options) -> Iterator[_scale.Finding]:
    """Measure what is large, as far as it is asked for."""
    samples = 5 if options.quick else 200
    if options.scale > 0:
        progress(f"{options.scale:,} events")
        yield from _scale.measure_events(options.scale, samples)
        progress(f"{options.scale:,} processes")
        yield from _scale.measure_processes(options.scale, samples)
    if options.parked > 0:
        progress(f"{options.parked:,} parked processes")
        yield from _scale.measure_parked(options.parked)


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
