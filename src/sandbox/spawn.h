/* spawn.h - starts this executable again with five descriptors and nothing else; internal to sandbox. */
#ifndef DARKROOM_SANDBOX_SPAWN_H
#define DARKROOM_SANDBOX_SPAWN_H

#include <sys/types.h>

#include "sandbox.h"

/* The child's descriptors. */
enum { CHILD_INPUT_FD = 3, CHILD_ANSWER_FD = 4, CHILD_FD_COUNT = 5 };

/* All descriptors are borrowed and at least CHILD_FD_COUNT, so that none is overwritten while they are
 * handed over. */
struct spawn {
	const char *command;
	int executable_fd, null_fd, input_fd, answer_fd, stderr_fd;
	struct sandbox_limits limits;
};

/* Gives the child's number; the caller reaps it.  IO or FULL, logged: nothing runs. */
enum status spawn_child(const struct spawn *spawn, pid_t *out) MUST_CHECK;

#endif
