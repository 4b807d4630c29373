-- schema.sql - the catalog, data/catalog.db, whole.
--
-- The catalog is an index over the segments.  Every table marked REBUILT is made
-- anew by `darkroom rebuild`, row for row, from the two stores; only `collection`
-- comes from control.db.  The applier (src/commit) is the one that adds images and
-- results, in log order; workers move jobs; purge forgets.
--
-- Times are INTEGER ms since 1970 UTC, trusted time, and end in _at.  Stores: 1
-- originals, 2 processed.  A place is segment, offset and length in one store.
-- Nothing here is personal: file names, EXIF text, GPS and uploaders are sealed
-- under each image's key in the segments; people appear as keyed pseudonyms.
-- Wrapped keys are never here: a row holds their place.
--
-- Counts (blob.uses, segment.rows, tally, daily): the applier, which alone adds rows, sums what a
-- transaction adds and writes it once (src/catalog/catalog_counts.h); what changes or leaves is counted by
-- the triggers at the end, so that no other statement can forget it.  `darkroom verify` counts again.
--
-- Analysts see the v1_ views and nothing else.

PRAGMA user_version = 1;

-- Up to where each store's log was applied; written in the same transaction as
-- the rows, so that a start replays exactly the rest.  One row per store, from its first batch on.
CREATE TABLE applied (
	store      INTEGER PRIMARY KEY CHECK (store IN (1, 2)),
	segment    INTEGER NOT NULL,
	offset     INTEGER NOT NULL,
	sequence   INTEGER NOT NULL
) STRICT;

-- REBUILT, from control.db.  A collection: who made it, why, and its key live in
-- control.db; here is what analysts and joins need.  Written before the first image that
-- names it; dies after its last image, once it was removed.
CREATE TABLE collection (
	number        INTEGER PRIMARY KEY,
	name          TEXT NOT NULL UNIQUE,
	retention_ms  INTEGER NOT NULL CHECK (retention_ms > 0),
	created_at    INTEGER NOT NULL
) STRICT;

-- REBUILT.  The bytes of one content in one collection, or of one rendition.  Written by the applier with its
-- BLOB record; `uses` counts the images and renditions that refer to it.  Dies when nothing refers to it
-- and nobody holds a pin.  `address` is the keyed HMAC of the bytes, NULL for renditions; it is sealed in the
-- images only, so a rebuild does not know it of a blob that none refers to any more.
CREATE TABLE blob (
	number      INTEGER PRIMARY KEY,
	blob_id     BLOB NOT NULL UNIQUE CHECK (length(blob_id) = 16),
	store       INTEGER NOT NULL CHECK (store IN (1, 2)),
	collection  INTEGER NOT NULL,
	address     BLOB CHECK (address IS NULL OR length(address) = 32),
	bytes       INTEGER NOT NULL,          -- of the plaintext
	segment     INTEGER NOT NULL,
	offset      INTEGER NOT NULL,
	length      INTEGER NOT NULL,          -- of the ciphertext
	uses        INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0)
) STRICT;
CREATE INDEX blob_address ON blob (substr(address, 1, 6)) WHERE address IS NOT NULL;   -- narrow: random keys
CREATE INDEX blob_unused ON blob (number) WHERE uses = 0;

