/* What two mirrors that differ mean, every pair of states; power cuts between their writes; who may open
 * a keyring. */
#include "keyring_fixture.h"

/* What one mirror may hold in a slot.  OLD is epoch e, NEW is epoch e + KEYRING_SLOTS. */
enum { EMPTY, OLD, OLD_OTHER_KEY, OLD_GONE, NEW, NEW_GONE, TORN, BAD_TAG, KINDS, LOST = KINDS };
static uint8_t kinds[KINDS][KEYRING_BLOCK][SLOT_BYTES];

static const int expected[KINDS][KINDS] = {
	[EMPTY] = { EMPTY, OLD, OLD_OTHER_KEY, OLD_GONE, NEW, NEW_GONE, EMPTY, EMPTY },
	[OLD] = { OLD, OLD, OLD, OLD_GONE, NEW, NEW_GONE, OLD, OLD },
	[OLD_OTHER_KEY] = { OLD_OTHER_KEY, OLD_OTHER_KEY, OLD_OTHER_KEY, OLD_GONE, NEW, NEW_GONE,
		OLD_OTHER_KEY, OLD_OTHER_KEY },
	[OLD_GONE] = { OLD_GONE, OLD_GONE, OLD_GONE, OLD_GONE, NEW, NEW_GONE, OLD_GONE, OLD_GONE },
	[NEW] = { NEW, NEW, NEW, NEW, NEW, NEW_GONE, NEW, NEW },
	[NEW_GONE] = { NEW_GONE, NEW_GONE, NEW_GONE, NEW_GONE, NEW_GONE, NEW_GONE, NEW_GONE, NEW_GONE },
	[TORN] = { EMPTY, OLD, OLD_OTHER_KEY, OLD_GONE, NEW, NEW_GONE, LOST, LOST },
	[BAD_TAG] = { EMPTY, OLD, OLD_OTHER_KEY, OLD_GONE, NEW, NEW_GONE, LOST, LOST },
};

static void collect(int kind, uint32_t first)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	must(keyring_prepare(f.kr, first, first + KEYRING_BLOCK - 1) == ST_OK);
	for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
		raw_read(&f, 0, first + i, kinds[kind][i]);
	fixture_end(&f);
}

static void encode_others(void)
{
	for (uint32_t i = 0; i < KEYRING_BLOCK; i++) {
		uint32_t index = (E + i) % KEYRING_SLOTS;
		const uint8_t *root_id = kinds[OLD][i] + 16;
		struct slot s = { .state = SLOT_EMPTY };
		format_put_slot(&s, index, root_id, kinds[EMPTY][i]);
		s = (struct slot){ .state = SLOT_DESTROYED, .epoch = E + i };
		format_put_slot(&s, index, root_id, kinds[OLD_GONE][i]);
		s.epoch += KEYRING_SLOTS;
		format_put_slot(&s, index, root_id, kinds[NEW_GONE][i]);
		memcpy(kinds[TORN][i], kinds[OLD_GONE][i], SLOT_BYTES / 2);
		memcpy(kinds[TORN][i] + SLOT_BYTES / 2, kinds[OLD][i] + SLOT_BYTES / 2, SLOT_BYTES / 2);
		format_get_slot(kinds[NEW][i], index, root_id, &s);
		s.wrapped[20] ^= 1;
		format_put_slot(&s, index, root_id, kinds[BAD_TAG][i]);
	}
}

static void make_kinds(void)
{
	collect(OLD, E);
	collect(OLD_OTHER_KEY, E);
	collect(NEW, E + KEYRING_SLOTS);
	encode_others();
}

