PRAGMA application_id = 1952543595;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE claimer (worker_id TEXT PRIMARY KEY, nonces TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "claimer" VALUES('w','n2
n',1767268800000000);
CREATE TABLE edge (
        parent_id TEXT, child_id TEXT, mark INTEGER NOT NULL, PRIMARY KEY (parent_id, child_id)
    ) WITHOUT ROWID
    ;
INSERT INTO "edge" VALUES('00000000000000000000000000000001','00000000000000000000000000000003',2);
CREATE TABLE holder (
        unique_key TEXT PRIMARY KEY, task_id TEXT NOT NULL, scope INTEGER NOT NULL, moment INTEGER
    ) WITHOUT ROWID
    ;
INSERT INTO "holder" VALUES('k','00000000000000000000000000000004',1,NULL);
CREATE TABLE item (
        task_id TEXT, epoch INTEGER, sequence INTEGER, document TEXT NOT NULL,
        PRIMARY KEY (task_id, epoch, sequence)
    ) WITHOUT ROWID
    ;
INSERT INTO "item" VALUES('00000000000000000000000000000001',1,0,'{"v":1,"task_id":"00000000000000000000000000000001","epoch":1,"sequence":0,"at":"2026-01-01T12:00:00.000000+00:00","data_json":"1"}');
CREATE TABLE owed (seq INTEGER PRIMARY KEY, parent_id TEXT NOT NULL UNIQUE);
CREATE TABLE paused (queue TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE payload (seq INTEGER PRIMARY KEY, arguments TEXT NOT NULL);
INSERT INTO "payload" VALUES(5,'"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"');
CREATE TABLE schedule (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, next_slot INTEGER,
        document TEXT NOT NULL
    );
CREATE TABLE tally (queue TEXT, code INTEGER, n INTEGER NOT NULL, PRIMARY KEY (queue, code)) WITHOUT ROWID;
INSERT INTO "tally" VALUES('default',0,0);
INSERT INTO "tally" VALUES('default',1,1);
INSERT INTO "tally" VALUES('default',2,1);
INSERT INTO "tally" VALUES('default',3,1);
INSERT INTO "tally" VALUES('mail',0,2);
INSERT INTO "tally" VALUES('mail',3,1);
CREATE TABLE task (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        queue TEXT NOT NULL,
        rank INTEGER NOT NULL,
        code INTEGER NOT NULL,
        version INTEGER NOT NULL,
        run_after INTEGER NOT NULL,
        due INTEGER NOT NULL,
        enqueued_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        max_attempts INTEGER,
        max_crashes INTEGER NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        releases INTEGER NOT NULL DEFAULT 0,
        flags INTEGER NOT NULL,
        suspect INTEGER NOT NULL,
        wanted_after INTEGER,
        expires_at INTEGER,
        group_id TEXT,
        group_index INTEGER,
        schedule_id TEXT,
        unique_key TEXT,
        timeout INTEGER,
        keep INTEGER,
        purge_at INTEGER,
        options TEXT,
        nonce TEXT,
        worker_id TEXT,
        claimed_at INTEGER,
        lease_expires INTEGER,
        is_started INTEGER,
        settle INTEGER,
        cancel INTEGER,
        reason TEXT,
        started_at INTEGER,
        progress TEXT,
        attempts TEXT,
        failure TEXT,
        arguments TEXT,
        value TEXT
    );
INSERT INTO "task" VALUES(1,'00000000000000000000000000000001','noop','default',0,3,3,1767268800000000,1767268800000,1767268800000000,1767268800000000,1,3,1,0,0,0,4,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'n2','w',1767268800000000,1767272400000000,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL);
INSERT INTO "task" VALUES(2,'00000000000000000000000000000002','noop','default',0,1,1,1767355200000000,1767355200000,1767268800000000,1767268800000000,1,3,0,0,0,0,0,0,1767355200000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"label":"later"}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL);
INSERT INTO "task" VALUES(3,'00000000000000000000000000000003','noop','default',0,2,1,1767268800000000,1767268800000,1767268800000000,1767268800000000,1,3,0,0,0,0,8,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"parents":["00000000000000000000000000000001"]}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL);
INSERT INTO "task" VALUES(4,'00000000000000000000000000000004','noop','mail',-3,0,1,1767268800000000,1767268800000,1767268800000000,1767268800000000,1,3,0,0,0,0,1,0,NULL,NULL,NULL,NULL,NULL,'k',NULL,NULL,NULL,'{"unique":["finished",null,"return_existing"]}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL);
INSERT INTO "task" VALUES(5,'00000000000000000000000000000005','noop','mail',0,0,1,1767268800000000,1767268800000,1767268800000000,1767268800000000,1,3,0,0,0,0,16,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task" VALUES(6,'00000000000000000000000000000006','noop','mail',-5,3,2,1767268800000000,1767268800000,1767268800000000,1767268800000000,1,3,1,0,0,0,2,0,NULL,NULL,'g',0,NULL,NULL,NULL,NULL,NULL,NULL,'n','w',1767268800000000,1767272400000000,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}',NULL);
CREATE TABLE team (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, total INTEGER, finished_at INTEGER,
        purged INTEGER NOT NULL DEFAULT 0,
        blocked INTEGER NOT NULL DEFAULT 0, ready INTEGER NOT NULL DEFAULT 0, running INTEGER NOT NULL DEFAULT 0,
        successful INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0
    );
INSERT INTO "team" VALUES('g','pair',1767268800000000,2,NULL,0,0,0,1,0,0,0);
CREATE TABLE worker (
        id TEXT PRIMARY KEY, last_beat_at INTEGER NOT NULL, wanted TEXT, document TEXT NOT NULL
    );
CREATE INDEX task_due ON task (queue, rank, due, id) WHERE code = 0 AND suspect = 0;
CREATE INDEX task_suspect ON task (queue, rank, due, id) WHERE code = 0 AND suspect = 1;
CREATE INDEX task_later ON task (run_after) WHERE code = 1;
CREATE INDEX task_lease ON task (lease_expires) WHERE code = 3;
CREATE INDEX task_expiry ON task (expires_at) WHERE expires_at IS NOT NULL AND code < 3;
CREATE INDEX task_blocked ON task (id) WHERE code = 2;
CREATE INDEX task_failed ON task (code, id) WHERE code > 4;
CREATE INDEX task_finished ON task (name, changed_at) WHERE code > 3;
CREATE INDEX task_purge ON task (purge_at) WHERE purge_at IS NOT NULL;
CREATE INDEX task_group ON task (group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX task_schedule ON task (schedule_id, id) WHERE schedule_id IS NOT NULL;
CREATE INDEX task_unique ON task (unique_key, id) WHERE unique_key IS NOT NULL;
CREATE INDEX edge_child ON edge (child_id, mark);
CREATE INDEX edge_mark ON edge (parent_id, mark, child_id);
CREATE INDEX holder_moment ON holder (moment) WHERE moment IS NOT NULL;
CREATE INDEX team_name ON team (name, id);
CREATE INDEX schedule_slot ON schedule (next_slot, name) WHERE next_slot IS NOT NULL;
CREATE INDEX worker_beat ON worker (last_beat_at);
COMMIT;
