-- What a copy reads and writes. `:table`, `:columns`, `:key` and `:last`, the key from its end, stand for those of each
-- table, `:after` for a key of it.

-- name: read
SELECT :columns FROM :table WHERE (:key) > (:after) ORDER BY :key LIMIT ?;

-- name: write
INSERT INTO :table (:columns) :rows;

-- name: last_key
SELECT :key FROM :table ORDER BY :last LIMIT 1;

-- name: count
SELECT count(*) FROM :table;

-- name: last_ids
-- The largest ids that were ever given out: of recipients, of bodies, in quarantine.
SELECT
    max(coalesce((SELECT max(id) FROM recipient_status), 0), last_forgotten),
    max(coalesce((SELECT max(id) FROM payload), 0), last_discarded),
    max(
        coalesce((SELECT max(id) FROM quarantine), 0),
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'), 0)
    )
FROM head;

-- name: what_is_there
SELECT name FROM sqlite_schema WHERE name IN ('head', 'copying');

-- name: contents
-- Of a store without a marker.
SELECT
    log_id, position,
    position = 0 AND NOT EXISTS (SELECT 1 FROM recipient_status) AND NOT EXISTS (SELECT 1 FROM event)
    AND NOT EXISTS (SELECT 1 FROM payload) AND NOT EXISTS (SELECT 1 FROM quarantine)
FROM head;

-- name: read_marker
SELECT log_id, standing FROM copying;

-- name: make_marker
-- It is no part of the schema: made by a copy, and taken away when that is finished.
CREATE TABLE IF NOT EXISTS copying (
    log_id   BLOB NOT NULL, -- 16 bytes that name the log that is copied
    standing TEXT NOT NULL  -- JSON: how its source stood when the copy began; empty where it must begin anew
) STRICT;

-- name: write_marker
INSERT INTO copying VALUES (?, ?);

-- name: clear
DELETE FROM :table;

-- name: give_up
UPDATE copying SET standing = '';

-- name: write_head
INSERT INTO head (
    id, log_id, position, commit_time, fingerprint, floor, floor_fingerprint, floor_time, last_forgotten, last_discarded,
    hash_key
) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: forget_sequence
DELETE FROM sqlite_sequence WHERE name = 'quarantine';

-- name: write_sequence
INSERT INTO sqlite_sequence VALUES ('quarantine', ?);

-- name: drop_marker
DROP TABLE copying;
