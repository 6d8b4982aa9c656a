-- What a collection says of its retrieval, as JSON; a member that it does not say has its default. Empty for nothing.
ALTER TABLE collections ADD COLUMN retrieval TEXT NOT NULL DEFAULT '';
