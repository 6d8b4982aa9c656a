-- A batch is one upload of many files. While it is received, lease_until is renewed by the process that receives it;
-- received_at is when the last file came, or when the upload broke off, and then error_code and error_message say why.
-- callback_job is the job that tells callback_url of the end; 0 until there is one. callback_secret signs for it.
CREATE TABLE batches (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant          TEXT    NOT NULL,
    collection_id   BIGINT  NOT NULL,
    entries         INTEGER NOT NULL DEFAULT 0,
    created_at      BIGINT  NOT NULL,
    lease_until     BIGINT  NOT NULL,
    received_at     BIGINT,
    canceled_at     BIGINT,
    error_code      TEXT    NOT NULL DEFAULT '',
    error_message   TEXT    NOT NULL DEFAULT '',
    callback_url    TEXT    NOT NULL DEFAULT '',
    callback_secret TEXT    NOT NULL DEFAULT '',
    callback_job    BIGINT  NOT NULL DEFAULT 0
);

CREATE INDEX batches_tenant ON batches (tenant, id);
CREATE INDEX batches_open ON batches (id) WHERE received_at IS NULL;
CREATE INDEX batches_callback ON batches (id) WHERE callback_url <> '' AND callback_job = 0;

-- job_id is 0 where there is nothing to do: the file was refused, with its reason, or is unchanged.
CREATE TABLE batch_entries (
    batch_id      BIGINT  NOT NULL REFERENCES batches (id),
    number        INTEGER NOT NULL,
    path          TEXT    NOT NULL,
    job_id        BIGINT  NOT NULL DEFAULT 0,
    error_code    TEXT    NOT NULL DEFAULT '',
    error_message TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (batch_id, number)
);
