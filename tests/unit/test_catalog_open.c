/* Opening, versions, published views, and how each hot statement is planned. */
#include "catalog_fixture.h"

#include "fault.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The schema of the file as SQLite keeps it, to be ended with memory_free(). */
static char *schema_of(struct fixture *f)
{
	sqlite3 *db = fixture_sqlite(f);
	sqlite3_stmt *statement = NULL;
	struct buf text;
	buf_init(&text, MIB(1));
	CHECK_EQ(sqlite3_prepare_v2(db,
			 "SELECT sql || ';' FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid",
			 -1, &statement, NULL),
		SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		buf_put_text(&text, (const char *)sqlite3_column_text(statement, 0));
		buf_put_byte(&text, '\n');
	}
	sqlite3_finalize(statement);
	sqlite3_close(db);
	char *copy = memory_alloc(text.len + 1);
	must(copy && buf_ok(&text));
	memcpy(copy, text.data, text.len);
	buf_fini(&text);
	return copy;
}

/* tests/unit/catalog_v<n>.sql is what version n makes of an empty file. */
static void load_version(int version, struct buf *out)
{
	char name[64];
	snprintf(name, sizeof name, "tests/unit/catalog_v%d.sql", version);
	buf_init(out, MIB(1));
	CHECK_EQ(file_load(AT_FDCWD, name, out), ST_OK);
}

TEST(every_released_version_becomes_the_present_schema)
{
	enum { PRESENT = 1 };
	struct fixture fresh;
	fixture_init(&fresh);
	CHECK_EQ(fixture_ask(&fresh, "PRAGMA user_version"), PRESENT);
	char *expected = schema_of(&fresh);
	for (int version = 1; version <= PRESENT; version++) {
		struct fixture old;
		struct buf text;
		char mark[64];
		load_version(version, &text);
		fixture_begin(&old);
		fixture_tamper(&old, buf_text(&text));
		snprintf(mark, sizeof mark, "PRAGMA user_version = %d", version);
		fixture_tamper(&old, mark);
		CHECK_EQ(fixture_open(&old, 1), ST_OK);
		char *became = schema_of(&old);
		CHECK_STR(became, expected);
		CHECK_EQ(fixture_ask(&old, "PRAGMA user_version"), PRESENT);
		fixture_add_plain(&old, 1);
		memory_free(became);
		buf_fini(&text);
		fixture_fini(&old);
	}
	memory_free(expected);
	fixture_fini(&fresh);
}

TEST(a_version_from_the_future_is_refused)
{
	struct fixture f;
	fixture_init(&f);
	catalog_close(f.catalog);
	f.catalog = NULL;
	fixture_tamper(&f, "PRAGMA user_version = 2");
	CHECK_EQ(fixture_open(&f, 1), ST_UNSUPPORTED);
	fixture_fini(&f);
}

TEST(rows_are_there_after_closing_and_opening)
{
	struct fixture f;
	struct catalog_image out;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_finish_plain(&f, 1);
	char *before = fixture_dump(&f);
	catalog_close(f.catalog);
	f.catalog = NULL;
	CHECK_EQ(fixture_open(&f, 1), ST_OK);
	char *after = fixture_dump(&f);
	CHECK_STR(after, before);
	CHECK_EQ(catalog_load(f.catalog).images, 1);
	CHECK_EQ(catalog_find_image(f.catalog, fixture_image(1, 1).id, &out), ST_OK);
	memory_free(before);
	memory_free(after);
	fixture_fini(&f);
}

TEST(only_its_owner_may_read_the_file)
{
	struct fixture f;
	struct stat facts;
	char wal[128];
	mode_t before = umask(0);
	fixture_init(&f);
	(void)umask(before);
	snprintf(wal, sizeof wal, "%s-wal", f.path);
	CHECK_EQ(stat(f.path, &facts), 0);
	CHECK_EQ(facts.st_mode & 0777, 0600);
	CHECK_EQ(stat(wal, &facts), 0);
	CHECK_EQ(facts.st_mode & 0777, 0600);
	fixture_fini(&f);
}

/* Writes over a part of the file. */
static void damage(struct fixture *f, long offset, size_t len)
{
	FILE *file = fopen(f->path, "r+b");
	must(file);
	CHECK_EQ(fseek(file, offset, SEEK_SET), 0);
	for (size_t i = 0; i < len; i++)
		fputc(0x5a, file);
	fclose(file);
}

