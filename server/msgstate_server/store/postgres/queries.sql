-- Every statement of the engine. A batch goes in as arrays, a column each, and what is locked is locked in the order of
-- the hashes, so that two batches never wait for each other.

-- name: read_head
-- Where the log stands, with what its last row's fingerprint is made of; nulls where that row is gone.
SELECT
    head.log_id, head.position, head.commit_time, head.floor, head.floor_fingerprint, head.floor_time,
    :row
FROM head LEFT JOIN event ON event.position = head.position;

-- name: read_hash_key
-- The secret that keys every hash of this store.
SELECT hash_key FROM head;

-- name: find_unfinished
-- Whether a copy has begun to make this database; whoever may not look is told by what comes after.
SELECT CASE
    WHEN to_regnamespace('msgstate') IS NULL THEN false
    WHEN NOT has_schema_privilege('msgstate', 'USAGE') THEN false
    ELSE to_regclass('msgstate.copying') IS NOT NULL
END;

-- name: insert_statuses
-- Step 1 of a write: recipients that may be new, numbered in the order of the arrays, which is that of their appearance,
-- and inserted in that of their hashes. Who is in the midst of being inserted elsewhere is waited for.
WITH numbered AS MATERIALIZED (
    SELECT nextval('recipient_id_seq') AS id, new.*
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
        AS new (message_hash, recipient_hash, provider, message_id, recipient, address_hash)
    WHERE NOT EXISTS (
        SELECT 1 FROM recipient_status AS s
        WHERE s.message_hash = new.message_hash AND s.recipient_hash = new.recipient_hash
    )
)
INSERT INTO recipient_status (id, message_hash, recipient_hash, provider, message_id, recipient, address_hash)
SELECT id, message_hash, recipient_hash, provider, message_id, recipient, address_hash
FROM numbered
ORDER BY message_hash, recipient_hash
ON CONFLICT (message_hash, recipient_hash) DO NOTHING;

-- name: lock_statuses
-- Step 2, in the order of the hashes: from here to the commit nobody else changes these recipients.
SELECT :status
FROM unnest($1::bigint[], $2::bigint[]) AS wanted (message_hash, recipient_hash)
JOIN recipient_status AS s
    ON s.message_hash = wanted.message_hash AND s.recipient_hash = wanted.recipient_hash
ORDER BY s.message_hash, s.recipient_hash
FOR NO KEY UPDATE OF s;

-- name: load_keys
-- Step 3, in a statement of its own, which sees what was committed while the locks were waited for: the events that are
-- already in the log.
SELECT event.status_id, event.event_key, event.position
FROM unnest($1::bigint[], $2::bytea[]) AS wanted (status_id, event_key)
JOIN event ON event.status_id = wanted.status_id AND event.event_key = wanted.event_key;

-- name: write_payloads
-- Numbered in the order of the arrays.
INSERT INTO payload (provider, account, received_time, body)
SELECT provider, account, received_time, body
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[]) WITH ORDINALITY
    AS kept (provider, account, received_time, body, place)
ORDER BY place
RETURNING id;

-- name: number_quarantine
SELECT nextval('quarantine_id_seq') FROM generate_series(1, $1);

-- name: write_quarantine
-- The same body again stays as it first came, but for what of it is not understood now.
INSERT INTO quarantine (id, digest, provider, account, received_time, problems, body, body_size)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (digest) DO UPDATE SET problems = excluded.problems WHERE quarantine.problems != excluded.problems;

-- name: write_problems
-- What is still not understood of a body; where it was discarded meanwhile, this finds no row and makes none.
UPDATE quarantine SET problems = $2 WHERE id = $1;

-- name: write_aliases
INSERT INTO alias (alias_hash, status_id)
SELECT * FROM unnest($1::bigint[], $2::bigint[])
ON CONFLICT DO NOTHING;

