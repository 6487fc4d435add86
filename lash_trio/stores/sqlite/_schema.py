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
    """
    -- Which processes ended long ago.
    CREATE INDEX processes_ended ON processes (updated_at_ms, number) WHERE state <> 'running';

    -- Outcomes under the number of their scope: its name is long, and every effect
    -- looks for its lease and writes an outcome.
    ALTER TABLE journal RENAME TO journal_1;
    ALTER TABLE scope_leases RENAME TO scope_leases_1;
    DROP INDEX scope_leases_held;
    CREATE TABLE scope_leases (
        number INTEGER PRIMARY KEY,
        scope TEXT NOT NULL UNIQUE,
        fencing_token INTEGER NOT NULL DEFAULT 0,
        owner_id TEXT,
        lease_token TEXT,
        claimed_at_ms INTEGER,
        expires_at_ms INTEGER
    ) STRICT;
    CREATE INDEX scope_leases_held ON scope_leases (lease_token) WHERE lease_token IS NOT NULL;
    -- Rows in the order of recording: whatever the scopes, what is written together
    -- comes to lie on the same few pages.
    CREATE TABLE journal (
        number INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL REFERENCES scope_leases (number),
        replay_key TEXT NOT NULL,
        envelope TEXT NOT NULL,
        outcome TEXT,
        due_at_ms INTEGER,
        recorded_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX journal_of_scope ON journal (scope, replay_key);
    INSERT INTO scope_leases (scope, fencing_token, owner_id, lease_token, claimed_at_ms,
            expires_at_ms)
        SELECT scope, fencing_token, owner_id, lease_token, claimed_at_ms, expires_at_ms
        FROM scope_leases_1;
    INSERT OR IGNORE INTO scope_leases (scope) SELECT DISTINCT scope FROM journal_1;
    INSERT INTO journal (scope, replay_key, envelope, outcome, due_at_ms, recorded_at_ms)
        SELECT number, replay_key, envelope, outcome, due_at_ms, recorded_at_ms
        FROM journal_1 JOIN scope_leases USING (scope) ORDER BY recorded_at_ms;
    DROP TABLE journal_1;
    DROP TABLE scope_leases_1;

    CREATE TABLE artifacts (
        reference TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        data BLOB NOT NULL
    ) STRICT;
    """,
    """
    -- When a worker has to look at a row: 0 for at any time, null for not before the
    -- event that it waits on.
    ALTER TABLE processes ADD COLUMN look_at_ms INTEGER DEFAULT 0;
    ALTER TABLE processes ADD COLUMN waits_on TEXT;
    CREATE INDEX processes_to_look_at ON processes (look_at_ms, id)
        WHERE state = 'running' AND look_at_ms IS NOT NULL;
    CREATE INDEX processes_waiting_on ON processes (waits_on) WHERE waits_on IS NOT NULL;
    -- Who holds what, and which lease ends next.
    CREATE INDEX processes_held ON processes (owner_id, expires_at_ms)
        WHERE owner_id IS NOT NULL;

    -- When it was put last; of those that are there already nobody knows.
    ALTER TABLE attachments ADD COLUMN put_at_ms INTEGER;
    ALTER TABLE artifacts ADD COLUMN put_at_ms INTEGER;
    UPDATE attachments SET put_at_ms = CAST(1000 * unixepoch('subsec') AS INTEGER);
    UPDATE artifacts SET put_at_ms = CAST(1000 * unixepoch('subsec') AS INTEGER);
    """,
)
"""One script a version; a file of version n has had the first n."""


def check_application(connection: SqlConnection, file_name: str) -> int:
    """Refuse a file that is not ours, before anything in it is changed.

    Returns:
        The version of its schema; 0 for an empty file.

    Raises:
        StoreError: the file is of a newer version, or of another application.
    """
    application = connection.pragma("application_id")
    version = connection.pragma("user_version")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_schema")
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(
            f"{file_name!r} is a database of another application (application id {application}); "
            "give lash_trio a file of its own"
        )
    if not isinstance(version, int) or not 0 <= version <= len(MIGRATIONS):
        raise StoreError(
            f"{file_name!r} has schema version {version}, this lash_trio knows up to "
            f"{len(MIGRATIONS)}; use a newer lash_trio for this file"
        )
    return version


def migrate(connection: SqlConnection, file_name: str) -> None:
    """Bring a file to this version of the schema, in one transaction.

    Raises:
        StoreError: as for :func:`check_application`.
    """
    if check_application(connection, file_name) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Once more: another program may have been faster.
        for script in MIGRATIONS[check_application(connection, file_name) :]:
            connection.execute(script)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", len(MIGRATIONS))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
