-- When a recipient's events were last deleted from the log, all that there were: its row then has the facts alone. NULL
-- where all of its events are in the log.
ALTER TABLE recipient_status ADD COLUMN compact_time INTEGER;

-- The commit time of the row that stood at the floor: what was committed later is in the log.
ALTER TABLE head ADD COLUMN floor_time INTEGER NOT NULL DEFAULT 0;

-- The highest id of a recipient that was ever deleted: a page token may mean it, so it is never given out again.
ALTER TABLE head ADD COLUMN last_forgotten INTEGER NOT NULL DEFAULT 0;

-- The highest id of a payload that was ever deleted: rows of the log may point at it, so it is never given out again.
ALTER TABLE head ADD COLUMN last_discarded INTEGER NOT NULL DEFAULT 0;
