-- How documents are cut. Before, all were cut by structure, and nothing was merged.
ALTER TABLE collections ADD COLUMN strategy TEXT NOT NULL DEFAULT 'structure';
ALTER TABLE collections ADD COLUMN min_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN parent_tokens INTEGER NOT NULL DEFAULT 0;

-- The chunking of a version, as JSON; empty where the client cut it. An upload with another one is not unchanged.
ALTER TABLE versions ADD COLUMN chunking TEXT NOT NULL DEFAULT '';
UPDATE versions SET chunking = (SELECT '{"strategy":"structure","max_tokens":' || c.max_tokens || ',"overlap":' || c.overlap
        || ',"min_tokens":0,"parent_tokens":0}' FROM documents d JOIN collections c ON c.id = d.collection_id WHERE d.id = versions.document_id)
    WHERE media_type <> 'application/vnd.redkite.chunks+json';

-- header is the first row of the table that a chunk goes on with. parent is the ordinal of the first chunk that has the
-- same parent, -1 where a chunk has none; that first chunk keeps the parent's text.
ALTER TABLE chunks ADD COLUMN header TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN parent INTEGER NOT NULL DEFAULT -1;
ALTER TABLE chunks ADD COLUMN parent_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN parent_end INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN parent_header TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN parent_text TEXT NOT NULL DEFAULT '';
