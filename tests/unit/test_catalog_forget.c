#include "catalog_fixture.h"

static uint32_t epoch_of(uint32_t n)
{
	return fixture_image(n, 1).epoch;
}

/* Image `n` whose expiry is `epochs` of 30 s after the plain one's. */
static void add_later(struct fixture *f, uint32_t n, uint32_t epochs, uint32_t collection)
{
	struct catalog_image image = fixture_image(n, collection);
	struct catalog_change answer;
	image.expires_at += (int64_t)epochs * EPOCH_MS;
	image.epoch += epochs;
	CHECK_EQ(fixture_add(f, &image, &answer), ST_OK);
	CHECK(!answer.is_void);
}

TEST(rows_of_past_epochs_leave_in_batches)
{
	struct fixture f;
	uint64_t gone = 0;
	struct catalog_epoch_count epochs[4];
	size_t count = 0;
	fixture_init(&f);
	for (uint32_t n = 0; n < 5; n++)
		add_later(&f, n, 0, 1 + n % 2);
	add_later(&f, 5, 1, 1);
	add_later(&f, 6, 2, 1);
	fixture_finish_plain(&f, 0);
	CHECK_EQ(catalog_count_epochs(f.catalog, epoch_of(0) + 1, epochs, 4, &count), ST_OK);
	CHECK_EQ(count, 2);
	CHECK_EQ(epochs[0].epoch, epoch_of(0));
	CHECK_EQ(epochs[0].images, 5);
	CHECK_EQ(epochs[1].images, 1);
	CHECK_EQ(catalog_count_epochs(f.catalog, epoch_of(0) + 1, epochs, 1, &count), ST_OK);
	CHECK_EQ(count, 1);

	CHECK_EQ(catalog_forget(f.catalog, epoch_of(0) + 1, 4, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 4);
	fixture_check_sound(&f);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(0) + 1, 4, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 2);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(0) + 1, 4, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 0);
	CHECK_EQ(catalog_load(f.catalog).images, 1);
	CHECK_EQ(catalog_load(f.catalog).jobs, 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM rendition"), 0);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM blob"), 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM dead_body"), 7);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_blob_lives_as_long_as_one_image_refers_to_it)
{
	struct fixture f;
	uint64_t gone = 0;
	struct catalog_change answer;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	struct catalog_image image = fixture_image(2, 1);
	memcpy(image.blob_id, fixture_image(1, 1).blob_id, sizeof image.blob_id);
	CHECK_EQ(fixture_add(&f, &image, &answer), ST_OK);
	CHECK(!answer.is_void);
	CHECK_EQ(fixture_ask(&f, "SELECT uses FROM blob"), 2);
	CHECK_EQ(fixture_erase(&f, 1, NULL), ST_OK);
	CHECK_EQ(catalog_forget_unused(f.catalog, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 0);
	CHECK_EQ(fixture_erase(&f, 2, NULL), ST_OK);
	CHECK_EQ(catalog_forget_unused(f.catalog, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_pinned_blob_stays)
{
	struct fixture f;
	uint64_t gone = 0;
	uint8_t pins[2][16];
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_add_plain(&f, 2);
	memset(pins[0], 0xfe, sizeof pins[0]);
	memcpy(pins[1], fixture_image(2, 1).blob_id, sizeof pins[1]);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(2), 10, (const uint8_t(*)[16])pins, 2, &gone), ST_OK);
	CHECK_EQ(gone, 2);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM blob"), 1);
	CHECK_EQ(catalog_forget_unused(f.catalog, (const uint8_t(*)[16])pins, 2, &gone), ST_OK);
	CHECK_EQ(gone, 0);
	CHECK_EQ(catalog_forget_unused(f.catalog, (const uint8_t(*)[16])pins, 1, &gone), ST_OK);
	CHECK_EQ(gone, 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(dead_bodies_are_listed_by_place_until_they_are_punched)
{
	struct fixture f;
	uint64_t gone = 0;
	struct catalog_dead dead[8];
	size_t count = 0;
	fixture_init(&f);
	fixture_add_plain(&f, 2);
	fixture_add_plain(&f, 1);
	fixture_finish_plain(&f, 1);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(2), 10, NULL, 0, &gone), ST_OK);
	CHECK_EQ(catalog_dead_bodies(f.catalog, dead, 8, &count), ST_OK);
	REQUIRE(count == 3);
	CHECK_EQ(dead[0].store, CATALOG_ORIGINALS);
	CHECK_EQ(dead[0].at.offset, 8192);
	CHECK_EQ(dead[0].at.length, 1017);
	CHECK_EQ(dead[1].at.offset, 2 * 8192);
	CHECK_EQ(dead[2].store, CATALOG_PROCESSED);
	CHECK_EQ(catalog_body_punched(f.catalog, dead[0].store, dead[0].at), ST_OK);
	CHECK_EQ(catalog_dead_bodies(f.catalog, dead, 1, &count), ST_OK);
	REQUIRE(count == 1);
	CHECK_EQ(dead[0].at.offset, 2 * 8192);
	fixture_fini(&f);
}

TEST(a_segment_is_empty_when_its_last_row_left)
{
	struct fixture f;
	uint64_t gone = 0;
	uint32_t empty[4];
	size_t count = 0;
	bool is_used = false;
	fixture_init(&f);
	add_later(&f, 1, 0, 1);         /* segment 1 */
	add_later(&f, 2001, 5, 1);      /* segment 3 */
	fixture_finish_plain(&f, 2001); /* segment 7 of store 2 */
	CHECK_EQ(catalog_empty_segments(f.catalog, 1, 9, empty, 4, &count), ST_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(1), 10, NULL, 0, &gone), ST_OK);
	CHECK_EQ(catalog_empty_segments(f.catalog, 1, 9, empty, 4, &count), ST_OK);
	REQUIRE(count == 1);
	CHECK_EQ(empty[0], 1);
	CHECK_EQ(catalog_empty_segments(f.catalog, 1, 1, empty, 4, &count), ST_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(catalog_segment_is_used(f.catalog, 1, 1, &is_used), ST_OK);
	CHECK(!is_used);
	CHECK_EQ(catalog_segment_is_used(f.catalog, 1, 3, &is_used), ST_OK);
	CHECK(is_used);
	CHECK_EQ(catalog_segment_is_used(f.catalog, 2, 7, &is_used), ST_OK);
	CHECK(is_used);
	CHECK_EQ(catalog_segment_dropped(f.catalog, 1, 1), ST_OK);
	CHECK_EQ(catalog_segment_dropped(f.catalog, 1, 3), ST_OK); /* has rows: stays */
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM segment WHERE store = 1"), 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM dead_body"), 0);
	CHECK_EQ(catalog_forget(f.catalog, epoch_of(2001) + 5, 10, NULL, 0, &gone), ST_OK);
	CHECK_EQ(gone, 1);
	CHECK_EQ(catalog_segment_is_used(f.catalog, 2, 7, &is_used), ST_OK);
	CHECK(!is_used);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_collection_is_dropped_once_nothing_is_left_of_it)
{
	struct fixture f;
	uint64_t gone = 0;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	CHECK_EQ(catalog_drop_collection(f.catalog, 1), ST_BUSY);
	CHECK_EQ(fixture_erase(&f, 1, NULL), ST_OK);
	CHECK_EQ(catalog_drop_collection(f.catalog, 1), ST_BUSY); /* its blob waits to be forgotten */
	CHECK_EQ(catalog_forget_unused(f.catalog, NULL, 0, &gone), ST_OK);
	CHECK_EQ(catalog_drop_collection(f.catalog, 1), ST_OK);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM collection"), 1);
	CHECK_EQ(fixture_ask(&f, "SELECT count(*) FROM daily WHERE collection <> '(removed)'"), 0);
	CHECK_EQ(fixture_ask(&f, "SELECT sum(images) FROM daily WHERE collection = '(removed)'"), 1);
	fixture_check_sound(&f);
	fixture_fini(&f);
}

