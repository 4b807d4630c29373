/* worker.c - the pool's threads. */
#include "poison.h"

#include "worker.h"

#include <stdatomic.h>
#include <stdio.h>

#include "clock.h"
#include "file.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "num.h"
#include "thread.h"

enum { POLL_MS = 500, BUDGET_WAIT_MS = 50, GRACE_STEP_MS = 20 };

struct worker {
	struct worker_options options;
	atomic_bool is_stopping;
	atomic_uint busy;
	struct thread *threads;
	uint32_t thread_count;
};

/* One that is larger than the whole budget, which may have been lowered since it came, waits for all of
 * it. */
static uint64_t charge_of(const struct worker *w, const struct catalog_job *job)
{
	return num_min(job->image.bytes, w->options.budget->total);
}

/* A picture's plaintext lies in memory while its child runs; waits until the budget has room. */
static bool wait_for_budget(struct worker *w, uint64_t bytes)
{
	while (budget_acquire(w->options.budget, bytes) != ST_OK) {
		if (atomic_load(&w->is_stopping))
			return false;
		clock_sleep_ms(BUDGET_WAIT_MS);
	}
	return true;
}

static enum status run_job(struct worker *w, const struct catalog_job *job)
{
	int image_fd = -1;
	uint64_t charge = charge_of(w, job);
	if (!wait_for_budget(w, charge))
		return ST_STOPPED;
	enum status reading = fetch_to_memfd(w->options.fetch, &job->image, &image_fd);
	enum status st = process_run(w->options.process, job, image_fd, reading);
	file_close(&image_fd);
	budget_release(w->options.budget, charge);
	return st;
}

/* True if there was a job. */
static bool work_once(struct worker *w)
{
	struct catalog_job job;
	enum status st = process_claim(w->options.process, &job);
	if (st == ST_NOT_FOUND)
		return false;
	if (st == ST_OK) {
		atomic_fetch_add(&w->busy, 1);
		st = run_job(w, &job);
		atomic_fetch_sub(&w->busy, 1);
	}
	if (st != ST_OK && st != ST_GONE && st != ST_STOPPED)
		log_event(LOG_WARN, "worker.job.unfinished", LOG_STATUS("status", st));
	/* A fault of disk or catalog would make this loop spin. */
	return st == ST_OK || st == ST_GONE;
}

static void work(void *argument)
{
	struct worker *w = argument;
	while (!atomic_load(&w->is_stopping)) {
		void *rung;
		if (work_once(w))
			continue;
		enum status st = queue_take(w->options.bell, POLL_MS, &rung);
		if (st == ST_STOPPED)
			clock_sleep_ms(BUDGET_WAIT_MS);
	}
}

enum status worker_start(const struct worker_options *options, struct worker **out)
{
	enum status st = ST_OK;
	struct worker *w = memory_alloc(sizeof *w);
	if (!w)
		return ST_FULL;
	w->options = *options;
	w->threads = memory_alloc_array(options->threads ? options->threads : 1, sizeof *w->threads);
	if (!w->threads)
		st = ST_FULL;
	for (uint32_t i = 0; st == ST_OK && i < options->threads; i++) {
		st = thread_start(&w->threads[i], "worker", work, w);
		w->thread_count += st == ST_OK;
	}
	if (st != ST_OK) {
		worker_stop(w, 0);
		return st;
	}
	*out = w;
	return ST_OK;
}

void worker_stop(struct worker *w, int64_t grace_ms)
{
	if (!w)
		return;
	int64_t deadline = clock_monotonic_ms() + grace_ms;
	atomic_store(&w->is_stopping, true);
	while (atomic_load(&w->busy) > 0 && clock_monotonic_ms() < deadline)
		clock_sleep_ms(GRACE_STEP_MS);
	process_cancel(w->options.process, NULL);
	for (uint32_t i = 0; i < w->thread_count; i++)
		thread_join(&w->threads[i]);
	memory_free(w->threads);
	memory_free(w);
}