TEST(every_pair_of_states_is_repaired_as_drawn)
{
	struct fixture f;
	uint8_t a[SLOT_BYTES], b[SLOT_BYTES];
	fixture_begin(&f);
	for (uint32_t i = 0; i < KINDS * KINDS; i++) {
		bool is_lost = expected[i / KINDS][i % KINDS] == LOST;
		raw_write(&f, 0, E + i, kinds[is_lost ? OLD : i / KINDS][i]);
		raw_write(&f, 1, E + i, kinds[is_lost ? OLD : i % KINDS][i]);
	}
	fixture_open(&f);
	CHECK_EQ(disagreeing(f.kr), 0);
	for (uint32_t i = 0; i < KINDS * KINDS; i++) {
		int want = expected[i / KINDS][i % KINDS];
		want = want == LOST ? OLD : want;
		raw_read(&f, 0, E + i, a);
		raw_read(&f, 1, E + i, b);
		CHECK_BYTES(a, kinds[want][i], SLOT_BYTES);
		CHECK_BYTES(b, kinds[want][i], SLOT_BYTES);
		CHECK_EQ(try_image(f.kr, E + i), want == OLD || want == OLD_OTHER_KEY ? ST_OK : ST_GONE);
		CHECK_EQ(try_image(f.kr, E + i + KEYRING_SLOTS), want == NEW ? ST_OK : ST_GONE);
		CHECK_EQ(keyring_epoch_state(f.kr, E + i), want == EMPTY ? EPOCH_ABSENT
							   : want == OLD || want == OLD_OTHER_KEY
								   ? EPOCH_LIVE
								   : EPOCH_DESTROYED);
	}
	fixture_end(&f);
}

TEST(a_slot_lost_in_both_mirrors_is_said_aloud)
{
	struct fixture f;
	fixture_begin(&f);
	for (int a = TORN; a <= BAD_TAG; a++)
		for (int b = TORN; b <= BAD_TAG; b++) {
			raw_write(&f, 0, E, kinds[a][0]);
			raw_write(&f, 1, E, kinds[b][0]);
			CHECK_EQ(keyring_open(&f.options, &f.kr), ST_CORRUPT);
		}
	fixture_end(&f);
}

/* A slot of another place, root key or directory is not ours, however sound it is. */
TEST(a_sound_slot_in_the_wrong_place_is_torn)
{
	struct fixture f;
	uint8_t a[SLOT_BYTES];
	fixture_begin(&f);
	raw_write(&f, 0, E + 1, kinds[OLD][0]);
	raw_write(&f, 1, E + 1, kinds[OLD][1]);
	fixture_open(&f);
	raw_read(&f, 0, E + 1, a);
	CHECK_BYTES(a, kinds[OLD][1], SLOT_BYTES);
	fixture_close(&f);
	f.options.directory_id[0] ^= 1;
	CHECK(unlinkat(f.dir_fd, "keyring.a", 0) == 0 && unlinkat(f.dir_fd, "keyring.b", 0) == 0);
	CHECK_EQ(keyring_create(&f.options), ST_OK);
	raw_write(&f, 0, E, kinds[OLD][0]);
	fixture_open(&f);
	CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_ABSENT);
	fixture_end(&f);
}

TEST(every_bit_of_a_slot_is_guarded)
{
	static const uint8_t *const both[] = { kinds[OLD][5], kinds[OLD_GONE][5], kinds[EMPTY][5] };
	struct slot s;
	for (size_t k = 0; k < 3; k++)
		for (size_t bit = 0; bit < SLOT_BYTES * 8; bit++) {
			uint8_t bytes[SLOT_BYTES];
			memcpy(bytes, both[k], SLOT_BYTES);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			format_get_slot(bytes, (E + 5) % KEYRING_SLOTS, kinds[OLD][5] + 16, &s);
			CHECK_EQ(s.state, SLOT_TORN);
		}
	/* A destroyed slot with key bytes left in it and a checksum to match is no destroyed slot. */
	uint8_t hidden[SLOT_BYTES];
	memcpy(hidden, kinds[OLD_GONE][5], SLOT_BYTES);
	hidden[40] = 9;
	uint32_t crc = digest_crc32c(0, span_make(hidden, SLOT_BYTES - 4));
	for (unsigned i = 0; i < 4; i++)
		hidden[SLOT_BYTES - 4 + i] = (uint8_t)(crc >> (8 * i));
	format_get_slot(hidden, (E + 5) % KEYRING_SLOTS, kinds[OLD][5] + 16, &s);
	CHECK_EQ(s.state, SLOT_TORN);
}

/* --- power cuts --- */

enum { DUE = 20 };

/* Mirror `which` as it was before destroying, except for its first `done` slots; the next one is torn if
 * `is_torn`. */
static void cut_power(
	struct fixture *f, int which, uint8_t before[KEYRING_BLOCK][SLOT_BYTES], uint32_t done, bool is_torn)
{
	for (uint32_t i = done; i < KEYRING_BLOCK; i++) {
		uint8_t bytes[SLOT_BYTES];
		memcpy(bytes, before[i], SLOT_BYTES);
		if (is_torn && i == done)
			memset(bytes + 100, 0xa5, 300);
		raw_write(f, which, E + i, bytes);
	}
}