TEST(a_checkpoint_empties_the_log_unless_a_reader_holds_it)
{
	struct fixture f;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	sqlite3 *db = fixture_sqlite(&f);
	CHECK_EQ(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM image", NULL, NULL, NULL), SQLITE_OK);
	fixture_add_plain(&f, 2);
	CHECK_EQ(catalog_checkpoint(f.catalog), ST_BUSY);
	sqlite3_close(db);
	CHECK_EQ(catalog_checkpoint(f.catalog), ST_OK);
	char wal[128];
	snprintf(wal, sizeof wal, "%s-wal", f.path);
	FILE *file = fopen(wal, "rb");
	REQUIRE(file);
	CHECK_EQ(fgetc(file), EOF);
	fclose(file);
	fixture_fini(&f);
}

/* What the catalog can say wrong of itself, one by one. */
TEST(verify_finds_every_wrong_count)
{
	static const struct {
		const char *hurt, *heal, *word;
	} wrongs[] = {
		{ "UPDATE blob SET uses = uses + 1 WHERE number = 1",
			"UPDATE blob SET uses = uses - 1 WHERE number = 1", "blob" },
		{ "UPDATE segment SET rows = rows + 1", "UPDATE segment SET rows = rows - 1", "segment" },
		{ "UPDATE tally SET images = images + 1", "UPDATE tally SET images = images - 1", "tally" },
		{ "UPDATE tally SET blob_bytes = blob_bytes + 1",
			"UPDATE tally SET blob_bytes = blob_bytes - 1", "tally" },
		{ "UPDATE tally SET jobs_dead = jobs_dead + 1", "UPDATE tally SET jobs_dead = jobs_dead - 1",
			"tally" },
		{ "UPDATE image SET ready_at = 5 WHERE state = 'received'",
			"UPDATE image SET ready_at = NULL WHERE state = 'received'", "queued" },
		{ "PRAGMA foreign_keys = OFF; UPDATE rendition SET blob = 77; UPDATE blob SET uses = 0 WHERE number = 3",
			"PRAGMA foreign_keys = OFF; UPDATE rendition SET blob = 3; UPDATE blob SET uses = 1 "
			"WHERE number = 3",
			"rendition" },
	};
	struct fixture f;
	fixture_init(&f);
	fixture_add_plain(&f, 1);
	fixture_add_plain(&f, 2);
	fixture_finish_plain(&f, 1);
	fixture_check_sound(&f);
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		char why[256];
		fixture_tamper(&f, wrongs[i].hurt);
		CHECK_EQ(catalog_verify(f.catalog, why), ST_INVALID);
		if (!strstr(why, wrongs[i].word))
			CHECK_STR(why, wrongs[i].word);
		fixture_tamper(&f, wrongs[i].heal);
		fixture_check_sound(&f);
	}
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(rows_of_past_epochs_leave_in_batches),
		CHECK_TEST(a_blob_lives_as_long_as_one_image_refers_to_it),
		CHECK_TEST(a_pinned_blob_stays),
		CHECK_TEST(dead_bodies_are_listed_by_place_until_they_are_punched),
		CHECK_TEST(a_segment_is_empty_when_its_last_row_left),
		CHECK_TEST(a_collection_is_dropped_once_nothing_is_left_of_it),
		CHECK_TEST(a_checkpoint_empties_the_log_unless_a_reader_holds_it),
		CHECK_TEST(verify_finds_every_wrong_count),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
