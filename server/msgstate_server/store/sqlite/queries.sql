-- Every statement of the engine. A batch is looked up as one JSON array and comes out as one, and it is written as one
-- list of rows: each statement then gives up the interpreter lock once, and not once per row, which beside a busy event
-- loop is 20 times slower.

-- name: read_head
-- The one row that says where the log stands.
SELECT log_id, position, commit_time, fingerprint, floor, floor_fingerprint, floor_time FROM head;

-- name: read_hash_key
-- The secret that keys every hash of this store.
SELECT hash_key FROM head;

-- name: ends_of_log
-- The first position above the floor and the last of all.
SELECT (SELECT min(position) FROM event WHERE position > head.floor), (SELECT max(position) FROM event) FROM head;

-- name: last_row
-- What a start holds against the head: the last event, when its recipient was last changed, where its index finds it.
SELECT
    lower(hex(event.event_key)), event.commit_time, event.to_evidence, event.version,
    (SELECT update_time FROM recipient_status WHERE id = event.status_id),
    (SELECT position FROM event AS e WHERE e.status_id = event.status_id AND e.event_key = event.event_key),
    event.attributes ->> 'kept_fingerprint'
FROM event WHERE position = ?;

-- name: next_status_id
-- The number that the next new recipient gets: none that ever stood for another.
SELECT max(coalesce((SELECT max(id) FROM recipient_status), 0), last_forgotten) + 1 FROM head;

-- name: load_statuses
-- The recipients that are already known, of [[message_hash, recipient_hash], ...]: [StoredStatus, ...].
SELECT '[' || group_concat(s.stored) || ']'
FROM json_each(?1) AS wanted
CROSS JOIN status_json AS s
    ON s.message_hash = wanted.value ->> 0 AND s.recipient_hash = wanted.value ->> 1;

-- name: load_keys
-- The events that are already in the log, of [[status_id, key in hex], ...]: [[status_id, key, position], ...].
SELECT '[' || group_concat(json_array(event.status_id, lower(hex(event.event_key)), event.position)) || ']'
FROM json_each(?1) AS wanted
CROSS JOIN event
    ON event.status_id = wanted.value ->> 0 AND event.event_key = unhex(wanted.value ->> 1);

-- name: write_statuses
-- New recipients and changed ones alike: all columns that events change, in the table's order.
INSERT INTO recipient_status (
    id, message_hash, recipient_hash, provider, message_id, recipient, evidence, version, position,
    queued_time, sent_time, delivered_time, engaged_time, failed_time, suppressed_time,
    complained_time, unsubscribed_time, last_event_time, open_count, click_count,
    failure_cause, suppression_cause, aliases, create_time, update_time, address_hash,
    message_refs, metadata, state_change_time
) :rows
ON CONFLICT (id) DO UPDATE SET
    evidence = excluded.evidence, version = excluded.version, position = excluded.position,
    queued_time = excluded.queued_time, sent_time = excluded.sent_time,
    delivered_time = excluded.delivered_time, engaged_time = excluded.engaged_time,
    failed_time = excluded.failed_time, suppressed_time = excluded.suppressed_time,
    complained_time = excluded.complained_time, unsubscribed_time = excluded.unsubscribed_time,
    last_event_time = excluded.last_event_time, open_count = excluded.open_count, click_count = excluded.click_count,
    failure_cause = excluded.failure_cause, suppression_cause = excluded.suppression_cause,
    aliases = excluded.aliases, update_time = excluded.update_time,
    message_refs = excluded.message_refs, metadata = excluded.metadata,
    state_change_time = excluded.state_change_time;

-- name: write_events
-- Rows of the log: all columns, in the table's order.
INSERT INTO event :rows;

-- name: write_aliases
INSERT OR IGNORE INTO alias :rows;

-- name: next_payload_id
-- The number that the next body gets: none that ever stood for another, since events may point at bodies that are gone.
SELECT max(coalesce((SELECT max(id) FROM payload), 0), last_discarded) + 1 FROM head;

