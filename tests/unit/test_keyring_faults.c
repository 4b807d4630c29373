/* The n-th call of every kind fails, once or for ever: nothing is claimed that is not so, and afterwards
 * all goes on. */
#include "keyring_fixture.h"

#include "buf.h"
#include "fault.h"

#include "../../src/keyring/keyring_private.h"

#ifdef DARKROOM_FAULTS

static const enum fault every_kind[] = { FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_READ,
	FAULT_ALLOCATE_SPACE, FAULT_TRUNCATE, FAULT_RENAME, FAULT_UNLINK, FAULT_MEMORY, FAULT_RANDOM };
enum { KIND_COUNT = sizeof every_kind / sizeof *every_kind, TRIES_MAX = 1000 };

static void try_kind(bool (*attempt)(void *, enum fault, unsigned), void *argument, unsigned stride,
	enum fault kind, int error)
{
	for (int is_forever = 0; is_forever < 2; is_forever++) {
		unsigned n = 1;
		for (bool has_fired = true; has_fired && n < TRIES_MAX; n += stride) {
			fault_arm(kind, n, error, is_forever);
			has_fired = attempt(argument, kind, n);
		}
		CHECK(n < TRIES_MAX);
	}
}

/* Runs `attempt` with the n-th call of a kind failing, n growing by `stride` until a run ends unharmed. */
static void try_all(bool (*attempt)(void *, enum fault, unsigned), void *argument, unsigned stride)
{
	for (size_t k = 0; k < KIND_COUNT; k++)
		try_kind(attempt, argument, stride, every_kind[k],
			every_kind[k] == FAULT_WRITE ? ENOSPC : EIO);
	fault_disarm();
}

/* The same with what such a call answers otherwise. */
static void try_others(bool (*attempt)(void *, enum fault, unsigned), void *argument, unsigned stride)
{
	static const struct {
		enum fault kind;
		int error;
	} others[] = { { FAULT_OPEN, EMFILE }, { FAULT_WRITE, EIO }, { FAULT_SYNC, ENOSPC },
		{ FAULT_ALLOCATE_SPACE, ENOSPC }, { FAULT_RENAME, ENOSPC } };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		try_kind(attempt, argument, stride, others[i].kind, others[i].error);
	fault_disarm();
}

/* --- destroying --- */

struct destruction {
	struct fixture f;
	uint32_t next;
};

static bool holds(struct fixture *f, const uint8_t wrapped[12])
{
	bool is_found = false;
	for (int which = 0; which < 2; which++) {
		uint8_t *all = raw_all(f, which);
		is_found = is_found || memmem(all, KEYRING_FILE_BYTES, wrapped, 12);
		free(all);
	}
	return is_found;
}

static bool destroy_one(void *argument, enum fault kind, unsigned n)
{
	struct destruction *d = argument;
	uint32_t gone[2], epoch = d->next++;
	uint8_t slot[SLOT_BYTES];
	size_t count = 7;
	(void)kind, (void)n;
	raw_read(&d->f, 0, epoch, slot);
	enum status st = keyring_destroy_due(d->f.kr, epoch, gone, 2, &count);
	bool has_fired = fault_has_fired();
	fault_disarm();
	if (st == ST_OK) {
		CHECK_EQ(count, 1);
		CHECK_EQ(keyring_epoch_state(d->f.kr, epoch), EPOCH_DESTROYED);
		CHECK(!holds(&d->f, slot + 36));
	} else {
		CHECK_EQ(st, ST_IO);
		CHECK(has_fired);
		CHECK_EQ(count, 0);
		CHECK_EQ(keyring_epoch_state(d->f.kr, epoch), EPOCH_LIVE);
		CHECK_EQ(keyring_oldest_live(d->f.kr), epoch);
		CHECK_EQ(try_image(d->f.kr, epoch), ST_GONE);
		CHECK_EQ(keyring_destroy_due(d->f.kr, epoch, gone, 2, &count), ST_OK);
		CHECK_EQ(count, 1);
		CHECK_EQ(gone[0], epoch);
		CHECK(!holds(&d->f, slot + 36));
	}
	CHECK_EQ(keyring_epoch_state(d->f.kr, epoch + 1), EPOCH_LIVE);
	return has_fired;
}

