/* What a scan says of segments that were hurt, bit by bit and cut by cut. */
#include "test_store.h"

#include "log.h"

enum { BODY = 300, BATCHES = 4 };

/* Segment 1: STATE and three batches of one record each, closed.  Segment 2: STATE, one batch, a seal. */
static void make_small(struct fixture *f, struct place at[BATCHES])
{
	fixture_init_fast(f);
	f->segment_bytes = KIB(64);
	CHECK_EQ(fixture_start(f), ST_OK);
	for (unsigned i = 0; i < BATCHES; i++) {
		CHECK_EQ(fixture_put(f, i, BODY + i, &at[i]), ST_OK);
		if (i == BATCHES - 2) {
			CHECK_EQ(store_roll(f->store), ST_OK);
		}
	}
	fixture_stop(f);
}

static struct tally open_and_scan(struct fixture *f)
{
	struct tally t = { .batches = 0 };
	enum status st = fixture_open(f);
	CHECK_EQ(st, ST_OK);
	if (st == ST_OK) {
		t = fixture_scan(f, (struct position){ 0, 0, 0 });
	}
	fixture_stop(f);
	return t;
}

enum region { REGION_HEAD_BLOCK, REGION_UNCHECKED, REGION_BODY, REGION_FRAME, REGION_SEAL };

/* What byte `at` of a segment is, by the drawing in format.h; `begin` and `state_len` describe its
 * batches, each a block. */
static enum region region_of(size_t at, size_t batches, size_t state_len, const size_t *body_lens)
{
	size_t batch = at / BLOCK_BYTES, in = at % BLOCK_BYTES;
	if (batch == 0) {
		return in < 64 ? REGION_HEAD_BLOCK : REGION_UNCHECKED;
	}
	if (batch == batches) {
		return in < 80 ? REGION_SEAL : REGION_UNCHECKED;
	}
	size_t key = batch == 1 ? 0 : RECORD_KEY_MAX;
	size_t body = batch == 1 ? state_len : body_lens[batch - 2];
	size_t commit = (48 + key + body + 7) / 8 * 8;
	if (in < 48 || (in >= commit && in < commit + 80)) {
		return REGION_FRAME;
	}
	return in >= 48 + key && in < 48 + key + body ? REGION_BODY : REGION_UNCHECKED;
}

struct seen {
	size_t unchecked, bodies, frames, heads, seals;
};

/* One flipped bit and what must be said of it.  All batches but the hurt one are still read. */
static void check_flip(
	const struct tally *t, const struct tally *whole, enum region region, struct seen *seen)
{
	switch (region) {
	case REGION_UNCHECKED: /* key areas and padding: outside of every checksum, and harmless to it */
		seen->unchecked++;
		CHECK(t->damaged == 0 && t->unsound == 0 && t->batches == whole->batches);
		break;
	case REGION_HEAD_BLOCK:
		seen->heads++;
		CHECK(t->damaged == 1 && t->unsound == 0 && t->batches == whole->batches);
		break;
	case REGION_BODY:
		seen->bodies++;
		CHECK(t->unsound == 1 && t->batches == whole->batches);
		break;
	case REGION_FRAME:
		seen->frames++;
		CHECK(t->damaged == 1 && t->unsound == 0 && t->batches == whole->batches - 1);
		break;
	case REGION_SEAL: /* taken for a torn tail, which loses nothing */
		seen->seals++;
		CHECK(t->damaged == 0 && t->unsound == 0 && t->batches == whole->batches - 1);
		break;
	}
}

