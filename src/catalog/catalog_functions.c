/* catalog_functions.c - what the published views call. */
#include "poison.h"

#include "catalog_functions.h"

#include <sqlite3.h>

#include "buf.h"
#include "catalog.h"
#include "clock.h"
#include "text.h"

static void now(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	(void)values;
	sqlite3_result_int64(context, clock_now_ms(sqlite3_user_data(context)));
}

static void time_text(sqlite3_context *context, int count, sqlite3_value **values)
{
	char text[TEXT_TIME_MAX];
	(void)count;
	if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
		sqlite3_result_null(context);
		return;
	}
	text_time(sqlite3_value_int64(values[0]), text);
	sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* NULL for what is no id: an analyst may call it on anything. */
static void id_text(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct buf text;
	(void)count;
	if (sqlite3_value_type(values[0]) != SQLITE_BLOB || sqlite3_value_bytes(values[0]) != CATALOG_ID) {
		sqlite3_result_null(context);
		return;
	}
	buf_init(&text, 2 * CATALOG_ID);
	text_put_base32(&text, span_make(sqlite3_value_blob(values[0]), CATALOG_ID));
	if (buf_ok(&text))
		sqlite3_result_text64(
			context, (const char *)text.data, text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
	else
		sqlite3_result_error_nomem(context);
	buf_fini(&text);
}

enum status catalog_register_functions(struct sqlite3 *db, struct clock *clock)
{
	int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
	int rc = sqlite3_create_function_v2(db, "darkroom_now", 0, flags, clock, now, NULL, NULL, NULL);
	flags |= SQLITE_DETERMINISTIC;
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(
			db, "darkroom_time", 1, flags, NULL, time_text, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function_v2(db, "darkroom_id", 1, flags, NULL, id_text, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ST_OK : ST_FULL;
}
