/* guard.c - the authorizer, the limits and the views of an analyst's connection. */
#include "poison.h"

#include "guard.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "query_sql.h"
#include "random.h"
#include "text.h"

enum { EXISTING_MAX = 65536 };

/* Functions by name: what analysts use, nothing that reaches files, settings or the schema. */
static const char *const functions[] = { "abs", "avg", "ceil", "ceiling", "char", "coalesce", "concat",
	"concat_ws", "count", "cume_dist", "date", "datetime", "dense_rank", "exp", "first_value", "floor",
	"format", "glob", "group_concat", "hex", "ifnull", "iif", "instr", "json", "json_array",
	"json_array_length", "json_extract", "json_group_array", "json_group_object", "json_object",
	"json_quote", "json_type", "json_valid", "julianday", "lag", "last_value", "lead", "length", "like",
	"ln", "log", "log10", "log2", "lower", "ltrim", "max", "min", "mod", "nth_value", "ntile", "nullif",
	"octet_length", "percent_rank", "pow", "power", "printf", "quote", "rank", "replace", "round",
	"row_number", "rtrim", "sign", "sqrt", "strftime", "string_agg", "substr", "substring", "sum", "time",
	"timediff", "total", "trim", "trunc", "typeof", "unicode", "unixepoch", "upper", "darkroom_now",
	"darkroom_time", "darkroom_id", NULL };

static bool is_allowed_function(const char *name)
{
	for (size_t i = 0; functions[i]; i++)
		if (sqlite3_stricmp(name, functions[i]) == 0)
			return true;
	return false;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* True if `name` is a table of the catalog or of a module, as against a name that the statement itself
 * defined. */
static bool is_existing(const struct guard *g, const char *name)
{
	struct span rest = buf_span(&g->existing);
	if (has_prefix(name, "sqlite_") || has_prefix(name, "pragma_"))
		return true;
	while (rest.len > 0) {
		size_t end = span_find(rest, '\n');
		if (span_equal_nocase(span_slice(rest, 0, end), name))
			return true;
		rest = span_slice(rest, end + 1, rest.len);
	}
	return false;
}

/* May `column` of `table` be read, seen from inside `inner` (a view or common table expression, or NULL)?
 * An empty column without a database is how SQLite tells of a source none of whose columns is used, such as
 * `SELECT count(*) FROM x`: right for what the statement itself named x, wrong for a table. */
static bool is_readable(
	const struct guard *g, const char *database, const char *table, const char *column, const char *inner)
{
	if (has_prefix(inner, g->prefix))
		return true;
	if (!database)
		return column[0] == '\0' && !is_existing(g, table);
	if (strcmp(database, "temp") != 0)
		return false;
	return has_prefix(table, "v1_") || has_prefix(table, g->prefix);
}

static int authorize(void *context, int action, const char *first, const char *second, const char *database,
	const char *inner)
{
	struct guard *g = context;
	bool is_allowed = false;
	if (action == SQLITE_SELECT || action == SQLITE_RECURSIVE)
		is_allowed = true;
	else if (action == SQLITE_FUNCTION)
		is_allowed = is_allowed_function(second);
	else if (action == SQLITE_READ)
		is_allowed = is_readable(g, database, first, second, inner);
	if (!is_allowed)
		g->is_denied = true;
	return is_allowed ? SQLITE_OK : SQLITE_DENY;
}

static enum status run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : ST_IO;
}

/* From "CREATE VIEW name AS body": makes the inner view with that body and the outer one over it. */
static enum status make_view(const struct guard *g, sqlite3 *db, const char *name, const char *create)
{
	const char *as = strstr(create, " AS");
	if (!as)
		return ST_CORRUPT;
	struct buf sql;
	buf_init(&sql, MIB(1));
	buf_printf(&sql, QUERY_MAKE_VIEWS, g->prefix, name, as + 3, name, g->prefix, name);
	enum status st = buf_ok(&sql) ? run(db, buf_text(&sql)) : ST_TOO_BIG;
	buf_fini(&sql);
	return st;
}

static enum status make_views(const struct guard *g, sqlite3 *db)
{
	sqlite3_stmt *views = NULL;
	enum status st =
		sqlite3_prepare_v2(db, QUERY_LIST_VIEWS, -1, &views, NULL) == SQLITE_OK ? ST_OK : ST_IO;
	int rc = SQLITE_DONE;
	while (st == ST_OK && (rc = sqlite3_step(views)) == SQLITE_ROW)
		st = make_view(g, db, (const char *)sqlite3_column_text(views, 0),
			(const char *)sqlite3_column_text(views, 1));
	if (st == ST_OK && rc != SQLITE_DONE)
		st = ST_IO;
	(void)sqlite3_finalize(views);
	return st;
}

static enum status list_existing(struct guard *g, sqlite3 *db)
{
	sqlite3_stmt *names = NULL;
	int rc = SQLITE_DONE;
	enum status st =
		sqlite3_prepare_v2(db, QUERY_LIST_EXISTING, -1, &names, NULL) == SQLITE_OK ? ST_OK : ST_IO;
	while (st == ST_OK && (rc = sqlite3_step(names)) == SQLITE_ROW)
		buf_printf(&g->existing, "%s\n", (const char *)sqlite3_column_text(names, 0));
	if (st == ST_OK && rc != SQLITE_DONE)
		st = ST_IO;
	(void)sqlite3_finalize(names);
	return st == ST_OK ? buf_status(&g->existing) : st;
}

static void set_limits(sqlite3 *db)
{
	static const struct {
		int id, value;
	} limits[] = {
		{ SQLITE_LIMIT_LENGTH, 1000000 },
		{ SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX },
		{ SQLITE_LIMIT_COLUMN, 100 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 30 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 8 },
		{ SQLITE_LIMIT_VDBE_OP, 25000 },
		{ SQLITE_LIMIT_FUNCTION_ARG, 16 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50 },
		{ SQLITE_LIMIT_VARIABLE_NUMBER, 100 },
		{ SQLITE_LIMIT_WORKER_THREADS, 0 },
	};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		(void)sqlite3_limit(db, limits[i].id, limits[i].value);
}

static enum status close_down(struct guard *g, sqlite3 *db)
{
	static const int off[] = { SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_TRIGGER,
		SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_DQS_DDL };
	for (size_t i = 0; i < sizeof off / sizeof *off; i++)
		if (sqlite3_db_config(db, off[i], 0, NULL) != SQLITE_OK)
			return ST_IO;
	if (sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK)
		return ST_IO;
	if (run(db, QUERY_CLOSE_DOWN) != ST_OK)
		return ST_IO;
	set_limits(db);
	return sqlite3_set_authorizer(db, authorize, g) == SQLITE_OK ? ST_OK : ST_IO;
}

enum status guard_install(struct guard *g, sqlite3 *db)
{
	uint8_t random[16];
	struct buf prefix;
	*g = (struct guard){ .is_denied = false };
	buf_init(&g->existing, EXISTING_MAX);
	enum status st = random_bytes(random, sizeof random);
	if (st != ST_OK)
		return st;
	buf_init(&prefix, GUARD_PREFIX_TEXT + 1);
	buf_put_text(&prefix, "p_");
	text_put_hex(&prefix, span_make(random, sizeof random));
	st = span_to_text(buf_span(&prefix), g->prefix, sizeof g->prefix);
	buf_fini(&prefix);
	if (st == ST_OK)
		st = list_existing(g, db);
	if (st == ST_OK)
		st = make_views(g, db);
	return st == ST_OK ? close_down(g, db) : st;
}

void guard_fini(struct guard *g)
{
	buf_fini(&g->existing);
}
