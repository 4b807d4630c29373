/* process_result.h - from the end of an attempt to a committed RESULT. */
#ifndef DARKROOM_PROCESS_RESULT_H
#define DARKROOM_PROCESS_RESULT_H

#include "process.h"

/* Reads what the child wrote, seals its renditions and commits.
 * INVALID: the answer is no answer of ours.  GONE: the image was destroyed meanwhile. */
enum status process_commit_success(
	const struct process_options *o, const struct catalog_job *job, struct span answer) MUST_CHECK;

/* Commits a RESULT that says failed and why: the image is kept and visible. */
enum status process_commit_failure(
	const struct process_options *o, const struct catalog_job *job, const char *reason) MUST_CHECK;

#endif
