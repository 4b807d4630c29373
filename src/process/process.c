/* process.c - one attempt of one job. */
#include "poison.h"

#include "process.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "metrics.h"
#include "must.h"
#include "process_result.h"
#include "text.h"

enum { RUNNING_MAX = 256, REASON_MAX = 128 };

/* Exit codes of the child command; 65 is sysexits' EX_DATAERR. */
enum { CHILD_GOOD = 0, CHILD_UNDECODABLE = 65, CHILD_NO_MEMORY = 77 };

struct running {
	bool is_used;
	uint8_t id[CATALOG_ID];
	int stop_fd;
};

struct process {
	struct process_options options;
	struct lock lock; /* guards what follows */
	struct running running[RUNNING_MAX];
	bool is_stopping;
};

enum status process_new(const struct process_options *options, struct process **out)
{
	struct process *p = memory_alloc(sizeof *p);
	if (!p)
		return ST_FULL;
	p->options = *options;
	lock_init(&p->lock, "process.running");
	*out = p;
	return ST_OK;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	lock_fini(&p->lock);
	memory_free(p);
}

/* Leases and retries are about this machine's work, so they follow wall time, not scaled time. */
enum status process_claim(struct process *p, struct catalog_job *out)
{
	int64_t now = clock_wall_ms();
	return catalog_claim_job(
		p->options.catalog, now, now + p->options.limits.wall_ms + JOB_LEASE_MS, out);
}

/* Registers the job so that it can be cancelled; its eventfd in *stop_fd. */
static enum status enter(struct process *p, const uint8_t *id, struct running **out)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return ST_FULL;
	struct running *slot = NULL;
	lock_acquire(&p->lock);
	for (size_t i = 0; i < RUNNING_MAX && !slot && !p->is_stopping; i++)
		if (!p->running[i].is_used)
			slot = &p->running[i];
	if (slot) {
		*slot = (struct running){ .is_used = true, .stop_fd = fd };
		memcpy(slot->id, id, CATALOG_ID);
	}
	bool is_stopping = p->is_stopping;
	lock_release(&p->lock);
	if (!slot) {
		file_close(&fd);
		return is_stopping ? ST_STOPPED : ST_FULL;
	}
	*out = slot;
	return ST_OK;
}

static void leave(struct process *p, struct running *slot)
{
	lock_acquire(&p->lock);
	int fd = slot->stop_fd;
	slot->is_used = false;
	lock_release(&p->lock);
	file_close(&fd);
}

void process_cancel(struct process *p, const uint8_t *id)
{
	const uint64_t one = 1;
	lock_acquire(&p->lock);
	if (!id)
		p->is_stopping = true;
	for (size_t i = 0; i < RUNNING_MAX; i++) {
		struct running *r = &p->running[i];
		if (r->is_used && (!id || memcmp(r->id, id, CATALOG_ID) == 0))
			must(write(r->stop_fd, &one, sizeof one) == sizeof one);
	}
	lock_release(&p->lock);
}

static bool is_stopping(struct process *p)
{
	lock_acquire(&p->lock);
	bool answer = p->is_stopping;
	lock_release(&p->lock);
	return answer;
}

/* Costs one attempt: queued again after a wait that doubles, or, after the last, a RESULT that says
 * failed. */
static enum status fail_attempt(struct process *p, const struct catalog_job *job, const char *reason)
{
	metrics_add(METRIC_JOBS_FAILED, 1);
	log_event(LOG_WARN, "process.job.failed", LOG_I64("image", job->image_number),
		LOG_U64("attempt", job->attempts), LOG_TEXT("reason", reason));
	if (job->attempts >= p->options.attempts_max) {
		metrics_add(METRIC_JOBS_DEAD, 1);
		return process_commit_failure(&p->options, job, reason);
	}
	uint32_t doublings = job->attempts > 10 ? 10 : job->attempts;
	int64_t wait = p->options.retry_ms << (doublings > 0 ? doublings - 1 : 0);
	return catalog_fail_job(p->options.catalog, job->image_number, reason, clock_wall_ms() + wait, false);
}

/* This machine lacks something; the picture is not to blame, and it keeps its attempts. */
static enum status put_off(struct process *p, const struct catalog_job *job, enum status lack)
{
	int64_t again_at = clock_wall_ms() + p->options.retry_ms;
	enum status st = catalog_put_off_job(p->options.catalog, job->image_number, again_at);
	return st == ST_OK ? lack : st;
}

static bool is_lack(enum status st)
{
	return st == ST_FULL || st == ST_NO_SPACE || st == ST_BUSY;
}

