-- Times are microseconds since 1970 in UTC. Lists and maps are JSON text. Numbers and text only, so that the same
-- statements run on PostgreSQL.

CREATE TABLE collections (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    bi_encoder TEXT    NOT NULL,
    dimension  INTEGER NOT NULL,
    fields     TEXT    NOT NULL,
    max_tokens INTEGER NOT NULL,
    overlap    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created_at BIGINT  NOT NULL,
    deleted_at BIGINT
);

CREATE UNIQUE INDEX collections_name ON collections (tenant, name) WHERE deleted_at IS NULL;

-- live_version names the one version that search may return; NULL while there is none, and from deletion on.
CREATE TABLE documents (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id BIGINT  NOT NULL REFERENCES collections (id),
    external_id   TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    live_version  INTEGER,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    deleted_at    BIGINT
);

CREATE UNIQUE INDEX documents_external_id ON documents (collection_id, external_id) WHERE deleted_at IS NULL;
CREATE INDEX documents_collection ON documents (collection_id, id);

-- state: queued, parsing, embedding, indexing, ready, ready_with_warnings, failed, or superseded by a newer version
-- before it was live. title is the client's, found_title the document's own; chunks is NULL until the version is chunked.
CREATE TABLE versions (
    document_id   BIGINT  NOT NULL REFERENCES documents (id),
    version       INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    title         TEXT    NOT NULL,
    found_title   TEXT    NOT NULL DEFAULT '',
    filename      TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    blob          TEXT    NOT NULL,
    size          BIGINT  NOT NULL,
    sha256        TEXT    NOT NULL,
    metadata      TEXT    NOT NULL,
    chunks        INTEGER,
    warnings      TEXT    NOT NULL,
    error_code    TEXT    NOT NULL DEFAULT '',
    error_message TEXT    NOT NULL DEFAULT '',
    created_at    BIGINT  NOT NULL,
    PRIMARY KEY (document_id, version)
);

-- id is Milvus's primary key and is never given again.
CREATE TABLE chunks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id BIGINT  NOT NULL REFERENCES documents (id),
    version     INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,
    text        TEXT    NOT NULL,
    headings    TEXT    NOT NULL,
    page_start  INTEGER NOT NULL,
    page_end    INTEGER NOT NULL,
    span_start  INTEGER NOT NULL,
    span_end    INTEGER NOT NULL,
    tokens      INTEGER NOT NULL,
    indexed     INTEGER NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX chunks_place ON chunks (document_id, version, ordinal);
CREATE INDEX chunks_pending ON chunks (document_id, version, ordinal) WHERE indexed = 0;

-- fence numbers the claims of a job: a write is valid while state is 'running' and fence is the writer's.
-- lease_until stays set after a running job is canceled, until its handler has stopped.
-- failures counts attempts that ended in an error, waits those that met a service that was down, crashes those that
-- nobody ended. river_id is the River job that will wake this one.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant        TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    collection_id BIGINT  NOT NULL,
    document_id   BIGINT  NOT NULL DEFAULT 0,
    version       INTEGER NOT NULL DEFAULT 0,
    state         TEXT    NOT NULL,
    stage         TEXT    NOT NULL,
    done          INTEGER NOT NULL DEFAULT 0,
    total         INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0,
    waits         INTEGER NOT NULL DEFAULT 0,
    crashes       INTEGER NOT NULL DEFAULT 0,
    error_code    TEXT    NOT NULL DEFAULT '',
    error_message TEXT    NOT NULL DEFAULT '',
    fence         BIGINT  NOT NULL DEFAULT 0,
    lease_owner   TEXT    NOT NULL DEFAULT '',
    lease_until   BIGINT,
    river_id      BIGINT  NOT NULL DEFAULT 0,
    created_at    BIGINT  NOT NULL,
    started_at    BIGINT,
    finished_at   BIGINT,
    next_run_at   BIGINT
);

CREATE INDEX jobs_open ON jobs (id) WHERE finished_at IS NULL;
CREATE INDEX jobs_leased ON jobs (collection_id, document_id) WHERE lease_until IS NOT NULL;
CREATE INDEX jobs_document ON jobs (document_id, id);
CREATE INDEX jobs_collection ON jobs (collection_id, id);
CREATE INDEX jobs_tenant ON jobs (tenant, id);

-- hash is the SHA-256 of the secret, in hex; the secret itself has 256 random bits and is kept nowhere.
CREATE TABLE api_keys (
    id           TEXT   PRIMARY KEY,
    tenant       TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    hash         TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT
);