-- name: write_payloads
INSERT INTO payload (id, provider, account, received_time, body) :rows;

-- name: write_quarantine
-- The same body again stays as it first came, but for what of it is not understood now.
INSERT INTO quarantine (digest, provider, account, received_time, problems, body, body_size)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET problems = excluded.problems WHERE quarantine.problems != excluded.problems;

-- name: write_problems
-- What is still not understood of a body; where it was discarded meanwhile, this finds no row and makes none.
UPDATE quarantine SET problems = ? WHERE id = ?;

-- name: discard_quarantined
DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?));

-- name: write_head
UPDATE head SET position = ?, commit_time = ?, fingerprint = ?;

-- name: read_few_recipients
-- Recipients of an exact message id; an empty provider means any. For the usual one recipient each of these would cost
-- more than finding it: an order, which sorts; a bound limit, which has the statement prepared anew; JSON.
SELECT * FROM recipient_status
WHERE message_hash = ?1 AND message_id = ?2 AND (?3 = '' OR provider = ?3)
LIMIT 20;

-- name: read_first_recipients
-- The first of many.
SELECT * FROM recipient_status
WHERE message_hash = ?1 AND message_id = ?2 AND (?3 = '' OR provider = ?3)
ORDER BY id LIMIT ?4;

-- name: read_recipient
SELECT * FROM recipient_status
WHERE message_hash = ?1 AND recipient_hash = ?2 AND message_id = ?3 AND provider = ?4 AND recipient = ?5;

-- name: read_recipient_anywhere
-- One recipient of an exact message id, of whichever provider.
SELECT * FROM recipient_status
WHERE message_hash = ?1 AND message_id = ?2 AND recipient = ?3
ORDER BY id LIMIT ?4;

-- name: find_messages
-- Messages with an exact id, by provider.
SELECT '[' || group_concat(json_array(provider, message_id)) || ']'
FROM (
    SELECT DISTINCT provider, message_id FROM recipient_status
    WHERE message_hash = ?1 AND message_id = ?2 AND (?3 = '' OR provider = ?3)
    ORDER BY provider LIMIT ?4
);

-- name: count_recipients
SELECT '[' || group_concat(json_array(evidence, recipients)) || ']'
FROM (
    SELECT evidence, count(*) AS recipients FROM recipient_status
    WHERE message_hash = ?1 AND provider = ?2 AND message_id = ?3
    GROUP BY evidence
);

-- name: matches
-- What a list asks of a row; NULL asks for nothing. One provider is compared, which costs less than to look for it among
-- several.
(:evidences IS NULL OR s.evidence IN (SELECT value FROM json_each(:evidences)))
    AND (:provider IS NULL OR s.provider = :provider)
    AND (:providers IS NULL OR s.provider IN (SELECT value FROM json_each(:providers)))
    AND (:message_id = '' OR s.message_id = :message_id)
    AND (:recipient = '' OR s.recipient = :recipient)
    AND (:updated_after IS NULL OR s.update_time >= :updated_after)
    AND (:updated_before IS NULL OR s.update_time < :updated_before)
    AND (:created_after IS NULL OR s.create_time >= :created_after)
    AND (:created_before IS NULL OR s.create_time < :created_before)
    AND (:state_changed_before IS NULL OR s.state_change_time < :state_changed_before)
    AND (:metadata IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_each(:metadata) AS pair
        WHERE NOT EXISTS (
            SELECT 1 FROM json_each(s.metadata) AS own
            WHERE own.key = pair.value ->> 0 AND own.value = pair.value ->> 1
        )
    ))

-- name: list_candidates
-- A page of those candidates that match, newest first: [StoredStatus, ...]. The candidates are found in an index, and a
-- row is read only to look at what it holds.
SELECT '[' || group_concat(stored) || ']'
FROM (
    SELECT s.stored
    FROM (:candidates) AS candidate CROSS JOIN status_json AS s ON s.id = candidate.id
    WHERE :matches
    ORDER BY candidate.id DESC LIMIT :limit
);

