/* test_query.c - one principal's SELECT: typed, bounded, and nothing but the published views. */
#include "query.h"

#include "catalog.h"
#include "clock.h"
#include "log.h"

#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#define NOW INT64_C(1790000000000)

struct fixture {
	char directory[64], path[128];
	struct clock *clock;
	struct catalog *catalog;
	struct query *query;
	struct buf why;
};

static void begin_within(struct fixture *f, int64_t rows_max, int64_t ms_max)
{
	(void)snprintf(f->directory, sizeof f->directory, "/tmp/test-query-XXXXXX");
	CHECK(mkdtemp(f->directory));
	(void)snprintf(f->path, sizeof f->path, "%s/catalog.db", f->directory);
	f->clock = clock_new_manual(NOW);
	struct catalog_options catalog = { .path = f->path, .clock = f->clock, .readers_max = 4 };
	CHECK_EQ(catalog_open(&catalog, &f->catalog), ST_OK);
	CHECK_EQ(catalog_put_collection(f->catalog, 1, "photos", 3600000, NOW), ST_OK);
	CHECK_EQ(catalog_put_collection(f->catalog, 2, "scans", 60000, NOW), ST_OK);
	struct query_options options = { .catalog_path = f->path,
		.clock = f->clock,
		.ms_max = ms_max,
		.rows_max = rows_max,
		.concurrent_max = 2 };
	CHECK_EQ(query_new(&options, &f->query), ST_OK);
	buf_init(&f->why, 4096);
}

static void begin(struct fixture *f, int64_t rows_max)
{
	begin_within(f, rows_max, 60000);
}

static void end(struct fixture *f)
{
	static const char *const names[] = { "catalog.db", "catalog.db-wal", "catalog.db-shm" };
	char path[256];
	buf_fini(&f->why);
	query_free(f->query);
	catalog_close(f->catalog);
	clock_free(f->clock);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", f->directory, names[i]);
		(void)unlink(path);
	}
	CHECK_EQ(rmdir(f->directory), 0);
}

static enum status open_text(struct fixture *f, const char *sql, struct query_cursor **out)
{
	buf_clear(&f->why);
	*out = NULL;
	return query_open(f->query, span_of(sql), NULL, 0, out, &f->why);
}

/* Opens and runs to the end; the first status that is not OK and not the end. */
static enum status run(struct fixture *f, const char *sql, int *rows)
{
	struct query_cursor *c;
	enum status st = open_text(f, sql, &c);
	*rows = 0;
	while (st == ST_OK && (st = query_next(c, &f->why)) == ST_OK)
		(*rows)++;
	query_close(c);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

TEST(columns_have_names_and_types_before_the_first_row)
{
	struct fixture f;
	struct query_cursor *c;
	begin(&f, 100);
	CHECK_EQ(open_text(&f, "SELECT name, retention_s AS kept FROM v1_collections ORDER BY name", &c),
		ST_OK);
	CHECK_EQ(query_column_count(c), 2);
	CHECK_STR(query_column(c, 1).name, "kept");
	CHECK_EQ(query_column(c, 0).declared, QUERY_TEXT);
	CHECK_EQ(query_column(c, 1).declared, QUERY_INTEGER);
	CHECK_EQ(query_next(c, &f.why), ST_OK);
	CHECK(span_equal_text(query_value(c, 0).bytes, "photos"));
	CHECK_EQ(query_value(c, 1).integer, 3600);
	CHECK_EQ(query_next(c, &f.why), ST_OK);
	CHECK_EQ(query_next(c, &f.why), ST_NOT_FOUND);
	CHECK_EQ(query_next(c, &f.why), ST_NOT_FOUND);
	query_close(c);
	end(&f);
}

TEST(parameters_of_each_type_come_back)
{
	struct fixture f;
	struct query_cursor *c = NULL;
	begin(&f, 100);
	struct query_value in[] = { { .type = QUERY_INTEGER, .integer = INT64_MIN },
		{ .type = QUERY_REAL, .real = 0.5 }, { .type = QUERY_TEXT, .bytes = SPAN_LIT("it's") },
		{ .type = QUERY_NULL }, { .type = QUERY_BLOB, .bytes = SPAN_LIT("\0\xff") } };
	CHECK_EQ(query_open(f.query, SPAN_LIT("SELECT ?, ?, ?, ?, ?"), in, 5, &c, &f.why), ST_OK);
	CHECK_EQ(query_next(c, &f.why), ST_OK);
	CHECK_EQ(query_value(c, 0).integer, INT64_MIN);
	CHECK(query_value(c, 1).real > 0.49 && query_value(c, 1).real < 0.51);
	CHECK(span_equal_text(query_value(c, 2).bytes, "it's"));
	CHECK_EQ(query_value(c, 3).type, QUERY_NULL);
	CHECK_EQ(query_value(c, 4).bytes.len, 2);
	query_close(c);
	CHECK_EQ(query_open(f.query, SPAN_LIT("SELECT ?"), in, 2, &c, &f.why), ST_INVALID);
	end(&f);
}

TEST(what_is_not_published_is_denied)
{
	static const char *const denied[] = {
		"SELECT * FROM image",
		"SELECT * FROM main.collection",
		"SELECT * FROM sqlite_schema",
		"PRAGMA user_version",
		"ATTACH ':memory:' AS x",
		"SELECT load_extension('x')",
		"SELECT * FROM pragma_table_list",
		"WITH v1_images AS (SELECT * FROM image) SELECT * FROM v1_images",
		"WITH v1_collections AS (SELECT * FROM main.collection) SELECT * FROM v1_collections",
		"SELECT * FROM (WITH p_x AS (SELECT * FROM image) SELECT * FROM p_x)",
		"SELECT randomblob(8)",
		"BEGIN",
		"CREATE TEMP TABLE t(a)",
		"DELETE FROM image",
	};
	struct fixture f;
	int rows;
	begin(&f, 100);
	for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
		enum status st = run(&f, denied[i], &rows);
		if (st != ST_DENIED && st != ST_INVALID)
			fprintf(stderr, "let through: %s\n", denied[i]);
		CHECK(st == ST_DENIED || st == ST_INVALID);
		CHECK(buf_span(&f.why).len > 0);
	}
	end(&f);
}

