/* Epochs: made ahead, destroyed in place, never back. */
#include "keyring_fixture.h"

enum { MANY = KEYRING_SLOTS };
static uint32_t gone[MANY];

TEST(prepare_makes_whole_blocks_and_is_idempotent)
{
	struct fixture f;
	struct keyring_report report;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_oldest_live(f.kr), 0);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 3), EPOCH_ABSENT);
	CHECK_EQ(try_image(f.kr, E + 3), ST_GONE);
	CHECK_EQ(keyring_prepare(f.kr, E + 3, E + 10), ST_OK);
	uint8_t *before = raw_all(&f, 0);
	CHECK_EQ(keyring_prepare(f.kr, E + 3, E + 10), ST_OK);
	CHECK_EQ(keyring_prepare(f.kr, E + 3, E_BLOCK_END), ST_OK);
	uint8_t *after = raw_all(&f, 0), *other = raw_all(&f, 1);
	CHECK_BYTES(before, after, KEYRING_FILE_BYTES);
	CHECK_BYTES(before, other, KEYRING_FILE_BYTES);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 2), EPOCH_ABSENT);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 3), EPOCH_LIVE);
	CHECK_EQ(keyring_epoch_state(f.kr, E_BLOCK_END), EPOCH_LIVE);
	CHECK_EQ(keyring_epoch_state(f.kr, E_BLOCK_END + 1), EPOCH_ABSENT);
	CHECK_EQ(keyring_oldest_live(f.kr), E + 3);
	CHECK_EQ(try_image(f.kr, E + 3), ST_OK);
	CHECK_EQ(keyring_check(f.kr, &report), ST_OK);
	CHECK_EQ(report.live, KEYRING_BLOCK - 3);
	CHECK_EQ(report.destroyed, 0);
	CHECK_EQ(report.empty, KEYRING_SLOTS - KEYRING_BLOCK + 3);
	CHECK_EQ(report.disagree, 0);
	CHECK_EQ(report.oldest_live, E + 3);
	CHECK_EQ(report.newest_live, E_BLOCK_END);
	free(before), free(after), free(other);
	fixture_end(&f);
}

TEST(prepare_refuses_senseless_ranges)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, 0, 5), ST_INVALID);
	CHECK_EQ(keyring_prepare(f.kr, E, E - 1), ST_INVALID);
	CHECK_EQ(keyring_prepare(f.kr, E, E + KEYRING_SLOTS), ST_INVALID);
	CHECK_EQ(keyring_prepare(f.kr, UINT32_MAX, UINT32_MAX), ST_INVALID);
	CHECK_EQ(keyring_oldest_live(f.kr), 0);
	fixture_end(&f);
}

TEST(destroy_gives_the_oldest_first_and_at_most_max)
{
	struct fixture f;
	size_t count = 9;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, MANY, &count), ST_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, E - 1, gone, MANY, &count), ST_OK);
	CHECK_EQ(count, 0);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 4, gone, 3, &count), ST_OK);
	REQUIRE(count == 3);
	CHECK_EQ(gone[0], E);
	CHECK_EQ(gone[2], E + 2);
	CHECK_EQ(keyring_oldest_live(f.kr), E + 3);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 4, gone, 3, &count), ST_OK);
	REQUIRE(count == 2);
	CHECK_EQ(gone[1], E + 4);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 4), EPOCH_DESTROYED);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 5), EPOCH_LIVE);
	CHECK_EQ(try_image(f.kr, E + 4), ST_GONE);
	CHECK_EQ(try_image(f.kr, E + 5), ST_OK);
	CHECK_EQ(disagreeing(f.kr), 0);
	fixture_end(&f);
}

TEST(destroyed_leaves_no_trace_in_either_file_and_stays_destroyed)
{
	struct fixture f;
	uint8_t slots[5][SLOT_BYTES];
	size_t count = 0;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	for (uint32_t i = 0; i < 5; i++)
		raw_read(&f, 0, E + i, slots[i]);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 4, gone, MANY, &count), ST_OK);
	CHECK_EQ(count, 5);
	for (int which = 0; which < 2; which++) {
		uint8_t *all = raw_all(&f, which);
		for (uint32_t i = 0; i < 5; i++)
			for (size_t part = 24; part < 24 + SLOT_WRAPPED; part += 12)
				CHECK(!memmem(all, KEYRING_FILE_BYTES, slots[i] + part, 12));
		free(all);
	}
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(keyring_prepare(f.kr, E, E + 20), ST_OK);
		CHECK_EQ(keyring_epoch_state(f.kr, E + 4), EPOCH_DESTROYED);
		CHECK_EQ(keyring_epoch_state(f.kr, E + 5), EPOCH_LIVE);
		CHECK_EQ(try_image(f.kr, E + 4), ST_GONE);
		fixture_close(&f);
		fixture_open(&f);
	}
	fixture_end(&f);
}

