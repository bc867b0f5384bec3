-- Servers of the version before must have ended: they compute hashes without a key, and ids in another form. Their
-- inserts fail from here on, since they name the sequence as it was.
ALTER SEQUENCE recipient_status_id_seq RENAME TO recipient_id_seq;

-- The secret that keys every hash of this store, so that nobody can compute ids whose hashes collide.
ALTER TABLE head ADD COLUMN hash_key bytea NOT NULL DEFAULT '';

UPDATE head SET hash_key = uuid_send(gen_random_uuid());

-- JSON array, sorted: the sender's own ids of the message; null where there is none. Look-ups by ref find them in the
-- alias table, under hashes of their own.
ALTER TABLE recipient_status ADD COLUMN message_refs text;

-- JSON object: the metadata of all events, within limits; null where there is none.
ALTER TABLE recipient_status ADD COLUMN metadata text;

-- The commit time of the last transition.
ALTER TABLE recipient_status ADD COLUMN state_change_time bigint NOT NULL DEFAULT 0;