-- name: append
-- Step 4: takes the positions, writes the log's rows and what they make of their recipients, all in one statement; the
-- commit comes right after it, since every other writer waits for the head meanwhile. Places count from 1; a recipient
-- that did not move has none.
WITH moved AS (
    UPDATE head SET position = position + $1, commit_time = greatest(commit_time, $2)
    RETURNING position - $1 AS base, commit_time
), appended AS (
    INSERT INTO event (
        position, status_id, event_key, type, occurred_time, received_time, attributes,
        from_evidence, to_evidence, version, commit_time, payload_id
    )
    SELECT
        moved.base + place, status_id, event_key, type, occurred_time, received_time, attributes,
        from_evidence, to_evidence, version, moved.commit_time, payload_id
    FROM moved CROSS JOIN unnest(
        $3::bigint[], $4::bigint[], $5::bytea[], $6::smallint[], $7::bigint[], $8::bigint[], $9::text[],
        $10::smallint[], $11::smallint[], $12::integer[], $13::bigint[]
    ) AS entry (
        place, status_id, event_key, type, occurred_time, received_time, attributes,
        from_evidence, to_evidence, version, payload_id
    )
), changed AS (
    UPDATE recipient_status AS s SET
        evidence = new.evidence, version = new.version,
        position = coalesce(moved.base + new.place, s.position),
        queued_time = new.queued_time, sent_time = new.sent_time,
        delivered_time = new.delivered_time, engaged_time = new.engaged_time,
        failed_time = new.failed_time, suppressed_time = new.suppressed_time,
        complained_time = new.complained_time, unsubscribed_time = new.unsubscribed_time,
        last_event_time = new.last_event_time, open_count = new.open_count, click_count = new.click_count,
        failure_cause = new.failure_cause, suppression_cause = new.suppression_cause, aliases = new.aliases,
        create_time = CASE WHEN s.version = 0 THEN moved.commit_time ELSE s.create_time END,
        update_time = moved.commit_time,
        message_refs = new.message_refs, metadata = new.metadata,
        state_change_time = CASE WHEN new.place IS NULL THEN s.state_change_time ELSE moved.commit_time END
    FROM moved CROSS JOIN unnest(
        $14::bigint[], $15::smallint[], $16::integer[], $17::bigint[],
        $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
        $24::bigint[], $25::bigint[], $26::bigint[], $27::integer[], $28::integer[],
        $29::text[], $30::text[], $31::text[], $32::text[], $33::text[]
    ) AS new (
        id, evidence, version, place,
        queued_time, sent_time, delivered_time, engaged_time, failed_time, suppressed_time,
        complained_time, unsubscribed_time, last_event_time, open_count, click_count,
        failure_cause, suppression_cause, aliases, message_refs, metadata
    )
    WHERE s.id = new.id
)
SELECT base, commit_time FROM moved;

-- name: read_recipients
-- Recipients of an exact message id; an empty provider or recipient means any.
SELECT :status FROM recipient_status AS s
WHERE message_hash = $1 AND message_id = $2 AND ($3 = '' OR provider = $3) AND ($4 = '' OR recipient = $4)
ORDER BY id LIMIT $5;

-- name: read_recipient
SELECT :status FROM recipient_status AS s
WHERE message_hash = $1 AND recipient_hash = $2 AND message_id = $3 AND provider = $4 AND recipient = $5;

-- name: find_messages
-- Messages with an exact id, by provider.
SELECT DISTINCT provider COLLATE "C" AS provider, message_id FROM recipient_status
WHERE message_hash = $1 AND message_id = $2 AND ($3 = '' OR provider = $3)
ORDER BY provider LIMIT $4;

-- name: read_messages
-- The first recipients of each of several messages, each with the place of its message; an empty provider means any.
SELECT wanted.place, s.*
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS wanted (provider, message_id, message_hash, place)
CROSS JOIN LATERAL (
    SELECT :status FROM recipient_status AS s
    WHERE s.message_hash = wanted.message_hash AND s.message_id = wanted.message_id
        AND (wanted.provider = '' OR s.provider = wanted.provider)
    ORDER BY s.id LIMIT $4
) AS s
ORDER BY wanted.place, s.id;

-- name: find_by_aliases
-- Messages of which a recipient has the alias, each with the place of what was asked; an empty provider means any, the
-- hash finds them, the text decides.
SELECT wanted.place, m.provider, m.message_id
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS wanted (provider, alias, alias_hash, place)
CROSS JOIN LATERAL (
    SELECT DISTINCT s.provider COLLATE "C" AS provider, s.message_id COLLATE "C" AS message_id
    FROM alias JOIN recipient_status AS s ON s.id = alias.status_id
    WHERE alias.alias_hash = wanted.alias_hash AND (wanted.provider = '' OR s.provider = wanted.provider)
        AND EXISTS (SELECT 1 FROM jsonb_array_elements_text(s.aliases::jsonb) AS known WHERE known = wanted.alias)
    ORDER BY provider, message_id LIMIT $4
) AS m
ORDER BY wanted.place, m.provider, m.message_id;

