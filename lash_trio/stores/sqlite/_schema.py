"""The tables, and how an older file becomes a newer one."""

from __future__ import annotations

from ...model import StoreError
from ._sql import SqlConnection

APPLICATION_ID = 0x6C617368  # "lash"

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE processes (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        registration TEXT NOT NULL,
        registration_hash TEXT NOT NULL,
        definition TEXT,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL,
        external_ref TEXT,
        wait TEXT,
        state TEXT NOT NULL,
        status TEXT NOT NULL,
        fencing_token INTEGER NOT NULL DEFAULT 0,
        owner_id TEXT,
        lease_token TEXT,
        claimed_at_ms INTEGER,
        expires_at_ms INTEGER
    ) STRICT;
    CREATE INDEX processes_running ON processes (id) WHERE state = 'running';

    -- The position orders the events of all processes, so that another
    -- operating-system process can ask what is new.
    CREATE TABLE events (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        process INTEGER NOT NULL REFERENCES processes (number),
        sequence INTEGER NOT NULL,
        type TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        payload TEXT NOT NULL,
        semantics TEXT,
        occurred_at_ms INTEGER NOT NULL,
        replay_key TEXT,
        content_hash TEXT,
        wake INTEGER NOT NULL DEFAULT 0,
        UNIQUE (process, sequence)
    ) STRICT;
    CREATE UNIQUE INDEX events_nth ON events (process, type, ordinal);
    CREATE UNIQUE INDEX events_replay ON events (process, replay_key)
        WHERE replay_key IS NOT NULL;
    CREATE INDEX events_wake ON events (process, sequence) WHERE wake = 1;

    CREATE TABLE grants (
        scope_id TEXT NOT NULL,
        process INTEGER NOT NULL REFERENCES processes (number),
        session_id TEXT NOT NULL,
        agent_frame_id TEXT,
        descriptor TEXT NOT NULL,
        PRIMARY KEY (scope_id, process)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX grants_of_process ON grants (process);
    CREATE INDEX grants_of_session ON grants (session_id);

    CREATE TABLE journal (
        scope TEXT NOT NULL,
        replay_key TEXT NOT NULL,
        envelope TEXT NOT NULL,
        outcome TEXT,
        due_at_ms INTEGER,
        recorded_at_ms INTEGER NOT NULL,
        PRIMARY KEY (scope, replay_key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE scope_leases (
        scope TEXT PRIMARY KEY,
        fencing_token INTEGER NOT NULL,
        owner_id TEXT,
        lease_token TEXT,
        claimed_at_ms INTEGER,
        expires_at_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX scope_leases_held ON scope_leases (lease_token) WHERE lease_token IS NOT NULL;

    CREATE TABLE attachments (
        id TEXT PRIMARY KEY,
        data BLOB NOT NULL
    ) STRICT;
    """,
)
"""One script a version; a file of version n has had the first n."""


def migrate(connection: SqlConnection, file_name: str) -> None:
    """Bring a file to this version of the schema, in one transaction.

    Raises:
        StoreError: the file is of a newer version, or of another application.
    """
    application = connection.pragma("application_id")
    version = connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    if application != APPLICATION_ID and (version or tables):
        raise StoreError(
            f"{file_name!r} is a database of another application (application id {application}); "
            "give lash_trio a file of its own"
        )
    if not isinstance(version, int) or version > len(MIGRATIONS):
        raise StoreError(
            f"{file_name!r} has schema version {version}, this lash_trio knows up to "
            f"{len(MIGRATIONS)}; use a newer lash_trio for this file"
        )
    if version == len(MIGRATIONS):
        return
    with connection:
        connection.pragma("application_id", APPLICATION_ID)
        for script in MIGRATIONS[version:]:
            connection.execute(script)
        connection.pragma("user_version", len(MIGRATIONS))