-- name: list_block
-- The same of a block of ids, whose rows are read as they lie: in a third of the time of as many candidates.
SELECT '[' || group_concat(stored) || ']'
FROM (
    SELECT s.stored
    FROM status_json AS s
    WHERE s.id >= :first AND s.id < :before AND :matches
    ORDER BY s.id DESC LIMIT :limit
);

-- name: last_before
-- The newest recipient before a place; NULL where there is none.
SELECT max(id) FROM recipient_status WHERE id < ?;

-- name: lowest_update_time
-- That of a block of ids; NULL where nobody is left there.
SELECT min(update_time) FROM recipient_status WHERE id >= ? AND id < ?;

-- name: is_campaign
-- Whether a message has many recipients, and enough of them lie right before a place. Its index has them in no order: to
-- sort all of them takes longer than to read rows of others between them.
SELECT :many < (
        SELECT count(*) FROM (SELECT 1 FROM recipient_status WHERE message_hash = :message_hash LIMIT :many + 1)
    ) AND 100 <= :spread * (
        SELECT count(*)
        FROM (SELECT message_hash FROM recipient_status WHERE id < :before ORDER BY id DESC LIMIT 100)
        WHERE message_hash = :message_hash
    );

-- name: last_candidate
-- How far down one call looks; no row where the candidates end before that.
SELECT min(id) FROM (:candidates) HAVING count(*) = :scan;

-- name: candidates_undelivered
-- Those alone who are in an index of their own: on the way, failed or suppressed.
SELECT id FROM recipient_status INDEXED BY recipient_status_undelivered
WHERE evidence IN (1, 2, 3, 4, 7) AND id < :before ORDER BY id DESC LIMIT :scan;

-- name: candidates_of_message
SELECT id FROM recipient_status WHERE message_hash = :message_hash AND id < :before ORDER BY id DESC LIMIT :scan;

-- name: candidates_of_address
SELECT id FROM recipient_status WHERE address_hash = :address_hash AND id < :before ORDER BY id DESC LIMIT :scan;

-- name: candidates_of_both
-- The plus keeps to the indexes: without it the rows of the message are read.
SELECT id FROM recipient_status
WHERE address_hash = :address_hash AND id < :before
    AND +id IN (SELECT id FROM recipient_status WHERE message_hash = :message_hash)
ORDER BY id DESC LIMIT :scan;

-- name: read_messages
-- The first recipients of each of [[provider, message_id, message_hash], ...]; an empty provider means any:
-- [[StoredStatus, ...], ...], in the order of what is asked.
SELECT '[' || group_concat('[' || (
    SELECT coalesce(group_concat(stored), '')
    FROM (
        SELECT stored FROM status_json
        WHERE message_hash = wanted.value ->> 2 AND message_id = wanted.value ->> 1
            AND (wanted.value ->> 0 = '' OR provider = wanted.value ->> 0)
        ORDER BY id LIMIT ?2
    )
) || ']') || ']'
FROM json_each(?1) AS wanted;

-- name: read_message_of_providers
-- The first recipients that each of several providers has of one message id, by first appearance: [StoredStatus, ...].
SELECT '[' || group_concat(stored) || ']'
FROM (
    SELECT s.stored
    FROM (
        SELECT id, row_number() OVER (PARTITION BY provider ORDER BY id) AS place FROM recipient_status
        WHERE message_hash = ?1 AND message_id = ?2 AND provider IN (SELECT value FROM json_each(?3))
    ) AS found CROSS JOIN status_json AS s ON s.id = found.id
    WHERE found.place <= ?4
    ORDER BY found.id
);

