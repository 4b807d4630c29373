/* Erasing keys and punching bodies in place: the one is gone, its neighbours are not touched. */
#include "test_store.h"

enum { MANY = 60 };

/* Entries of one batch: records lie one behind the other, so key areas fall on every place of a block. */
static void put_together(struct fixture *f, const size_t *lens, size_t count, struct place *at)
{
	struct store_record records[ENTRY_RECORDS_MAX];
	uint8_t keys[ENTRY_RECORDS_MAX][RECORD_KEY_MAX], *bodies[ENTRY_RECORDS_MAX];
	for (size_t i = 0; i < count; i++) {
		bodies[i] = malloc(lens[i] + 1);
		content_fill(keys[i], RECORD_KEY_MAX, i + 1000003);
		content_fill(bodies[i], lens[i], i);
		records[i] = (struct store_record){ .kind = RECORD_IMAGE,
			.key = span_make(keys[i], RECORD_KEY_MAX),
			.body = { span_make(bodies[i], lens[i]) } };
	}
	struct store_entry entry = { .records = records, .record_count = count };
	void *item = NULL;
	CHECK_EQ(store_submit(f->store, &entry), ST_OK);
	CHECK_EQ(queue_take(f->synced, 20000, &item), ST_OK);
	CHECK_EQ(((struct store_batch *)item)->status, ST_OK);
	store_batch_free(item);
	for (size_t i = 0; i < count; i++) {
		at[i] = records[i].at;
		free(bodies[i]);
	}
}

/* The middle one of three neighbours is erased, with its key area beginning `shift` bytes before a
 * block's end. */
static void erase_at_border(struct fixture *f, size_t shift)
{
	struct place at[3];
	struct store_head head;
	static const uint8_t zeros[RECORD_KEY_MAX];
	/* The second head begins at 48 + 60 + first body, its key 48 behind. */
	size_t lens[3] = { BLOCK_BYTES - 48 - shift - 108, 100, 50 }, len = 0, len_after = 0;
	put_together(f, lens, 3, at);
	CHECK_EQ((at[1].offset + 48 + shift) % BLOCK_BYTES, 0);
	int fd = fixture_segment(f, at[1].segment, O_RDONLY);
	uint8_t cached[RECORD_KEY_MAX];
	CHECK_EQ(pread(fd, cached, sizeof cached, at[1].offset + 48), RECORD_KEY_MAX);
	CHECK(memcmp(cached, zeros, sizeof zeros) != 0);
	uint8_t *before = fixture_load(f, at[1].segment, &len);
	CHECK_EQ(store_erase_key(f->store, at[1]), ST_OK);
	/* A reader through the page cache sees it at once. */
	CHECK_EQ(pread(fd, cached, sizeof cached, at[1].offset + 48), RECORD_KEY_MAX);
	CHECK_BYTES(cached, zeros, sizeof zeros);
	uint8_t *after = fixture_load(f, at[1].segment, &len_after);
	CHECK_EQ(len, len_after);
	memset(before + at[1].offset + 48, 0, RECORD_KEY_MAX);
	CHECK_BYTES(before, after, len);
	CHECK_EQ(store_read_head(f->store, at[1], &head), ST_OK);
	CHECK_BYTES(head.key, zeros, sizeof zeros);
	CHECK_EQ(store_erase_key(f->store, at[1]), ST_OK);
	(void)close(fd);
	free(before);
	free(after);
}

TEST(an_erase_at_any_place_of_a_block_keeps_the_neighbours)
{
	struct fixture f;
	fixture_init(&f);
	f.segment_bytes = MIB(1);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (size_t shift = 0; shift <= 72; shift += 8) {
		erase_at_border(&f, shift);
	}
	struct tally t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.damaged + t.unsound, 0);
	fixture_stop(&f);
	REQUIRE(fixture_open(&f) == ST_OK);
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	fixture_fini(&f);
}

TEST(a_cached_key_is_not_served_after_the_erase)
{
	struct fixture f;
	struct place at[MANY];
	struct store_head head;
	static const uint8_t zeros[RECORD_KEY_MAX];
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK_EQ(fixture_put(&f, i, 40 * i, &at[i]), ST_OK);
		CHECK(fixture_has(&f, i, 40 * i, at[i]));
	}
	for (unsigned i = 0; i < MANY; i += 2) {
		CHECK_EQ(store_erase_key(f.store, at[i]), ST_OK);
		CHECK_EQ(store_read_head(f.store, at[i], &head), ST_OK);
		CHECK_BYTES(head.key, zeros, sizeof zeros);
		CHECK(fixture_has(&f, i + 1, 40 * (i + 1), at[i + 1]));
	}
	fixture_fini(&f);
}