-- REBUILT.  One upload: what its submitter was promised and where its sealed part lies.
-- Written by the applier with its IMAGE record; described and made ready (or failed) by the first RESULT;
-- dies when its epoch key is destroyed or it is erased.  The applier counts the numbers: in one run none is
-- used again, for a worker may still hold the number of an image that went.
CREATE TABLE image (
	number       INTEGER PRIMARY KEY,
	id           BLOB NOT NULL UNIQUE CHECK (length(id) = 25),
	collection   INTEGER NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('received', 'ready', 'failed')),
	format       TEXT NOT NULL,
	bytes        INTEGER NOT NULL,
	width        INTEGER NOT NULL,          -- upright once described, as stored before
	height       INTEGER NOT NULL,
	received_at  INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	epoch        INTEGER NOT NULL,          -- of the key that seals it: expires_at / 30 s, rounded up
	source       TEXT NOT NULL CHECK (source IN ('http', 'kafka')),
	uploader     BLOB CHECK (uploader IS NULL OR length(uploader) = 16),      -- keyed pseudonym
	idempotency  BLOB CHECK (idempotency IS NULL OR length(idempotency) = 16),
	blob         INTEGER NOT NULL REFERENCES blob (number),
	segment      INTEGER NOT NULL,          -- place of the IMAGE record, in store 1
	offset       INTEGER NOT NULL,
	length       INTEGER NOT NULL,
	ready_at     INTEGER,                   -- when a RESULT was committed, good or bad
	reason       TEXT,                      -- why it failed, in words, never user text
	camera       TEXT,
	lens         TEXT,
	exposure_s   REAL,
	aperture     REAL,
	focal_mm     REAL,
	iso          INTEGER,
	taken_at     INTEGER,
	has_gps      INTEGER CHECK (has_gps IN (0, 1)),
	colour       TEXT,                      -- dominant, '#rrggbb'
	brightness   REAL,                      -- 0 to 1
	sharpness    REAL,                      -- 0 to 1
	blurhash     TEXT,
	result_segment INTEGER,                 -- place of the RESULT record, in store 2
	result_offset  INTEGER,
	result_length  INTEGER
) STRICT;
CREATE INDEX image_epoch ON image (collection, epoch);
CREATE INDEX image_received ON image (received_at, number);
CREATE INDEX image_collection ON image (collection, received_at, number);
CREATE INDEX image_idempotency ON image (idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX image_blob ON image (blob);

-- REBUILT.  What a RESULT made of an image, one row per rendition.  Dies with its image.
CREATE TABLE rendition (
	image   INTEGER NOT NULL REFERENCES image (number) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	format  TEXT NOT NULL,
	width   INTEGER NOT NULL,
	height  INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	blob    INTEGER NOT NULL REFERENCES blob (number),
	PRIMARY KEY (image, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX rendition_blob ON rendition (blob);

-- Equal in effect after a rebuild: an image without a RESULT is queued again.  Work to be done on an image.
-- Written with its image, claimed by a worker under a lease, dies with the RESULT
-- or with its image; a dead one, which is not tried again, stays visible until then.
CREATE TABLE job (
	image        INTEGER PRIMARY KEY REFERENCES image (number) ON DELETE CASCADE,
	collection   INTEGER NOT NULL,
	state        TEXT NOT NULL CHECK (state IN ('queued', 'running', 'dead')),
	attempts     INTEGER NOT NULL DEFAULT 0,
	next_at      INTEGER NOT NULL,          -- not to be claimed before: its turn, or the lease's end
	reason       TEXT                       -- of the last attempt that failed
) STRICT;
CREATE INDEX job_next ON job (next_at, image) WHERE state <> 'dead';

-- REBUILT.  Rows alive per segment (images, blobs, results), so that retention knows when a file holds
-- nothing any more.  Written with every row that names a segment and with every batch applied; removed
-- with the file.
CREATE TABLE segment (
	store   INTEGER NOT NULL CHECK (store IN (1, 2)),
	number  INTEGER NOT NULL,
	rows    INTEGER NOT NULL DEFAULT 0 CHECK (rows >= 0),
	PRIMARY KEY (store, number)
) STRICT, WITHOUT ROWID;

-- Equal in effect after a rebuild.  Bodies that nothing refers to any more and whose blocks were not given
-- back yet.  Written when a blob row dies, removed once its run was punched or its segment dropped.
CREATE TABLE dead_body (
	store    INTEGER NOT NULL,
	segment  INTEGER NOT NULL,
	offset   INTEGER NOT NULL,
	length   INTEGER NOT NULL,
	PRIMARY KEY (store, segment, offset)
) STRICT, WITHOUT ROWID;

-- REBUILT.  Live counts per collection, so that no page of counts walks the images.  A row appears with the
-- collection's first blob and dies with the collection.
CREATE TABLE tally (
	collection   INTEGER PRIMARY KEY,
	images       INTEGER NOT NULL DEFAULT 0 CHECK (images >= 0),
	ready        INTEGER NOT NULL DEFAULT 0,
	failed       INTEGER NOT NULL DEFAULT 0,
	bytes        INTEGER NOT NULL DEFAULT 0,       -- as uploaded, duplicates counted again
	blob_bytes   INTEGER NOT NULL DEFAULT 0,       -- as kept in both stores
	jobs_queued  INTEGER NOT NULL DEFAULT 0,       -- and running
	jobs_dead    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- REBUILT in part: the days that are still in the segments.  Counts per day and collection that hold no ids
-- and outlive the images; v1_daily suppresses groups under 10.  Written with each image and RESULT, never
-- counted down.  Those of a collection that dies are added to those of '(removed)': its name goes with it.
CREATE TABLE daily (
	day         INTEGER NOT NULL,           -- ms of its midnight UTC
	collection  TEXT NOT NULL,
	format      TEXT NOT NULL,
	images      INTEGER NOT NULL DEFAULT 0,
	bytes       INTEGER NOT NULL DEFAULT 0,
	ready       INTEGER NOT NULL DEFAULT 0,
	failed      INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (day, collection, format)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------------------
-- Counts.

CREATE TRIGGER blob_removed AFTER DELETE ON blob BEGIN
	UPDATE segment SET rows = rows - 1 WHERE store = old.store AND number = old.segment;
	UPDATE tally SET blob_bytes = blob_bytes - old.bytes WHERE collection = old.collection;
	INSERT INTO dead_body (store, segment, offset, length)
	    VALUES (old.store, old.segment, old.offset, old.length)
	    ON CONFLICT (store, segment, offset) DO NOTHING;
END;

CREATE TRIGGER image_finished AFTER UPDATE OF state ON image BEGIN
	INSERT INTO segment (store, number, rows) VALUES (2, new.result_segment, 1)
	    ON CONFLICT (store, number) DO UPDATE SET rows = rows + 1;
	UPDATE tally SET ready = ready + (new.state = 'ready'), failed = failed + (new.state = 'failed')
	 WHERE collection = new.collection;
	UPDATE daily SET ready = ready + (new.state = 'ready'), failed = failed + (new.state = 'failed')
	 WHERE day = new.received_at - new.received_at % 86400000 AND format = new.format
	   AND collection = (SELECT c.name FROM collection AS c WHERE c.number = new.collection);
END;

CREATE TRIGGER image_removed AFTER DELETE ON image BEGIN
	UPDATE blob SET uses = uses - 1 WHERE number = old.blob;
	UPDATE segment SET rows = rows - 1 WHERE store = 1 AND number = old.segment;
	UPDATE segment SET rows = rows - 1 WHERE store = 2 AND number = old.result_segment;
	UPDATE tally SET images = images - 1, bytes = bytes - old.bytes,
	                 ready = ready - (old.state = 'ready'), failed = failed - (old.state = 'failed')
	 WHERE collection = old.collection;
END;

CREATE TRIGGER rendition_removed AFTER DELETE ON rendition BEGIN
	UPDATE blob SET uses = uses - 1 WHERE number = old.blob;
END;

CREATE TRIGGER job_moved AFTER UPDATE OF state ON job WHEN (old.state = 'dead') <> (new.state = 'dead') BEGIN
	UPDATE tally SET jobs_queued = jobs_queued - (old.state <> 'dead') + (new.state <> 'dead'),
	                 jobs_dead = jobs_dead - (old.state = 'dead') + (new.state = 'dead')
	 WHERE collection = new.collection;
END;

CREATE TRIGGER job_removed AFTER DELETE ON job BEGIN
	UPDATE tally SET jobs_queued = jobs_queued - (old.state <> 'dead'),
	                 jobs_dead = jobs_dead - (old.state = 'dead')
	 WHERE collection = old.collection;
END;

-- ---------------------------------------------------------------------------
-- Published views, the analysts' contract, version 1.  Every column is a plain
-- column or a CAST, so that it has a type and an affinity.  darkroom_now() is
-- trusted time: an expired image has no row here, whether its rows left or not.
-- Times are RFC 3339 text in UTC, so that tools sort and parse them.  Every view
-- reads a column that is no rowid of each table it joins (c.name <> '', always
-- true): SQLite asks the authorizer of a table none of whose columns is used as if
-- the analyst had named it, and that is refused (src/query/guard.h).

CREATE VIEW v1_images AS
SELECT CAST(darkroom_id(i.id) AS TEXT)            AS id,
       c.name                                     AS collection,
       i.state                                    AS state,
       i.format                                   AS format,
       i.bytes                                    AS bytes,
       i.width                                    AS width,
       i.height                                   AS height,
       CAST(darkroom_time(i.received_at) AS TEXT) AS received_at,
       CAST(darkroom_time(i.expires_at) AS TEXT)  AS expires_at,
       CAST(darkroom_time(i.ready_at) AS TEXT)    AS ready_at,
       i.source                                   AS source,
       CAST(nullif(lower(hex(i.uploader)), '') AS TEXT) AS uploader_pseudonym,
       i.reason                                   AS failure_reason,
       i.camera                                   AS camera,
       i.lens                                     AS lens,
       i.exposure_s                               AS exposure_s,
       i.aperture                                 AS aperture,
       i.focal_mm                                 AS focal_mm,
       i.iso                                      AS iso,
       CAST(darkroom_time(i.taken_at) AS TEXT)    AS taken_at,
       i.has_gps                                  AS has_gps,
       i.colour                                   AS dominant_colour,
       i.brightness                               AS brightness,
       i.sharpness                                AS sharpness,
       i.blurhash                                 AS blurhash
  FROM image AS i JOIN collection AS c ON c.number = i.collection AND c.name <> ''
 WHERE i.expires_at > darkroom_now();

CREATE VIEW v1_results AS
SELECT CAST(darkroom_id(i.id) AS TEXT)         AS image_id,
       c.name                                  AS collection,
       i.state                                 AS state,
       i.reason                                AS failure_reason,
       CAST(darkroom_time(i.ready_at) AS TEXT) AS finished_at,
       CAST(i.ready_at - i.received_at AS INTEGER) AS latency_ms
  FROM image AS i JOIN collection AS c ON c.number = i.collection AND c.name <> ''
 WHERE i.ready_at IS NOT NULL AND i.expires_at > darkroom_now();

CREATE VIEW v1_renditions AS
SELECT CAST(darkroom_id(i.id) AS TEXT) AS image_id,
       c.name   AS collection,
       r.name   AS name,
       r.format AS format,
       r.width  AS width,
       r.height AS height,
       r.bytes  AS bytes
  FROM rendition AS r
  JOIN image AS i ON i.number = r.image
  JOIN collection AS c ON c.number = i.collection AND c.name <> ''
 WHERE i.expires_at > darkroom_now();

CREATE VIEW v1_collections AS
SELECT c.name                                     AS name,
       CAST(c.retention_ms / 1000 AS INTEGER)     AS retention_s,
       CAST(darkroom_time(c.created_at) AS TEXT)  AS created_at
  FROM collection AS c
 WHERE c.name <> '';

CREATE VIEW v1_daily AS
SELECT CAST(substr(darkroom_time(d.day), 1, 10) AS TEXT) AS day,
       d.collection AS collection,
       d.format     AS format,
       d.images     AS images,
       d.bytes      AS bytes,
       d.ready      AS ready,
       d.failed     AS failed
  FROM daily AS d
 WHERE d.images >= 10;