-- name: count_recipients
SELECT evidence, count(*) FROM recipient_status
WHERE message_hash = $1 AND provider = $2 AND message_id = $3
GROUP BY evidence;

-- name: list_recipients
-- A page of those candidates that match, newest first, each beside how far down the call looked and how many it looked
-- at. The candidates are found in an index; null asks for nothing.
WITH candidate AS (:candidates), looked_at AS (SELECT min(id) AS last, count(*) AS count FROM candidate)
SELECT looked_at.last, looked_at.count, s.*
FROM looked_at LEFT JOIN LATERAL (
    SELECT :status
    FROM candidate JOIN recipient_status AS s ON s.id = candidate.id
    WHERE ($1::smallint[] IS NULL OR s.evidence = ANY ($1))
        AND ($2::text[] IS NULL OR s.provider = ANY ($2))
        AND ($3::text = '' OR s.message_id = $3)
        AND ($4::text = '' OR s.recipient = $4)
        AND ($5::bigint IS NULL OR s.update_time >= $5)
        AND ($6::bigint IS NULL OR s.update_time < $6)
        AND ($7::bigint IS NULL OR s.create_time >= $7)
        AND ($8::bigint IS NULL OR s.create_time < $8)
        AND ($9::bigint IS NULL OR s.state_change_time < $9)
        AND ($10::text IS NULL OR s.metadata::jsonb @> $10::jsonb)
    ORDER BY candidate.id DESC LIMIT $11
) AS s ON true
ORDER BY s.id DESC;

-- name: candidates
-- What may match where neither a message nor an address is asked for: $12 is before which, $13 how many.
SELECT id FROM recipient_status WHERE id < $12 ORDER BY id DESC LIMIT $13

-- name: candidates_of_message
SELECT id FROM recipient_status WHERE message_hash = $14 AND id < $12 ORDER BY id DESC LIMIT $13

-- name: candidates_of_address
SELECT id FROM recipient_status WHERE address_hash = $14 AND id < $12 ORDER BY id DESC LIMIT $13

-- name: candidates_of_both
SELECT id FROM recipient_status WHERE address_hash = $15 AND message_hash = $14 AND id < $12 ORDER BY id DESC LIMIT $13

-- name: read_history
-- A message's log rows after a position; an empty recipient means all of them.
SELECT :entry
FROM recipient_status AS s JOIN event ON event.status_id = s.id
WHERE s.message_hash = $1 AND s.provider = $2 AND s.message_id = $3 AND ($4 = '' OR s.recipient = $4)
    AND event.position > $5
ORDER BY event.position LIMIT $6;

-- name: read_ref
-- Recipients with a message ref; an empty provider means any. The hash finds them, the text decides.
SELECT :status
FROM alias JOIN recipient_status AS s ON s.id = alias.status_id
WHERE alias.alias_hash = $1 AND ($3 = '' OR s.provider = $3)
    AND EXISTS (SELECT 1 FROM jsonb_array_elements_text(s.message_refs::jsonb) AS known WHERE known = $2)
ORDER BY alias.status_id LIMIT $4;

-- name: read_ref_history
-- The log rows of recipients with a message ref after a position; an empty provider or recipient means any.
SELECT :entry
FROM alias JOIN recipient_status AS s ON s.id = alias.status_id JOIN event ON event.status_id = s.id
WHERE alias.alias_hash = $1 AND ($3 = '' OR s.provider = $3) AND ($4 = '' OR s.recipient = $4)
    AND EXISTS (SELECT 1 FROM jsonb_array_elements_text(s.message_refs::jsonb) AS known WHERE known = $2)
    AND event.position > $5
ORDER BY event.position LIMIT $6;

-- name: read_log
-- The log from a position on, that row included where it is there, beside the head and the floor of the same moment.
SELECT head.position, head.floor, head.floor_fingerprint, entry.*
FROM head LEFT JOIN LATERAL (
    SELECT :entry
    FROM event JOIN recipient_status AS s ON s.id = event.status_id
    WHERE event.position >= $1
    ORDER BY event.position LIMIT $2
) AS entry ON true
ORDER BY entry.position;

