#include "control.h"

#include "check.h"
#include "memory.h"
#include "must.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char directory[64], path[96];
	struct control *control;
};

static void reopen(struct fixture *f)
{
	control_close(f->control);
	f->control = NULL;
	CHECK_EQ(control_open(f->path, &f->control), ST_OK);
	must(f->control);
}

static void init(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	snprintf(f->directory, sizeof f->directory, "%s/darkroom-test-XXXXXX", P_tmpdir);
	must(mkdtemp(f->directory));
	snprintf(f->path, sizeof f->path, "%s/control.db", f->directory);
	reopen(f);
}

static void fini(struct fixture *f)
{
	control_close(f->control);
	CHECK_EQ(unlink(f->path), 0);
	CHECK_EQ(rmdir(f->directory), 0);
}

/* SQLite's own word on a statement of somebody who got at the file. */
static int run(struct fixture *f, const char *text)
{
	sqlite3 *db = NULL;
	must(sqlite3_open(f->path, &db) == SQLITE_OK);
	int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
	sqlite3_close(db);
	return rc;
}

TEST(only_its_owner_may_read_the_file)
{
	struct fixture f;
	struct stat facts;
	mode_t before = umask(0);
	init(&f);
	(void)umask(before);
	CHECK_EQ(stat(f.path, &facts), 0);
	CHECK_EQ(facts.st_mode & 0777, 0600);
	fini(&f);
}

TEST(settings_are_kept)
{
	struct fixture f;
	int64_t number = 0;
	struct buf bytes;
	init(&f);
	buf_init(&bytes, 8);
	CHECK_EQ(control_get_number(f.control, "scale", &number), ST_NOT_FOUND);
	CHECK_EQ(control_get_bytes(f.control, "scale", &bytes), ST_NOT_FOUND);
	CHECK_EQ(control_put_number(f.control, "scale", 60), ST_OK);
	CHECK_EQ(control_put_number(f.control, "scale", -61), ST_OK);
	CHECK_EQ(control_put_bytes(f.control, "id", SPAN_LIT("a\0b")), ST_OK);
	CHECK_EQ(control_put_bytes(f.control, "empty", SPAN_LIT("")), ST_OK);
	reopen(&f);
	CHECK_EQ(control_get_number(f.control, "scale", &number), ST_OK);
	CHECK_EQ(number, -61);
	CHECK_EQ(control_get_number(f.control, "id", &number), ST_NOT_FOUND);
	CHECK_EQ(control_get_bytes(f.control, "id", &bytes), ST_OK);
	CHECK_EQ(bytes.len, 3);
	CHECK_BYTES(bytes.data, "a\0b", 3);
	CHECK_EQ(control_get_bytes(f.control, "empty", &bytes), ST_OK);
	CHECK_EQ(control_put_bytes(f.control, "id", SPAN_LIT("123456789")), ST_OK);
	buf_clear(&bytes);
	CHECK_EQ(control_get_bytes(f.control, "id", &bytes), ST_TOO_BIG);
	buf_fini(&bytes);
	fini(&f);
}

static struct control_collection collection_named(const char *name)
{
	struct control_collection c = { .retention_ms = 60000, .created_at = 5, .formats = 6 };
	must(span_to_text(span_of(name), c.name, sizeof c.name) == ST_OK);
	return c;
}