-- name: find_by_aliases
-- Messages of which a recipient has the alias, of each of [[provider, alias, alias_hash], ...]; an empty provider means
-- any, the hash finds them, the text decides: [[MessageKey, ...], ...], in the order of what is asked.
SELECT '[' || group_concat('[' || (
    SELECT coalesce(group_concat(json_array(provider, message_id)), '')
    FROM (
        SELECT DISTINCT s.provider, s.message_id
        FROM alias CROSS JOIN recipient_status AS s ON s.id = alias.status_id
        WHERE alias.alias_hash = wanted.value ->> 2 AND (wanted.value ->> 0 = '' OR s.provider = wanted.value ->> 0)
            AND EXISTS (SELECT 1 FROM json_each(s.aliases) WHERE value = wanted.value ->> 1)
        ORDER BY s.provider, s.message_id LIMIT ?2
    )
) || ']') || ']'
FROM json_each(?1) AS wanted;

-- name: find_by_alias_of_providers
-- The first messages that each of several providers has of which a recipient has the alias: [MessageKey, ...].
SELECT '[' || group_concat(json_array(provider, message_id)) || ']'
FROM (
    SELECT provider, message_id, row_number() OVER (PARTITION BY provider ORDER BY message_id) AS place
    FROM (
        SELECT DISTINCT s.provider, s.message_id
        FROM alias CROSS JOIN recipient_status AS s ON s.id = alias.status_id
        WHERE alias.alias_hash = ?1 AND s.provider IN (SELECT value FROM json_each(?3))
            AND EXISTS (SELECT 1 FROM json_each(s.aliases) WHERE value = ?2)
    )
    ORDER BY provider, message_id
)
WHERE place <= ?4;

-- name: read_history
-- A message's log rows after a position. The places come from an index; rows are read for the page alone.
SELECT '[' || group_concat(entry) || ']'
FROM (
    SELECT entry FROM (
        SELECT event.position FROM recipient_status AS s CROSS JOIN event ON event.status_id = s.id
        WHERE s.message_hash = ?1 AND s.provider = ?2 AND s.message_id = ?3 AND event.position > ?4
        ORDER BY event.position LIMIT ?5
    ) AS place CROSS JOIN entry_json ON entry_json.position = place.position
    ORDER BY place.position
);

-- name: read_recipient_history
-- The same of one recipient.
SELECT '[' || group_concat(entry) || ']'
FROM (
    SELECT entry FROM (
        SELECT event.position FROM recipient_status AS s CROSS JOIN event ON event.status_id = s.id
        WHERE s.message_hash = ?1 AND s.recipient_hash = ?2 AND s.provider = ?3 AND s.message_id = ?4
            AND s.recipient = ?5 AND event.position > ?6
        ORDER BY event.position LIMIT ?7
    ) AS place CROSS JOIN entry_json ON entry_json.position = place.position
    ORDER BY place.position
);

-- name: read_ref
-- Recipients with a message ref; an empty provider means any. The hash finds them, the text decides.
SELECT '[' || group_concat(stored) || ']'
FROM (
    SELECT s.stored
    FROM alias CROSS JOIN status_json AS s ON s.id = alias.status_id
    WHERE alias.alias_hash = ?1 AND (?3 = '' OR s.provider = ?3)
        AND EXISTS (SELECT 1 FROM json_each(s.message_refs) WHERE value = ?2)
    ORDER BY alias.status_id LIMIT ?4
);

-- name: read_ref_history
-- The log rows of recipients with a message ref after a position; an empty provider or recipient means any.
SELECT '[' || group_concat(entry) || ']'
FROM (
    SELECT entry FROM (
        SELECT event.position
        FROM alias CROSS JOIN recipient_status AS s ON s.id = alias.status_id
        CROSS JOIN event ON event.status_id = s.id
        WHERE alias.alias_hash = ?1 AND (?3 = '' OR s.provider = ?3) AND (?4 = '' OR s.recipient = ?4)
            AND EXISTS (SELECT 1 FROM json_each(s.message_refs) WHERE value = ?2) AND event.position > ?5
        ORDER BY event.position LIMIT ?6
    ) AS place CROSS JOIN entry_json ON entry_json.position = place.position
    ORDER BY place.position
);