TEST(a_power_cut_while_destroying_ends_destroyed_or_not_begun)
{
	uint32_t gone[DUE];
	size_t count = 0;
	for (uint32_t step = 0; step <= 2 * DUE; step += 5) {
		static uint8_t before[KEYRING_BLOCK][SLOT_BYTES];
		struct fixture f;
		bool is_in_b = step >= DUE;
		uint32_t done = is_in_b ? step - DUE : step;
		fixture_begin(&f);
		fixture_open(&f);
		CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
		for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
			raw_read(&f, 0, E + i, before[i]);
		CHECK_EQ(keyring_destroy_due(f.kr, E + DUE - 1, gone, DUE, &count), ST_OK);
		fixture_close(&f);
		cut_power(&f, 1, before, is_in_b ? done : 0, is_in_b);
		if (!is_in_b)
			cut_power(&f, 0, before, done, true);
		fixture_open(&f);
		for (uint32_t i = 0; i < DUE; i++)
			CHECK_EQ(keyring_epoch_state(f.kr, E + i),
				is_in_b || i < done ? EPOCH_DESTROYED : EPOCH_LIVE);
		CHECK_EQ(keyring_epoch_state(f.kr, E + DUE), EPOCH_LIVE);
		CHECK_EQ(keyring_destroy_due(f.kr, E + DUE - 1, gone, DUE, &count), ST_OK);
		CHECK_EQ(count, is_in_b ? 0 : DUE - done);
		CHECK_EQ(disagreeing(f.kr), 0);
		fixture_end(&f);
	}
}

/* Epochs whose making was cut are made, or absent and made again; never lost for ever. */
TEST(a_power_cut_while_preparing_costs_no_epoch)
{
	for (uint32_t step = 0; step <= 2 * KEYRING_BLOCK; step += 51) {
		static uint8_t before[KEYRING_BLOCK][SLOT_BYTES];
		struct fixture f;
		uint32_t gone[KEYRING_BLOCK];
		size_t count = 0;
		bool is_in_b = step >= KEYRING_BLOCK;
		fixture_begin(&f);
		fixture_open(&f);
		CHECK_EQ(keyring_prepare(f.kr, E - KEYRING_SLOTS, E_BLOCK_END - KEYRING_SLOTS), ST_OK);
		CHECK_EQ(keyring_destroy_due(f.kr, E, gone, KEYRING_BLOCK, &count), ST_OK);
		for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
			raw_read(&f, 0, E + i, before[i]);
		CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
		fixture_close(&f);
		cut_power(&f, 1, before, is_in_b ? step - KEYRING_BLOCK : 0, is_in_b);
		if (!is_in_b)
			cut_power(&f, 0, before, step, true);
		fixture_open(&f);
		CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
		for (uint32_t i = 0; i < KEYRING_BLOCK; i++)
			CHECK_EQ(try_image(f.kr, E + i), ST_OK);
		CHECK_EQ(keyring_epoch_state(f.kr, E - KEYRING_SLOTS), EPOCH_DESTROYED);
		CHECK_EQ(disagreeing(f.kr), 0);
		fixture_end(&f);
	}
}

/* --- heads and whole files --- */

static void spoil(struct fixture *f, int which, off_t at)
{
	int fd = raw_open(f, which);
	uint8_t byte = 0;
	must(pread(fd, &byte, 1, at) == 1);
	byte ^= 1;
	must(pwrite(fd, &byte, 1, at) == 1 && close(fd) == 0);
}

TEST(one_sound_head_is_enough)
{
	struct fixture f;
	fixture_begin(&f);
	for (int which = 0; which < 2; which++) {
		uint8_t *before = raw_all(&f, which);
		spoil(&f, which, 30);
		fixture_open(&f);
		fixture_close(&f);
		uint8_t *after = raw_all(&f, which);
		CHECK_BYTES(before, after, KEYRING_FILE_BYTES);
		free(before), free(after);
	}
	spoil(&f, 0, 4000);
	spoil(&f, 1, 4090);
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_CORRUPT);
	fixture_end(&f);
}

