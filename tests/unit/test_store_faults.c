/* Every call that can fail fails, once or from then on, at each of its turns; then the directory is
 * opened again.
 *
 * Each run is a process of its own, for a failed sync ends it.  What it was told
 * stands in shared memory: an entry answered OK must be there afterwards, one
 * answered with an error must not, one not answered may.
 */
#include "test_store.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fault.h"

enum { ENTRIES = 14, BODY = 9000, EXIT_QUIET = 3, EXIT_ENDED = 70 };

struct told {
	unsigned tried; /* entries submitted */
	enum status answers[ENTRIES];
	bool is_answered[ENTRIES];
	struct place at[ENTRIES];
	enum status erased, punched;
};

static struct told *told;

static void put_one(struct fixture *f, unsigned i)
{
	told->tried = i + 1;
	enum status st = fixture_put(f, i, BODY + i, &told->at[i]);
	told->answers[i] = st;
	told->is_answered[i] = true;
}

/* A store's life in small.  Whatever fails, it goes on as its callers would. */
static void live(struct fixture *f)
{
	uint64_t freed = 0;
	enum status st = fixture_start(f);
	for (unsigned i = 0; st == ST_OK && i < ENTRIES; i++) {
		put_one(f, i);
	}
	if (st == ST_OK) {
		(void)!store_roll(f->store);
		told->punched = store_punch(f->store, told->at[1], &freed);
		told->erased = store_erase_key(f->store, told->at[2]);
		(void)!store_drop(f->store, 1, &freed);
		(void)!store_set_state(f->store, SPAN_LIT("other"));
		(void)!store_roll(f->store);
	}
	if (f->store) {
		store_stop(f->store);
		store_close(f->store);
	}
}

/* EXIT_QUIET: the fault never fired. */
static int live_with(struct fixture *f, enum fault kind, unsigned nth, int error, bool is_forever)
{
	memset(told, 0, sizeof *told);
	told->erased = told->punched = ST_STOPPED;
	(void)fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		atomic_store(&check_failures, 0);
		fault_arm(kind, nth, error, is_forever);
		live(f);
		_exit(fault_has_fired() ? (atomic_load(&check_failures) ? 1 : 0) : EXIT_QUIET);
	}
	int status = -1;
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Counts the records of entries in the log. */
static size_t count_blobs(struct fixture *f, size_t *damaged)
{
	struct store_scan *scan = NULL;
	struct scan_batch b;
	size_t count = 0;
	enum status st = store_scan_open(f->store, (struct position){ 0, 0, 0 }, &scan);
	while (st == ST_OK && (st = store_scan_next(scan, &b)) == ST_OK) {
		*damaged += b.finding == SCAN_DAMAGED;
		for (size_t i = 0; i < b.record_count; i++) {
			count += b.records[i].kind == RECORD_BLOB;
		}
	}
	CHECK_EQ(st, ST_NOT_FOUND);
	store_scan_close(scan);
	return count;
}

static void check_told(struct fixture *f)
{
	size_t kept = 0, unanswered = 0, damaged = 0;
	static const uint8_t zeros[RECORD_KEY_MAX];
	struct store_head head;
	REQUIRE(fixture_open(f) == ST_OK);
	for (unsigned i = 0; i < told->tried; i++) {
		unanswered += !told->is_answered[i];
		if (!told->is_answered[i] || told->answers[i] != ST_OK) {
			continue;
		}
		kept++;
		CHECK_EQ(store_read_head(f->store, told->at[i], &head), ST_OK);
		CHECK_EQ(head.body_len, BODY + i);
		if (i == 2 && told->erased == ST_OK) {
			CHECK_BYTES(head.key, zeros, sizeof zeros);
		} else if (i != 2 && (i != 1 || told->punched == ST_STOPPED)) {
			CHECK(fixture_has(f, i, BODY + i, told->at[i]));
		}
	}
	size_t found = count_blobs(f, &damaged);
	CHECK(found >= kept && found <= kept + unanswered);
	CHECK_EQ(damaged, 0);
	/* And it works on. */
	struct place at;
	REQUIRE(store_start(f->store, SPAN_LIT("again")) == ST_OK);
	CHECK_EQ(fixture_put(f, 77, 100, &at), ST_OK);
	CHECK(fixture_has(f, 77, 100, at));
	CHECK_EQ(fixture_scan(f, (struct position){ 0, 0, 0 }).damaged, 0);
	fixture_stop(f);
}

/* A segment that nobody needs, and if wanted one that was being made when its process died. */
static void make_past(struct fixture *f, bool is_unmade)
{
	struct place at;
	REQUIRE(fixture_start(f) == ST_OK);
	CHECK_EQ(fixture_put_span(f, RECORD_IMAGE, span_make(NULL, 0), SPAN_LIT("past"), &at), ST_OK);
	fixture_stop(f);
	if (is_unmade) {
		int fd = fixture_segment(f, 2, O_WRONLY | O_CREAT);
		CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
		(void)close(fd);
	}
}

static void fail_at_every_turn(enum fault kind, int error, bool is_forever, bool may_end)
{
	for (unsigned nth = 1;; nth++) {
		struct fixture f;
		fixture_init_fast(&f);
		f.segment_bytes = KIB(64);
		make_past(&f, nth % 2 == 0);
		unsigned before = atomic_load(&check_failures);
		int exit_code = live_with(&f, kind, nth, error, is_forever);
		CHECK(exit_code == 0 || exit_code == EXIT_QUIET || (may_end && exit_code == EXIT_ENDED));
		check_told(&f);
		fixture_fini(&f);
		if (atomic_load(&check_failures) != before) {
			fprintf(stderr, "kind %d nth %u %s: exit %d\n", kind, nth,
				is_forever ? "for ever" : "once", exit_code);
			return;
		}
		if (exit_code == EXIT_QUIET) {
			CHECK(nth > 1);
			return;
		}
	}
}

