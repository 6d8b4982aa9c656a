-- text_blob is the key of the version's normalised text in the store of originals; empty until it is cut, and for versions
-- that were cut before texts were kept.
ALTER TABLE versions ADD COLUMN text_blob TEXT NOT NULL DEFAULT '';
CREATE INDEX versions_text_blob ON versions (text_blob) WHERE text_blob <> '';

-- parse_crashes counts the crashes, of those in crashes, that came while the document was parsed.
ALTER TABLE jobs ADD COLUMN parse_crashes INTEGER NOT NULL DEFAULT 0;
