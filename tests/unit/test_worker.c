/* test_worker.c - the pool with nothing to do, with a bell that rings in vain, and with a job.
 *
 * The test program is its own child, as in test_process_child.c.
 */
#include "worker.h"

#include "commit_fixture.h"
#include "process_child.h"

#include <sched.h>

/* Nothing here takes long; a machine that is busy gives it this long. */
enum { PATIENCE_MS = 60 * 1000, BUDGET_BYTES = 1 << 20 };

struct scene {
	struct world w;
	struct sandbox *sandbox;
	struct process *process;
	struct fetch *fetch;
	struct budget budget;
	struct worker_options options;
};

static void begin(struct scene *s)
{
	world_begin(&s->w);
	must(sandbox_open(&s->sandbox) == ST_OK);
	budget_init(&s->budget, "test.budget", BUDGET_BYTES);
	struct process_options process = { .keyring = s->w.keyring,
		.catalog = s->w.catalog,
		.commit = s->w.commit,
		.clock = s->w.clock,
		.sandbox = s->sandbox,
		.budget = &s->budget,
		.limits = { CHILD_MEMORY_MAX, CHILD_CPU_S, CHILD_WALL_MS, MIB(1) },
		.attempts_max = 3,
		.retry_ms = JOB_RETRY_MS };
	struct fetch_options fetch = { s->w.keyring, s->w.catalog, s->w.commit, s->w.clock };
	must(process_new(&process, &s->process) == ST_OK && fetch_new(&fetch, &s->fetch) == ST_OK);
	s->options = (struct worker_options){ .process = s->process,
		.fetch = s->fetch,
		.budget = &s->budget,
		.bell = commit_bell(s->w.commit),
		.threads = 3 };
}

static void end(struct scene *s)
{
	CHECK_EQ(budget_used(&s->budget), 0);
	fetch_free(s->fetch);
	process_free(s->process);
	budget_fini(&s->budget);
	sandbox_close(s->sandbox);
	world_end(&s->w);
}

static void check_no_job(struct scene *s)
{
	struct catalog_job job;
	CHECK_EQ(process_claim(s->process, &job), ST_NOT_FOUND);
}

TEST(a_pool_without_jobs_starts_and_stops)
{
	struct scene s;
	begin(&s);
	worker_stop(NULL, 0);
	for (uint32_t threads = 0; threads <= 4; threads += 2) {
		struct worker *pool = NULL;
		s.options.threads = threads;
		CHECK_EQ(worker_start(&s.options, &pool), ST_OK);
		worker_stop(pool, 0);
	}
	check_no_job(&s);
	end(&s);
}

static bool is_heard(struct queue *bell)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (queue_len(bell) > 0 && clock_monotonic_ms() < until)
		(void)sched_yield();
	return queue_len(bell) == 0;
}

TEST(a_bell_that_rings_for_no_image_is_heard_and_harms_nothing)
{
	enum { RINGS = 200 };
	struct scene s;
	struct queue *bell = NULL;
	struct worker *pool = NULL;
	struct catalog_stats stats;
	begin(&s);
	must(queue_new("test.bell", RINGS, &bell) == ST_OK);
	s.options.bell = bell;
	CHECK_EQ(worker_start(&s.options, &pool), ST_OK);
	for (uintptr_t number = 1; number <= RINGS; number++)
		CHECK_EQ(queue_offer(bell, (void *)(number * 1000003)), ST_OK);
	CHECK(is_heard(bell));
	worker_stop(pool, PATIENCE_MS);
	CHECK_EQ(catalog_stats(s.w.catalog, NULL, 0, NOW, &stats), ST_OK);
	CHECK_EQ(stats.images + stats.jobs_queued + stats.jobs_dead, 0);
	check_no_job(&s);
	queue_free(bell);
	end(&s);
}

/* What rang before it was stopped is still heard. */
TEST(a_bell_that_was_stopped_does_not_keep_the_pool)
{
	struct scene s;
	struct queue *bell = NULL;
	struct worker *pool = NULL;
	begin(&s);
	must(queue_new("test.bell", 4, &bell) == ST_OK);
	s.options.bell = bell;
	CHECK_EQ(queue_offer(bell, &s), ST_OK);
	queue_stop(bell);
	CHECK_EQ(worker_start(&s.options, &pool), ST_OK);
	CHECK(is_heard(bell));
	worker_stop(pool, 0);
	queue_free(bell);
	end(&s);
}

static enum catalog_state state_of(struct scene *s, const struct catalog_image *image)
{
	struct catalog_image row = { .state = CATALOG_RECEIVED };
	CHECK_EQ(catalog_find_image(s->w.catalog, image->id, &row), ST_OK);
	return row.state;
}

static enum catalog_state state_after_work(struct scene *s, const struct catalog_image *image)
{
	int64_t until = clock_monotonic_ms() + PATIENCE_MS;
	while (state_of(s, image) == CATALOG_RECEIVED && clock_monotonic_ms() < until)
		(void)sched_yield();
	return state_of(s, image);
}

/* One came before the pool, one is rung for; both are larger than the whole budget, and no pictures. */
TEST(each_job_is_run_in_a_child_and_finished)
{
	struct scene s;
	struct worker *pool = NULL;
	begin(&s);
	struct catalog_image before = put_image(&s.w, 1, BUDGET_BYTES + 1, HOUR);
	CHECK_EQ(state_of(&s, &before), CATALOG_RECEIVED);
	CHECK_EQ(worker_start(&s.options, &pool), ST_OK);
	struct catalog_image during = put_image(&s.w, 2, BUDGET_BYTES + 1, HOUR);
	CHECK_EQ(state_after_work(&s, &before), CATALOG_FAILED);
	CHECK_EQ(state_after_work(&s, &during), CATALOG_FAILED);
	worker_stop(pool, PATIENCE_MS);
	check_no_job(&s);
	end(&s);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_pool_without_jobs_starts_and_stops),
		CHECK_TEST(a_bell_that_rings_for_no_image_is_heard_and_harms_nothing),
		CHECK_TEST(a_bell_that_was_stopped_does_not_keep_the_pool),
		CHECK_TEST(each_job_is_run_in_a_child_and_finished),
	};
	if (argc > 1 && strcmp(argv[1], PROCESS_CHILD_COMMAND) == 0)
		return process_child_main();
	return check_run(tests, sizeof tests / sizeof *tests);
}
