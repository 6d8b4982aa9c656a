-- language is that of a version's text (ISO 639); empty until its terms are counted.
ALTER TABLE versions ADD COLUMN language TEXT NOT NULL DEFAULT '';

-- terms says, packed, in how many of a version's chunks each of its terms stands. What versions that are live have here is
-- what the two tables below sum up; versions that were published before they were there have nothing, until a
-- reconciliation counts them.
CREATE TABLE version_terms (
    document_id BIGINT  NOT NULL REFERENCES documents (id),
    version     INTEGER NOT NULL,
    language    TEXT    NOT NULL,
    chunks      INTEGER NOT NULL,
    terms       BLOB    NOT NULL,
    PRIMARY KEY (document_id, version)
);

CREATE TABLE term_frequencies (
    collection_id BIGINT  NOT NULL,
    term          BIGINT  NOT NULL,
    chunks        INTEGER NOT NULL,
    PRIMARY KEY (collection_id, term)
);

CREATE TABLE collection_languages (
    collection_id BIGINT  NOT NULL,
    language      TEXT    NOT NULL,
    chunks        INTEGER NOT NULL,
    PRIMARY KEY (collection_id, language)
);

-- mode says which searches find candidates where a request does not; empty leaves it to the program.
ALTER TABLE collections ADD COLUMN mode TEXT NOT NULL DEFAULT '';
