/* sandbox.h - re-execute ourselves confined; hand over descriptors; kill in time.
 *
 * The child is this same binary started afresh (execveat of a descriptor opened
 * at start, so /proc is not needed), never a fork that goes on.  It gets an
 * image as a sealed memfd on fd 3 and writes its answer into a memfd on fd 4 whose
 * size is bounded.  Before it looks at one byte it is confined: descriptors
 * closed, rlimits, no new privileges, not dumpable, Landlock (where the kernel
 * has it), seccomp allow-list.  No keys, no network, no paths, no capability needed.
 * A crash, a hang or a refusal costs one attempt of one job.
 *
 * Threads: sandbox_run() from any thread; each call waits for its own child.
 */
#ifndef DARKROOM_SANDBOX_H
#define DARKROOM_SANDBOX_H

#include "buf.h"
#include "span.h"
#include "status.h"

struct sandbox; /* opaque: the executable's descriptor */

/* Opens our own executable; call once before any thread. */
enum status sandbox_open(struct sandbox **out) MUST_CHECK;
void sandbox_close(struct sandbox *s);

struct sandbox_limits {
	uint64_t memory_bytes;
	uint32_t cpu_s;
	int64_t wall_ms;
	uint64_t answer_bytes;
};

/* A child that could not get memory ends with this exit code. */
enum { SANDBOX_EXIT_NO_MEMORY = 77 };

enum sandbox_end { SANDBOX_EXITED, SANDBOX_CRASHED, SANDBOX_TIMED_OUT, SANDBOX_OUT_OF_MEMORY };

struct sandbox_outcome {
	enum sandbox_end end;
	int exit_code;
	int signal;
	int64_t wall_ms;
};

/* Runs `darkroom <command>` confined on `image_fd` (sealed memfd, borrowed) and
 * appends what it wrote to `answer`.  `stop_fd` (eventfd or -1, borrowed): when it becomes
 * readable the child is killed and the result is GONE.
 * OK: the child ran, whatever its end: see *outcome.  IO/FULL: it could not be started.
 * TOO_BIG: its answer passed limits->answer_bytes. */
struct sandbox_job {
	const char *command;
	int image_fd;
	int stop_fd;
	struct sandbox_limits limits;
};
enum status sandbox_run(struct sandbox *s, const struct sandbox_job *job, struct buf *answer,
	struct sandbox_outcome *outcome) MUST_CHECK;

/* In the child: confines this process for good; the first thing a child command does.
 * IO: seccomp could not be set, and the child must exit. */
enum status sandbox_confine(void) MUST_CHECK;
/* In the child: maps fd 3 whole. */
enum status sandbox_map_input(struct span *out) MUST_CHECK;
/* In the child: writes the answer to fd 4. */
enum status sandbox_write_answer(struct span answer) MUST_CHECK;

struct sandbox_features {
	int landlock_abi;
	bool has_seccomp;
	bool has_execveat;
};
/* What this kernel offers; for doctor and /healthz.  landlock_abi 0: none. */
struct sandbox_features sandbox_probe(void);

#endif