static void fail_both_ways(enum fault kind, int error, bool may_end)
{
	fail_at_every_turn(kind, error, false, may_end);
	fail_at_every_turn(kind, error, true, may_end);
}

TEST(opens_fail)
{
	fail_both_ways(FAULT_OPEN, EMFILE, false);
}
TEST(opens_fail_with_the_disk)
{
	fail_both_ways(FAULT_OPEN, EIO, false);
}
TEST(reads_fail)
{
	fail_both_ways(FAULT_READ, EIO, false);
}
/* When a write fails and what it left cannot be cut either, the process ends. */
TEST(writes_fail)
{
	fail_both_ways(FAULT_WRITE, EIO, false);
}
TEST(writes_find_no_space)
{
	fail_both_ways(FAULT_WRITE, ENOSPC, false);
}
/* The rest is written by the next call: nothing is torn, and nobody is told of an error. */
TEST(writes_are_short)
{
	fail_both_ways(FAULT_SHORT_WRITE, 0, false);
}
TEST(syncs_fail)
{
	fail_both_ways(FAULT_SYNC, EIO, true);
}
TEST(syncs_find_no_space)
{
	fail_both_ways(FAULT_SYNC, ENOSPC, true);
}
TEST(reserving_fails)
{
	fail_both_ways(FAULT_ALLOCATE_SPACE, EIO, false);
}
TEST(reserving_finds_no_space)
{
	fail_both_ways(FAULT_ALLOCATE_SPACE, ENOSPC, false);
}
TEST(cuts_fail)
{
	fail_both_ways(FAULT_TRUNCATE, EIO, false);
}
TEST(unlinks_fail)
{
	fail_both_ways(FAULT_UNLINK, EIO, false);
}
TEST(memory_ends)
{
	fail_both_ways(FAULT_MEMORY, ENOMEM, false);
}
TEST(random_fails)
{
	fail_both_ways(FAULT_RANDOM, EIO, false);
}

TEST(a_full_disk_refuses_and_heals)
{
	struct fixture f;
	struct place at, kept;
	fixture_init_fast(&f);
	f.segment_bytes = KIB(64);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 30000, &kept), ST_OK);
	fault_arm(FAULT_ALLOCATE_SPACE, 1, ENOSPC, true);
	/* Needs a new segment: refused.  What still fits the open one is taken, also when the store says
	 * that it is full. */
	CHECK_EQ(fixture_put(&f, 2, 40000, &at), ST_NO_SPACE);
	CHECK_EQ(fixture_put(&f, 3, 100, &at), ST_OK);
	CHECK_EQ(at.segment, 1);
	CHECK_EQ(fixture_put(&f, 4, 40000, &at), ST_NO_SPACE);
	CHECK_EQ(store_roll(f.store), ST_NO_SPACE);
	CHECK_EQ(store_erase_key(f.store, kept), ST_OK);
	CHECK(fault_has_fired());
	fault_disarm();
	CHECK_EQ(fixture_put(&f, 5, 40000, &at), ST_OK);
	CHECK_EQ(at.segment, 2);
	struct tally t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.records, 5);
	CHECK_EQ(t.damaged, 0);
	fixture_fini(&f);
}

TEST(a_failed_write_leaves_the_segment_for_another)
{
	struct fixture f;
	struct place at;
	fixture_init_fast(&f);
	REQUIRE(fixture_start(&f) == ST_OK);
	CHECK_EQ(fixture_put(&f, 1, 100, &at), ST_OK);
	fault_arm(FAULT_WRITE, 1, EIO, false);
	CHECK_EQ(fixture_put(&f, 2, 100, &at), ST_OK);
	CHECK(fault_has_fired());
	CHECK_EQ(at.segment, 2);
	fault_arm(FAULT_WRITE, 1, EIO, true);
	CHECK_EQ(fixture_put(&f, 3, 100, &at), ST_IO);
	CHECK_EQ(fixture_put(&f, 4, 100, &at), ST_IO);
	fault_disarm();
	CHECK_EQ(fixture_put(&f, 5, 100, &at), ST_OK);
	CHECK_EQ(at.segment, 3);
	struct tally t = fixture_scan(&f, (struct position){ 0, 0, 0 });
	CHECK_EQ(t.records, 3 + 3);
	CHECK_EQ(t.damaged, 0);
	fixture_fini(&f);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_full_disk_refuses_and_heals),
		CHECK_TEST(a_failed_write_leaves_the_segment_for_another),
		CHECK_TEST(opens_fail),
		CHECK_TEST(opens_fail_with_the_disk),
		CHECK_TEST(reads_fail),
		CHECK_TEST(writes_fail),
		CHECK_TEST(writes_find_no_space),
		CHECK_TEST(writes_are_short),
		CHECK_TEST(syncs_fail),
		CHECK_TEST(syncs_find_no_space),
		CHECK_TEST(reserving_fails),
		CHECK_TEST(reserving_finds_no_space),
		CHECK_TEST(cuts_fail),
		CHECK_TEST(unlinks_fail),
		CHECK_TEST(memory_ends),
		CHECK_TEST(random_fails),
	};
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	return check_run(tests, sizeof tests / sizeof *tests);
}
