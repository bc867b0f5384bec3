-- Rows as JSON arrays, in the field order of the structs they are decoded into. Temporary, so that they belong to the
-- code that reads them and not to the file.

-- name: status_json
-- StoredStatus: [id, RecipientStatus]
CREATE TEMP VIEW status_json AS
SELECT
    id, message_hash, recipient_hash, address_hash, provider, message_id, recipient, evidence, aliases,
    message_refs, metadata, create_time, update_time, state_change_time,
    json_array(id, json_array(
        provider, message_id, recipient, evidence, version, position,
        queued_time, sent_time, delivered_time, engaged_time, failed_time, suppressed_time,
        complained_time, unsubscribed_time, last_event_time, open_count, click_count,
        json(failure_cause), json(suppression_cause), json(aliases), create_time, update_time, compact_time,
        json(coalesce(message_refs, '[]')), json(coalesce(metadata, '{}')), state_change_time
    )) AS stored
FROM recipient_status;

-- name: entry_json
-- LogEntry: [position, Event, key, from, to, version, commit_time, message refs, metadata]
CREATE TEMP VIEW entry_json AS
SELECT
    event.position, event.status_id,
    json_array(
        event.position,
        json_array(
            recipient_status.provider, recipient_status.message_id, recipient_status.recipient,
            event.type, event.occurred_time, event.received_time, json(event.attributes)
        ),
        lower(hex(event.event_key)), event.from_evidence, event.to_evidence, event.version, event.commit_time,
        json(coalesce(recipient_status.message_refs, '[]')), json(coalesce(recipient_status.metadata, '{}'))
    ) AS entry
FROM event CROSS JOIN recipient_status ON recipient_status.id = event.status_id;