static void flip_all(
	struct fixture *f, uint32_t number, size_t batches, const size_t *body_lens, struct seen *seen)
{
	size_t len = 0;
	struct tally whole = open_and_scan(f);
	uint8_t *bytes = fixture_load(f, number, &len);
	CHECK_EQ(whole.damaged + whole.unsound, 0);
	for (size_t at = 0; at < len; at++) {
		enum region region = region_of(at, batches, 16 + 5, body_lens);
		/* Padding is thousands of bytes: there each byte loses one bit, elsewhere each bit is
		 * tried. */
		unsigned first = region == REGION_UNCHECKED ? (unsigned)at % 8 : 0;
		unsigned last = region == REGION_UNCHECKED ? first : 7;
		for (unsigned bit = first; bit <= last; bit++) {
			bytes[at] ^= (uint8_t)(1u << bit);
			fixture_store(f, number, bytes, len);
			bytes[at] ^= (uint8_t)(1u << bit);
			unsigned before = atomic_load(&check_failures);
			struct tally t = open_and_scan(f);
			check_flip(&t, &whole, region, seen);
			if (atomic_load(&check_failures) != before) {
				fprintf(stderr,
					"segment %u byte %zu bit %u region %d: %zu batches, %zu, %zu\n",
					number, at, bit, region, t.batches, t.damaged, t.unsound);
			}
		}
	}
	fixture_store(f, number, bytes, len);
	free(bytes);
}

TEST(every_flipped_bit_is_reported_and_the_rest_is_read)
{
	struct fixture f;
	struct place at[BATCHES];
	struct seen seen = { .unchecked = 0 };
	static const size_t first[] = { BODY, BODY + 1, BODY + 2 }, second[] = { BODY + 3 };
	make_small(&f, at);
	flip_all(&f, 1, SIZE_MAX, first, &seen);
	flip_all(&f, 2, 3, second, &seen);
	CHECK(seen.heads == 2 * 64 * 8 && seen.seals == 80 * 8);
	CHECK(seen.frames == 6 * 128 * 8);
	CHECK(seen.bodies == (2 * 21 + 4 * BODY + 6) * 8);
	CHECK(seen.unchecked > 10000);
	fixture_fini(&f);
}

TEST(a_cut_closed_segment_is_reported_and_the_rest_is_read)
{
	struct fixture f;
	struct place at[BATCHES];
	size_t len = 0;
	make_small(&f, at);
	uint8_t *bytes = fixture_load(&f, 1, &len);
	CHECK_EQ(len, 5 * BLOCK_BYTES);
	for (size_t size = 0; size <= len; size += size % BLOCK_BYTES == 1      ? 509
						   : size % BLOCK_BYTES == 4095 ? 1
										: size % 7 + 1) {
		fixture_store(&f, 1, bytes, size);
		struct tally t = open_and_scan(&f);
		size_t left = size < 2 * BLOCK_BYTES ? 0 : size / BLOCK_BYTES - 1;
		CHECK_EQ(t.batches, left + 3);
		CHECK_EQ(t.damaged > 0, size < len);
		CHECK_EQ(t.unsound, 0);
	}
	free(bytes);
	fixture_fini(&f);
}

TEST(a_cut_newest_segment_is_a_torn_tail)
{
	struct fixture f;
	struct place at[BATCHES];
	size_t len = 0;
	make_small(&f, at);
	uint8_t *bytes = fixture_load(&f, 2, &len);
	CHECK_EQ(len, 4 * BLOCK_BYTES);
	for (size_t size = len; size > 0; size -= size % BLOCK_BYTES == 1              ? 1
						  : size % BLOCK_BYTES == 0            ? 1
						  : size % 97 + 1 < size % BLOCK_BYTES ? size % 97 + 1
										       : 1) {
		int fd = fixture_segment(&f, 2, O_WRONLY | O_CREAT); /* what holds no batch is removed */
		(void)fchmod(fd, 0600);
		(void)close(fd);
		fixture_store(&f, 2, bytes, size);
		struct tally t = open_and_scan(&f);
		CHECK_EQ(t.batches, 4 + (size < 2 * BLOCK_BYTES ? 0 : size / BLOCK_BYTES - 1));
		CHECK_EQ(t.damaged + t.unsound, 0);
	}
	/* And on what is left one can build. */
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 9, BODY, &at[3]), ST_OK);
	CHECK(fixture_has(&f, 9, BODY, at[3]));
	CHECK(fixture_has(&f, 2, BODY + 2, at[2]));
	CHECK_EQ(fixture_scan(&f, (struct position){ 0, 0, 0 }).damaged, 0);
	free(bytes);
	fixture_fini(&f);
}

