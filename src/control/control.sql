-- control.sql - data/control.db, whole: what the segments cannot rebuild.
--
-- Nobody but the control module reads it; analysts never see it.  Secrets are here as keyed
-- hashes, keys wrapped under the root key.  synchronous=FULL: what was said to be done is done.
-- Times are INTEGER ms since 1970 UTC, trusted time, and end in _at.

PRAGMA user_version = 1;

-- What is fixed when the data directory is made, and marks that move (the clock's high water, how long
-- receipts are kept).  Written by app, retention and purge; dies with the directory.
CREATE TABLE setting (
	name    TEXT PRIMARY KEY,
	number  INTEGER,
	bytes   BLOB
) STRICT, WITHOUT ROWID;

-- A collection: its promise, and its key wrapped under the root key.  Made and changed by administrators;
-- a removed one takes nothing new and dies with its last image.  Numbers are never used again: they are in
-- image ids. Without a key it was being made when the process ended; the next start removes it.
CREATE TABLE collection (
	number        INTEGER PRIMARY KEY AUTOINCREMENT,
	name          TEXT NOT NULL UNIQUE,
	retention_ms  INTEGER NOT NULL CHECK (retention_ms > 0),
	formats       INTEGER NOT NULL,           -- a bit for each format it takes
	created_at    INTEGER NOT NULL,
	wrapped_key   BLOB CHECK (wrapped_key IS NULL OR length(wrapped_key) = 60),
	is_removed    INTEGER NOT NULL DEFAULT 0 CHECK (is_removed IN (0, 1))
) STRICT;

-- An API key: who it stands for and what for.  The secret itself is nowhere; its keyed hash is.  Made and
-- revoked by administrators; never deleted, so that a prefix in an old log still says whose it was.
CREATE TABLE api_key (
	prefix        TEXT PRIMARY KEY CHECK (length(prefix) = 12),
	principal     TEXT NOT NULL,
	role          TEXT NOT NULL,
	secret_hash   BLOB NOT NULL CHECK (length(secret_hash) = 32),
	created_at    INTEGER NOT NULL,
	expires_at    INTEGER,                    -- NULL: never
	revoked_at    INTEGER,
	last_used_at  INTEGER,                    -- to about a minute
	is_for_all    INTEGER NOT NULL CHECK (is_for_all IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Which collections a key reaches that is not for all.  Written with the key; a row dies with its collection.
CREATE TABLE key_collection (
	prefix      TEXT NOT NULL REFERENCES api_key (prefix),
	collection  INTEGER NOT NULL REFERENCES collection (number) ON DELETE CASCADE,
	PRIMARY KEY (prefix, collection)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_collection_back ON key_collection (collection);

-- What was destroyed, as signed: a chain in which each body names the one before.  Written by purge, one
-- row for each epoch and each early erase; dies when it is older than receipts are kept, the last one
-- never.
CREATE TABLE receipt (
	number     INTEGER PRIMARY KEY CHECK (number > 0),
	kind       INTEGER NOT NULL CHECK (kind IN (1, 2)),      -- 1 epoch, 2 early erase
	epoch      INTEGER NOT NULL,
	body       BLOB NOT NULL,
	signature  BLOB NOT NULL,
	made_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX receipt_epoch ON receipt (epoch) WHERE kind = 1;

CREATE TRIGGER receipt_unchanged BEFORE UPDATE ON receipt BEGIN
	SELECT raise(ABORT, 'receipts are not changed');
END;

-- Only what lies before the mark 'receipts_kept_from' may go.
CREATE TRIGGER receipt_kept BEFORE DELETE ON receipt
	WHEN old.made_at >= coalesce((SELECT number FROM setting WHERE name = 'receipts_kept_from'), 0)
	  OR old.number = (SELECT max(number) FROM receipt) BEGIN
	SELECT raise(ABORT, 'receipts are kept');
END;