/* A key that lived before a restart opens the same images after it. */
TEST(live_epochs_survive_a_restart)
{
	struct fixture f;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct image_key *key = NULL;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E), ST_OK);
	CHECK_EQ(keyring_new_image(f.kr, 7, keyring_epoch_due_ms(E), &id, wrapped, &key), ST_OK);
	image_key_release(key);
	key = NULL;
	fixture_close(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_open_image(f.kr, &id, wrapped, &key), ST_OK);
	image_key_release(key);
	fixture_end(&f);
}

TEST(ring_wraps_but_never_over_a_live_slot)
{
	struct fixture f;
	size_t count = 0;
	uint32_t next = E + KEYRING_SLOTS;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 1, gone, MANY, &count), ST_OK);
	CHECK_EQ(keyring_prepare(f.kr, next, next + 3), ST_BUSY);
	CHECK_EQ(keyring_epoch_state(f.kr, next + 1), EPOCH_LIVE);
	CHECK_EQ(keyring_epoch_state(f.kr, next + 2), EPOCH_ABSENT);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 2), EPOCH_LIVE);
	CHECK_EQ(keyring_oldest_live(f.kr), E + 2);
	/* Epochs beyond what was asked for are made where they can be; that some cannot is no alarm. */
	CHECK_EQ(keyring_prepare(f.kr, next, next + 1), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, E_BLOCK_END, gone, MANY, &count), ST_OK);
	CHECK_EQ(count, KEYRING_BLOCK - 2);
	CHECK_EQ(keyring_prepare(f.kr, next, next + 3), ST_OK);
	CHECK_EQ(keyring_epoch_state(f.kr, next + 3), EPOCH_LIVE);
	CHECK_EQ(disagreeing(f.kr), 0);
	fixture_end(&f);
}

/* After more downtime than the ring is long, the old epochs' slots belong to new ones. */
TEST(passed_epochs_stay_destroyed_after_their_slots_are_reused)
{
	struct fixture f;
	size_t count = 0;
	uint32_t next = E + KEYRING_SLOTS;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, next, gone, MANY, &count), ST_OK);
	CHECK_EQ(count, KEYRING_BLOCK);
	CHECK_EQ(keyring_prepare(f.kr, next, next + 5), ST_OK);
	for (int round = 0; round < 2; round++) {
		CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_DESTROYED);
		CHECK_EQ(keyring_epoch_state(f.kr, next), EPOCH_LIVE);
		CHECK_EQ(keyring_epoch_state(f.kr, E - KEYRING_SLOTS), EPOCH_DESTROYED);
		CHECK_EQ(keyring_epoch_state(f.kr, next + KEYRING_SLOTS), EPOCH_ABSENT);
		CHECK_EQ(keyring_prepare(f.kr, E, E + 5), ST_OK);
		CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_DESTROYED);
		CHECK_EQ(keyring_epoch_state(f.kr, next), EPOCH_LIVE);
		fixture_close(&f);
		fixture_open(&f);
	}
	fixture_end(&f);
}

/* Seven days of epochs fall due at once: one pass, two syncs. */
TEST(a_week_of_epochs_goes_in_one_call)
{
	struct fixture f;
	size_t count = 0;
	enum { WEEK = 20160 };
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E + WEEK - 1), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, E + WEEK - 1, gone, MANY, &count), ST_OK);
	REQUIRE(count == WEEK);
	for (uint32_t i = 0; i < WEEK; i++)
		if (gone[i] != E + i)
			CHECK_EQ(gone[i], E + i);
	CHECK_EQ(keyring_oldest_live(f.kr) > E + WEEK - 1 || keyring_oldest_live(f.kr) == 0, 1);
	CHECK_EQ(disagreeing(f.kr), 0);
	fixture_end(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(prepare_makes_whole_blocks_and_is_idempotent),
		CHECK_TEST(prepare_refuses_senseless_ranges),
		CHECK_TEST(destroy_gives_the_oldest_first_and_at_most_max),
		CHECK_TEST(destroyed_leaves_no_trace_in_either_file_and_stays_destroyed),
		CHECK_TEST(live_epochs_survive_a_restart),
		CHECK_TEST(ring_wraps_but_never_over_a_live_slot),
		CHECK_TEST(passed_epochs_stay_destroyed_after_their_slots_are_reused),
		CHECK_TEST(a_week_of_epochs_goes_in_one_call),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
