/* database_rows.c - binding, stepping, reading; transactions. */
#include "poison.h"

#include <string.h>

#include "database_private.h"
#include "must.h"

sqlite3_stmt *database_at(struct database *db, int sql)
{
	must(sql >= 0);
	must((size_t)sql < db->statement_count);
	return db->statements[sql];
}

/* Keeps the first failure.  SQLITE_MISUSE would be a statement still stepping, SQLITE_RANGE a wrong index:
 * our bugs. */
static void note(struct database *db, int rc)
{
	must(rc != SQLITE_MISUSE);
	must(rc != SQLITE_RANGE);
	if (db->bind_failure == SQLITE_OK)
		db->bind_failure = rc;
}

void database_bind_i64(struct database *db, int sql, int index, int64_t value)
{
	note(db, sqlite3_bind_int64(database_at(db, sql), index, value));
}

void database_bind_real(struct database *db, int sql, int index, double value)
{
	note(db, sqlite3_bind_double(database_at(db, sql), index, value));
}

void database_bind_text(struct database *db, int sql, int index, const char *text)
{
	note(db, sqlite3_bind_text(database_at(db, sql), index, text, -1, SQLITE_STATIC));
}

void database_bind_bytes(struct database *db, int sql, int index, const void *data, size_t len)
{
	note(db, sqlite3_bind_blob64(database_at(db, sql), index, len > 0 ? data : "", len, SQLITE_STATIC));
}

void database_bind_null(struct database *db, int sql, int index)
{
	note(db, sqlite3_bind_null(database_at(db, sql), index));
}

enum status database_step(struct database *db, int sql)
{
	int rc = db->bind_failure;
	db->bind_failure = SQLITE_OK;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(database_at(db, sql));
	must(rc != SQLITE_MISUSE);
	return database_status(db, rc, db->table[sql].name);
}

void database_reset(struct database *db, int sql)
{
	sqlite3_stmt *statement = database_at(db, sql);
	(void)sqlite3_reset(statement); /* repeats what the step said */
	(void)sqlite3_clear_bindings(statement);
	db->bind_failure = SQLITE_OK;
}

enum status database_do(struct database *db, int sql, int64_t *changed)
{
	enum status st = database_step(db, sql);
	must(st != ST_OK); /* a statement that gives rows is stepped */
	if (st == ST_NOT_FOUND) {
		st = ST_OK;
		if (changed)
			*changed = sqlite3_changes64(db->handle);
	}
	database_reset(db, sql);
	return st;
}

int64_t database_last_number(struct database *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int database_column_count(struct database *db, int sql)
{
	return sqlite3_column_count(database_at(db, sql));
}

enum database_type database_type(struct database *db, int sql, int column)
{
	switch (sqlite3_column_type(database_at(db, sql), column)) {
	case SQLITE_INTEGER: return DATABASE_INTEGER;
	case SQLITE_FLOAT: return DATABASE_REAL;
	case SQLITE_TEXT: return DATABASE_TEXT;
	case SQLITE_BLOB: return DATABASE_BYTES;
	default: return DATABASE_NULL;
	}
}

bool database_is_null(struct database *db, int sql, int column)
{
	return sqlite3_column_type(database_at(db, sql), column) == SQLITE_NULL;
}

int64_t database_i64(struct database *db, int sql, int column)
{
	return sqlite3_column_int64(database_at(db, sql), column);
}

double database_real(struct database *db, int sql, int column)
{
	return sqlite3_column_double(database_at(db, sql), column);
}

struct span database_bytes(struct database *db, int sql, int column)
{
	sqlite3_stmt *statement = database_at(db, sql);
	const void *data = sqlite3_column_blob(statement, column);
	int len = sqlite3_column_bytes(statement, column);
	return data ? span_make(data, (size_t)len) : span_make(NULL, 0);
}

void database_copy_text(struct database *db, int sql, int column, char *out, size_t size)
{
	struct span text = span_slice(database_bytes(db, sql, column), 0, size - 1);
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
}

bool database_copy_bytes(struct database *db, int sql, int column, void *out, size_t len)
{
	struct span bytes = database_bytes(db, sql, column);
	memset(out, 0, len);
	if (bytes.len != len)
		return false;
	memcpy(out, bytes.data, len);
	return true;
}

static enum status run_once(struct database *db, sqlite3_stmt *statement, const char *what)
{
	int rc = sqlite3_step(statement);
	(void)sqlite3_reset(statement);
	enum status st = database_status(db, rc, what);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status database_begin(struct database *db)
{
	return run_once(db, db->begin, "BEGIN");
}

enum status database_end(struct database *db, enum status st)
{
	if (st == ST_OK)
		st = run_once(db, db->commit, "COMMIT");
	/* After a full disk SQLite may have rolled back on its own. */
	if (st != ST_OK && sqlite3_get_autocommit(db->handle) == 0) {
		enum status rolled_back = run_once(db, db->rollback, "ROLLBACK");
		must(sqlite3_get_autocommit(db->handle) != 0);
		(void)rolled_back;
	}
	return st;
}

bool database_is_busy(struct database *db)
{
	return sqlite3_get_autocommit(db->handle) == 0 ||
	       sqlite3_txn_state(db->handle, NULL) != SQLITE_TXN_NONE;
}