TEST(destroyed_is_never_said_when_anything_failed)
{
	struct destruction d = { .next = E };
	fixture_begin(&d.f);
	fixture_open(&d.f);
	CHECK_EQ(keyring_prepare(d.f.kr, E, E_BLOCK_END), ST_OK);
	try_all(destroy_one, &d, 1);
	try_others(destroy_one, &d, 1);
	CHECK_EQ(disagreeing(d.f.kr), 0);
	fixture_end(&d.f);
}

/* The sync of b fails for ever; its neighbours are written again; the slot must not come back through
 * them. */
TEST(a_failed_destruction_is_not_undone_by_a_neighbour)
{
	struct fixture f;
	uint32_t gone[4];
	size_t count = 0;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E + 1, E_BLOCK_END), ST_OK);
	fault_arm(FAULT_SYNC, 2, EIO, true);
	CHECK_EQ(keyring_destroy_due(f.kr, E + 1, gone, 4, &count), ST_IO);
	fault_disarm();
	CHECK_EQ(keyring_prepare(f.kr, E, E), ST_OK);
	fixture_close(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 1), EPOCH_DESTROYED);
	CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_LIVE);
	CHECK_EQ(keyring_epoch_state(f.kr, E + 2), EPOCH_LIVE);
	fixture_end(&f);
}

/* Each mirror is read back: without that, neither of these reads would take place and fail. */
TEST(what_cannot_be_read_back_is_not_destroyed)
{
	struct fixture f;
	uint32_t gone[4];
	size_t count = 0;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	for (unsigned n = 1; n <= 2; n++) {
		fault_arm(FAULT_READ, n, EIO, false);
		CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 4, &count), ST_IO);
		CHECK(fault_has_fired());
		fault_disarm();
		CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_LIVE);
	}
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 4, &count), ST_OK);
	CHECK_EQ(count, 1);
	fixture_end(&f);
}

/* A disk that says yes and does nothing is caught by reading back. */
TEST(what_is_not_on_the_disk_is_not_believed)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	f.kr->changed[E % KEYRING_SLOTS] = 1;
	CHECK_EQ(mirrors_verify(&f.kr->mirrors, f.kr->image, f.kr->changed), ST_OK);
	uint8_t slot[SLOT_BYTES];
	raw_read(&f, 1, E, slot);
	slot[40] ^= 1;
	raw_write(&f, 1, E, slot);
	CHECK_EQ(mirrors_verify(&f.kr->mirrors, f.kr->image, f.kr->changed), ST_IO);
	f.kr->changed[E % KEYRING_SLOTS] = 0;
	fixture_end(&f);
}

/* --- preparing --- */

static bool prepare_one(void *argument, enum fault kind, unsigned n)
{
	struct destruction *d = argument;
	uint32_t epoch = d->next;
	(void)kind, (void)n;
	d->next += KEYRING_BLOCK;
	enum status st = keyring_prepare(d->f.kr, epoch, epoch + 1);
	bool has_fired = fault_has_fired();
	fault_disarm();
	if (st != ST_OK) {
		CHECK(has_fired);
		CHECK_EQ(keyring_epoch_state(d->f.kr, epoch), EPOCH_ABSENT);
		CHECK_EQ(try_image(d->f.kr, epoch), ST_GONE);
		CHECK_EQ(keyring_prepare(d->f.kr, epoch, epoch + 1), ST_OK);
	}
	CHECK_EQ(try_image(d->f.kr, epoch + 1), ST_OK);
	return has_fired;
}

static void check_preparing(
	void (*try_each)(bool (*)(void *, enum fault, unsigned), void *, unsigned))
{
	struct destruction d = { .next = E };
	fixture_begin(&d.f);
	fixture_open(&d.f);
	try_each(prepare_one, &d, 5);
	CHECK_EQ(disagreeing(d.f.kr), 0);
	fixture_close(&d.f);
	fixture_open(&d.f);
	CHECK_EQ(try_image(d.f.kr, E + 1), ST_OK);
	fixture_end(&d.f);
}