TEST(a_damaged_file_is_said_to_be_corrupt)
{
	struct fixture f;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	CHECK_EQ(catalog_checkpoint(f.catalog), ST_OK);
	catalog_close(f.catalog);
	f.catalog = NULL;
	int64_t page = fixture_ask(&f, "SELECT rootpage FROM sqlite_schema WHERE name = 'image'");
	REQUIRE(page > 1);
	damage(&f, (page - 1) * 4096, 4096);
	CHECK_EQ(fixture_open(&f, 1), ST_CORRUPT);
	damage(&f, 0, 100);
	CHECK_EQ(fixture_open(&f, 1), ST_CORRUPT);
	CHECK_EQ(catalog_remove(f.path), ST_OK);
	CHECK_EQ(catalog_remove(f.path), ST_OK);
	CHECK_EQ(fixture_open(&f, 1), ST_OK);
	fixture_fini(&f);
}

TEST(a_collection_is_mirrored_by_number)
{
	struct fixture f;
	fixture_init(&f);
	CHECK_EQ(catalog_put_collection(f.catalog, 1, "pictures", 60000, 1), ST_OK);
	CHECK_EQ(
		fixture_ask(&f, "SELECT retention_ms FROM collection WHERE number = 1 AND name = 'pictures'"),
		60000);
	CHECK_EQ(catalog_put_collection(f.catalog, 3, "pictures", 60000, 1), ST_OK);
	CHECK_EQ(fixture_ask(&f, "SELECT number FROM collection WHERE name = 'pictures'"), 3);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM collection"), 2);
	fixture_fini(&f);
}

/* --- what analysts see --- */

TEST(views_show_what_is_alive_by_trusted_time)
{
	struct fixture f;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_add_plain(&f, 2);
	fixture_finish_plain(&f, 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM v1_images"), 2);
	CHECK_EQ(
		fixture_ask(&f,
			"SELECT count(*) FROM v1_images WHERE length(id) = 40 AND collection = 'photos' "
			"AND received_at = '1970-01-12T13:46:40.001Z' AND ready_at = "
			"'1970-01-12T13:46:40.251Z' "
			"AND uploader_pseudonym IS NULL AND camera = 'Canon EOS R5'"),
		1);
	CHECK_EQ(
		fixture_ask(&f, "SELECT count(*) FROM v1_images WHERE ready_at IS NULL AND taken_at IS NULL"),
		1);
	CHECK_EQ(fixture_ask(&f, "SELECT latency_ms FROM v1_results"), 250);
	CHECK_EQ(fixture_ask(&f, "SELECT width FROM v1_renditions WHERE name = 'thumb'"), 240);
	CHECK_EQ(fixture_ask(&f, "SELECT retention_s FROM v1_collections WHERE name = 'photos'"), 7 * 86400);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM v1_daily"), 0);
	clock_set(f.clock, NOW + DAY_MS + 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM v1_images"), 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM v1_results"), 0);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM v1_renditions"), 0);
	fixture_fini(&f);
}

