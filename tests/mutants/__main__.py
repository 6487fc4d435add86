"""Runs every check on every planted fault: ``python -m tests.mutants [WORD ...]``.

Words choose the faults whose names contain one of them.  The exit status is 1 where
a fault survives, is missed by a check that has to find it, or where a check finds none.
"""

import sys
from collections.abc import Sequence

from .mutant import Mutant
from .table import MUTANTS, PORTS, idle_checks


def main(words: Sequence[str]) -> int:
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    faults: list[str] = []
    for mutant in chosen:
        found_by = [name for name in mutant.port.checks if mutant.found_by(name) is not None]
        print(f"{mutant.name}: {mutant.fault}", flush=True)
        for name in found_by:
            print(f"    {'*' if name in mutant.caught_by else ' '} {name}")
        faults += _missed(mutant, found_by)
    for port in PORTS:
        faults += [f"the {port.name} check {name} finds no fault" for name in idle_checks(port)]
    print(f"\n{len(chosen)} faults planted; * marks the checks that each of them is for")
    for fault in faults:
        print(f"NOT PROVED: {fault}")
    return 1 if faults else 0


def _missed(mutant: Mutant, found_by: Sequence[str]) -> list[str]:
    if not found_by:
        return [f"{mutant.name} survives"]
    return [f"{mutant.name} is missed by {n}" for n in mutant.caught_by if n not in found_by]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