/* Each takes a block of epochs of its own; one keyring has not enough of them for both. */
TEST(an_epoch_is_live_only_when_nothing_failed)
{
	check_preparing(try_all);
	check_preparing(try_others);
}

/* --- making and opening a keyring --- */

static bool create_one(void *argument, enum fault kind, unsigned n)
{
	struct fixture *f = argument;
	(void)kind, (void)n;
	enum status st = keyring_create(&f->options);
	bool has_fired = fault_has_fired();
	fault_disarm();
	CHECK(has_fired || st == ST_OK);
	/* Nothing yet, or one mirror, or both: the next try makes or finds a whole keyring. */
	enum status again = keyring_create(&f->options);
	CHECK(again == ST_EXISTS || (again == ST_OK && st != ST_OK));
	struct keyring *kr = NULL;
	CHECK_EQ(keyring_open(&f->options, &kr), ST_OK);
	CHECK_EQ(disagreeing(kr), 0);
	keyring_close(kr);
	CHECK(unlinkat(f->dir_fd, "keyring.a", 0) == 0 && unlinkat(f->dir_fd, "keyring.b", 0) == 0);
	return has_fired;
}

TEST(creation_fails_whole_or_not_at_all)
{
	struct fixture f;
	fixture_begin(&f);
	CHECK(unlinkat(f.dir_fd, "keyring.a", 0) == 0 && unlinkat(f.dir_fd, "keyring.b", 0) == 0);
	try_all(create_one, &f, 67);
	try_others(create_one, &f, 67);
	must(keyring_create(&f.options) == ST_OK);
	fixture_end(&f);
}

static bool open_one(void *argument, enum fault kind, unsigned n)
{
	struct fixture *f = argument;
	struct keyring *kr = NULL;
	uint8_t slot[SLOT_BYTES];
	(void)kind, (void)n;
	raw_read(f, 0, E + 1, slot);
	memset(slot + 100, 0xa5, 300);
	raw_write(f, 1, E + 1, slot);
	enum status st = keyring_open(&f->options, &kr);
	bool has_fired = fault_has_fired();
	fault_disarm();
	CHECK(has_fired || st == ST_OK);
	CHECK(st != ST_CORRUPT && st != ST_MISMATCH);
	if (st == ST_OK)
		CHECK_EQ(disagreeing(kr), 0);
	else
		CHECK(!kr);
	keyring_close(kr);
	fixture_open(f);
	CHECK_EQ(try_image(f->kr, E), ST_OK);
	CHECK_EQ(try_image(f->kr, E + 1), ST_OK);
	fixture_close(f);
	return has_fired;
}

TEST(opening_fails_cleanly_or_repairs)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E_BLOCK_END), ST_OK);
	fixture_close(&f);
	try_all(open_one, &f, 31);
	try_others(open_one, &f, 31);
	fixture_end(&f);
}

static bool make_root(void *argument, enum fault kind, unsigned n)
{
	struct fixture *f = argument;
	char path[320];
	(void)snprintf(path, sizeof path, "%s/new.key", f->dir);
	enum status st = keyring_make_root_key(path);
	bool has_fired = fault_has_fired();
	fault_disarm();
	(void)kind, (void)n;
	CHECK(has_fired || st == ST_OK);
	CHECK_EQ(access(path, F_OK) == 0, st == ST_OK);
	if (st != ST_OK)
		CHECK_EQ(keyring_make_root_key(path), ST_OK);
	CHECK(unlink(path) == 0);
	return has_fired;
}

/* A short write is no failure: the rest follows, and the slot is whole. */
TEST(short_writes_are_continued)
{
	struct fixture f;
	uint32_t gone[2];
	size_t count = 0;
	fixture_begin(&f);
	fixture_open(&f);
	fault_arm(FAULT_SHORT_WRITE, 1, 0, true);
	CHECK_EQ(keyring_prepare(f.kr, E, E + 1), ST_OK);
	CHECK_EQ(keyring_destroy_due(f.kr, E, gone, 2, &count), ST_OK);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK_EQ(count, 1);
	CHECK_EQ(disagreeing(f.kr), 0);
	fixture_close(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_epoch_state(f.kr, E), EPOCH_DESTROYED);
	CHECK_EQ(try_image(f.kr, E + 1), ST_OK);
	fixture_end(&f);
}