TEST(only_one_select_is_run)
{
	static const char *const invalid[] = { "", ";", "-- note", "SELECT 1; SELECT 2", "EXPLAIN SELECT 1",
		"VACUUM", "SELEC", "SELECT 1; x" };
	struct fixture f;
	int rows;
	begin(&f, 100);
	for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
		CHECK(run(&f, invalid[i], &rows) == ST_INVALID || run(&f, invalid[i], &rows) == ST_DENIED);
	CHECK_EQ(query_open(f.query, span_make("SELECT 1\0", 9), NULL, 0, &(struct query_cursor *){ NULL },
			 &f.why),
		ST_INVALID);
	CHECK_EQ(run(&f, "SELECT 1; -- note\n /* and */ ;", &rows), ST_OK);
	CHECK_EQ(rows, 1);
	end(&f);
}

#define NUMBERS "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT "

TEST(time_is_bounded)
{
	struct fixture f;
	int rows;
	begin_within(&f, 10, 50);
	CHECK_EQ(run(&f, NUMBERS "-1) SELECT count(*) FROM r", &rows), ST_TIMEOUT);
	end(&f);
}

TEST(rows_and_memory_are_bounded)
{
	struct fixture f;
	int rows;
	begin(&f, 10);
	CHECK_EQ(run(&f, NUMBERS "10) SELECT n FROM r", &rows), ST_OK);
	CHECK_EQ(rows, 10);
	CHECK_EQ(run(&f, NUMBERS "11) SELECT n FROM r", &rows), ST_TOO_BIG);
	CHECK_EQ(rows, 10);
	CHECK_EQ(
		run(&f,
			"WITH RECURSIVE r(n, t) AS (SELECT 1, printf('%0100000d', 1) UNION SELECT n + 1, "
			"printf('%0100000d', n) FROM r "
			"LIMIT 5000) SELECT count(*) FROM r",
			&rows),
		ST_TOO_BIG);
	CHECK(run(&f, "SELECT replace(printf('%0900000d', 1), '0', 'xxxx')", &rows) != ST_OK);
	CHECK_EQ(run(&f, "SELECT 1", &rows), ST_OK);
	end(&f);
}

TEST(places_are_counted_and_given_back)
{
	struct fixture f;
	struct query_cursor *a, *b, *c;
	begin(&f, 10);
	CHECK_EQ(open_text(&f, "SELECT 1", &a), ST_OK);
	CHECK_EQ(open_text(&f, "SELECT 1", &b), ST_OK);
	CHECK_EQ(open_text(&f, "SELECT 1", &c), ST_FULL);
	query_close(a);
	CHECK_EQ(open_text(&f, "SELECT 1", &c), ST_OK);
	query_close(b);
	query_close(c);
	query_close(NULL);
	end(&f);
}

TEST(a_cancelled_query_ends)
{
	struct fixture f;
	struct query_cursor *c;
	enum status st = ST_OK;
	begin(&f, 1000000);
	CHECK_EQ(open_text(&f, NUMBERS "-1) SELECT n FROM r", &c), ST_OK);
	query_cancel(c);
	for (int i = 0; st == ST_OK && i < 1000000; i++)
		st = query_next(c, &f.why);
	CHECK_EQ(st, ST_STOPPED);
	query_close(c);
	end(&f);
}

TEST(the_schema_lists_the_views)
{
	struct fixture f;
	struct buf out;
	begin(&f, 10);
	buf_init(&out, 65536);
	CHECK_EQ(query_schema(f.query, &out), ST_OK);
	CHECK(strstr(buf_text(&out), "v1_images") && strstr(buf_text(&out), "retention_s"));
	CHECK(!strstr(buf_text(&out), "sealed") && !strstr(buf_text(&out), "wrapped"));
	buf_fini(&out);
	end(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(columns_have_names_and_types_before_the_first_row),
		CHECK_TEST(parameters_of_each_type_come_back),
		CHECK_TEST(what_is_not_published_is_denied),
		CHECK_TEST(only_one_select_is_run),
		CHECK_TEST(time_is_bounded),
		CHECK_TEST(rows_and_memory_are_bounded),
		CHECK_TEST(places_are_counted_and_given_back),
		CHECK_TEST(a_cancelled_query_ends),
		CHECK_TEST(the_schema_lists_the_views),
	};
	log_configure(LOG_ERROR, LOG_FORMAT_TEXT);
	if (query_init_memory() != ST_OK)
		return 1;
	return check_run(tests, sizeof tests / sizeof *tests);
}
