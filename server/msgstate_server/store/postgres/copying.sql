-- What a copy reads and writes. `:table`, `:columns`, `:key` and `:last`, the key from its end, stand for those of each
-- table, `:after` for a key of it, and `:long` for the size of its long column.

-- name: read
-- A batch ends where it holds $2 bytes. Of what is long the size is known without reading it.
SELECT :columns
FROM (
    SELECT :columns, sum(:long) OVER (ORDER BY :key ROWS UNBOUNDED PRECEDING) - :long AS before
    FROM (SELECT :columns FROM :table WHERE (:key) > (:after) ORDER BY :key LIMIT $1) AS next
) AS sized
WHERE before < $2
ORDER BY :key;

-- name: last_key
SELECT :key FROM :table ORDER BY :last LIMIT 1;

-- name: count
SELECT count(*) FROM :table;

-- name: last_ids
-- The largest ids that were ever given out: of recipients, of bodies, in quarantine.
SELECT
    greatest((SELECT max(id) FROM recipient_status), (SELECT last_value FROM recipient_id_seq WHERE is_called), 0),
    greatest((SELECT max(id) FROM payload), (SELECT last_value FROM payload_id_seq WHERE is_called), 0),
    greatest((SELECT max(id) FROM quarantine), (SELECT last_value FROM quarantine_id_seq WHERE is_called), 0);

-- name: others
-- Who else is connected, and for what: servers, `check`, another copy.
SELECT application_name, coalesce(host(client_addr), 'this machine')
FROM pg_stat_activity
WHERE datname = current_database() AND pid != pg_backend_pid() AND application_name LIKE 'msgstate%'
LIMIT 1;

-- name: is_store
SELECT to_regclass('msgstate.head') IS NOT NULL;

-- name: contents
-- Of a store without a marker.
SELECT
    log_id, position,
    position = 0 AND NOT EXISTS (SELECT FROM recipient_status) AND NOT EXISTS (SELECT FROM event)
    AND NOT EXISTS (SELECT FROM payload) AND NOT EXISTS (SELECT FROM quarantine) AS is_empty
FROM head;

-- name: read_marker
SELECT log_id, standing FROM copying;

-- name: make_marker
-- It is no part of the schema: made by a copy, and taken away when that is finished.
CREATE TABLE IF NOT EXISTS copying (
    log_id   bytea NOT NULL, -- 16 bytes that name the log that is copied
    standing text  NOT NULL  -- JSON: how its source stood when the copy began; empty where it must begin anew
);

-- name: write_marker
INSERT INTO copying VALUES ($1, $2);

-- name: lock
-- Nobody writes meanwhile, so that what is found empty is.
LOCK TABLE head, recipient_status, event, alias, payload, quarantine IN ACCESS EXCLUSIVE MODE;

-- name: clear
TRUNCATE copying, head, recipient_status, event, alias, payload, quarantine;

-- name: give_up
UPDATE copying SET standing = '';

-- name: clear_head
DELETE FROM head;

-- name: write_head
INSERT INTO head (id, log_id, position, commit_time, floor, floor_fingerprint, floor_time, hash_key)
VALUES (1, $1, $2, $3, $4, $5, $6, $7);

-- name: write_sequences
SELECT
    setval('recipient_id_seq', greatest($1::bigint, 1), $1 > 0),
    setval('payload_id_seq', greatest($2::bigint, 1), $2 > 0),
    setval('quarantine_id_seq', greatest($3::bigint, 1), $3 > 0);

-- name: drop_marker
DROP TABLE copying;
