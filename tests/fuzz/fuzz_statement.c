/* fuzz_statement.c - an analyst's SQL: whatever runs to its end shows nothing but the published views,
 * changes nothing, and ends in time. */
#include "query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "log.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1790000000000)

static struct clock *clock_of_all;
static struct catalog *catalog;
static struct query *query;
static char directory[64];

static void end(void)
{
	static const char *const names[] = { "catalog.db", "catalog.db-wal", "catalog.db-shm" };
	char path[128];
	query_free(query);
	catalog_close(catalog);
	clock_free(clock_of_all);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

/* Made once: the views are made again for each query anyway. */
static void begin(void)
{
	char path[128];
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	must(query_init_memory() == ST_OK && digest_init() == ST_OK);
	(void)snprintf(directory, sizeof directory, "/tmp/fuzz-statement-XXXXXX");
	must(mkdtemp(directory));
	(void)atexit(end);
	(void)snprintf(path, sizeof path, "%s/catalog.db", directory);
	clock_of_all = clock_new_manual(NOW);
	struct catalog_options options = { .path = path, .clock = clock_of_all, .readers_max = 4 };
	must(catalog_open(&options, &catalog) == ST_OK);
	must(catalog_put_collection(catalog, 1, "photos", 3600000, NOW) == ST_OK);
	struct query_options limits = { .catalog_path = path,
		.clock = clock_of_all,
		.ms_max = 200,
		.rows_max = 1000,
		.concurrent_max = 1 };
	must(query_new(&limits, &query) == ST_OK);
}

/* No view tells how tables are made; sqlite_master and its like would. */
static void check_value(struct query_value v)
{
	must(v.type != QUERY_TEXT || v.bytes.len == 0 ||
		!memmem(v.bytes.data, v.bytes.len, "CREATE TABLE image", strlen("CREATE TABLE image")));
}

static void run(struct span sql)
{
	struct query_cursor *cursor = NULL;
	struct buf why;
	uint64_t rows = 0;
	buf_init(&why, 4096);
	enum status st = query_open(query, sql, NULL, 0, &cursor, &why);
	while (st == ST_OK && (st = query_next(cursor, &why)) == ST_OK) {
		must(++rows <= 1000);
		for (size_t i = 0; i < query_column_count(cursor); i++)
			check_value(query_value(cursor, i));
	}
	must(st == ST_NOT_FOUND || buf_span(&why).len > 0);
	query_close(cursor);
	buf_fini(&why);
}

/* Whatever was tried, the view is still there and tells the same. */
static void check_unchanged(void)
{
	struct query_cursor *cursor = NULL;
	struct buf why;
	buf_init(&why, 4096);
	must(query_open(query, SPAN_LIT("SELECT name FROM v1_collections"), NULL, 0, &cursor, &why) == ST_OK);
	must(query_next(cursor, &why) == ST_OK && span_equal_text(query_value(cursor, 0).bytes, "photos"));
	must(query_next(cursor, &why) == ST_NOT_FOUND);
	query_close(cursor);
	buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t began;
	if (!query)
		begin();
	if (size > 4096)
		return 0;
	began = clock_monotonic_ms();
	run(span_make(data, size));
	/* Not 200: a loaded machine may stop us for a while. */
	must(clock_monotonic_ms() - began < 8000);
	check_unchanged();
	return 0;
}
