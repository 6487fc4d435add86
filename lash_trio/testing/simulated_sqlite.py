"""SQLite files for the simulator, and without threads.  Needs ``lash-trio[sqlite]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("apsw") is None:
    raise ImportError(
        "lash_trio.testing.simulated_sqlite needs apsw; install it with: "
        "pip install 'lash-trio[sqlite]'"
    )

from ._simulated_sqlite import (
    SimulatedSqlite as SimulatedSqlite,
    simulated_sqlite as simulated_sqlite,
)
