-- What migration 5 reads and writes. Every column of that schema is named, whatever later migrations add.

-- name: read_recipients
-- A page of recipients, each with its log rows: [[StoredStatus, [LogEntry, ...]], ...]. `:which` picks them.
SELECT '[' || group_concat(recipient) || ']'
FROM (
    SELECT json_array(
        json_array(s.id, json_array(
            s.provider, s.message_id, s.recipient, s.evidence, s.version, s.position,
            s.queued_time, s.sent_time, s.delivered_time, s.engaged_time, s.failed_time, s.suppressed_time,
            s.complained_time, s.unsubscribed_time, s.last_event_time, s.open_count, s.click_count,
            json(s.failure_cause), json(s.suppression_cause), json(s.aliases), s.create_time, s.update_time,
            s.compact_time, json(coalesce(s.message_refs, '[]')), json(coalesce(s.metadata, '{}')), s.state_change_time
        )),
        json((
            SELECT '[' || coalesce(group_concat(entry), '') || ']'
            FROM (
                SELECT json_array(
                    e.position,
                    json_array(
                        s.provider, s.message_id, s.recipient,
                        e.type, e.occurred_time, e.received_time, json(e.attributes)
                    ),
                    lower(hex(e.event_key)), e.from_evidence, e.to_evidence, e.version, e.commit_time
                ) AS entry
                FROM event AS e WHERE e.status_id = s.id ORDER BY e.position
            )
        ))
    ) AS recipient
    FROM recipient_status AS s WHERE :which
);

-- name: find_first
-- A recipient that has these hashes already.
SELECT id FROM recipient_status WHERE message_hash = ? AND recipient_hash = ? AND id < ?;

-- name: delete_status
DELETE FROM recipient_status WHERE id = ?;

-- name: write_last_forgotten
UPDATE head SET last_forgotten = max(last_forgotten, ?);

-- name: write_entry
UPDATE event SET
    status_id = ?, event_key = ?, attributes = ?, from_evidence = ?, to_evidence = ?, version = ?
WHERE position = ?;

-- name: write_status
-- All columns, in the order of `status_row`; then the compact time and the id.
UPDATE recipient_status SET
    id = ?, message_hash = ?, recipient_hash = ?, provider = ?, message_id = ?, recipient = ?,
    evidence = ?, version = ?, position = ?, queued_time = ?, sent_time = ?, delivered_time = ?, engaged_time = ?,
    failed_time = ?, suppressed_time = ?, complained_time = ?, unsubscribed_time = ?, last_event_time = ?,
    open_count = ?, click_count = ?, failure_cause = ?, suppression_cause = ?, aliases = ?, create_time = ?,
    update_time = ?, address_hash = ?, message_refs = ?, metadata = ?, state_change_time = ?, compact_time = ?
WHERE id = ?;

-- name: delete_names
DELETE FROM alias;

-- name: write_name
INSERT OR IGNORE INTO alias VALUES (?, ?);
