-- Rebuilds that are not over, or have failed: while one is there, search misses documents of its collection.
CREATE INDEX jobs_rebuilds ON jobs (collection_id) WHERE kind = 'rebuild' AND state <> 'succeeded';

-- Tells which originals a document needs.
CREATE INDEX versions_blob ON versions (blob);