/* What the child said of a picture that it could not decode; its text is outside data. */
static void clean_reason(struct span answer, char out[REASON_MAX])
{
	struct span said = span_slice(answer, 0, REASON_MAX - 1);
	if (said.len == 0 || !text_is_clean_utf8(said) || span_to_text(said, out, REASON_MAX) != ST_OK)
		(void)snprintf(out, REASON_MAX, "the picture cannot be decoded");
}

static enum status judge(struct process *p, const struct catalog_job *job,
	const struct sandbox_outcome *outcome, struct span answer)
{
	char reason[REASON_MAX];
	switch (outcome->end) {
	case SANDBOX_TIMED_OUT: return fail_attempt(p, job, "decoding took too long");
	case SANDBOX_OUT_OF_MEMORY: return fail_attempt(p, job, "decoding needed too much memory");
	case SANDBOX_CRASHED:
		(void)snprintf(reason, sizeof reason, "the decoder crashed (signal %d)", outcome->signal);
		return fail_attempt(p, job, reason);
	case SANDBOX_EXITED: break;
	}
	if (outcome->exit_code == CHILD_GOOD)
		return process_commit_success(&p->options, job, answer);
	if (outcome->exit_code == CHILD_NO_MEMORY)
		return fail_attempt(p, job, "decoding needed too much memory");
	if (outcome->exit_code == CHILD_UNDECODABLE) {
		clean_reason(answer, reason);
		metrics_add(METRIC_JOBS_FAILED, 1);
		return process_commit_failure(&p->options, job, reason);
	}
	(void)snprintf(reason, sizeof reason, "the decoder ended with exit code %d", outcome->exit_code);
	return fail_attempt(p, job, reason);
}

/* No child outlives its image: what is left of the image's time bounds the child's.  GONE: nothing is
 * left, or an erase came before the job was entered and found nobody to stop. */
static enum status bound_child(struct process *p, const struct catalog_job *job, struct sandbox_limits *io)
{
	struct catalog_image now;
	int64_t left = clock_real_ms_until(p->options.clock, job->image.expires_at);
	enum status st = catalog_find_image(p->options.catalog, job->image.id, &now);
	if (st == ST_NOT_FOUND || left == 0)
		return ST_GONE;
	if (left < io->wall_ms)
		io->wall_ms = left;
	return st;
}

static bool is_over(struct process *p, const struct catalog_job *job)
{
	return job->image.expires_at <= clock_now_ms(p->options.clock);
}

static enum status run_child(struct process *p, const struct catalog_job *job, int image_fd, int stop_fd)
{
	struct buf answer;
	struct sandbox_outcome outcome;
	struct sandbox_job child = { .command = "child-image",
		.image_fd = image_fd,
		.stop_fd = stop_fd,
		.limits = p->options.limits };
	enum status st = bound_child(p, job, &child.limits);
	if (st != ST_OK)
		return st;
	buf_init(&answer, p->options.limits.answer_bytes);
	st = sandbox_run(p->options.sandbox, &child, &answer, &outcome);
	if (is_over(p, job))
		st = ST_GONE;
	else if (st == ST_OK)
		st = judge(p, job, &outcome, buf_span(&answer));
	else if (st == ST_GONE)
		st = is_stopping(p) ? ST_STOPPED : ST_GONE;
	else if (!is_lack(st))
		st = fail_attempt(p, job,
			st == ST_TOO_BIG ? "the decoder wrote too much" : "the decoder could not be started");
	if (st == ST_INVALID)
		st = fail_attempt(p, job, "the decoder's answer makes no sense");
	buf_fini(&answer);
	return st;
}

enum status process_run(struct process *p, const struct catalog_job *job, int image_fd, enum status reading)
{
	struct running *slot = NULL;
	int64_t began = clock_monotonic_ms();
	if (reading == ST_GONE || reading == ST_NOT_FOUND)
		return ST_GONE;
	if (is_lack(reading))
		return put_off(p, job, reading);
	if (reading != ST_OK)
		return fail_attempt(p, job, "the stored image could not be read");
	enum status st = enter(p, job->image.id, &slot);
	if (is_lack(st))
		return put_off(p, job, st);
	if (st != ST_OK)
		return st;
	st = run_child(p, job, image_fd, slot->stop_fd);
	leave(p, slot);
	if (is_lack(st))
		st = put_off(p, job, st);
	metrics_observe_ms(METRIC_JOB_TIME, clock_monotonic_ms() - began);
	return st;
}
