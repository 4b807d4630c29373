/* query.h - bounded read-only SQL over the published views for one principal.
 *
 * Free of HTTP: a query has typed columns that are known before the first row,
 * a cursor, and a cancel.  Guards, each because another let something through:
 * own read-only connection, authorizer allow-list (published views only, their
 * base tables only through a view, functions by name), the statement must be
 * read-only, not EXPLAIN, with an empty tail; limits on length, depth, columns,
 * steps; wall time by a progress handler; memory counted per query; rows and
 * bytes; how many run at once.
 *
 * Threads: any; a query_cursor belongs to one thread, query_cancel() to any.
 */
#ifndef DARKROOM_QUERY_H
#define DARKROOM_QUERY_H

#include "buf.h"
#include "limits.h"
#include "span.h"
#include "status.h"

struct query;        /* opaque */
struct query_cursor; /* opaque */
struct clock;

/* Before any SQLite connection is opened in this process: counts SQLite's memory per thread. */
enum status query_init_memory(void) MUST_CHECK;

struct query_options {
	const char *catalog_path;
	struct clock *clock;
	int64_t ms_max;
	int64_t rows_max;
	uint32_t concurrent_max;
};
enum status query_new(const struct query_options *options, struct query **out) MUST_CHECK;
void query_free(struct query *q);

enum query_type { QUERY_TEXT, QUERY_INTEGER, QUERY_REAL, QUERY_BLOB, QUERY_NULL };
struct query_column {
	const char *name;
	enum query_type declared;
};
struct query_value {
	enum query_type type;
	int64_t integer;
	double real;
	struct span bytes;
};

/* A parameter of the statement: text, integer, real or NULL. */
/* INVALID: not one read-only SELECT over published views, `why` says what and what to do; DENIED: names
 * something unpublished; FULL: too many queries run. */
enum status query_open(struct query *q, struct span sql, const struct query_value *parameters,
	size_t parameter_count, struct query_cursor **out, struct buf *why) MUST_CHECK;
size_t query_column_count(const struct query_cursor *c);
struct query_column query_column(const struct query_cursor *c, size_t index);
/* OK: a row is there.  NOT_FOUND: the end.  TIMEOUT, TOO_BIG (rows, memory), INVALID: cut, `why` says so. */
enum status query_next(struct query_cursor *c, struct buf *why) MUST_CHECK;
struct query_value query_value(const struct query_cursor *c, size_t index); /* lent until the next call */
void query_cancel(struct query_cursor *c);
void query_close(struct query_cursor *c); /* NULL is fine */

/* The published views with their columns, as JSON, from the schema itself. */
enum status query_schema(struct query *q, struct buf *out) MUST_CHECK;

#endif
