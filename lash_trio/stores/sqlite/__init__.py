"""Stores in a SQLite file: durable on one machine, no server.  Needs ``lash-trio[sqlite]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("apsw") is None:
    raise ImportError(
        "lash_trio.stores.sqlite needs apsw; install it with: pip install 'lash-trio[sqlite]'"
    )

from ._access import SqliteAccess as SqliteAccess
from ._artifacts import SqliteArtifactStore as SqliteArtifactStore
from ._attachments import SqliteAttachmentStore as SqliteAttachmentStore
from ._database import (
    SqliteDatabase as SqliteDatabase,
    SqliteOptions as SqliteOptions,
    Synchronous as Synchronous,
)
from ._inline import CrashPoint as CrashPoint, InlineAccess as InlineAccess
from ._journal import SqliteEffectJournal as SqliteEffectJournal
from ._registry import SqliteProcessRegistry as SqliteProcessRegistry
from ._stores import SqliteStores as SqliteStores, open_sqlite as open_sqlite
from ._vacuum_report import VacuumReport as VacuumReport
from ._watch import Watching as Watching
