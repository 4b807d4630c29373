/* query.c - one statement of an analyst, from its text to its rows. */
#include "poison.h"

#include "query.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "catalog_functions.h"
#include "clock.h"
#include "guard.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "memory_account.h"
#include "metrics.h"
#include "must.h"
#include "query_private.h"

enum { PROGRESS_STEPS = 1000 };

struct query {
	struct query_options options;
	char *path;
	struct lock running;
	uint32_t running_count; /* guarded by running */
};

struct query_cursor {
	struct query *query;
	sqlite3 *db;
	sqlite3_stmt *statement;
	struct guard guard;
	int64_t deadline_ms, memory, rows;
	atomic_bool is_cancelled;
	bool is_timed_out, has_pending_row, is_at_end;
};

enum status query_new(const struct query_options *options, struct query **out)
{
	struct query *q = memory_alloc(sizeof *q);
	size_t len = strlen(options->catalog_path) + 1;
	if (!q || !(q->path = memory_alloc(len))) {
		memory_free(q);
		return ST_FULL;
	}
	memcpy(q->path, options->catalog_path, len);
	q->options = *options;
	q->options.catalog_path = q->path;
	lock_init(&q->running, "query.running");
	*out = q;
	return ST_OK;
}

void query_free(struct query *q)
{
	if (!q)
		return;
	must(q->running_count == 0);
	lock_fini(&q->running);
	memory_free(q->path);
	memory_free(q);
}

static bool take_place(struct query *q)
{
	lock_acquire(&q->running);
	bool has_place = q->running_count < q->options.concurrent_max;
	if (has_place)
		q->running_count++;
	lock_release(&q->running);
	return has_place;
}

static void give_place(struct query *q)
{
	lock_acquire(&q->running);
	q->running_count--;
	lock_release(&q->running);
}

static int watch(void *context)
{
	struct query_cursor *c = context;
	if (clock_monotonic_ms() > c->deadline_ms)
		c->is_timed_out = true;
	return c->is_timed_out || atomic_load(&c->is_cancelled);
}

static void enter(struct query_cursor *c)
{
	memory_account_begin(&c->memory, (int64_t)SQL_MEMORY_MAX);
}

/* Says in words why SQLite stopped, and which status that is. */
static enum status refuse(struct query_cursor *c, int rc, struct buf *why)
{
	const struct query_options *o = &c->query->options;
	metrics_add(METRIC_SQL_REFUSED, 1);
	if (c->is_timed_out) {
		buf_printf(why,
			"the query ran longer than %lld ms and was cut: narrow it with WHERE or LIMIT",
			(long long)o->ms_max);
		return ST_TIMEOUT;
	}
	if (atomic_load(&c->is_cancelled)) {
		buf_put_text(why, "the query was cancelled");
		return ST_STOPPED;
	}
	if (c->guard.is_denied) {
		buf_put_text(why,
			"the query names something that is not published: only the v1_ views and plain "
			"functions "
			"can be used (GET /v1/sql/schema lists them)");
		return ST_DENIED;
	}
	if (rc == SQLITE_NOMEM) {
		buf_printf(why, "the query needed more than %llu MiB of memory: narrow it",
			(unsigned long long)(SQL_MEMORY_MAX >> 20));
		return ST_TOO_BIG;
	}
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
		buf_put_text(why, "the catalog is busy: try again");
		return ST_BUSY;
	}
	if (rc == SQLITE_TOOBIG) {
		buf_put_text(why, "a value of the query is longer than 1 MB");
		return ST_TOO_BIG;
	}
	if (rc == SQLITE_IOERR || rc == SQLITE_CORRUPT || rc == SQLITE_CANTOPEN) {
		log_event(LOG_ERROR, "query.catalog.unreadable",
			LOG_I64("code", sqlite3_extended_errcode(c->db)));
		buf_put_text(why, "the catalog could not be read");
		return ST_IO;
	}
	buf_put_text(why, sqlite3_errmsg(c->db));
	return ST_INVALID;
}