-- name: fingerprint_at
-- What a row's fingerprint is made of, beside the floor of the same moment.
SELECT
    head.floor, head.floor_fingerprint,
    :row
FROM head LEFT JOIN event ON event.position = $1;

-- name: last_before
-- The last row committed before a time, beside head and floor of the same moment. Commit times never fall along the
-- log, which no index knows: it is bisected.
WITH RECURSIVE bisected (low, high) AS (
    SELECT floor, position FROM head
    UNION ALL
    SELECT
        CASE WHEN event.commit_time < $1 THEN event.position ELSE bisected.low END,
        CASE WHEN event.commit_time < $1 THEN bisected.high ELSE event.position - 1 END
    FROM bisected JOIN event ON event.position = (bisected.low + bisected.high + 1) / 2
    WHERE bisected.low < bisected.high
)
SELECT
    head.floor, head.floor_fingerprint, head.floor_time, found.low, found.high,
    :row
FROM head
CROSS JOIN (SELECT low, high FROM bisected ORDER BY high - low LIMIT 1) AS found
LEFT JOIN event ON event.position = found.low;

-- name: read_payload
SELECT payload.provider, payload.account, payload.received_time, payload.body
FROM event JOIN payload ON payload.id = event.payload_id
WHERE event.position = $1;

-- name: find_positions
-- Where events stand in the log, each with the place of what was asked.
SELECT wanted.place, event.position
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY
    AS wanted (message_hash, recipient_hash, event_key, place)
JOIN recipient_status AS s ON s.message_hash = wanted.message_hash AND s.recipient_hash = wanted.recipient_hash
JOIN event ON event.status_id = s.id AND event.event_key = wanted.event_key;

-- name: list_quarantine
-- Newest first; those of which a replay understood all have an empty list of problems. Each beside how far down the call
-- looked and how many it looked at.
WITH candidate AS (SELECT id FROM quarantine WHERE id < $1 ORDER BY id DESC LIMIT $2),
looked_at AS (SELECT min(id) AS last, count(*) AS count FROM candidate)
SELECT looked_at.last, looked_at.count, q.*
FROM looked_at LEFT JOIN LATERAL (
    SELECT kept.id, provider, account, received_time, problems, body_size
    FROM candidate JOIN quarantine AS kept ON kept.id = candidate.id
    WHERE ($3 = '' OR provider = $3) AND ($4 OR problems != '[]')
    ORDER BY kept.id DESC LIMIT $5
) AS q ON true
ORDER BY q.id DESC;

-- name: read_quarantined
SELECT id, provider, account, received_time, problems, body_size, body FROM quarantine WHERE id = $1;

-- name: discard_quarantined
DELETE FROM quarantine WHERE id = ANY ($1::bigint[]);

-- name: look_at_log
-- How far one step of retention goes: how many rows it looks at, and of the last of them position and commit time.
SELECT count(*), max(position), max(commit_time)
FROM (SELECT position, commit_time FROM event WHERE position > $1 ORDER BY position LIMIT $2) AS looked_at;

-- name: lock_silent
-- Who has rows among those looked at, and whose last event is older than a time. Locked until the commit; who is being
-- written to is not silent.
SELECT s.id
FROM (SELECT DISTINCT status_id FROM event WHERE position > $1 AND position <= $2) AS looked_at
JOIN recipient_status AS s ON s.id = looked_at.status_id
WHERE s.update_time < $3
ORDER BY s.message_hash, s.recipient_hash
FOR NO KEY UPDATE OF s SKIP LOCKED;

-- name: count_rows_of
-- The first row of each recipient among those looked at, and how many it has at all.
SELECT min(position) FILTER (WHERE position > $2) AS first, status_id, count(*)
FROM event WHERE status_id = ANY ($1::bigint[])
GROUP BY status_id
ORDER BY first;

-- name: last_entry_of
-- The last row of any of these recipients.
SELECT event.position, :row
FROM event
WHERE position = (SELECT max(position) FROM event WHERE status_id = ANY ($1::bigint[]));

-- name: payloads_of
-- The bodies that brought rows of these recipients, each with the place of one such row.
SELECT payload_id, min(position) AS position FROM event
WHERE status_id = ANY ($1::bigint[]) AND payload_id IS NOT NULL
GROUP BY payload_id;

-- name: delete_events
DELETE FROM event WHERE status_id = ANY ($1::bigint[]);

