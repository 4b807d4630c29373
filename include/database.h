/* database.h - one SQLite connection, hardened, with every statement prepared.
 *
 * The modules that keep rows (catalog, control) list their statements in a
 * sql.def of their own and speak to SQLite through these calls only.  A
 * statement that does not compile fails the open.  Values are bound by number
 * and lent until database_reset(); a bind that fails is remembered and said by
 * the next step.  Failures are logged here, once, with the statement's name.
 *
 * Every connection: defensive, secure_delete on, trusted schema off, no
 * extensions, cell_size_check, foreign keys on, WAL, temporary tables in
 * memory, a busy timeout.
 *
 * Threads: a connection belongs to one thread at a time.
 */
#ifndef DARKROOM_DATABASE_H
#define DARKROOM_DATABASE_H

#include "span.h"
#include "status.h"

struct database; /* opaque: one connection */
struct sqlite3;

enum database_kind {
	DATABASE_WRITER,      /* makes the file (mode 0600); synchronous=NORMAL */
	DATABASE_WRITER_FULL, /* the same with synchronous=FULL */
	DATABASE_READER       /* query_only; the file must be there */
};
/* CORRUPT: not a database, or damaged.  NOT_FOUND: a reader without a file. */
enum status database_open(const char *path, enum database_kind kind, struct database **out) MUST_CHECK;
void database_close(struct database *db);

/* For what is registered on a connection, such as functions; lent. */
struct sqlite3 *database_handle(struct database *db);

/* Runs a constant script, each statement to its end. */
enum status database_run(struct database *db, const char *script) MUST_CHECK;

/* Brings the schema up to `version`, in one transaction: an empty file gets `schema` whole, one of version
 * n gets steps[n - 1] and on, each of which leads to the next version.  UNSUPPORTED: a newer program wrote
 * it. */
struct database_schema {
	int version;
	const char *schema;
	const char *const *steps;
};
enum status database_migrate(struct database *db, const struct database_schema *schema) MUST_CHECK;

struct database_statement {
	const char *name, *text;
};
/* Prepares all of a constant table; from then on a statement is known by its index. */
enum status database_prepare(
	struct database *db, const struct database_statement *table, size_t count) MUST_CHECK;

/* NO_SPACE, IO, CORRUPT, FULL (memory), BUSY as they are met. */
enum status database_begin(struct database *db) MUST_CHECK; /* IMMEDIATE */
/* Commits if `st` is OK, else (or if that fails) rolls back; gives `st` or what the commit said. */
enum status database_end(struct database *db, enum status st) MUST_CHECK;

/* Parameters, from 1.  Lent bytes stay untouched until the reset; a NULL text is NULL. */
void database_bind_i64(struct database *db, int sql, int index, int64_t value);
void database_bind_real(struct database *db, int sql, int index, double value);
void database_bind_text(struct database *db, int sql, int index, const char *text);
void database_bind_bytes(struct database *db, int sql, int index, const void *data, size_t len);
void database_bind_null(struct database *db, int sql, int index);

/* OK: a row is there.  NOT_FOUND: the end.  INVALID: a constraint refused it.  TIMEOUT: past the deadline. */
enum status database_step(struct database *db, int sql) MUST_CHECK;
void database_reset(struct database *db, int sql);
/* Steps to the end, resets, and gives how many rows the statement itself changed (NULL: not asked). */
enum status database_do(struct database *db, int sql, int64_t *changed) MUST_CHECK;
/* The rowid of the last row inserted. */
int64_t database_last_number(struct database *db);

/* Columns of the present row, from 0. */
int database_column_count(struct database *db, int sql);
enum database_type { DATABASE_NULL, DATABASE_INTEGER, DATABASE_REAL, DATABASE_TEXT, DATABASE_BYTES };
enum database_type database_type(struct database *db, int sql, int column);
bool database_is_null(struct database *db, int sql, int column);
int64_t database_i64(struct database *db, int sql, int column);
double database_real(struct database *db, int sql, int column);
struct span database_bytes(struct database *db, int sql, int column); /* text too; lent until the next step */
/* Text cut to `size` - 1 bytes, "" for NULL. */
void database_copy_text(struct database *db, int sql, int column, char *out, size_t size);
/* Bytes that must be exactly `len`; false (and zeros) otherwise. */
bool database_copy_bytes(struct database *db, int sql, int column, void *out, size_t len);

/* Statements of this connection end with TIMEOUT once clock_monotonic_ms() passes this; 0: never. */
void database_set_deadline(struct database *db, int64_t deadline_ms);

/* wal_checkpoint(TRUNCATE), verified; waits for readers at most wait_ms.  BUSY: one held it back. */
enum status database_checkpoint(struct database *db, int wait_ms) MUST_CHECK;

/* True if a transaction or an unfinished statement is open; for must()s. */
bool database_is_busy(struct database *db);

/* quick_check, or integrity_check and foreign_key_check; INVALID with the first finding in `why`. */
enum status database_check(struct database *db, bool is_quick, char why[256]) MUST_CHECK;

#endif
