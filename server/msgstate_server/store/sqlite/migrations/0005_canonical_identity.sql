-- The secret that keys every hash of this store, so that nobody can compute ids whose hashes collide.
ALTER TABLE head ADD COLUMN hash_key BLOB NOT NULL DEFAULT x'';

UPDATE head SET hash_key = randomblob(16);

-- JSON array, sorted: the sender's own ids of the message; NULL where there is none. Look-ups by ref find them in the
-- alias table, under hashes of their own.
ALTER TABLE recipient_status ADD COLUMN message_refs TEXT;

-- JSON object: the metadata of all events, within limits; NULL where there is none.
ALTER TABLE recipient_status ADD COLUMN metadata TEXT;

-- The commit time of the last transition.
ALTER TABLE recipient_status ADD COLUMN state_change_time INTEGER NOT NULL DEFAULT 0;
