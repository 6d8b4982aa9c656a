-- reused counts the chunks of a job whose vectors were taken over from the version before.
ALTER TABLE jobs ADD COLUMN reused INTEGER NOT NULL DEFAULT 0;