enum status query_connect(struct query *q, sqlite3 **db)
{
	if (sqlite3_open_v2(q->path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return ST_IO;
	(void)sqlite3_busy_timeout(*db, 100);
	return catalog_register_functions(*db, q->options.clock);
}

static enum status open_connection(struct query_cursor *c)
{
	enum status st = query_connect(c->query, &c->db);
	if (st == ST_OK)
		st = guard_install(&c->guard, c->db);
	sqlite3_progress_handler(c->db, PROGRESS_STEPS, watch, c);
	return st;
}

/* True if nothing but blanks, comments and semicolons is left. */
static bool is_blank(const char *text, const char *end)
{
	while (text < end) {
		if (text[0] == '-' && end - text > 1 && text[1] == '-') {
			while (text < end && *text != '\n')
				text++;
		} else if (text[0] == '/' && end - text > 1 && text[1] == '*') {
			const char *close = memmem(text + 2, (size_t)(end - text - 2), "*/", 2);
			text = close ? close + 2 : end;
		} else if (strchr(" \t\r\n\f;", *text) && *text) {
			text++;
		} else {
			return false;
		}
	}
	return true;
}

static enum status prepare(struct query_cursor *c, struct span sql, struct buf *why)
{
	const char *text = (const char *)sql.data, *tail = text;
	if (sql.len == 0 || sql.len > SQL_BYTES_MAX || memchr(text, 0, sql.len)) {
		buf_printf(why, "a query is 1 to %d bytes of text", SQL_BYTES_MAX);
		return ST_INVALID;
	}
	int rc = sqlite3_prepare_v3(c->db, text, (int)sql.len, 0, &c->statement, &tail);
	if (rc != SQLITE_OK)
		return refuse(c, rc, why);
	if (!c->statement) {
		buf_put_text(why, "there is no statement");
		return ST_INVALID;
	}
	if (!sqlite3_stmt_readonly(c->statement) || sqlite3_stmt_isexplain(c->statement) ||
		sqlite3_column_count(c->statement) == 0) {
		buf_put_text(why, "only a SELECT can be run here");
		return ST_INVALID;
	}
	if (!is_blank(tail, text + sql.len)) {
		buf_put_text(why, "one statement at a time: something follows the first");
		return ST_INVALID;
	}
	return ST_OK;
}

static int bind_one(sqlite3_stmt *statement, int index, const struct query_value *v)
{
	switch (v->type) {
	case QUERY_INTEGER: return sqlite3_bind_int64(statement, index, v->integer);
	case QUERY_REAL: return sqlite3_bind_double(statement, index, v->real);
	case QUERY_TEXT:
		return sqlite3_bind_text64(statement, index, (const char *)v->bytes.data, v->bytes.len,
			SQLITE_TRANSIENT, SQLITE_UTF8);
	case QUERY_BLOB:
		return sqlite3_bind_blob64(statement, index, v->bytes.data, v->bytes.len, SQLITE_TRANSIENT);
	case QUERY_NULL: break;
	}
	return sqlite3_bind_null(statement, index);
}

static enum status bind_all(
	struct query_cursor *c, const struct query_value *parameters, size_t count, struct buf *why)
{
	if ((size_t)sqlite3_bind_parameter_count(c->statement) != count) {
		buf_printf(why, "the statement has %d parameters, %zu were given",
			sqlite3_bind_parameter_count(c->statement), count);
		return ST_INVALID;
	}
	for (size_t i = 0; i < count; i++) {
		int rc = bind_one(c->statement, (int)i + 1, &parameters[i]);
		if (rc != SQLITE_OK)
			return refuse(c, rc, why);
	}
	return ST_OK;
}

/* Columns that are expressions have no declared type: the first row says, so it is stepped to at once. */
static enum status step(struct query_cursor *c, struct buf *why)
{
	enter(c);
	int rc = sqlite3_step(c->statement);
	memory_account_end();
	if (rc == SQLITE_DONE) {
		c->is_at_end = true;
		return ST_NOT_FOUND;
	}
	if (rc != SQLITE_ROW)
		return refuse(c, rc, why);
	if (++c->rows > c->query->options.rows_max) {
		buf_printf(why, "the answer has more than %lld rows: add a LIMIT",
			(long long)c->query->options.rows_max);
		metrics_add(METRIC_SQL_REFUSED, 1);
		return ST_TOO_BIG;
	}
	return ST_OK;
}

static enum status open_statement(struct query_cursor *c, struct span sql,
	const struct query_value *parameters, size_t count, struct buf *why)
{
	enter(c);
	enum status st = open_connection(c);
	if (st != ST_OK)
		buf_put_text(why, "the catalog could not be opened");
	if (st == ST_OK)
		st = prepare(c, sql, why);
	if (st == ST_OK)
		st = bind_all(c, parameters, count, why);
	memory_account_end();
	if (st != ST_OK)
		return st;
	st = step(c, why);
	c->has_pending_row = st == ST_OK;
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status query_open(struct query *q, struct span sql, const struct query_value *parameters,
	size_t parameter_count, struct query_cursor **out, struct buf *why)
{
	if (!take_place(q)) {
		metrics_add(METRIC_SQL_REFUSED, 1);
		buf_printf(why, "%u queries are running already: try again", q->options.concurrent_max);
		return ST_FULL;
	}
	struct query_cursor *c = memory_alloc(sizeof *c);
	if (!c) {
		give_place(q);
		return ST_FULL;
	}
	c->query = q;
	c->deadline_ms = clock_monotonic_ms() + q->options.ms_max;
	enum status st = open_statement(c, sql, parameters, parameter_count, why);
	if (st != ST_OK) {
		query_close(c);
		return st;
	}
	metrics_add(METRIC_SQL_QUERIES, 1);
	*out = c;
	return ST_OK;
}

size_t query_column_count(const struct query_cursor *c)
{
	return (size_t)sqlite3_column_count(c->statement);
}

static enum query_type type_of_declared(const char *declared)
{
	if (sqlite3_strglob("*INT*", declared) == 0)
		return QUERY_INTEGER;
	if (sqlite3_strglob("*REAL*", declared) == 0)
		return QUERY_REAL;
	return sqlite3_strglob("*BLOB*", declared) == 0 ? QUERY_BLOB : QUERY_TEXT;
}

static enum query_type type_of_value(int type)
{
	switch (type) {
	case SQLITE_INTEGER: return QUERY_INTEGER;
	case SQLITE_FLOAT: return QUERY_REAL;
	case SQLITE_BLOB: return QUERY_BLOB;
	case SQLITE_NULL: return QUERY_NULL;
	default: return QUERY_TEXT;
	}
}

struct query_column query_column(const struct query_cursor *c, size_t index)
{
	const char *declared = sqlite3_column_decltype(c->statement, (int)index);
	struct query_column column = { .name = sqlite3_column_name(c->statement, (int)index),
		.declared = QUERY_TEXT };
	if (!column.name)
		column.name = "";
	if (declared)
		column.declared = type_of_declared(declared);
	else if (c->has_pending_row)
		column.declared = type_of_value(sqlite3_column_type(c->statement, (int)index));
	return column;
}

enum status query_next(struct query_cursor *c, struct buf *why)
{
	if (c->has_pending_row) {
		c->has_pending_row = false;
		return ST_OK;
	}
	return c->is_at_end ? ST_NOT_FOUND : step(c, why);
}

struct query_value query_value(const struct query_cursor *c, size_t index)
{
	int i = (int)index;
	struct query_value v = { .type = type_of_value(sqlite3_column_type(c->statement, i)) };
	if (v.type == QUERY_INTEGER)
		v.integer = sqlite3_column_int64(c->statement, i);
	else if (v.type == QUERY_REAL)
		v.real = sqlite3_column_double(c->statement, i);
	else if (v.type == QUERY_TEXT)
		v.bytes = span_make(
			sqlite3_column_text(c->statement, i), (size_t)sqlite3_column_bytes(c->statement, i));
	else if (v.type == QUERY_BLOB)
		v.bytes = span_make(
			sqlite3_column_blob(c->statement, i), (size_t)sqlite3_column_bytes(c->statement, i));
	return v;
}

void query_cancel(struct query_cursor *c)
{
	atomic_store(&c->is_cancelled, true);
}

void query_close(struct query_cursor *c)
{
	if (!c)
		return;
	(void)sqlite3_finalize(c->statement);
	must(sqlite3_close(c->db) == SQLITE_OK);
	guard_fini(&c->guard);
	give_place(c->query);
	memory_free(c);
}
