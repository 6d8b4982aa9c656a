-- params is what a job was asked, result what it found, both JSON or empty.
ALTER TABLE jobs ADD COLUMN params TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN result TEXT NOT NULL DEFAULT '';
