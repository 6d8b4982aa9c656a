-- Finds the documents that have the same bytes as an upload.
CREATE INDEX versions_sha256 ON versions (sha256);