-- name: read_log
SELECT '[' || group_concat(entry) || ']'
FROM (SELECT entry FROM entry_json WHERE position > ?1 ORDER BY position LIMIT ?2);

-- name: read_entry
SELECT '[' || entry || ']' FROM entry_json WHERE position = ?;

-- name: commit_time_at
SELECT commit_time FROM event WHERE position = ?;

-- name: read_payload
SELECT payload.provider, payload.account, payload.received_time, payload.body
FROM event JOIN payload ON payload.id = event.payload_id
WHERE event.position = ?;

-- name: find_positions
-- Where events stand in the log, of [[message_hash, recipient_hash, key in hex], ...]: [[index, position], ...].
SELECT '[' || group_concat(json_array(wanted.key, event.position)) || ']'
FROM json_each(?1) AS wanted
CROSS JOIN recipient_status AS s ON s.message_hash = wanted.value ->> 0 AND s.recipient_hash = wanted.value ->> 1
CROSS JOIN event ON event.status_id = s.id AND event.event_key = unhex(wanted.value ->> 2);

-- name: last_quarantined
-- How far down one call looks; no row where the quarantine ends before that.
SELECT min(id) FROM (SELECT id FROM quarantine WHERE id < ?1 ORDER BY id DESC LIMIT ?2) HAVING count(*) = ?2;

-- name: list_quarantine
-- Newest first; those of which a replay understood all have an empty list of problems.
SELECT id, provider, account, received_time, problems, body_size FROM quarantine
WHERE id < ?1 AND id >= ?2 AND (?3 = '' OR provider = ?3) AND (?4 OR problems != '[]')
ORDER BY id DESC LIMIT ?5;

-- name: read_quarantined
SELECT id, provider, account, received_time, problems, body_size, body FROM quarantine WHERE id = ?;

-- name: look_at_log
-- How far one step of retention goes: how many rows it looks at, and of the last of them position and commit time.
SELECT count(*), max(position), max(commit_time)
FROM (SELECT position, commit_time FROM event WHERE position > ?1 ORDER BY position LIMIT ?2);

-- name: find_silent
-- Whose rows are among those looked at, and all of whose events are older than a time:
-- [[their first position there, id, Identity, how many rows they have], ...].
SELECT '[' || group_concat(json_array(first, id, json_array(provider, message_id, recipient), (
    SELECT count(*) FROM event WHERE status_id = silent.id
))) || ']'
FROM (
    SELECT min(looked_at.position) AS first, s.id, s.provider, s.message_id, s.recipient
    FROM (SELECT position, status_id FROM event WHERE position > ?1 AND position <= ?2) AS looked_at
    CROSS JOIN recipient_status AS s ON s.id = looked_at.status_id
    WHERE s.update_time < ?3
    GROUP BY s.id
) AS silent;

-- name: last_entry_of
-- The last row of any of [id, ...].
SELECT '[' || entry || ']'
FROM entry_json
WHERE position = (SELECT max(event.position) FROM json_each(?) AS gone CROSS JOIN event ON event.status_id = gone.value);

-- name: payloads_of
-- The bodies that brought rows of [id, ...], each with the place of one such row: [[id, position], ...].
SELECT '[' || group_concat(json_array(payload_id, position)) || ']'
FROM (
    SELECT event.payload_id, min(event.position) AS position
    FROM json_each(?) AS gone CROSS JOIN event ON event.status_id = gone.value
    WHERE event.payload_id IS NOT NULL
    GROUP BY event.payload_id
);

-- name: delete_events
DELETE FROM event WHERE status_id IN (SELECT value FROM json_each(?));

