"""Every planted fault, and what of it the checks leave unfound."""

from .boundary import BOUNDARY_MUTANTS
from .mutant import Mutant, Port
from .registry import REGISTRY_MUTANTS

MUTANTS: tuple[Mutant, ...] = (*REGISTRY_MUTANTS, *BOUNDARY_MUTANTS)
PORTS: tuple[Port, ...] = tuple({mutant.port.name: mutant.port for mutant in MUTANTS}.values())


def idle_checks(port: Port) -> list[str]:
    """The checks of a port that no fault of the table is for."""
    named = {name for mutant in MUTANTS if mutant.port is port for name in mutant.caught_by}
    return [name for name in port.checks if name not in named]
