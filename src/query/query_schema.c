/* query_schema.c - the published views and their columns, read from the catalog itself. */
#include "poison.h"

#include "query.h"

#include <sqlite3.h>

#include "json.h"
#include "query_private.h"
#include "query_sql.h"

static void put_column(struct json_writer *w, sqlite3_stmt *columns)
{
	json_begin_object(w, NULL);
	json_put_text(w, "name", span_of((const char *)sqlite3_column_text(columns, 0)));
	json_put_text(w, "type", span_of((const char *)sqlite3_column_text(columns, 1)));
	json_end_object(w);
}

static enum status put_view(struct json_writer *w, sqlite3_stmt *columns, const char *name)
{
	json_begin_object(w, NULL);
	json_put_text(w, "name", span_of(name));
	json_begin_array(w, "columns");
	int rc = sqlite3_bind_text(columns, 1, name, -1, SQLITE_TRANSIENT);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(columns);
		if (rc == SQLITE_ROW)
			put_column(w, columns);
	}
	(void)sqlite3_reset(columns);
	json_end_array(w);
	json_end_object(w);
	return rc == SQLITE_DONE ? ST_OK : ST_IO;
}

static enum status put_views(sqlite3 *db, struct buf *out)
{
	sqlite3_stmt *views = NULL, *columns = NULL;
	struct json_writer w = json_writer_of(out);
	enum status st = ST_IO;
	int rc = SQLITE_DONE;
	if (sqlite3_prepare_v2(db, QUERY_LIST_VIEWS, -1, &views, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, QUERY_VIEW_COLUMNS, -1, &columns, NULL) != SQLITE_OK)
		goto out;
	json_begin_object(&w, NULL);
	json_begin_array(&w, "views");
	st = ST_OK;
	while (st == ST_OK && (rc = sqlite3_step(views)) == SQLITE_ROW)
		st = put_view(&w, columns, (const char *)sqlite3_column_text(views, 0));
	json_end_array(&w);
	json_end_object(&w);
	if (st == ST_OK && rc != SQLITE_DONE)
		st = ST_IO;
out:
	(void)sqlite3_finalize(views);
	(void)sqlite3_finalize(columns);
	return st;
}

enum status query_schema(struct query *q, struct buf *out)
{
	sqlite3 *db = NULL;
	enum status st = query_connect(q, &db);
	if (st == ST_OK)
		st = put_views(db, out);
	(void)sqlite3_close(db);
	return st == ST_OK ? buf_status(out) : st;
}