TEST(a_missing_or_short_mirror_is_made_again)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	fixture_close(&f);
	for (int which = 0; which < 2; which++) {
		uint8_t *whole = raw_all(&f, which);
		CHECK(unlinkat(f.dir_fd, which ? "keyring.b" : "keyring.a", 0) == 0);
		CHECK_EQ(keyring_create(&f.options), ST_EXISTS);
		fixture_open(&f);
		fixture_close(&f);
		uint8_t *again = raw_all(&f, which);
		CHECK_BYTES(whole, again, KEYRING_FILE_BYTES);
		free(again);
		int fd = raw_open(&f, which);
		CHECK(ftruncate(fd, 100000) == 0 && close(fd) == 0);
		fixture_open(&f);
		CHECK_EQ(try_image(f.kr, E), ST_OK);
		fixture_close(&f);
		again = raw_all(&f, which);
		CHECK_BYTES(whole, again, KEYRING_FILE_BYTES);
		free(again), free(whole);
	}
	CHECK(unlinkat(f.dir_fd, "keyring.a", 0) == 0 && unlinkat(f.dir_fd, "keyring.b", 0) == 0);
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_NOT_FOUND);
	fixture_end(&f);
}

TEST(check_counts_what_was_changed_behind_our_back)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(disagreeing(f.kr), 0);
	spoil(&f, 0, raw_at(3) + 200);
	spoil(&f, 1, raw_at(3) + 200);
	spoil(&f, 1, raw_at(9) + 1);
	CHECK_EQ(disagreeing(f.kr), 2);
	fixture_end(&f);
}

/* --- the root key file --- */

TEST(only_a_private_root_key_file_of_the_right_key_opens)
{
	struct fixture f;
	char link_path[320], made_path[320];
	struct stat s;
	static const mode_t refused[] = { 0644, 0604, 0640, 0620, 0602, 0610 };
	fixture_begin(&f);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		CHECK(chmod(f.root_path, refused[i]) == 0);
		CHECK_EQ(keyring_open(&f.options, &f.kr), ST_DENIED);
	}
	CHECK(chmod(f.root_path, 0400) == 0);
	fixture_open(&f);
	fixture_close(&f);
	(void)snprintf(link_path, sizeof link_path, "%s/link", f.dir);
	(void)snprintf(made_path, sizeof made_path, "%s/made", f.dir);
	CHECK(symlink(f.root_path, link_path) == 0);
	f.options.root_key_path = link_path;
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_DENIED);
	f.options.root_key_path = f.dir;
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_DENIED);
	f.options.root_key_path = made_path;
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_NOT_FOUND);
	CHECK_EQ(keyring_make_root_key(made_path), ST_OK);
	CHECK_EQ(keyring_make_root_key(made_path), ST_EXISTS);
	CHECK(stat(made_path, &s) == 0 && (s.st_mode & 0777) == 0600 && s.st_size == 65);
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_MISMATCH);
	f.options.root_key_path = f.root_path;
	f.options.directory_id[15] ^= 1;
	CHECK_EQ(keyring_open(&f.options, &f.kr), ST_MISMATCH);
	CHECK(unlink(link_path) == 0 && unlink(made_path) == 0);
	fixture_end(&f);
}

TEST(a_malformed_root_key_file_is_refused)
{
	static const char *const texts[] = {
		"",
		"\n",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n\n",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g\n",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e\n",
	};
	struct fixture f;
	fixture_begin(&f);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		write_file(f.root_path, texts[i], 0600);
		CHECK_EQ(keyring_open(&f.options, &f.kr), ST_INVALID);
	}
	fixture_end(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(every_pair_of_states_is_repaired_as_drawn),
		CHECK_TEST(a_slot_lost_in_both_mirrors_is_said_aloud),
		CHECK_TEST(a_sound_slot_in_the_wrong_place_is_torn),
		CHECK_TEST(every_bit_of_a_slot_is_guarded),
		CHECK_TEST(a_power_cut_while_destroying_ends_destroyed_or_not_begun),
		CHECK_TEST(a_power_cut_while_preparing_costs_no_epoch),
		CHECK_TEST(one_sound_head_is_enough),
		CHECK_TEST(a_missing_or_short_mirror_is_made_again),
		CHECK_TEST(check_counts_what_was_changed_behind_our_back),
		CHECK_TEST(only_a_private_root_key_file_of_the_right_key_opens),
		CHECK_TEST(a_malformed_root_key_file_is_refused),
	};
	make_kinds();
	return check_run(tests, sizeof tests / sizeof *tests);
}
