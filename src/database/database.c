/* database.c - opening, hardening and closing a connection. */
#include "poison.h"

#include "database_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "log.h"
#include "memory.h"
#include "must.h"

enum { BUSY_MS = 5000, PROGRESS_STEPS = 1000 };

#define SCRIPT(name, text) const char database_sql_##name[] = text;
#include "sql.def"
#undef SCRIPT

static enum status status_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW: return ST_OK;
	case SQLITE_DONE: return ST_NOT_FOUND;
	case SQLITE_FULL: return ST_NO_SPACE;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT: return ST_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return ST_BUSY;
	case SQLITE_NOMEM: return ST_FULL;
	case SQLITE_CONSTRAINT: return ST_INVALID;
	case SQLITE_INTERRUPT: return ST_TIMEOUT;
	case SQLITE_TOOBIG: return ST_TOO_BIG;
	default: return rc == SQLITE_IOERR_NOMEM ? ST_FULL : ST_IO;
	}
}

/* SQLite says "cannot open" and "disk I/O error" of a lack that passes, too: the kernel's word tells them
 * apart. */
static enum status tell_lack(struct database *db, int rc)
{
	bool is_vague = (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR;
	enum status st = is_vague && db->handle ? status_of_errno(sqlite3_system_errno(db->handle)) : ST_IO;
	return st == ST_FULL || st == ST_NO_SPACE ? st : ST_IO;
}

enum status database_status(struct database *db, int rc, const char *what)
{
	enum status st = status_of(rc);
	if (st == ST_IO)
		st = tell_lack(db, rc);
	if (st != ST_OK && st != ST_NOT_FOUND && st != ST_TIMEOUT)
		log_event(st == ST_BUSY || st == ST_INVALID ? LOG_WARN : LOG_ERROR,
			"database.statement.failed", LOG_TEXT("what", what), LOG_STATUS("status", st),
			LOG_I64("code", rc),
			LOG_TEXT("message", db->handle ? sqlite3_errmsg(db->handle) : "no connection"));
	return st;
}

static int is_past_deadline(void *context)
{
	const struct database *db = context;
	return db->deadline_ms != 0 && clock_monotonic_ms() > db->deadline_ms;
}

void database_set_deadline(struct database *db, int64_t deadline_ms)
{
	db->deadline_ms = deadline_ms;
	sqlite3_progress_handler(db->handle, deadline_ms != 0 ? PROGRESS_STEPS : 0, is_past_deadline, db);
}

/* SQLite would make the file readable to whom the umask lets; its -wal and -shm take the file's own mode. */
static enum status make_file(const char *path)
{
	int fd = -1;
	enum status st = file_open(AT_FDCWD, path, FILE_WRITE | FILE_CREATE_OR_OPEN, &fd);
	file_close(&fd);
	return st;
}

static enum status open_handle(struct database *db, const char *path, enum database_kind kind)
{
	/* A reader too needs to write the -shm file; query_only keeps its statements from writing. */
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
	/* Only a file that is not there: without a free descriptor it is there all the same, and clients are
	 * told "destroyed" for "not found". */
	bool is_missing = (rc & 0xff) == SQLITE_CANTOPEN && db->handle &&
		sqlite3_system_errno(db->handle) == ENOENT;
	if (kind == DATABASE_READER && is_missing)
		return ST_NOT_FOUND;
	return database_status(db, rc, "open");
}

static enum status harden(struct database *db)
{
	static const struct {
		int option, value;
	} settings[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 1 },
		{ SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	int rc = sqlite3_extended_result_codes(db->handle, 1);
	for (size_t i = 0; rc == SQLITE_OK && i < sizeof settings / sizeof *settings; i++) {
		int is_set = -1;
		rc = sqlite3_db_config(db->handle, settings[i].option, settings[i].value, &is_set);
		must(rc != SQLITE_OK || is_set == settings[i].value);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(db->handle, BUSY_MS);
	(void)sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	return database_status(db, rc, "harden");
}

enum status database_run(struct database *db, const char *script)
{
	return database_status(db, sqlite3_exec(db->handle, script, NULL, NULL, NULL), "script");
}

static enum status prepare(struct database *db, const char *name, const char *text, sqlite3_stmt **out)
{
	const char *tail = NULL;
	int rc = sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT, out, &tail);
	must(rc != SQLITE_OK || (*out && *tail == '\0'));
	return database_status(db, rc, name);
}

static enum status set_up(struct database *db, enum database_kind kind)
{
	static const char *const scripts[] = { [DATABASE_WRITER] = database_sql_SETUP_WRITER,
		[DATABASE_WRITER_FULL] = database_sql_SETUP_WRITER_FULL,
		[DATABASE_READER] = database_sql_SETUP_READER };
	enum status st = harden(db);
	if (st == ST_OK)
		st = database_run(db, database_sql_SETUP);
	if (st == ST_OK)
		st = database_run(db, scripts[kind]);
	if (st == ST_OK)
		st = prepare(db, "BEGIN", database_sql_BEGIN, &db->begin);
	if (st == ST_OK)
		st = prepare(db, "COMMIT", database_sql_COMMIT, &db->commit);
	if (st == ST_OK)
		st = prepare(db, "ROLLBACK", database_sql_ROLLBACK, &db->rollback);
	return st;
}

enum status database_open(const char *path, enum database_kind kind, struct database **out)
{
	struct database *db = memory_alloc(sizeof *db);
	if (!db)
		return ST_FULL;
	database_install_faults();
	enum status st = kind == DATABASE_READER ? ST_OK : make_file(path);
	if (st == ST_OK)
		st = open_handle(db, path, kind);
	if (st == ST_OK)
		st = set_up(db, kind);
	if (st == ST_OK)
		*out = db;
	else
		database_close(db);
	return st;
}

void database_close(struct database *db)
{
	if (!db)
		return;
	for (size_t i = 0; db->statements && i < db->statement_count; i++)
		(void)sqlite3_finalize(db->statements[i]);
	memory_free(db->statements);
	(void)sqlite3_finalize(db->begin);
	(void)sqlite3_finalize(db->commit);
	(void)sqlite3_finalize(db->rollback);
	must(sqlite3_close(db->handle) == SQLITE_OK);
	memory_free(db);
}

struct sqlite3 *database_handle(struct database *db)
{
	return db->handle;
}

enum status database_prepare(struct database *db, const struct database_statement *table, size_t count)
{
	must(!db->statements);
	db->statements = memory_alloc_array(count, sizeof *db->statements);
	if (!db->statements)
		return ST_FULL;
	db->table = table;
	db->statement_count = count;
	for (size_t i = 0; i < count; i++) {
		enum status st = prepare(db, table[i].name, table[i].text, &db->statements[i]);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}
