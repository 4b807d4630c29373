/* reference_catalog.c - the catalog of the reference: one table in SQLite, as a small one would be. */
#include "reference.h"

#include <sqlite3.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char schema[] =
	"CREATE TABLE object (id INTEGER PRIMARY KEY, digest BLOB NOT NULL, received INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, source INTEGER NOT NULL, tenant INTEGER NOT NULL,"
	" device INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, bytes INTEGER NOT NULL,"
	" width INTEGER NOT NULL, height INTEGER NOT NULL, segment INTEGER NOT NULL,"
	" offset INTEGER NOT NULL, length INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX object_digest ON object (digest);"
	"CREATE INDEX object_expires ON object (expires);"
	"CREATE INDEX object_device ON object (device, received);"
	"CREATE INDEX object_source ON object (source, received);";

static const char insert[] =
	"INSERT OR IGNORE INTO object (digest, received, expires, source, tenant, device, name, type, bytes,"
	" width, height, segment, offset, length)"
	" VALUES (?1, ?2, ?2 + 604800000, ?3 % 8, ?3 % 3, ?3, ?4, 'image/jpeg', ?5,"
	" 4000, 3000, ?6, ?7, (?5 + 4095) / 4096 * 4096)";

static sqlite3 *db;
static sqlite3_stmt *statement;

static void run(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		end("%s: %s", sql, sqlite3_errmsg(db));
}

void catalog_open(const char *directory, bool is_full)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[512];
	for (size_t i = sizeof ends / sizeof *ends; i-- > 0;) {
		(void)snprintf(path, sizeof path, "%s/catalog.db%s", directory, ends[i]);
		(void)unlink(path);
	}
	int how = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	if (sqlite3_open_v2(path, &db, how, NULL) != SQLITE_OK)
		end("%s: %s", path, sqlite3_errmsg(db));
	run("PRAGMA journal_mode=WAL");
	run("PRAGMA cache_size=-65536");
	run("PRAGMA wal_autocheckpoint=8000");
	run(is_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
	run(schema);
	if (sqlite3_prepare_v3(db, insert, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
		end("%s: %s", insert, sqlite3_errmsg(db));
}

static void add(const struct row *r)
{
	struct timespec t;
	char name[32];
	clock_gettime(CLOCK_REALTIME, &t);
	int len = snprintf(name, sizeof name, "img_%u_%llu.jpg", r->segment, (unsigned long long)r->offset);
	(void)sqlite3_bind_blob(statement, 1, r->digest, DIGEST_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 2, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	(void)sqlite3_bind_int(statement, 3, r->client);
	(void)sqlite3_bind_text(statement, 4, name, len, SQLITE_STATIC);
	(void)sqlite3_bind_int64(statement, 5, (int64_t)r->bytes);
	(void)sqlite3_bind_int64(statement, 6, r->segment);
	(void)sqlite3_bind_int64(statement, 7, (int64_t)r->offset);
	if (sqlite3_step(statement) != SQLITE_DONE)
		end("a row: %s", sqlite3_errmsg(db));
	(void)sqlite3_reset(statement);
}

void catalog_add(const struct row *rows, size_t count)
{
	run("BEGIN IMMEDIATE");
	for (size_t i = 0; i < count; i++)
		add(&rows[i]);
	run("COMMIT");
}
