BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'msgstate','0001_initial','2026-11-27 13:38:19.164658+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'msgstate','0002_lists_and_quarantine','2026-11-27 13:38:19.165890+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'msgstate','0003_retention','2026-11-27 13:38:19.166882+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'msgstate','0004_undelivered','2026-11-27 13:38:19.167141+00:00');
CREATE TABLE alias (
    alias_hash INTEGER NOT NULL, -- 64 bits of the alias
    status_id  INTEGER NOT NULL REFERENCES recipient_status (id), -- the recipient it points at
    PRIMARY KEY (alias_hash, status_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "alias" VALUES(-1606328390169333007,7);
INSERT INTO "alias" VALUES(5322629561648199681,16);
INSERT INTO "alias" VALUES(7259154519458220651,16);
CREATE TABLE event (
    position        INTEGER PRIMARY KEY, -- 1, 2, 3, ... without a hole
    status_id       INTEGER NOT NULL REFERENCES recipient_status (id), -- whose event it is
    event_key       BLOB    NOT NULL,    -- 16 bytes: the same key again is a duplicate
    type            INTEGER NOT NULL,    -- msgstate.v1.EventType
    occurred_time   INTEGER,             -- the provider's own time, as it was given
    received_time   INTEGER NOT NULL,    -- when msgstate got it
    attributes      TEXT    NOT NULL,    -- JSON object: the provider's word, event id, reason, metadata and the rest; empty ones left out
    from_evidence   INTEGER NOT NULL,    -- the recipient's evidence before; 0 where this is its first event
    to_evidence     INTEGER NOT NULL,    -- the recipient's evidence after
    version         INTEGER NOT NULL,    -- the recipient's version after
    commit_time     INTEGER NOT NULL,    -- when it was committed; never falls along the log
    payload_id      INTEGER REFERENCES payload (id), -- the raw body that brought it, where it came by webhook
    UNIQUE (status_id, event_key)
) STRICT;
INSERT INTO "event" VALUES(5,4,X'EA0B551434D966CA43D07E7F3E69F96C',12,NULL,1790000004000000,'{"provider_type":"open"}',2,6,2,1790000005000000,NULL);
INSERT INTO "event" VALUES(6,5,X'569E820E8D3B204180DB8AFA5BA9B5B6',5,NULL,1790000004000000,'{"provider_type":"s"}',0,2,1,1790000005000000,NULL);
INSERT INTO "event" VALUES(7,6,X'D05F31EDF5CA6339A660AF2E61F267E3',1,NULL,1790000005000000,'{}',0,1,1,1790000006000000,NULL);
INSERT INTO "event" VALUES(8,6,X'A0AD25E2C1F251671CCFD87E8E8A520E',12,NULL,1790000005000000,'{"provider_type":"o"}',1,6,2,1790000006000000,NULL);
INSERT INTO "event" VALUES(9,7,X'E2D86559F43475D51F6D434A072FFA38',1,NULL,1790000006000000,'{"aliases":["order-7"],"metadata":{"campaign":"spring"}}',0,1,1,1790000007000000,NULL);
INSERT INTO "event" VALUES(10,8,X'93056A6D9CC9C47BCE8DB53F5A789901',8,NULL,1790000007000000,'{"provider_type":"delivery","metadata":{"account":"eu"}}',0,5,1,1790000008000000,1);
INSERT INTO "event" VALUES(11,9,X'BF76F155FD35F6432CCF275C0C478377',12,NULL,1790000008000000,'{"provider_type":"open","event_id":"e-1"}',0,6,1,1790000009000000,NULL);
INSERT INTO "event" VALUES(12,8,X'BF76F155FD35F6432CCF275C0C478377',12,NULL,1790000008000000,'{"provider_type":"open","event_id":"e-1"}',5,6,2,1790000009000000,NULL);
INSERT INTO "event" VALUES(13,7,X'1A72CFCC85CF58889434BF4D89354713',5,NULL,1790000009000000,'{"provider_type":"sent"}',1,2,2,1790000010000000,NULL);
INSERT INTO "event" VALUES(14,7,X'8AD82739219476C92ABA66CF1064FCE7',14,NULL,1790000010000000,'{"provider_type":"click","url":"https://x.example"}',2,6,3,1790000011000000,NULL);
INSERT INTO "event" VALUES(15,10,X'F40FAF0C2BC567EA01A03DDB7740AB86',5,NULL,1790000011000000,'{}',0,2,1,1790000012000000,NULL);
INSERT INTO "event" VALUES(16,11,X'4655B4720C8A700A5C93EC5162F85326',8,NULL,1790000011000000,'{}',0,5,1,1790000012000000,NULL);
INSERT INTO "event" VALUES(17,12,X'B803F922222BE9C47158D75D28E26760',12,NULL,1790000011000000,'{}',0,6,1,1790000012000000,NULL);
INSERT INTO "event" VALUES(18,13,X'7DE66E4D80724B3CF9072FA25A64B039',1,NULL,1790000012000000,'{}',0,1,1,1790000013000000,NULL);
INSERT INTO "event" VALUES(19,14,X'FEDB03398E318510C9F35327032EF334',5,NULL,1790000012000000,'{}',0,2,1,1790000013000000,NULL);
INSERT INTO "event" VALUES(20,15,X'DE4ED1EA99BEF256EC6C8705E2F265BB',5,NULL,1790000013000000,'{}',0,2,1,1790000014000000,NULL);
INSERT INTO "event" VALUES(21,16,X'BFF5BC79E38E23C7F75A609D89C9F41A',8,NULL,1790000013000000,'{"aliases":[" odd ","<odder>"]}',0,5,1,1790000014000000,NULL);
INSERT INTO "event" VALUES(22,17,X'21919AA74063C241046CD08BC21DE739',16,NULL,1790000013000000,'{"detail":"no"}',0,7,1,1790000014000000,NULL);
INSERT INTO "event" VALUES(23,18,X'D07AB2CF76C26E6E71486AC32CE66CA9',5,NULL,1790000014000000,'{}',0,2,1,1790000015000000,NULL);
INSERT INTO "event" VALUES(24,18,X'C79427B3A69509F1C9AD16F84D9DBC0A',8,NULL,1790000014000000,'{}',2,5,2,1790000015000000,NULL);
INSERT INTO "event" VALUES(25,19,X'3292CC13581120D8BAB32709FF669352',5,NULL,1790000014000000,'{}',0,2,1,1790000015000000,NULL);
CREATE TABLE head (
    id                INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    log_id            BLOB    NOT NULL, -- 16 random bytes that name this log
    position          INTEGER NOT NULL, -- of the last event; 0 in an empty log
    commit_time       INTEGER NOT NULL, -- of the last event
    fingerprint       BLOB    NOT NULL, -- 8 bytes of the last event's row
    floor             INTEGER NOT NULL, -- the highest position ever deleted; rows up to it may be gone
    floor_fingerprint BLOB    NOT NULL  -- 8 bytes of the row that stood at the floor
, floor_time INTEGER NOT NULL DEFAULT 0, last_forgotten INTEGER NOT NULL DEFAULT 0, last_discarded INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "head" VALUES(1,X'7E2CC09C4D974267AB35A15830377365',25,1790000015000000,X'A64136318FC640BB',4,X'086D640AA65B2F37',1790000003000000,0,0);
CREATE TABLE payload (
    id            INTEGER PRIMARY KEY, -- what the events that it brought point at
    provider      TEXT    NOT NULL, -- whose webhook it was
    account       TEXT    NOT NULL, -- the account in its URL; empty where there was none
    received_time INTEGER NOT NULL, -- when it came
    body          BLOB    NOT NULL  -- as it came, compressed with zlib
) STRICT;
INSERT INTO "payload" VALUES(1,'acme','eu',1790000007000000,X'7801AB564A54B232AC0500082A0209');
CREATE TABLE "quarantine" (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that a discarded one stays gone
    digest        BLOB    NOT NULL UNIQUE, -- 16 bytes of provider, account and body: a webhook sent twice is kept once
    provider      TEXT    NOT NULL, -- whose webhook it was
    account       TEXT    NOT NULL, -- the account in its URL; empty where there was none
    received_time INTEGER NOT NULL, -- when it first came
    problems      TEXT    NOT NULL, -- JSON array of [JSON pointer, reason], one for each part that is not understood; empty once a replay understood all
    body_size     INTEGER NOT NULL, -- how many bytes the body had as it came
    body          BLOB    NOT NULL  -- as it came, compressed with zlib
) STRICT;
INSERT INTO "quarantine" VALUES(1,X'1C1955B04202D61A74746C760F2E8984','acme','',1790000015000000,'[["","not JSON"]]',4,X'7801CB2ACDCB0600045201B9');
CREATE TABLE recipient_status (
    id                INTEGER PRIMARY KEY, -- by first appearance: what other tables point at, so that their keys stay short and clustered
    message_hash      INTEGER NOT NULL,    -- 64 bits of the message id: look-ups without the provider start here
    recipient_hash    INTEGER NOT NULL,    -- 64 bits of provider and recipient
    provider          TEXT    NOT NULL,    -- who sends the message and reports on it
    message_id        TEXT    NOT NULL,    -- the provider's id of the message, without angle brackets
    recipient         TEXT    NOT NULL,    -- the address, its domain in lower case
    -- The strongest evidence so far, which is the state:
    -- 1 queued      the provider has the message
    -- 2 sent        handed to the provider's outbound server
    -- 3 errored     a processing error with no promise of a retry; shows as FAILED, not final
    -- 4 suppressed  sending was never attempted
    -- 5 delivered   accepted by the recipient's server
    -- 6 engaged     opened, read, clicked or replied to by a person
    -- 7 failed      refused or given up; shows as FAILED, final
    evidence          INTEGER NOT NULL CHECK (evidence BETWEEN 1 AND 7),
    version           INTEGER NOT NULL,    -- transitions so far, from 1
    position          INTEGER NOT NULL,    -- of the last transition in the log
    queued_time       INTEGER,             -- first time of an event that is evidence of QUEUED, by the provider's clock where plausible
    sent_time         INTEGER,             -- the same for SENT
    delivered_time    INTEGER,             -- the same for DELIVERED
    engaged_time      INTEGER,             -- the same for ENGAGED
    failed_time       INTEGER,             -- the same for FAILED, provisional or final
    suppressed_time   INTEGER,             -- the same for SUPPRESSED
    complained_time   INTEGER,             -- first time it was marked as spam
    unsubscribed_time INTEGER,             -- first time the recipient asked for no more mail
    last_event_time   INTEGER NOT NULL,    -- latest time of any event
    open_count        INTEGER NOT NULL,    -- opens by a person
    click_count       INTEGER NOT NULL,    -- clicks by a person
    failure_cause     TEXT,                -- JSON: the failure event that counts, with what decides a tie; shown while FAILED
    suppression_cause TEXT,                -- JSON: the suppression event that counts, likewise; shown while SUPPRESSED
    aliases           TEXT    NOT NULL,    -- JSON array, sorted: other ids by which the sender knows the message
    create_time       INTEGER NOT NULL,    -- commit time of the first event
    update_time       INTEGER NOT NULL, address_hash INTEGER NOT NULL DEFAULT 0, compact_time INTEGER,    -- commit time of the last accepted event
    UNIQUE (message_hash, recipient_hash)
) STRICT;
INSERT INTO "recipient_status" VALUES(1,4328968219996456326,-3563142217700227255,'acme','gone','Old@example.com',1,1,1,1790000000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1790000000000000,0,0,NULL,NULL,'[]',1790000001000000,1790000001000000,4834611366622067986,1790000004000000);
INSERT INTO "recipient_status" VALUES(2,4328968219996456326,-2385220035061047510,'acme','gone','old@example.com',5,1,2,NULL,NULL,1790000000000000,NULL,NULL,NULL,NULL,NULL,1790000000000000,0,0,NULL,NULL,'[]',1790000001000000,1790000001000000,-7069363099945706651,1790000004000000);
INSERT INTO "recipient_status" VALUES(3,4250941082378872133,-4054559996950088561,'acme','half','Half@example.com',7,1,3,NULL,NULL,NULL,NULL,1790000001000000,NULL,NULL,NULL,1790000001000000,0,0,'{"type":16,"key":"353c43448626538d540bc4c5a0465eb6","smtp_code":550,"detail":"550 no"}',NULL,'[]',1790000002000000,1790000002000000,3790191818503069742,1790000004000000);
INSERT INTO "recipient_status" VALUES(4,-2659168268028540616,-7323952120789458526,'acme','late','Late@example.com',6,2,5,NULL,1790000002000000,NULL,1790000004000000,NULL,NULL,NULL,NULL,1790000004000000,1,0,NULL,NULL,'[]',1790000003000000,1790000005000000,4156620508716667001,1790000004000000);
INSERT INTO "recipient_status" VALUES(5,-2659168268028540616,-7391405097469115510,'acme','late','late@example.com',2,1,6,NULL,1790000004000000,NULL,NULL,NULL,NULL,NULL,NULL,1790000004000000,0,0,NULL,NULL,'[]',1790000005000000,1790000005000000,-4865323136729210425,NULL);
INSERT INTO "recipient_status" VALUES(6,4250941082378872133,-1762521856511683064,'acme','half','half@example.com',6,2,8,1790000005000000,NULL,NULL,1790000005000000,NULL,NULL,NULL,NULL,1790000005000000,1,0,NULL,NULL,'[]',1790000006000000,1790000006000000,7527605228592346737,NULL);
INSERT INTO "recipient_status" VALUES(7,-3280072976497272011,3200652045436060875,'acme','m-1','Ada.Lovelace@example.com',6,3,14,1790000006000000,1790000009000000,NULL,1790000010000000,NULL,NULL,NULL,NULL,1790000010000000,0,1,NULL,NULL,'["order-7"]',1790000007000000,1790000011000000,-5328670566385075777,NULL);
INSERT INTO "recipient_status" VALUES(8,-3280072976497272011,4775734262062025346,'acme','m-1','ada.lovelace@example.com',6,2,12,NULL,NULL,1790000007000000,1790000008000000,NULL,NULL,NULL,NULL,1790000008000000,1,0,NULL,NULL,'[]',1790000008000000,1790000009000000,-3631908615376016220,NULL);
INSERT INTO "recipient_status" VALUES(9,-3280072976497272011,-707396534119742510,'acme','m-1','ADA.LOVELACE@example.com',6,1,11,NULL,NULL,NULL,1790000008000000,NULL,NULL,NULL,NULL,1790000008000000,1,0,NULL,NULL,'[]',1790000009000000,1790000009000000,-8797549533394810744,NULL);
INSERT INTO "recipient_status" VALUES(10,8996027584356553918,6117827849905485760,'acme','m-2','jürgen@münchen.de',2,1,15,NULL,1790000011000000,NULL,NULL,NULL,NULL,NULL,NULL,1790000011000000,0,0,NULL,NULL,'[]',1790000012000000,1790000012000000,1196070219077261290,NULL);
INSERT INTO "recipient_status" VALUES(11,8996027584356553918,-4735635451485027311,'acme','m-2','jürgen@xn--mnchen-3ya.de',5,1,16,NULL,NULL,1790000011000000,NULL,NULL,NULL,NULL,NULL,1790000011000000,0,0,NULL,NULL,'[]',1790000012000000,1790000012000000,2421749226058549961,NULL);
INSERT INTO "recipient_status" VALUES(12,8996027584356553918,8922380402101047738,'acme','m-2','jürgen@münchen.de',6,1,17,NULL,NULL,NULL,1790000011000000,NULL,NULL,NULL,NULL,1790000011000000,1,0,NULL,NULL,'[]',1790000012000000,1790000012000000,-4670872400645363315,NULL);
INSERT INTO "recipient_status" VALUES(13,-2183356525944939824,-626217111118170697,'acme','m-3','+1 (555) 010-0000',1,1,18,1790000012000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1790000012000000,0,0,NULL,NULL,'[]',1790000013000000,1790000013000000,7996566794801919323,NULL);
INSERT INTO "recipient_status" VALUES(14,-2183356525944939824,8996136093959246581,'acme','m-3','+15550100000',2,1,19,NULL,1790000012000000,NULL,NULL,NULL,NULL,NULL,NULL,1790000012000000,0,0,NULL,NULL,'[]',1790000013000000,1790000013000000,5263871968313140682,NULL);
INSERT INTO "recipient_status" VALUES(15,5821574894066824121,-3658084408268029146,'acme',' m-4','b@example.com',2,1,20,NULL,1790000013000000,NULL,NULL,NULL,NULL,NULL,NULL,1790000013000000,0,0,NULL,NULL,'[]',1790000014000000,1790000014000000,-6874265508454939850,NULL);
INSERT INTO "recipient_status" VALUES(16,-1641812745777431866,-3658084408268029146,'acme','<m-4>','b@example.com',5,1,21,NULL,NULL,1790000013000000,NULL,NULL,NULL,NULL,NULL,1790000013000000,0,0,NULL,NULL,'[" odd ","<odder>"]',1790000014000000,1790000014000000,-6874265508454939850,NULL);
INSERT INTO "recipient_status" VALUES(17,-2264112467352668036,4168850327940538040,'acme','m-4
','B@example.com',7,1,22,NULL,NULL,NULL,NULL,1790000013000000,NULL,NULL,NULL,1790000013000000,0,0,'{"type":16,"key":"21919aa74063c241046cd08bc21de739","detail":"no"}',NULL,'[]',1790000014000000,1790000014000000,6969930971893246450,NULL);
INSERT INTO "recipient_status" VALUES(18,-422799454064946657,3062172614286208412,'acme','m-5','c@example.com',5,2,24,NULL,1790000014000000,1790000014000000,NULL,NULL,NULL,NULL,NULL,1790000014000000,0,0,NULL,NULL,'[]',1790000015000000,1790000015000000,1061513425605850533,NULL);
INSERT INTO "recipient_status" VALUES(19,1768835971110196169,8125829477127627906,'acme','m-6','Solo@example.com',2,1,25,NULL,1790000014000000,NULL,NULL,NULL,NULL,NULL,NULL,1790000014000000,0,0,NULL,NULL,'[]',1790000015000000,1790000015000000,-6238474566084605215,NULL);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX recipient_status_by_address ON recipient_status (address_hash);
CREATE INDEX recipient_status_undelivered ON recipient_status (id, evidence)
WHERE evidence IN (1, 2, 3, 4, 7);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('quarantine',1);
COMMIT;
