
BEGIN TRANSACTION;

CREATE TABLE attachments (
        id TEXT PRIMARY KEY,
        data BLOB NOT NULL
    ) STRICT;
INSERT INTO attachments VALUES('sha256:277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9',X'6279746573');

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
INSERT INTO events VALUES(1,2,1,'signal.go',1,'1',NULL,1795417146713,'go-1','e4972ebcb4ad588e05c577e59991070e78342252aa8f836617182440f3d7b8c8',0);
INSERT INTO events VALUES(2,2,2,'signal.go',2,'2',NULL,1795417146714,'go-2','8e58c95a51bd2598c351b14b195c2c83d63c1b0ed3cd9c26823d47eddf1612e2',0);
INSERT INTO events VALUES(3,1,1,'process.completed',1,'{"await_output":{"type":"success","value":42}}','{"terminal":{"await_output":{"type":"success","value":42},"state":"completed"}}',1795417146715,'process:ended:terminal','bf920312553c4475d8150dc2a95d77f3ee0f6e3a53a24e116bbaf126d3a350ee',0);
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
INSERT INTO grants VALUES('session:s',2,'s',NULL,'{"kind":"test","label":"a process"}');
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
INSERT INTO journal VALUES('{"process_id":"running","type":"process"}','step#1','{"command":{"input":[0],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#1"},"scope":{"session_id":"running"},"subject":{"effect_id":"step#1","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":0}}}',NULL,1795417146728);
INSERT INTO journal VALUES('{"process_id":"running","type":"process"}','step#2','{"command":{"input":[1],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#2"},"scope":{"session_id":"running"},"subject":{"effect_id":"step#2","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":1}}}',NULL,1795417146730);
INSERT INTO journal VALUES('{"process_id":"running","type":"process"}','step#3','{"command":{"input":[2],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#3"},"scope":{"session_id":"running"},"subject":{"effect_id":"step#3","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":2}}}',NULL,1795417146731);
INSERT INTO journal VALUES('{"session_id":"s","turn_id":"t","type":"turn"}','sleep#1','{"command":{"duration_ms":1,"type":"sleep"},"invocation":{"replay":{"key":"sleep#1"},"scope":{"session_id":"s","turn_id":"t"},"subject":{"effect_id":"sleep#1","kind":"sleep","type":"effect"}}}','{"Ok":{"type":"sleep"}}',1795417146746,1795417146745);
INSERT INTO journal VALUES('{"session_id":"s","turn_id":"t","type":"turn"}','step#1','{"command":{"input":[0],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#1"},"scope":{"session_id":"s","turn_id":"t"},"subject":{"effect_id":"step#1","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":0}}}',NULL,1795417146734);
INSERT INTO journal VALUES('{"session_id":"s","turn_id":"t","type":"turn"}','step#2','{"command":{"input":[1],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#2"},"scope":{"session_id":"s","turn_id":"t"},"subject":{"effect_id":"step#2","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":1}}}',NULL,1795417146735);
INSERT INTO journal VALUES('{"session_id":"s","turn_id":"t","type":"turn"}','step#3','{"command":{"input":[2],"step_id":"step","type":"durable_step"},"invocation":{"replay":{"key":"step#3"},"scope":{"session_id":"s","turn_id":"t"},"subject":{"effect_id":"step#3","kind":"durable_step","type":"effect"}}}','{"Ok":{"type":"durable_step","value":{"n":2}}}',NULL,1795417146737);

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
INSERT INTO processes VALUES(1,'ended','{"event_types":[{"name":"signal.go","payload_schema":{},"semantics":{}},{"name":"process.cancel_requested","payload_schema":{},"semantics":{}},{"name":"process.waiting","payload_schema":{},"semantics":{}},{"name":"process.resumed","payload_schema":{},"semantics":{}},{"name":"process.completed","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"completed"}}},{"name":"process.failed","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"failed"}}},{"name":"process.cancelled","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"cancelled"}}}],"id":"ended","input":{"type":"external"},"provenance":{"host_profile_id":"test","originator":{"type":"host"}}}','775743cf0be2a1692b54d9731d061c1922cd6f2ed1005aa3e78fabc2e68642d4',NULL,1795417146697,1795417146715,NULL,NULL,'completed','{"await_output":{"type":"success","value":42},"state":"completed"}',0,NULL,NULL,NULL,NULL);
INSERT INTO processes VALUES(2,'running','{"event_types":[{"name":"signal.go","payload_schema":{},"semantics":{}},{"name":"process.cancel_requested","payload_schema":{},"semantics":{}},{"name":"process.waiting","payload_schema":{},"semantics":{}},{"name":"process.resumed","payload_schema":{},"semantics":{}},{"name":"process.completed","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"completed"}}},{"name":"process.failed","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"failed"}}},{"name":"process.cancelled","payload_schema":{},"semantics":{"terminal":{"await_output":{"pointer":"/await_output"},"state":"cancelled"}}}],"id":"running","input":{"type":"external"},"provenance":{"host_profile_id":"test","originator":{"type":"host"}}}','e2457b15482e0af9918c8f050463cd3b02e8c51374bd2ee88b689a69a0027ce9',NULL,1795417146711,1795417146714,NULL,NULL,'running','{"state":"running"}',1,'worker','d1d432c808b3465caec4e1af7eaadde3',1795417146721,1795417147721);
CREATE INDEX processes_running ON processes (id) WHERE state = 'running';

CREATE TABLE scope_leases (
        scope TEXT PRIMARY KEY,
        fencing_token INTEGER NOT NULL,
        owner_id TEXT,
        lease_token TEXT,
        claimed_at_ms INTEGER,
        expires_at_ms INTEGER
    ) STRICT, WITHOUT ROWID;
INSERT INTO scope_leases VALUES('{"drain_id":"d","session_id":"s","type":"queue_drain"}',1,'gone','8f7d8f6d9af54824a311b0eb987dd679',1795417146749,1795417176749);
INSERT INTO scope_leases VALUES('{"process_id":"running","type":"process"}',1,NULL,NULL,NULL,NULL);
INSERT INTO scope_leases VALUES('{"session_id":"s","turn_id":"t","type":"turn"}',1,NULL,NULL,NULL,NULL);
CREATE INDEX scope_leases_held ON scope_leases (lease_token) WHERE lease_token IS NOT NULL;

DELETE FROM main.sqlite_sequence WHERE name='events';
INSERT INTO main.sqlite_sequence VALUES ('events', 3);

pragma user_version=1;
pragma application_id=1818325864;

COMMIT TRANSACTION;