TEST(lost_blocks_in_the_middle_do_not_hide_what_follows)
{
	struct fixture f;
	struct place at[BATCHES];
	size_t len = 0;
	make_small(&f, at);
	uint8_t *bytes = fixture_load(&f, 1, &len);
	for (size_t block = 0; block < len / BLOCK_BYTES; block++) {
		uint8_t *hurt = malloc(len);
		memcpy(hurt, bytes, len);
		memset(hurt + block * BLOCK_BYTES, 0, BLOCK_BYTES);
		fixture_store(&f, 1, hurt, len);
		struct tally t = open_and_scan(&f);
		CHECK_EQ(t.damaged, 1);
		CHECK_EQ(t.damaged_bytes, BLOCK_BYTES);
		CHECK_EQ(t.batches, block == 0 ? 7 : 6);
		free(hurt);
	}
	free(bytes);
	fixture_fini(&f);
}

TEST(two_invalid_batches_at_the_end_are_damage_and_kept)
{
	struct fixture f;
	struct place at[BATCHES];
	struct stat before, after;
	size_t len = 0;
	make_small(&f, at);
	uint8_t *bytes = fixture_load(&f, 2, &len);
	/* The batch and the seal lose a bit each behind their first head: two batches were begun, so the
	 * first was synced. */
	bytes[2 * BLOCK_BYTES + 48 + 60 + 320] ^= 1;
	bytes[3 * BLOCK_BYTES + 50] ^= 1;
	fixture_store(&f, 2, bytes, len);
	int fd = fixture_segment(&f, 2, O_RDONLY);
	CHECK_EQ(fstat(fd, &before), 0);
	struct tally t = open_and_scan(&f);
	CHECK_EQ(fstat(fd, &after), 0);
	CHECK_EQ(after.st_size, before.st_size);
	CHECK_EQ(t.damaged, 1);
	CHECK_EQ(t.batches, 5);
	/* The next run says it too: the bytes lie behind the end that its STATE names. */
	REQUIRE(fixture_start(&f) == ST_OK);
	t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.damaged, 1);
	CHECK_EQ(t.batches, 6);
	(void)close(fd);
	free(bytes);
	fixture_fini(&f);
}

TEST(a_damaged_unused_name_and_foreign_files_stop_nothing)
{
	struct fixture f;
	struct place at[BATCHES];
	char path[128];
	make_small(&f, at);
	static const char *const names[] = { "00000003.seg", "0000000g.seg", "00000000.seg", "000000004.seg",
		"lost+found" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", f.path, names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd >= 0 && ftruncate(fd, i == 0 ? 65536 : 0) == 0);
		(void)close(fd);
	}
	struct tally t = open_and_scan(&f);
	CHECK_EQ(t.damaged, 0);
	CHECK_EQ(t.batches, 7);
	(void)snprintf(path, sizeof path, "%s/00000003.seg", f.path);
	CHECK(access(path, F_OK) != 0);
	/* With anything written in it, it is no file that was being made: kept and reported, and its
	 * number not used again. */
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(pwrite(fd, "x", 1, 3 << 20) == 1);
	(void)close(fd);
	t = open_and_scan(&f);
	CHECK_EQ(t.damaged, 2);
	CHECK_EQ(t.batches, 7);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(store_end(f.store).segment, 4);
	CHECK_EQ(fixture_put(&f, 9, BODY, &at[0]), ST_OK);
	t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.damaged, 2);
	CHECK_EQ(t.batches, 9);
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_flipped_bit_is_reported_and_the_rest_is_read),
		CHECK_TEST(a_cut_closed_segment_is_reported_and_the_rest_is_read),
		CHECK_TEST(a_cut_newest_segment_is_a_torn_tail),
		CHECK_TEST(lost_blocks_in_the_middle_do_not_hide_what_follows),
		CHECK_TEST(two_invalid_batches_at_the_end_are_damage_and_kept),
		CHECK_TEST(a_damaged_unused_name_and_foreign_files_stop_nothing),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
