"""Import statements, each in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

from ._measure import Groups, Plan, Side

# The statement and nothing else is timed.  The search path is that of this
# interpreter, so both import what the other measurements have used.
PROGRAM = """
import sys, time
sys.path[:] = sys.argv[1:]
started_ns = time.perf_counter_ns()
import {module}
print(time.perf_counter_ns() - started_ns)
"""


def importing(module: str) -> Side:
    """A side that imports a module."""
    command = [sys.executable, "-c", PROGRAM.format(module=module), *sys.path]
    # The round before those that count leaves the bytecode behind.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def measure(plan: Plan) -> Groups:
        return [[run(command, environment) for _ in range(plan.samples)]]

    return measure


def run(command: list[str], environment: dict[str, str]) -> float:
    """Seconds that the program printed as nanoseconds."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / 1e9