-- name: find_orphans
-- Those of [[payload id, position of a row that is gone], ...] that no row points at. A body's rows stood side by side,
-- so one that is left is the next to either side.
SELECT '[' || group_concat(gone.value ->> 0) || ']'
FROM json_each(?) AS gone
WHERE gone.value ->> 0 IS NOT (
        SELECT payload_id FROM event WHERE position > gone.value ->> 1 ORDER BY position LIMIT 1
    ) AND gone.value ->> 0 IS NOT (
        SELECT payload_id FROM event WHERE position < gone.value ->> 1 ORDER BY position DESC LIMIT 1
    );

-- name: write_compact_time
UPDATE recipient_status SET compact_time = ?2 WHERE id IN (SELECT value FROM json_each(?1));

-- name: write_floor
UPDATE head SET floor = ?, floor_fingerprint = ?, floor_time = ?;

-- name: look_at_statuses
-- How many recipients one step looks at, and of the last of them the id and the time of its first event.
SELECT count(*), max(id), max(create_time)
FROM (SELECT id, create_time FROM recipient_status WHERE id > ?1 ORDER BY id LIMIT ?2);

-- name: find_forgettable
-- Those looked at of whom nothing was heard since a time, and nothing is in the log:
-- [[id, Identity, [alias, ...], [message ref, ...]], ...].
SELECT '[' || group_concat(json_array(
    id, json_array(provider, message_id, recipient), json(aliases), json(coalesce(message_refs, '[]'))
)) || ']'
FROM recipient_status AS s
WHERE id > ?1 AND id <= ?2 AND update_time < ?3 AND NOT EXISTS (SELECT 1 FROM event WHERE status_id = s.id);

-- name: delete_aliases
-- Of [[alias_hash, status_id], ...].
DELETE FROM alias WHERE (alias_hash, status_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?));

-- name: delete_statuses
DELETE FROM recipient_status WHERE id IN (SELECT value FROM json_each(?));

-- name: write_last_forgotten
UPDATE head SET last_forgotten = max(last_forgotten, ?);

-- name: look_at_payloads
-- [[id, received_time, bytes], ...]
SELECT '[' || group_concat(json_array(id, received_time, size)) || ']'
FROM (SELECT id, received_time, length(body) AS size FROM payload WHERE id > ?1 ORDER BY id LIMIT ?2);

-- name: delete_payloads
DELETE FROM payload WHERE id IN (SELECT value FROM json_each(?));

-- name: write_last_discarded
UPDATE head SET last_discarded = max(last_discarded, ?);

-- name: audit_recipients
-- A page of recipients beside their log rows, their hashes, and those of their aliases and refs that no look-up finds:
-- [[StoredStatus, [LogEntry, ...], IdentityHashes, address hash, [alias or ref, ...]], ...].
SELECT '[' || group_concat('[' || stored || ',[' || entries || '],' || hashes || ',' || unfindable || ']') || ']'
FROM (
    SELECT stored, json_array(message_hash, recipient_hash) || ',' || address_hash AS hashes, (
        SELECT coalesce(group_concat(entry), '')
        FROM (SELECT entry FROM entry_json WHERE status_id = s.id ORDER BY position)
    ) AS entries, (
        SELECT json_group_array(kept.value)
        FROM (
            SELECT value, hash_of_alias(value) AS hash FROM json_each(s.aliases)
            UNION ALL SELECT value, hash_of_ref(value) FROM json_each(coalesce(s.message_refs, '[]'))
        ) AS kept
        WHERE NOT EXISTS (SELECT 1 FROM alias WHERE alias_hash = kept.hash AND status_id = s.id)
    ) AS unfindable
    FROM status_json AS s WHERE id > ?1 ORDER BY id LIMIT ?2
);

-- name: audit_log
SELECT '[' || group_concat(json_array(position, commit_time)) || ']'
FROM (SELECT position, commit_time FROM event WHERE position > ?1 ORDER BY position LIMIT ?2);
