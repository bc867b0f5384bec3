-- The state machine of one recipient of one message, and the facts beside its state.
-- Times here and everywhere are microseconds since 1970-01-01 UTC.
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
    update_time       INTEGER NOT NULL,    -- commit time of the last accepted event
    UNIQUE (message_hash, recipient_hash)
) STRICT;

-- The log: every accepted event in commit order. Transitions are the rows whose evidence rose.
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

-- Other ids by which a sender knows a message; look-ups alone use it, and compare the text on the status.
CREATE TABLE alias (
    alias_hash INTEGER NOT NULL, -- 64 bits of the alias
    status_id  INTEGER NOT NULL REFERENCES recipient_status (id), -- the recipient it points at
    PRIMARY KEY (alias_hash, status_id)
) STRICT, WITHOUT ROWID;

-- The raw body of every webhook request that brought an accepted event.
CREATE TABLE payload (
    id            INTEGER PRIMARY KEY, -- what the events that it brought point at
    provider      TEXT    NOT NULL, -- whose webhook it was
    account       TEXT    NOT NULL, -- the account in its URL; empty where there was none
    received_time INTEGER NOT NULL, -- when it came
    body          BLOB    NOT NULL  -- as it came, compressed with zlib
) STRICT;

-- Authenticated webhooks that could not be understood, or not in all their parts, kept whole to be replayed.
CREATE TABLE quarantine (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that a discarded one stays gone
    digest        BLOB    NOT NULL UNIQUE, -- 16 bytes of provider, account and body: a webhook sent twice is kept once
    provider      TEXT    NOT NULL, -- whose webhook it was
    account       TEXT    NOT NULL, -- the account in its URL; empty where there was none
    received_time INTEGER NOT NULL, -- when it first came
    problems      TEXT    NOT NULL, -- JSON array of [JSON pointer, reason], one for each part that was not understood
    body          BLOB    NOT NULL  -- as it came, compressed with zlib
) STRICT;

-- Where the log stands: one row.
CREATE TABLE head (
    id                INTEGER PRIMARY KEY CHECK (id = 1), -- always 1
    log_id            BLOB    NOT NULL, -- 16 random bytes that name this log
    position          INTEGER NOT NULL, -- of the last event; 0 in an empty log
    commit_time       INTEGER NOT NULL, -- of the last event
    fingerprint       BLOB    NOT NULL, -- 8 bytes of the last event's row
    floor             INTEGER NOT NULL, -- the highest position ever deleted; rows up to it may be gone
    floor_fingerprint BLOB    NOT NULL  -- 8 bytes of the row that stood at the floor
) STRICT;

INSERT INTO head VALUES (1, randomblob(16), 0, 0, zeroblob(8), 0, zeroblob(8));
