/* process.h - turn one claimed job into results.
 *
 * A job: the original in a sealed memfd (the worker opens it through fetch), a sandboxed child on it, a
 * check of what it wrote, sealed renditions, one RESULT.  What cannot be decoded becomes a RESULT too,
 * marked failed with a reason; a crash, hang or lack of memory costs one attempt and is tried again as the
 * policy says; after the last attempt a failed RESULT is committed.
 *
 * Threads: worker threads; one job each. */
#ifndef DARKROOM_PROCESS_H
#define DARKROOM_PROCESS_H

#include "budget.h"
#include "commit.h"
#include "sandbox.h"

struct process; /* opaque */
struct process_options {
	struct keyring *keyring;
	struct catalog *catalog;
	struct commit *commit;
	struct clock *clock;
	struct sandbox *sandbox;
	struct budget *budget;
	struct sandbox_limits limits;
	uint32_t attempts_max;
	int64_t retry_ms;
};
enum status process_new(const struct process_options *options, struct process **out) MUST_CHECK;
void process_free(struct process *p);

/* Claims the next job that is due.  NOT_FOUND: nothing is. */
enum status process_claim(struct process *p, struct catalog_job *out) MUST_CHECK;

/* Runs one attempt on `image_fd` (a sealed memfd of the original, borrowed; -1: it could not be read,
 * because of `reading`).  OK: the attempt ended, whatever its end, and the job's row says so.  GONE: the
 * image was destroyed meanwhile.
 * STOPPED: process_cancel(NULL) ended it; the job stays.  FULL, NO_SPACE, BUSY: this machine lacks
 * something; the job is put off. */
enum status process_run(
	struct process *p, const struct catalog_job *job, int image_fd, enum status reading) MUST_CHECK;

/* Kills the children that hold this image (an erase) or, with NULL, all of them (stop). */
void process_cancel(struct process *p, const uint8_t *id);

#endif