TEST(a_collection_lives_from_add_to_forget_and_its_number_is_never_used_again)
{
	struct fixture f;
	uint32_t first = 0, second = 0, third = 0;
	uint8_t key[60];
	struct control_collection *rows = NULL, in = collection_named("photos"),
				  other = collection_named("scans");
	size_t count = 0;
	init(&f);
	memset(key, 9, sizeof key);
	CHECK_EQ(control_add_collection(f.control, &in, &first), ST_OK);
	CHECK_EQ(first, 1);
	CHECK_EQ(control_add_collection(f.control, &in, &second), ST_EXISTS);
	CHECK_EQ(control_add_collection(f.control, &other, &second), ST_OK);
	CHECK_EQ(control_set_collection_key(f.control, first, key), ST_OK);
	CHECK_EQ(control_set_collection_key(f.control, first, key), ST_NOT_FOUND);
	CHECK_EQ(control_set_collection_key(f.control, 99, key), ST_NOT_FOUND);
	CHECK_EQ(control_change_collection(f.control, first, 120000, 2), ST_OK);
	CHECK_EQ(control_remove_collection(f.control, second), ST_OK);
	CHECK_EQ(control_change_collection(f.control, second, 120000, 2), ST_NOT_FOUND);
	CHECK_EQ(control_list_collections(f.control, &rows, &count), ST_OK);
	REQUIRE(count == 2);
	CHECK_EQ(rows[0].number, first);
	CHECK_STR(rows[0].name, "photos");
	CHECK_EQ(rows[0].retention_ms, 120000);
	CHECK_EQ(rows[0].formats, 2);
	CHECK_EQ(rows[0].created_at, 5);
	CHECK(rows[0].has_key && !rows[0].is_removed);
	CHECK_BYTES(rows[0].wrapped_key, key, sizeof key);
	CHECK(!rows[1].has_key && rows[1].is_removed);
	memory_free(rows);
	CHECK_EQ(control_forget_collection(f.control, second), ST_OK);
	CHECK_EQ(control_forget_collection(f.control, second), ST_NOT_FOUND);
	CHECK_EQ(control_add_collection(f.control, &other, &third), ST_OK);
	CHECK_EQ(third, 3);
	fini(&f);
}

static bool file_holds(const char *path, const void *bytes, size_t len)
{
	static uint8_t content[1 << 20];
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	size_t got = fread(content, 1, sizeof content, file);
	fclose(file);
	return memmem(content, got, bytes, len) != NULL;
}

TEST(a_forgotten_collections_key_is_in_no_file)
{
	struct fixture f;
	uint32_t number = 0;
	uint8_t key[60];
	char wal[128];
	struct control_collection in = collection_named("photos");
	init(&f);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i * 37 + 11);
	snprintf(wal, sizeof wal, "%s-wal", f.path);
	CHECK_EQ(control_add_collection(f.control, &in, &number), ST_OK);
	CHECK_EQ(control_set_collection_key(f.control, number, key), ST_OK);
	CHECK(file_holds(wal, key, sizeof key));
	CHECK_EQ(control_forget_collection(f.control, number), ST_OK);
	CHECK(!file_holds(wal, key, sizeof key));
	CHECK(!file_holds(f.path, key, sizeof key));
	fini(&f);
}

static struct control_key key_named(const char *prefix)
{
	struct control_key key = { .created_at = 10,
		.expires_at = -1,
		.principal = "ann",
		.role = "reader",
		.is_for_all_collections = true };
	must(span_to_text(span_of(prefix), key.prefix, sizeof key.prefix) == ST_OK);
	memset(key.secret_hash, 3, sizeof key.secret_hash);
	return key;
}

TEST(a_key_is_found_revoked_and_touched)
{
	struct fixture f;
	struct control_key key = key_named("abcdefghijkl"), found, *list = NULL;
	size_t count = 0;
	init(&f);
	CHECK_EQ(control_find_key(f.control, "abcdefghijkl", &found), ST_NOT_FOUND);
	CHECK_EQ(control_add_key(f.control, &key), ST_OK);
	CHECK_EQ(control_add_key(f.control, &key), ST_EXISTS);
	CHECK_EQ(control_find_key(f.control, "abcdefghijkl", &found), ST_OK);
	CHECK_STR(found.principal, "ann");
	CHECK_STR(found.role, "reader");
	CHECK_BYTES(found.secret_hash, key.secret_hash, sizeof key.secret_hash);
	CHECK_EQ(found.expires_at, -1);
	CHECK_EQ(found.revoked_at, -1);
	CHECK_EQ(found.last_used_at, -1);
	CHECK(found.is_for_all_collections);
	CHECK_EQ(control_touch_key(f.control, "abcdefghijkl", 70), ST_OK);
	CHECK_EQ(control_touch_key(f.control, "abcdefghijkl", 60), ST_OK); /* not back */
	CHECK_EQ(control_revoke_key(f.control, "abcdefghijkl", 80), ST_OK);
	CHECK_EQ(control_revoke_key(f.control, "abcdefghijkl", 90), ST_OK); /* the first time stays */
	CHECK_EQ(control_revoke_key(f.control, "zzzzzzzzzzzz", 90), ST_NOT_FOUND);
	key = key_named("aaaaaaaaaaaa");
	CHECK_EQ(control_add_key(f.control, &key), ST_OK);
	CHECK_EQ(control_count_keys(f.control, &count), ST_OK);
	CHECK_EQ(count, 2);
	CHECK_EQ(control_list_keys(f.control, &list, &count), ST_OK);
	REQUIRE(count == 2);
	CHECK_STR(list[0].prefix, "aaaaaaaaaaaa");
	CHECK_EQ(list[1].revoked_at, 80);
	CHECK_EQ(list[1].last_used_at, 70);
	memory_free(list);
	fini(&f);
}

