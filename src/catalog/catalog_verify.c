/* catalog_verify.c - counting again, and the dump that a rebuild is compared by. */
#include "poison.h"

#include "catalog_private.h"
#include "text.h"

/* INVALID if the statement finds something; its words go to `why`. */
static enum status find_wrong(struct database *db, int sql, char why[256])
{
	enum status st = database_step(db, sql);
	if (st == ST_OK) {
		database_copy_text(db, sql, 0, why, 256);
		st = ST_INVALID;
	} else if (st == ST_NOT_FOUND) {
		st = ST_OK;
	}
	database_reset(db, sql);
	return st;
}

enum status catalog_verify(struct catalog *c, char why[256])
{
	static const int counts[] = { SQL_WRONG_USES, SQL_WRONG_SEGMENT, SQL_MISSING_SEGMENT, SQL_WRONG_TALLY,
		SQL_MISSING_TALLY, SQL_LOST_JOB };
	struct database *db = NULL;
	why[0] = '\0';
	enum status st = catalog_reader_acquire(c, false, &db);
	if (st != ST_OK)
		return st;
	st = database_check(db, false, why);
	/* SQLite keeps definitions as they were written.  Once a version migrates, its steps count too. */
	database_bind_text(db, SQL_WRONG_SCHEMA, 1, catalog_schema_sql);
	if (st == ST_OK)
		st = find_wrong(db, SQL_WRONG_SCHEMA, why);
	database_reset(db, SQL_WRONG_SCHEMA);
	for (size_t i = 0; st == ST_OK && i < sizeof counts / sizeof *counts; i++)
		st = find_wrong(db, counts[i], why);
	if (st == ST_OK)
		why[0] = '\0';
	catalog_reader_release(c, db);
	return st;
}

static void put_value(struct database *db, int sql, int column, struct buf *out)
{
	switch (database_type(db, sql, column)) {
	case DATABASE_NULL: buf_put_byte(out, '-'); break;
	case DATABASE_INTEGER: buf_printf(out, "%lld", (long long)database_i64(db, sql, column)); break;
	case DATABASE_REAL: buf_printf(out, "%.17g", database_real(db, sql, column)); break;
	case DATABASE_BYTES: text_put_hex(out, database_bytes(db, sql, column)); break;
	case DATABASE_TEXT:
		buf_put_byte(out, '"');
		buf_put_json(out, database_bytes(db, sql, column));
		buf_put_byte(out, '"');
		break;
	}
}

static enum status dump_rows(struct database *db, int sql, struct buf *out)
{
	enum status st;
	int columns = database_column_count(db, sql);
	while ((st = database_step(db, sql)) == ST_OK && buf_ok(out)) {
		for (int i = 0; i < columns; i++) {
			if (i > 0)
				buf_put_byte(out, ' ');
			put_value(db, sql, i, out);
		}
		buf_put_byte(out, '\n');
	}
	database_reset(db, sql);
	if (st == ST_OK)
		return buf_status(out);
	return st == ST_NOT_FOUND ? buf_status(out) : st;
}

enum status catalog_dump(struct catalog *c, struct buf *out)
{
	static const int dumps[] = { SQL_DUMP_COLLECTION, SQL_DUMP_BLOB, SQL_DUMP_IMAGE, SQL_DUMP_RENDITION,
		SQL_DUMP_SEGMENT, SQL_DUMP_TALLY };
	struct database *db = NULL;
	enum status st = catalog_reader_acquire(c, false, &db);
	if (st != ST_OK)
		return st;
	for (size_t i = 0; st == ST_OK && i < sizeof dumps / sizeof *dumps; i++)
		st = dump_rows(db, dumps[i], out);
	catalog_reader_release(c, db);
	return st;
}
