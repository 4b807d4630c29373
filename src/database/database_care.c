/* database_care.c - versions, checks and checkpoints. */
#include "poison.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "database_private.h"
#include "fault.h"
#include "log.h"
#include "must.h"

enum { BUSY_MS = 5000 };

/* The first column of the first row as a number and as text; NOT_FOUND without a row. */
static enum status ask(struct database *db, const char *text, int64_t *number, char *words, size_t size)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db->handle, text, -1, &statement, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	enum status st = database_status(db, rc, text);
	if (st == ST_OK && number)
		*number = sqlite3_column_int64(statement, 0);
	if (st == ST_OK && words) {
		const char *said = (const char *)sqlite3_column_text(statement, 0);
		(void)snprintf(words, size, "%s", said ? said : "");
	}
	(void)sqlite3_finalize(statement);
	return st;
}

static enum status lift(struct database *db, const struct database_schema *schema)
{
	int64_t version = 0;
	enum status st = ask(db, database_sql_VERSION, &version, NULL, 0);
	if (st != ST_OK)
		return st;
	if (version > schema->version || version < 0) {
		log_event(LOG_ERROR, "database.schema.unknown", LOG_I64("version", version),
			LOG_I64("known", schema->version));
		return ST_UNSUPPORTED;
	}
	if (version == 0)
		return database_run(db, schema->schema);
	for (; st == ST_OK && version < schema->version; version++)
		st = database_run(db, schema->steps[version - 1]);
	return st;
}

enum status database_migrate(struct database *db, const struct database_schema *schema)
{
	int64_t version = 0;
	enum status st = database_begin(db);
	if (st != ST_OK)
		return st;
	st = database_end(db, lift(db, schema));
	if (st == ST_OK)
		st = ask(db, database_sql_VERSION, &version, NULL, 0);
	must(st != ST_OK || version == schema->version);
	return st;
}

enum status database_check(struct database *db, bool is_quick, char why[256])
{
	const char *check = is_quick ? database_sql_QUICK_CHECK : database_sql_INTEGRITY_CHECK;
	enum status st = ask(db, check, NULL, why, 256);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_CORRUPT : st;
	if (strcmp(why, "ok") != 0)
		return ST_INVALID;
	if (is_quick)
		return ST_OK;
	char table[64];
	st = ask(db, database_sql_FOREIGN_KEY_CHECK, NULL, table, sizeof table);
	if (st != ST_OK)
		return st == ST_NOT_FOUND ? ST_OK : st;
	(void)snprintf(why, 256, "a row of table %s refers to a row that is not there", table);
	return ST_INVALID;
}

enum status database_checkpoint(struct database *db, int wait_ms)
{
	int in_log = -1, copied = -1;
	(void)sqlite3_busy_timeout(db->handle, wait_ms);
	int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, &in_log, &copied);
	(void)sqlite3_busy_timeout(db->handle, BUSY_MS);
	if ((rc & 0xff) == SQLITE_BUSY)
		return ST_BUSY; /* a reader's right; the caller comes again */
	if (rc != SQLITE_OK)
		return database_status(db, rc, "checkpoint");
	/* After a TRUNCATE that did its work the log is empty; anything else means pages are still in it. */
	return in_log == 0 && copied == 0 ? ST_OK : ST_BUSY;
}

#ifdef DARKROOM_FAULTS
/* The function that SQLite would have called, by the same three or four arguments. */
static ssize_t (*true_write)(int, const void *, size_t);
static ssize_t (*true_pwrite)(int, const void *, size_t, off_t);

static ssize_t faulty_write(int fd, const void *data, size_t len)
{
	return fault_hit(FAULT_WRITE) ? -1 : true_write(fd, data, len);
}

static ssize_t faulty_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return fault_hit(FAULT_WRITE) ? -1 : true_pwrite(fd, data, len, offset);
}

static void install_faults(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	must(vfs && vfs->xSetSystemCall);
	true_write = write;
	true_pwrite = pwrite;
	(void)vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)(void *)faulty_write);
	/* Present only where SQLite was built to use them; off_t has 64 bits here. */
	(void)vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)(void *)faulty_pwrite);
	(void)vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)(void *)faulty_pwrite);
}

void database_install_faults(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, install_faults);
}
#else
void database_install_faults(void)
{
}
#endif