TEST(a_key_reaches_its_collections_while_they_exist)
{
	struct fixture f;
	struct control_key key = key_named("abcdefghijkl"), found;
	struct control_collection a = collection_named("a"), b = collection_named("b");
	uint32_t numbers[2];
	init(&f);
	CHECK_EQ(control_add_collection(f.control, &a, &numbers[0]), ST_OK);
	CHECK_EQ(control_add_collection(f.control, &b, &numbers[1]), ST_OK);
	key.is_for_all_collections = false;
	key.collection_count = 2;
	key.collections[0] = numbers[1];
	key.collections[1] = 77;
	CHECK_EQ(control_add_key(f.control, &key), ST_INVALID);
	CHECK_EQ(control_find_key(f.control, key.prefix, &found), ST_NOT_FOUND);
	key.collections[1] = numbers[0];
	CHECK_EQ(control_add_key(f.control, &key), ST_OK);
	CHECK_EQ(control_find_key(f.control, key.prefix, &found), ST_OK);
	REQUIRE(found.collection_count == 2);
	CHECK_EQ(found.collections[0], numbers[0]);
	CHECK_EQ(control_forget_collection(f.control, numbers[0]), ST_OK);
	CHECK_EQ(control_find_key(f.control, key.prefix, &found), ST_OK);
	REQUIRE(found.collection_count == 1);
	CHECK_EQ(found.collections[0], numbers[1]);
	CHECK(!found.is_for_all_collections);
	fini(&f);
}

static enum status add_receipt(struct fixture *f, uint64_t number, uint32_t epoch, int64_t at)
{
	struct control_new_receipt r = { .number = number,
		.kind = CONTROL_RECEIPT_EPOCH,
		.epoch = epoch,
		.body = SPAN_LIT("{\"n\":1}"),
		.signature = SPAN_LIT("sig"),
		.made_at = at };
	return control_add_receipt(f->control, &r);
}

TEST(receipts_are_a_chain_without_gaps)
{
	struct fixture f;
	struct control_receipt r;
	bool has = false;
	init(&f);
	CHECK_EQ(control_last_receipt(f.control, &r), ST_NOT_FOUND);
	CHECK_EQ(control_next_receipt(f.control, 0, &r), ST_NOT_FOUND);
	CHECK_EQ(add_receipt(&f, 2, 500, 10), ST_EXISTS);
	CHECK_EQ(add_receipt(&f, 1, 500, 10), ST_OK);
	CHECK_EQ(add_receipt(&f, 1, 501, 10), ST_EXISTS);
	CHECK_EQ(add_receipt(&f, 2, 500, 10), ST_INVALID); /* one for each epoch */
	struct control_new_receipt erase = { .number = 2,
		.kind = CONTROL_RECEIPT_ERASE,
		.epoch = 500,
		.body = SPAN_LIT("b"),
		.signature = SPAN_LIT("s"),
		.made_at = 20 };
	CHECK_EQ(control_add_receipt(f.control, &erase), ST_OK);
	CHECK_EQ(control_has_epoch_receipt(f.control, 500, &has), ST_OK);
	CHECK(has);
	CHECK_EQ(control_has_epoch_receipt(f.control, 501, &has), ST_OK);
	CHECK(!has);
	CHECK_EQ(control_next_receipt(f.control, 0, &r), ST_OK);
	CHECK_EQ(r.number, 1);
	CHECK_EQ(r.kind, CONTROL_RECEIPT_EPOCH);
	CHECK(span_equal_text(buf_span(&r.body), "{\"n\":1}"));
	CHECK(span_equal_text(buf_span(&r.signature), "sig"));
	buf_fini(&r.body);
	buf_fini(&r.signature);
	CHECK_EQ(control_last_receipt(f.control, &r), ST_OK);
	CHECK_EQ(r.number, 2);
	CHECK_EQ(r.kind, CONTROL_RECEIPT_ERASE);
	buf_fini(&r.body);
	buf_fini(&r.signature);
	fini(&f);
}

