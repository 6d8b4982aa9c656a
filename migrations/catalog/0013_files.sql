-- A file is an original that was uploaded by itself, to be attached to collections of its tenant: in each it becomes a
-- document whose external id is 'file-' and the file's number, and whose versions name the file's own blob. From
-- deleted_at on nothing can attach it, and the blob goes with the last document that names it.
CREATE TABLE files (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    filename   TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    blob       TEXT    NOT NULL,
    size       BIGINT  NOT NULL,
    sha256     TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    deleted_at BIGINT
);

CREATE INDEX files_tenant ON files (tenant, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX files_blob ON files (blob);

-- What OpenAI's clients call a collection and note of it; a collection without a row goes by its own name.
CREATE TABLE collection_labels (
    collection_id BIGINT PRIMARY KEY REFERENCES collections (id),
    name          TEXT   NOT NULL,
    description   TEXT   NOT NULL,
    metadata      TEXT   NOT NULL
);