TEST(only_a_sound_head_with_a_key_can_be_erased)
{
	struct fixture f;
	struct place at, wrong;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put_span(&f, RECORD_OFFSET, span_make(NULL, 0), SPAN_LIT("no key"), &at), ST_OK);
	CHECK_EQ(store_erase_key(f.store, at), ST_CORRUPT);
	wrong = at;
	wrong.offset += 8;
	CHECK_EQ(store_erase_key(f.store, wrong), ST_CORRUPT);
	wrong.offset = UINT32_MAX & ~7u;
	CHECK_EQ(store_erase_key(f.store, wrong), ST_CORRUPT);
	wrong.offset = 0;
	CHECK_EQ(store_erase_key(f.store, wrong), ST_CORRUPT);
	fixture_fini(&f);
}

static uint64_t blocks_of(const struct fixture *f, uint32_t segment)
{
	struct stat info = { .st_blocks = 0 };
	int fd = fixture_segment(f, segment, O_RDONLY);
	CHECK_EQ(fstat(fd, &info), 0);
	(void)close(fd);
	return (uint64_t)info.st_blocks * 512;
}

TEST(a_punched_body_gives_its_blocks_back_and_nothing_more)
{
	enum { LEN = 1000000 };
	struct fixture f;
	struct place at[3];
	struct store_head head;
	struct buf body;
	uint64_t freed = 0;
	size_t lens[3] = { LEN, LEN, 5000 };
	fixture_init(&f);
	buf_init(&body, LEN);
	REQUIRE(fixture_start(&f) == ST_OK);
	put_together(&f, lens, 3, at);
	/* As long as a torn tail is told by these bodies, they stay. */
	CHECK_EQ(store_punch(f.store, at[0], &freed), ST_BUSY);
	CHECK_EQ(store_roll(f.store), ST_OK);
	uint64_t before = blocks_of(&f, 1);
	CHECK_EQ(store_punch(f.store, at[0], &freed), ST_OK);
	CHECK(freed > LEN - 2 * BLOCK_BYTES && freed <= LEN);
	CHECK_EQ(blocks_of(&f, 1), before - freed);
	CHECK_EQ(store_punch(f.store, at[0], &freed), ST_OK);
	CHECK_EQ(freed, 0);
	CHECK_EQ(store_read_head(f.store, at[0], &head), ST_OK);
	CHECK_EQ(head.body_len, LEN);
	CHECK_EQ(store_read_checked(f.store, at[0], &head, &body), ST_CORRUPT);
	CHECK(fixture_has(&f, 1, LEN, at[1]));
	CHECK(fixture_has(&f, 2, 5000, at[2]));
	struct tally t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.damaged, 0);
	CHECK_EQ(t.unsound, 1);
	CHECK_EQ(t.records, 5);
	/* A start finds the same. */
	fixture_stop(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK(fixture_has(&f, 1, LEN, at[1]));
	t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.damaged, 0);
	CHECK_EQ(t.unsound, 1);
	buf_fini(&body);
	fixture_fini(&f);
}

TEST(a_body_of_less_than_a_block_is_left_alone)
{
	struct fixture f;
	struct place at[2];
	uint64_t freed = 1;
	fixture_init(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 4000, &at[0]), ST_OK);
	CHECK_EQ(fixture_put(&f, 2, 4000, &at[1]), ST_OK);
	CHECK_EQ(store_punch(f.store, at[0], &freed), ST_OK);
	CHECK_EQ(freed, 0);
	CHECK(fixture_has(&f, 1, 4000, at[0]));
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(an_erase_at_any_place_of_a_block_keeps_the_neighbours),
		CHECK_TEST(a_cached_key_is_not_served_after_the_erase),
		CHECK_TEST(only_a_sound_head_with_a_key_can_be_erased),
		CHECK_TEST(a_punched_body_gives_its_blocks_back_and_nothing_more),
		CHECK_TEST(a_body_of_less_than_a_block_is_left_alone),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