TEST(receipts_go_only_by_the_keep_rule_and_never_change)
{
	struct fixture f;
	struct control_receipt r;
	init(&f);
	for (uint32_t i = 1; i <= 3; i++)
		CHECK_EQ(add_receipt(&f, i, 500 + i, 10 * (int64_t)i), ST_OK);
	CHECK_EQ(run(&f, "UPDATE receipt SET body = x'00' WHERE number = 1"), SQLITE_CONSTRAINT);
	CHECK_EQ(run(&f, "DELETE FROM receipt WHERE number = 1"), SQLITE_CONSTRAINT);
	CHECK_EQ(control_drop_receipts(f.control, 20), ST_OK);
	CHECK_EQ(control_next_receipt(f.control, 0, &r), ST_OK);
	CHECK_EQ(r.number, 2);
	buf_fini(&r.body);
	buf_fini(&r.signature);
	CHECK_EQ(run(&f, "DELETE FROM receipt WHERE number = 2"), SQLITE_CONSTRAINT);
	CHECK_EQ(control_drop_receipts(f.control, 1000), ST_OK);
	CHECK_EQ(control_next_receipt(f.control, 0, &r), ST_OK);
	CHECK_EQ(r.number, 3); /* the chain's end stays */
	buf_fini(&r.body);
	buf_fini(&r.signature);
	CHECK_EQ(add_receipt(&f, 4, 504, 2000), ST_OK);
	fini(&f);
}

TEST(verify_finds_a_gap_in_the_receipts)
{
	struct fixture f;
	char why[256];
	init(&f);
	for (uint32_t i = 1; i <= 3; i++)
		CHECK_EQ(add_receipt(&f, i, 500 + i, 10), ST_OK);
	CHECK_EQ(control_verify(f.control, why), ST_OK);
	CHECK_STR(why, "");
	CHECK_EQ(run(&f, "DROP TRIGGER receipt_kept; DELETE FROM receipt WHERE number = 2"), SQLITE_OK);
	CHECK_EQ(control_verify(f.control, why), ST_INVALID);
	CHECK_STR(why, "receipt 3 does not follow the one before");
	fini(&f);
}

TEST(what_is_no_database_is_refused)
{
	struct fixture f;
	struct control *c = NULL;
	init(&f);
	control_close(f.control);
	FILE *file = fopen(f.path, "wb");
	REQUIRE(file);
	for (int i = 0; i < 1000; i++)
		fputs("not a database at all ", file);
	fclose(file);
	CHECK_EQ(control_open(f.path, &c), ST_CORRUPT);
	CHECK_EQ(unlink(f.path), 0);
	f.control = NULL;
	reopen(&f);
	CHECK_EQ(run(&f, "PRAGMA user_version = 99"), SQLITE_OK);
	control_close(f.control);
	f.control = NULL;
	CHECK_EQ(control_open(f.path, &c), ST_UNSUPPORTED);
	fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(only_its_owner_may_read_the_file),
		CHECK_TEST(settings_are_kept),
		CHECK_TEST(a_collection_lives_from_add_to_forget_and_its_number_is_never_used_again),
		CHECK_TEST(a_forgotten_collections_key_is_in_no_file),
		CHECK_TEST(a_key_is_found_revoked_and_touched),
		CHECK_TEST(a_key_reaches_its_collections_while_they_exist),
		CHECK_TEST(receipts_are_a_chain_without_gaps),
		CHECK_TEST(receipts_go_only_by_the_keep_rule_and_never_change),
		CHECK_TEST(verify_finds_a_gap_in_the_receipts),
		CHECK_TEST(what_is_no_database_is_refused),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