TEST(a_root_key_file_is_whole_or_absent)
{
	struct fixture f;
	fixture_begin(&f);
	try_all(make_root, &f, 1);
	try_others(make_root, &f, 1);
	fixture_end(&f);
}

/* --- images --- */

static bool use_image(void *argument, enum fault kind, unsigned n)
{
	struct fixture *f = argument;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct image_key *key = NULL, *again = NULL;
	struct blob_key blob_key;
	struct blob_id blob_id;
	struct blob_cipher *c = NULL;
	struct buf sealed, out;
	uint8_t tag[CHUNK_TAG];
	(void)kind, (void)n;
	buf_init(&sealed, 1000), buf_init(&out, 1000);
	enum status st = keyring_new_image(f->kr, 7, keyring_epoch_due_ms(E), &id, wrapped, &key);
	st = st == ST_OK ? image_key_seal(key, "metadata", SPAN_LIT("x"), &sealed) : st;
	st = st == ST_OK ? keyring_open_image(f->kr, &id, wrapped, &again) : st;
	st = st == ST_OK ? image_key_open(again, "metadata", buf_span(&sealed), &out) : st;
	st = st == ST_OK ? keyring_wrap(f->kr, "receipt", SPAN_LIT("y"), &out) : st;
	st = st == ST_OK ? keyring_new_collection_key(f->kr, 7, wrapped) : st;
	st = st == ST_OK ? keyring_new_blob(&blob_key, &blob_id) : st;
	st = st == ST_OK ? blob_cipher_new(&blob_key, &blob_id, 0, &c) : st;
	st = st == ST_OK ? blob_cipher_seal(c, 0, span_make(NULL, 0), tag) : st;
	bool has_fired = fault_has_fired();
	fault_disarm();
	CHECK_EQ(st != ST_OK, has_fired);
	blob_cipher_free(c);
	image_key_release(key), image_key_release(again);
	buf_fini(&sealed), buf_fini(&out);
	CHECK_EQ(f->kr->handles_used, 0);
	return has_fired;
}

TEST(failures_while_sealing_leave_no_handle_behind)
{
	struct fixture f;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E), ST_OK);
	try_all(use_image, &f, 1);
	fixture_end(&f);
}

/* No memory for the set of revoked ids: the epoch is closed instead. */
TEST(revoking_without_memory_still_refuses)
{
	struct fixture f;
	struct image_id id;
	uint8_t wrapped[WRAPPED_KEY_BYTES];
	struct image_key *key = NULL;
	fixture_begin(&f);
	fixture_open(&f);
	CHECK_EQ(keyring_prepare(f.kr, E, E), ST_OK);
	CHECK_EQ(keyring_new_image(f.kr, 7, keyring_epoch_due_ms(E), &id, wrapped, &key), ST_OK);
	fault_arm(FAULT_MEMORY, 1, ENOMEM, true);
	keyring_revoke(f.kr, &id);
	fault_disarm();
	CHECK(!image_key_is_live(key));
	image_key_release(key);
	CHECK_EQ(keyring_open_image(f.kr, &id, wrapped, &key), ST_BUSY);
	CHECK_EQ(try_image(f.kr, E + 1), ST_OK);
	fixture_end(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(destroyed_is_never_said_when_anything_failed),
		CHECK_TEST(a_failed_destruction_is_not_undone_by_a_neighbour),
		CHECK_TEST(what_cannot_be_read_back_is_not_destroyed),
		CHECK_TEST(what_is_not_on_the_disk_is_not_believed),
		CHECK_TEST(an_epoch_is_live_only_when_nothing_failed),
		CHECK_TEST(creation_fails_whole_or_not_at_all),
		CHECK_TEST(opening_fails_cleanly_or_repairs),
		CHECK_TEST(short_writes_are_continued),
		CHECK_TEST(a_root_key_file_is_whole_or_absent),
		CHECK_TEST(failures_while_sealing_leave_no_handle_behind),
		CHECK_TEST(revoking_without_memory_still_refuses),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}

#else

int main(void)
{
	printf("0 passed, 0 failed\n");
	return 0;
}

#endif
