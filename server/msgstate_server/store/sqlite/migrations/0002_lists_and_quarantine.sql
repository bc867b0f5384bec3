-- 64 bits of the recipient's address: lists by recipient start here.
ALTER TABLE recipient_status ADD COLUMN address_hash INTEGER NOT NULL DEFAULT 0;

UPDATE recipient_status SET address_hash = hash_of_address(recipient);

CREATE INDEX recipient_status_by_address ON recipient_status (address_hash);

-- The table anew, since a list reads every row's `body_size`: behind the body it would cost all pages of the body.
CREATE TABLE quarantine_with_size (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so that a discarded one stays gone
    digest        BLOB    NOT NULL UNIQUE, -- 16 bytes of provider, account and body: a webhook sent twice is kept once
    provider      TEXT    NOT NULL, -- whose webhook it was
    account       TEXT    NOT NULL, -- the account in its URL; empty where there was none
    received_time INTEGER NOT NULL, -- when it first came
    problems      TEXT    NOT NULL, -- JSON array of [JSON pointer, reason], one for each part that is not understood; empty once a replay understood all
    body_size     INTEGER NOT NULL, -- how many bytes the body had as it came
    body          BLOB    NOT NULL  -- as it came, compressed with zlib
) STRICT;

INSERT INTO quarantine_with_size
SELECT id, digest, provider, account, received_time, problems, inflated_size(body), body FROM quarantine;

DROP TABLE quarantine;

ALTER TABLE quarantine_with_size RENAME TO quarantine;
