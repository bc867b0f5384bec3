-- Who is on the way, failed or was suppressed: few among many who got their mail, and those that lists ask for.
CREATE INDEX recipient_status_undelivered ON recipient_status (id, evidence)
WHERE evidence IN (1, 2, 3, 4, 7);
