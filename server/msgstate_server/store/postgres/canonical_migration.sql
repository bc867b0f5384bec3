-- What migration 5 reads and writes. Every column of that schema is named, whatever later migrations add.

-- name: read_statuses
-- Some recipients: `:which` picks them.
SELECT
    id, message_hash, recipient_hash, provider, message_id, recipient, evidence, version, position,
    queued_time, sent_time, delivered_time, engaged_time, failed_time, suppressed_time,
    complained_time, unsubscribed_time, last_event_time, open_count, click_count,
    failure_cause, suppression_cause, aliases, create_time, update_time, address_hash, compact_time,
    message_refs, metadata, state_change_time
FROM recipient_status WHERE :which;

-- name: read_entries
SELECT
    e.status_id, e.position, s.provider, s.message_id, s.recipient, e.type, e.occurred_time, e.received_time,
    e.attributes, e.event_key, e.from_evidence, e.to_evidence, e.version, e.commit_time, s.message_refs, s.metadata
FROM event AS e JOIN recipient_status AS s ON s.id = e.status_id
WHERE e.status_id = ANY ($1::bigint[])
ORDER BY e.status_id, e.position;

-- name: find_first
-- A recipient that has these hashes already.
SELECT id FROM recipient_status WHERE message_hash = $1 AND recipient_hash = $2 AND id < $3;

-- name: delete_status
DELETE FROM recipient_status WHERE id = $1;

-- name: write_entry
UPDATE event SET
    status_id = $1, event_key = $2, attributes = $3, from_evidence = $4, to_evidence = $5, version = $6
WHERE position = $7;

-- name: write_status
-- All columns, in the order of `status_row`; then the compact time.
UPDATE recipient_status SET
    message_hash = $2, recipient_hash = $3, provider = $4, message_id = $5, recipient = $6,
    evidence = $7, version = $8, position = $9, queued_time = $10, sent_time = $11, delivered_time = $12,
    engaged_time = $13, failed_time = $14, suppressed_time = $15, complained_time = $16, unsubscribed_time = $17,
    last_event_time = $18, open_count = $19, click_count = $20, failure_cause = $21, suppression_cause = $22,
    aliases = $23, create_time = $24, update_time = $25, address_hash = $26, message_refs = $27, metadata = $28,
    state_change_time = $29, compact_time = $30
WHERE id = $1;

-- name: delete_names
DELETE FROM alias;

-- name: write_name
INSERT INTO alias (alias_hash, status_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;