-- name: find_orphans
-- Those bodies that no row points at, each given with the position of a row that is gone. A body's rows stood side by
-- side, so one that is left is the next to either side.
SELECT gone.payload_id
FROM unnest($1::bigint[], $2::bigint[]) AS gone (payload_id, position)
WHERE gone.payload_id IS DISTINCT FROM (
        SELECT payload_id FROM event WHERE position > gone.position ORDER BY position LIMIT 1
    ) AND gone.payload_id IS DISTINCT FROM (
        SELECT payload_id FROM event WHERE position < gone.position ORDER BY position DESC LIMIT 1
    );

-- name: write_compact_time
-- Never before the last event was committed, whatever the clock says.
UPDATE recipient_status AS s SET compact_time = greatest($2, head.commit_time) FROM head WHERE s.id = ANY ($1::bigint[]);

-- name: write_floor
-- Another replica may have moved it further.
UPDATE head SET floor = $1, floor_fingerprint = $2, floor_time = $3 WHERE floor < $1;

-- name: look_at_statuses
-- How many recipients one step looks at, and of the last of them the id and the time of its first event.
SELECT count(*), max(id), max(create_time)
FROM (SELECT id, create_time FROM recipient_status WHERE id > $1 ORDER BY id LIMIT $2) AS looked_at;

-- name: lock_forgettable
-- Those looked at of whom nothing was heard since a time, and nothing is in the log; locked until the commit.
SELECT s.id, s.aliases, s.message_refs FROM recipient_status AS s
WHERE s.id > $1 AND s.id <= $2 AND s.update_time < $3
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.status_id = s.id)
ORDER BY s.message_hash, s.recipient_hash
FOR UPDATE OF s SKIP LOCKED;

-- name: delete_aliases
DELETE FROM alias USING unnest($1::bigint[], $2::bigint[]) AS gone (alias_hash, status_id)
WHERE alias.alias_hash = gone.alias_hash AND alias.status_id = gone.status_id;

-- name: delete_statuses
DELETE FROM recipient_status WHERE id = ANY ($1::bigint[]);

-- name: look_at_payloads
SELECT id, received_time, length(body) FROM payload WHERE id > $1 ORDER BY id LIMIT $2;

-- name: delete_payloads
DELETE FROM payload WHERE id = ANY ($1::bigint[]);

-- name: read_settings
-- Of what keeps commits through a crash: how it is set for whoever sets nothing.
SELECT name, reset_val FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit');

-- name: audit_recipients
SELECT :status FROM recipient_status AS s WHERE id > $1 ORDER BY id LIMIT $2;

-- name: audit_entries
-- The log rows of some recipients, in order.
SELECT event.status_id, :entry
FROM event JOIN recipient_status AS s ON s.id = event.status_id
WHERE event.status_id = ANY ($1::bigint[])
ORDER BY event.position;

-- name: audit_aliases
SELECT alias_hash, status_id FROM alias WHERE alias_hash = ANY ($1::bigint[]) AND status_id = ANY ($2::bigint[]);

-- name: audit_log
SELECT position, commit_time FROM event WHERE position > $1 ORDER BY position LIMIT $2;

-- name: entry
-- A row of the log as every statement gives it, for `:entry`. Columns are named everywhere: one that a later version adds
-- must not show in what this one reads.
event.position, s.provider, s.message_id, s.recipient, event.type, event.occurred_time, event.received_time,
event.attributes, event.event_key, event.from_evidence, event.to_evidence, event.version, event.commit_time,
s.message_refs, s.metadata

-- name: row
-- What a row's fingerprint is made of, for `:row`.
event.event_key, event.commit_time, event.to_evidence, event.version, event.attributes::json ->> 'kept_fingerprint'

-- name: status
-- A recipient's row as every statement gives it, for `:status`.
s.id, s.message_hash, s.recipient_hash, s.provider, s.message_id, s.recipient, s.evidence, s.version, s.position,
s.queued_time, s.sent_time, s.delivered_time, s.engaged_time, s.failed_time, s.suppressed_time,
s.complained_time, s.unsubscribed_time, s.last_event_time, s.open_count, s.click_count,
s.failure_cause, s.suppression_cause, s.aliases, s.create_time, s.update_time, s.address_hash, s.compact_time,
s.message_refs, s.metadata, s.state_change_time