TEST(daily_counts_show_groups_of_ten_and_outlive_the_images)
{
	struct fixture f;
	uint64_t gone = 0;
	fixture_init(&f);
	for (uint32_t n = 0; n < 10; n++)
		fixture_add_plain(&f, n);
	fixture_finish_plain(&f, 1);
	CHECK_EQ(catalog_forget(f.catalog, UINT32_MAX, 100, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 10);
	CHECK_EQ(fixture_ask(&f,
			 "SELECT images FROM v1_daily WHERE day = '1970-01-12' AND collection = 'photos' "
			 "AND format = 'jpeg' AND ready = 1 AND bytes = 10045"),
		10);
	fixture_fini(&f);
}

TEST(functions_answer_null_for_what_they_cannot_say)
{
	struct fixture f;
	fixture_init(&f);
	CHECK_EQ(fixture_ask(&f, "SELECT darkroom_now()"), NOW);
	CHECK_EQ(fixture_ask(&f, "SELECT darkroom_time(NULL) IS NULL"), 1);
	CHECK_EQ(fixture_ask(&f, "SELECT darkroom_time(0) = '1970-01-01T00:00:00.000Z'"), 1);
	CHECK_EQ(
		fixture_ask(&f,
			"SELECT darkroom_id(NULL) IS NULL AND darkroom_id('a') IS NULL AND "
			"darkroom_id(x'00') IS NULL"),
		1);
	CHECK_EQ(fixture_ask(&f, "SELECT length(darkroom_id(zeroblob(25)))"), 40);
	fixture_fini(&f);
}

/* --- plans --- */

static const struct {
	const char *name, *text;
} statements[] = {
#define SQL(name, text) { #name, text },
#include "catalog/sql.def"
#undef SQL
};

/* A plan line may scan what is small or ends at once. */
static bool is_harmless(const char *line)
{
	static const char *const small[] = { "SCAN json_each", "SCAN CONSTANT ROW", "SCAN t", "SCAN tally",
		"SCAN mine", "SCAN m", "SCAN past", "SCAN (subquery", "SCAN dead_body", "SCAN daily",
		"SCAN job USING INDEX job_next", "SCAN b USING INDEX blob_unused",
		"SCAN blob USING INDEX blob_unused", "SCAN blob USING COVERING INDEX blob_unused" };
	if (strncmp(line, "SCAN ", 5) != 0)
		return true;
	for (size_t i = 0; i < sizeof small / sizeof *small; i++)
		if (strncmp(line, small[i], strlen(small[i])) == 0)
			return true;
	return false;
}

static bool is_cold(const char *name)
{
	return strncmp(name, "DUMP_", 5) == 0 || strncmp(name, "WRONG_", 6) == 0 ||
	       strncmp(name, "MISSING_", 8) == 0 || strncmp(name, "LOST_", 5) == 0 ||
	       strcmp(name, "RELEASE_JOBS") == 0 || strcmp(name, "ADDRESSES") == 0; /* once, at start */
}

static void check_plan(sqlite3 *db, const char *name, const char *text)
{
	struct buf explain;
	sqlite3_stmt *statement = NULL;
	buf_init(&explain, 8192);
	buf_printf(&explain, "EXPLAIN QUERY PLAN %s", text);
	CHECK_EQ(sqlite3_prepare_v2(db, buf_text(&explain), -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *line = (const char *)sqlite3_column_text(statement, 3);
		if (!is_harmless(line))
			CHECK_STR(line, name);
		if (strncmp(name, "LIST", 4) == 0 && strstr(line, "TEMP B-TREE"))
			CHECK_STR(line, name);
	}
	sqlite3_finalize(statement);
	buf_fini(&explain);
}

TEST(no_hot_statement_walks_a_table)
{
	struct fixture f;
	fixture_init(&f);
	sqlite3 *db = fixture_sqlite(&f);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		if (!is_cold(statements[i].name))
			check_plan(db, statements[i].name, statements[i].text);
	sqlite3_close(db);
	fixture_fini(&f);
}

#ifdef DARKROOM_FAULTS
TEST(an_open_without_memory_is_full_and_leaves_nothing_behind)
{
	struct fixture f;
	enum status st = ST_FULL;
	unsigned failed = 0;
	fixture_init(&f);
	catalog_close(f.catalog);
	f.catalog = NULL;
	for (unsigned nth = 1; st == ST_FULL && nth < 1000; nth++) {
		fault_arm(FAULT_MEMORY, nth, ENOMEM, false);
		st = fixture_open(&f, 1);
		failed += st != ST_OK;
		fault_disarm();
	}
	CHECK_EQ(st, ST_OK);
	CHECK(failed >= 4);
	fixture_fini(&f);
}

/* A reader is opened when it is first needed; if that fails, the place in the pool is given back. */
TEST(a_reader_that_could_not_be_opened_does_not_count)
{
	struct fixture f;
	struct catalog_image out;
	fixture_begin(&f);
	CHECK_EQ(fixture_open(&f, 1), ST_OK);
	fault_arm(FAULT_MEMORY, 1, ENOMEM, false);
	CHECK_EQ(catalog_find_image(f.catalog, fixture_image(1, 1).id, &out), ST_FULL);
	fault_disarm();
	CHECK_EQ(catalog_find_image(f.catalog, fixture_image(1, 1).id, &out), ST_NOT_FOUND);
	fixture_fini(&f);
}
#endif

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_released_version_becomes_the_present_schema),
		CHECK_TEST(a_version_from_the_future_is_refused),
		CHECK_TEST(rows_are_there_after_closing_and_opening),
		CHECK_TEST(only_its_owner_may_read_the_file),
		CHECK_TEST(a_damaged_file_is_said_to_be_corrupt),
		CHECK_TEST(a_collection_is_mirrored_by_number),
		CHECK_TEST(views_show_what_is_alive_by_trusted_time),
		CHECK_TEST(daily_counts_show_groups_of_ten_and_outlive_the_images),
		CHECK_TEST(functions_answer_null_for_what_they_cannot_say),
		CHECK_TEST(no_hot_statement_walks_a_table),
#ifdef DARKROOM_FAULTS
		CHECK_TEST(an_open_without_memory_is_full_and_leaves_nothing_behind),
		CHECK_TEST(a_reader_that_could_not_be_opened_does_not_count),
#endif
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
