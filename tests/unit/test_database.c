#include "database.h"

#include "check.h"
#include "clock.h"
#include "must.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static const char schema_text[] =
	"PRAGMA user_version = 2; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT; "
	"CREATE TABLE u (a INTEGER REFERENCES t (a)) STRICT;";
static const char step_text[] =
	"ALTER TABLE t ADD COLUMN b TEXT; "
	"CREATE TABLE u (a INTEGER REFERENCES t (a)) STRICT; PRAGMA user_version = 2;";
static const char *const steps[] = { step_text };
static const struct database_schema schema = { 2, schema_text, steps };

enum { PUT, GET, REFER, FOREVER, PRAGMAS, COUNT };
static const struct database_statement table[COUNT] = {
	{ "PUT", "INSERT INTO t (a, b) VALUES (?1, ?2)" },
	{ "GET", "SELECT a, b, 1.5, x'0102', NULL FROM t ORDER BY a" },
	{ "REFER", "INSERT INTO u (a) VALUES (?1)" },
	{ "FOREVER",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n" },
	{ "PRAGMAS",
		"SELECT (SELECT secure_delete FROM pragma_secure_delete), (SELECT foreign_keys FROM "
		"pragma_foreign_keys), "
		"(SELECT journal_mode FROM pragma_journal_mode), (SELECT synchronous FROM "
		"pragma_synchronous), "
		"(SELECT query_only FROM pragma_query_only), (SELECT trusted_schema FROM "
		"pragma_trusted_schema), "
		"(SELECT cell_size_check FROM pragma_cell_size_check)" },
};

struct fixture {
	char directory[64], path[96];
	struct database *db;
};

static void init(struct fixture *f, enum database_kind kind)
{
	memset(f, 0, sizeof *f);
	snprintf(f->directory, sizeof f->directory, "%s/darkroom-test-XXXXXX", P_tmpdir);
	must(mkdtemp(f->directory));
	snprintf(f->path, sizeof f->path, "%s/x.db", f->directory);
	CHECK_EQ(database_open(f->path, kind, &f->db), ST_OK);
	must(f->db);
	CHECK_EQ(database_migrate(f->db, &schema), ST_OK);
	CHECK_EQ(database_prepare(f->db, table, COUNT), ST_OK);
}

static void fini(struct fixture *f)
{
	database_close(f->db);
	CHECK_EQ(unlink(f->path), 0);
	CHECK_EQ(rmdir(f->directory), 0);
}

static enum status put(struct database *db, int64_t a, const char *b)
{
	database_bind_i64(db, PUT, 1, a);
	database_bind_text(db, PUT, 2, b);
	return database_do(db, PUT, NULL);
}

TEST(a_statement_that_does_not_compile_fails_the_open)
{
	static const struct database_statement wrong[] = { { "FINE", "SELECT 1" },
		{ "TYPO", "SELECT b FORM t" } };
	static const struct database_statement absent[] = { { "ABSENT", "SELECT c FROM t" } };
	struct fixture f;
	struct database *db = NULL;
	init(&f, DATABASE_WRITER);
	CHECK_EQ(database_open(f.path, DATABASE_READER, &db), ST_OK);
	CHECK_EQ(database_prepare(db, wrong, 2), ST_IO);
	database_close(db);
	CHECK_EQ(database_open(f.path, DATABASE_READER, &db), ST_OK);
	CHECK_EQ(database_prepare(db, absent, 1), ST_IO);
	database_close(db);
	fini(&f);
}

TEST(values_come_back_as_they_went_in)
{
	struct fixture f;
	char text[8], small[3];
	uint8_t bytes[2];
	init(&f, DATABASE_WRITER);
	CHECK_EQ(put(f.db, 7, "abc"), ST_OK);
	CHECK_EQ(put(f.db, 8, NULL), ST_OK);
	CHECK_EQ(database_step(f.db, GET), ST_OK);
	CHECK_EQ(database_column_count(f.db, GET), 5);
	CHECK_EQ(database_i64(f.db, GET, 0), 7);
	database_copy_text(f.db, GET, 1, text, sizeof text);
	CHECK_STR(text, "abc");
	database_copy_text(f.db, GET, 1, small, sizeof small);
	CHECK_STR(small, "ab");
	CHECK(database_real(f.db, GET, 2) == 1.5);
	CHECK(database_copy_bytes(f.db, GET, 3, bytes, 2));
	CHECK_EQ(bytes[1], 2);
	CHECK(!database_copy_bytes(f.db, GET, 3, bytes, 1));
	CHECK_EQ(bytes[0], 0);
	CHECK(database_is_null(f.db, GET, 4));
	CHECK_EQ(database_step(f.db, GET), ST_OK);
	CHECK_EQ(database_type(f.db, GET, 1), DATABASE_NULL);
	CHECK_EQ(database_step(f.db, GET), ST_NOT_FOUND);
	database_reset(f.db, GET);
	CHECK(!database_is_busy(f.db));
	fini(&f);
}

TEST(a_transaction_is_all_or_nothing)
{
	struct fixture f;
	init(&f, DATABASE_WRITER);
	CHECK_EQ(database_begin(f.db), ST_OK);
	CHECK(database_is_busy(f.db));
	CHECK_EQ(put(f.db, 1, "a"), ST_OK);
	CHECK_EQ(database_end(f.db, ST_FULL), ST_FULL);
	CHECK(!database_is_busy(f.db));
	CHECK_EQ(database_step(f.db, GET), ST_NOT_FOUND);
	database_reset(f.db, GET);
	CHECK_EQ(database_begin(f.db), ST_OK);
	CHECK_EQ(put(f.db, 1, "a"), ST_OK);
	CHECK_EQ(database_end(f.db, ST_OK), ST_OK);
	CHECK_EQ(database_step(f.db, GET), ST_OK);
	database_reset(f.db, GET);
	fini(&f);
}

TEST(a_constraint_is_invalid)
{
	struct fixture f;
	init(&f, DATABASE_WRITER);
	CHECK_EQ(put(f.db, 1, "a"), ST_OK);
	CHECK_EQ(put(f.db, 1, "a"), ST_INVALID);
	database_bind_i64(f.db, REFER, 1, 99);
	CHECK_EQ(database_do(f.db, REFER, NULL), ST_INVALID);
	fini(&f);
}

TEST(a_reader_cannot_write)
{
	struct fixture f;
	struct database *reader = NULL;
	init(&f, DATABASE_WRITER);
	CHECK_EQ(database_open(f.path, DATABASE_READER, &reader), ST_OK);
	CHECK_EQ(database_prepare(reader, table, COUNT), ST_OK);
	CHECK(put(reader, 1, "a") != ST_OK);
	CHECK_EQ(put(f.db, 1, "a"), ST_OK);
	CHECK_EQ(database_step(reader, GET), ST_OK);
	database_reset(reader, GET);
	database_close(reader);
	CHECK_EQ(database_open("/nonexistent/x.db", DATABASE_READER, &reader), ST_NOT_FOUND);
	fini(&f);
}

/* "Not found" is told to clients as "destroyed": it may only be said of a file that is not there. */
TEST(a_reader_without_a_descriptor_does_not_say_that_nothing_is_there)
{
	struct fixture f;
	struct database *reader = NULL;
	struct rlimit before, none;
	init(&f, DATABASE_WRITER);
	int next = dup(STDERR_FILENO);
	CHECK(next >= 0 && close(next) == 0);
	must(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_EQ(database_open(f.path, DATABASE_READER, &reader), ST_FULL);
	must(setrlimit(RLIMIT_NOFILE, &before) == 0);
	CHECK_EQ(database_open(f.path, DATABASE_READER, &reader), ST_OK);
	database_close(reader);
	fini(&f);
}

TEST(a_deadline_ends_a_statement)
{
	struct fixture f;
	init(&f, DATABASE_WRITER);
	database_set_deadline(f.db, clock_monotonic_ms() + 5);
	CHECK_EQ(database_step(f.db, FOREVER), ST_TIMEOUT);
	database_reset(f.db, FOREVER);
	database_set_deadline(f.db, 0);
	CHECK_EQ(put(f.db, 1, "a"), ST_OK);
	fini(&f);
}

TEST(connections_are_hardened)
{
	static const struct {
		enum database_kind kind;
		int synchronous, query_only;
	} kinds[] = {
		{ DATABASE_WRITER, 1, 0 },
		{ DATABASE_WRITER_FULL, 2, 0 },
		{ DATABASE_READER, 2, 1 },
	};
	struct fixture f;
	char mode[8];
	init(&f, DATABASE_WRITER);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct database *db = NULL;
		CHECK_EQ(database_open(f.path, kinds[i].kind, &db), ST_OK);
		CHECK_EQ(database_prepare(db, table, COUNT), ST_OK);
		CHECK_EQ(database_step(db, PRAGMAS), ST_OK);
		CHECK_EQ(database_i64(db, PRAGMAS, 0), 1);
		CHECK_EQ(database_i64(db, PRAGMAS, 1), 1);
		database_copy_text(db, PRAGMAS, 2, mode, sizeof mode);
		CHECK_STR(mode, "wal");
		CHECK_EQ(database_i64(db, PRAGMAS, 3), kinds[i].synchronous);
		CHECK_EQ(database_i64(db, PRAGMAS, 4), kinds[i].query_only);
		CHECK_EQ(database_i64(db, PRAGMAS, 5), 0);
		CHECK_EQ(database_i64(db, PRAGMAS, 6), 1);
		database_reset(db, PRAGMAS);
		CHECK(database_run(db, "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema") !=
			ST_OK); /* defensive */
		CHECK(database_run(db, "ATTACH 'other.db' AS other") != ST_OK);
		CHECK(database_run(db, "SELECT load_extension('x')") != ST_OK);
		database_close(db);
	}
	fini(&f);
}

TEST(an_older_file_is_brought_up_step_by_step)
{
	struct fixture f;
	struct database *db = NULL;
	init(&f, DATABASE_WRITER);
	database_close(f.db);
	f.db = NULL;
	CHECK_EQ(unlink(f.path), 0);
	CHECK_EQ(database_open(f.path, DATABASE_WRITER, &db), ST_OK);
	CHECK_EQ(database_run(db, "CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT; INSERT INTO t VALUES (5); "
				  "PRAGMA user_version = 1"),
		ST_OK);
	CHECK_EQ(database_migrate(db, &schema), ST_OK);
	CHECK_EQ(database_prepare(db, table, COUNT), ST_OK);
	CHECK_EQ(database_step(db, GET), ST_OK);
	CHECK_EQ(database_i64(db, GET, 0), 5);
	database_reset(db, GET);
	CHECK_EQ(database_run(db, "PRAGMA user_version = 3"), ST_OK);
	CHECK_EQ(database_migrate(db, &schema), ST_UNSUPPORTED);
	database_close(db);
	fini(&f);
}

TEST(a_step_that_fails_leaves_the_older_version)
{
	static const char *const broken[] = {
		"ALTER TABLE t ADD COLUMN b TEXT; SELECT nothing FROM nowhere"
	};
	static const struct database_schema wrong = { 2, schema_text, broken };
	struct fixture f;
	struct database *db = NULL;
	init(&f, DATABASE_WRITER);
	database_close(f.db);
	f.db = NULL;
	CHECK_EQ(unlink(f.path), 0);
	CHECK_EQ(database_open(f.path, DATABASE_WRITER, &db), ST_OK);
	CHECK_EQ(database_run(db, "CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT; PRAGMA user_version = 1"),
		ST_OK);
	CHECK(database_migrate(db, &wrong) != ST_OK);
	CHECK(!database_is_busy(db));
	CHECK_EQ(database_migrate(db, &schema), ST_OK); /* the column was not left behind */
	database_close(db);
	fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_statement_that_does_not_compile_fails_the_open),
		CHECK_TEST(values_come_back_as_they_went_in),
		CHECK_TEST(a_transaction_is_all_or_nothing),
		CHECK_TEST(a_constraint_is_invalid),
		CHECK_TEST(a_reader_cannot_write),
		CHECK_TEST(a_reader_without_a_descriptor_does_not_say_that_nothing_is_there),
		CHECK_TEST(a_deadline_ends_a_statement),
		CHECK_TEST(connections_are_hardened),
		CHECK_TEST(an_older_file_is_brought_up_step_by_step),
		CHECK_TEST(a_step_that_fails_leaves_the_older_version),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
