"""A disk that fails, for tests of what is kept in SQLite files.  Needs ``lash-trio[sqlite]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("apsw") is None:
    raise ImportError(
        "lash_trio.testing.faulty_sqlite needs apsw; install it with: "
        "pip install 'lash-trio[sqlite]'"
    )

from ._faulty_sqlite import DiskFault as DiskFault, FaultyDisk as FaultyDisk
