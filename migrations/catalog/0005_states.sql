-- worker is the host and process of a job's last claim, claimed_at its time. external_id is the document's, kept when the
-- document is gone.
ALTER TABLE jobs ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN claimed_at BIGINT;
ALTER TABLE jobs ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
UPDATE jobs SET external_id = COALESCE((SELECT d.external_id FROM documents d WHERE d.id = jobs.document_id), '');
CREATE INDEX jobs_external_id ON jobs (collection_id, external_id, id);

-- outcome may be canceled too. Up to a thousand rows of each job are kept.
ALTER TABLE attempts ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN started_at BIGINT;
