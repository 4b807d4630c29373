/* worker.h - thread pool: claim a job, run it in a sandboxed child, finish it.
 *
 * Threads sleep on the bell and look at the catalog every poll_ms anyway: the
 * row is the truth, the bell only saves waiting.
 */
#ifndef DARKROOM_WORKER_H
#define DARKROOM_WORKER_H

#include "fetch.h"
#include "process.h"
#include "queue.h"

struct worker; /* opaque: the pool */

struct worker_options {
	struct process *process;
	struct fetch *fetch;
	struct budget *budget;
	struct queue *bell;
	uint32_t threads;
};
enum status worker_start(const struct worker_options *options, struct worker **out) MUST_CHECK;
/* Lets jobs in hand finish for `grace_ms`, then kills their children (the jobs stay queued). */
void worker_stop(struct worker *w, int64_t grace_ms);

#endif
