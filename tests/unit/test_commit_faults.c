/* test_commit_faults.c - memory and disk that refuse: answered while nothing is kept, the end after. */
#include "commit_fixture.h"

#include <sys/wait.h>

enum { EXIT_ENDED = 70 };

TEST(no_memory_keeps_nothing)
{
	struct world w;
	struct catalog_stats stats;
	world_begin(&w);
	struct sample s = { .collection = 1, .seed = 1, .len = 1000, .keep_ms = HOUR };
	unsigned refused = 0;
	enum status st = ST_FULL;
	for (unsigned nth = 1; nth < 200 && st != ST_OK; nth++) {
		struct catalog_image made;
		struct commit_answer answer;
		w.fail_memory_at = nth;
		st = put_sample(&w, &s, &made, &answer);
		CHECK(st == ST_OK || (st == ST_FULL && w.has_failed));
		refused += st != ST_OK;
	}
	CHECK_EQ(st, ST_OK);
	CHECK(refused > 0);
	CHECK_EQ(catalog_stats(w.catalog, NULL, 0, NOW, &stats), ST_OK);
	CHECK_EQ(stats.images, 1);
	check_sound(&w);
	world_end(&w);
}

/* Runs `what` in a child on the world's directory; gives its exit code, 1 when it came back. */
static int end_of_child(struct world *w, void (*what)(struct world *))
{
	int status = 0;
	pid_t child = fork();
	must(child >= 0);
	if (child == 0) {
		log_configure(LOG_ERROR + 1, LOG_FORMAT_TEXT);
		world_open(w);
		(void)world_start(w);
		what(w);
		_exit(1);
	}
	must(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void fail_sync(struct world *w)
{
	struct sample s = { .collection = 1, .seed = 2, .len = 1000, .keep_ms = HOUR };
	struct catalog_image made;
	struct commit_answer answer;
	fault_arm(FAULT_SYNC, 1, EIO, true);
	(void)!put_sample(w, &s, &made, &answer);
}

/* What a sync said that failed can't be believed in either way: nobody is answered. */
TEST(failed_sync_ends_the_process)
{
	struct world w;
	world_begin(&w);
	struct catalog_image row = put_image(&w, 1, 1000, HOUR);
	world_stop(&w);
	CHECK_EQ(end_of_child(&w, fail_sync), EXIT_ENDED);
	world_open(&w);
	(void)world_start(&w);
	CHECK_EQ(read_back(&w, &row, 1), ST_OK);
	check_sound(&w);
	world_end(&w);
}

static struct catalog_image victim;

/* The first sync is the ERASE's batch; the second, of the overwritten key, fails. */
static void fail_erase(struct world *w)
{
	fault_arm(FAULT_SYNC, 2, EIO, true);
	(void)!commit_erase(w->commit, victim.id);
}

TEST(erase_that_fails_is_done_at_the_next_start)
{
	struct world w;
	struct catalog_image row;
	world_begin(&w);
	victim = put_image(&w, 1, 1000, HOUR);
	struct catalog_image other = put_image(&w, 2, 1000, HOUR);
	world_stop(&w);
	CHECK_EQ(end_of_child(&w, fail_erase), EXIT_ENDED);
	world_open(&w);
	struct commit_replay_report report = world_start(&w);
	CHECK_EQ(report.erases, 1);
	CHECK(is_key_zero(&w, &victim));
	CHECK_EQ(catalog_find_image(w.catalog, victim.id, &row), ST_NOT_FOUND);
	CHECK_EQ(read_back(&w, &victim, 1), ST_GONE);
	CHECK_EQ(read_back(&w, &other, 2), ST_OK);
	world_end(&w);
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(no_memory_keeps_nothing),
		CHECK_TEST(failed_sync_ends_the_process),
		CHECK_TEST(erase_that_fails_is_done_at_the_next_start),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
