"""The command ``python -m benchmarks.restate``."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from .. import _report
from .._rows import Measured, measure
from . import __doc__ as purpose
from ._programs import Server, running
from ._rows import NAMES, rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restate", description=purpose)
    parser.add_argument(
        *("--rows", "-r"),
        nargs="+",
        choices=NAMES,
        default=NAMES,
        metavar="NAME",
        help=f"measure only these rows of the table: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything that was measured"
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure very little: only to see that it works"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as programs:
        gc.collect()
        gc.freeze()
        measured: list[Measured] = []
        for row in rows(programs.stock, programs.ours, programs.logged):
            if row.name in given.rows:
                print(f"measuring {row.name}", file=sys.stderr, flush=True)
                measured.append(measure(row, given.quick))
        peers = versions(programs.server)
    line = ", ".join(f"{name} {told}" for name, told in peers.items())
    print(f"{_report.conditions()}, {line}", _report.table(measured), sep="\n\n")
    if given.json is not None:
        document = _report.document(measured, [], [], given.quick) | {"peers": peers}
        given.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def versions(server: Server) -> dict[str, str]:
    """Of what was measured beside ours.

    Raises:
        SystemExit: the server spoke other versions of its protocol with one than with another.
    """
    spoken = {tuple(found) for found in server.protocol_versions().values()}
    if len(spoken) != 1:
        raise SystemExit(f"the endpoints spoke versions {sorted(spoken)} of the protocol")
    return {
        "restate-server": server.version,
        "protocol": ", ".join(map(str, *spoken)),
        "restate-sdk": version("restate-sdk"),
        "hypercorn": version("hypercorn"),
    }


if __name__ == "__main__":
    main()
