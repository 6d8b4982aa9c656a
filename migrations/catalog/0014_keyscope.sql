-- scope says what a key may do: read or write. Keys made before there were scopes may write.
ALTER TABLE api_keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'write';
