"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version

import attrs

from ._curves import Measured as MeasuredCurve
from ._measure import Comparison, Figures
from ._rows import Measured
from ._scale import Finding

FINDINGS_HEAD = ("what", "of", "in a new file", "with that many", "ratio")

Json = dict[str, object]

_VERDICTS = {True: "within", False: "over", None: ""}

HEAD = ("what", "against", "baseline", "p99", "ours", "p99", "ratio", "limit", "")


def environment() -> Json:
    """What the figures depend on and is nobody's secret."""
    return {
        "implementation": platform.python_implementation(),
        "python": platform.python_version(),
        "trio": version("trio"),
        "lash_trio": version("lash-trio"),
    }


def conditions() -> str:
    """The same in a line."""
    around = environment()
    return (
        f"{around['implementation']} {around['python']}, trio {around['trio']}, "
        f"lash_trio {around['lash_trio']}"
    )


def table(rows: Sequence[Measured]) -> str:
    """One line a row; the columns after the first two aligned to the right."""
    return aligned([HEAD, *(cells(row) for row in rows)], left=2)


def findings_table(findings: Sequence[Finding]) -> str:
    """One line a finding: in a little file, in one with very much, and the ratio."""
    lines = [FINDINGS_HEAD, *(finding_cells(finding) for finding in findings)]
    return aligned(lines, left=1)


def finding_cells(finding: Finding) -> tuple[str, ...]:
    """One row of the table of what is large."""
    little = finding.little
    return (
        finding.what,
        f"{finding.count:,}",
        "" if little is None else amount(little, finding.unit),
        amount(finding.much, finding.unit),
        "" if little is None else f"{finding.much / little:.2f}",
    )


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Columns of one width; those after the first ``left`` aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(line).rstrip() for line in padded)


def cells(row: Measured) -> tuple[str, ...]:
    """One row of the table."""
    unit = row.row.unit
    comparison = row.comparison
    return (
        row.what,
        row.row.against,
        amount(comparison.baseline.median, unit),
        amount(comparison.baseline.p99, unit),
        amount(comparison.ours.median, unit),
        amount(comparison.ours.p99, unit),
        f"{comparison.ratio:.2f}",
        "" if row.row.limit is None else f"{row.row.limit:.1f}",
        _VERDICTS[row.within],
    )


def amount(value: float, unit: str) -> str:
    """A number with a unit that suits it."""
    if unit == "bytes":
        return f"{value:,.0f} B"
    if value < 1e-3:
        return f"{value * 1e6:.2f} us"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms"


def document(
    rows: Sequence[Measured],
    curves: Sequence[MeasuredCurve],
    findings: Sequence[Finding],
    quick: bool,
) -> Json:
    """Everything that was measured, in seconds and bytes."""
    return {
        "schema": 1,
        "environment": environment(),
        "quick": quick,
        "rows": [
            {
                "name": measured.row.name,
                "what": measured.what,
                "against": measured.row.against,
                "unit": measured.row.unit,
                "size": measured.plan.size,
                **compared(measured.comparison),
                "limit": measured.row.limit,
                "within": measured.within,
            }
            for measured in rows
        ],
        "scale": [attrs.asdict(finding) for finding in findings],
        "curves": [
            {
                "name": measured.curve.name,
                "title": measured.curve.title,
                "unit": "s",
                "baseline": measured.curve.against,
                "ours": measured.curve.what,
                "points": [
                    {"size": size, **compared(comparison)}
                    for size, comparison in measured.points.items()
                ],
            }
            for measured in curves
        ],
    }


def compared(comparison: Comparison) -> Json:
    """Both sides and their ratio."""
    return {
        "baseline": figures(comparison.baseline),
        "ours": figures(comparison.ours),
        "ratio": comparison.ratio,
        "ratio_quartiles": comparison.ratio_quartiles,
    }


def figures(side: Figures) -> Json:
    """One side."""
    return {
        "median": side.median,
        "p99": side.p99,
        "samples": side.samples,
        "rounds": side.rounds,
    }
